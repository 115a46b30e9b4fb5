"""Makes the database in the working directory, and people in it without a hash for each: the one is everybody's.

On standard input: {"people", "password", "cost"}. Prints a line for each of them."""

import json
import os
import secrets
import sys
from pathlib import Path

wanted = json.load(sys.stdin)
settings = Path("settings.json")
settings.touch(mode=0o600)
settings.write_text(json.dumps({"secret": secrets.token_hex(32), "cost": wanted["cost"]}))
os.environ["DJANGO_SETTINGS_MODULE"] = "settings"

import django  # noqa: E402: it reads the settings

django.setup()

from django.contrib.auth.hashers import make_password  # noqa: E402
from django.contrib.auth.models import User  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.db import transaction  # noqa: E402
from rest_framework_simplejwt.tokens import RefreshToken  # noqa: E402

call_command("migrate", verbosity=0)
hashed = make_password(wanted["password"])
names = [f"person{number:07}" for number in range(wanted["people"])]
with transaction.atomic():
    users = User.objects.bulk_create([User(username=name, password=hashed) for name in names])
    for user in users:
        refresh = RefreshToken.for_user(user)
        made = {"username": user.username, "access": str(refresh.access_token), "refresh": str(refresh)}
        print(json.dumps(made))
