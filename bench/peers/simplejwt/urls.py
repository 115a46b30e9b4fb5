"""The calls: those of simplejwt, and a protected one."""

from django.urls import path
from rest_framework.decorators import api_view
from rest_framework.response import Response
from rest_framework_simplejwt.views import TokenBlacklistView, TokenObtainPairView, TokenRefreshView


@api_view(["GET"])
def profile(request):
    name = request.user.username
    return Response({"message": f"Welcome, {name}! This is protected data.", "user": {"username": name}})


urlpatterns = [
    path("api/token/", TokenObtainPairView.as_view()),
    path("api/token/refresh/", TokenRefreshView.as_view()),
    path("api/token/blacklist/", TokenBlacklistView.as_view()),
    path("api/profile/", profile),
]
