"""The input of the account views, and the shapes of their answers."""

from typing import Any

from django.utils.translation import gettext_lazy as _
from rest_framework import serializers

from ..serializers import Data, TextField
from ..shapes import HANDLE, Shape

PASSWORD_LENGTH = 128
"""The longest password that is hashed. Hashing takes time with length, and anybody may ask for it."""


class SignUpInput(serializers.Serializer[Any]):
    username = TextField(allow_blank=False, help_text="How others know one.")
    email = serializers.EmailField()
    password = TextField(allow_blank=False, max_length=PASSWORD_LENGTH)
    password2 = TextField(allow_blank=False, max_length=PASSWORD_LENGTH, help_text="The same once more.")

    def validate(self, attrs: Data) -> Data:
        if attrs["password"] != attrs.pop("password2"):
            raise serializers.ValidationError({"password2": _("The two passwords differ.")})
        return attrs


class LogInInput(serializers.Serializer[Any]):
    email = TextField(allow_blank=False)
    password = TextField(allow_blank=False, max_length=PASSWORD_LENGTH)


class RefreshTokenInput(serializers.Serializer[Any]):
    refresh = TextField(allow_blank=False)


# Answers


class Account(Shape):
    """The caller's own account."""

    example = {"username": "wali", "email": "wali@email.com"}

    username = TextField(help_text=HANDLE)
    email = TextField(help_text="Empty where there is none.")


class TokenPair(Shape):
    """The tokens of a log-in."""

    example = {"access": "eyJhbGciOiJIUzI1NiJ9.e30.access", "refresh": "eyJhbGciOiJIUzI1NiJ9.e30.refresh"}

    access = TextField(help_text="For `Authorization: Bearer`.")
    refresh = TextField(help_text="For new tokens, when the access token has expired.")


class FreshTokens(TokenPair):
    """What a refresh returns."""

    refresh = TextField(required=False, help_text="There where refresh tokens rotate: the used one is dead.")


class SignedUp(TokenPair):
    """A new account, and the tokens of its first log-in."""

    example = {"user": Account.example, **TokenPair.example}

    user = Account()
