"""The input of the account views."""

from typing import Any

from django.utils.translation import gettext_lazy as _
from rest_framework import serializers

from ..serializers import Data, TextField

PASSWORD_LENGTH = 128
"""The longest password that is hashed. Hashing takes time with length, and anybody may ask for it."""


class SignUpInput(serializers.Serializer[Any]):
    username = TextField(allow_blank=False)
    email = serializers.EmailField()
    password = TextField(allow_blank=False, max_length=PASSWORD_LENGTH)
    password2 = TextField(allow_blank=False, max_length=PASSWORD_LENGTH)

    def validate(self, attrs: Data) -> Data:
        if attrs["password"] != attrs.pop("password2"):
            raise serializers.ValidationError({"password2": _("The two passwords differ.")})
        return attrs


class LogInInput(serializers.Serializer[Any]):
    email = TextField(allow_blank=False)
    password = TextField(allow_blank=False, max_length=PASSWORD_LENGTH)


class RefreshTokenInput(serializers.Serializer[Any]):
    refresh = TextField(allow_blank=False)
