"""bcrypt at the cost of the run."""

from django.conf import settings
from django.contrib.auth.hashers import BCryptSHA256PasswordHasher


class Bcrypt(BCryptSHA256PasswordHasher):
    rounds = settings.COST
