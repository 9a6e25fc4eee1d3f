from typing import ClassVar

from django.contrib.auth.models import AbstractUser
from django.contrib.auth.validators import UnicodeUsernameValidator
from django.db import models


class User(AbstractUser):
    username = None  # type: ignore[assignment]  # as Django's documentation has it
    email = models.EmailField(unique=True)
    nickname = models.CharField(max_length=150, unique=True, validators=[UnicodeUsernameValidator()])
    full_name = models.CharField(max_length=150)

    USERNAME_FIELD = "email"
    REQUIRED_FIELDS: ClassVar = ["nickname", "full_name"]
