"""Access and refresh tokens: simplejwt's, tied to a log-in (``sid``) and to the password (``stamp``)."""

from types import SimpleNamespace
from typing import Any, cast
from uuid import uuid4

from django.contrib.auth import get_user_model
from django.core.exceptions import ValidationError
from rest_framework_simplejwt.authentication import JWTAuthentication
from rest_framework_simplejwt.exceptions import AuthenticationFailed, InvalidToken
from rest_framework_simplejwt.tokens import RefreshToken, Token

from .logins import current_stamps, password_stamp
from .users import User, stored_users

LOGIN_CLAIM = "sid"
STAMP_CLAIM = "stamp"


def new_refresh_token(user: User) -> RefreshToken:
    """The refresh token of a new log-in; its ``access_token`` carries the same claims."""
    token: RefreshToken = RefreshToken.for_user(user)
    token[LOGIN_CLAIM] = uuid4().hex
    token[STAMP_CLAIM] = password_stamp(user)
    return token


class BearerAuthentication(JWTAuthentication):
    """simplejwt's authentication that also refuses tokens from before a password change.

    A token that the site has minted elsewhere carries no stamp and is taken as simplejwt takes it.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # Where simplejwt looks its users up: not on a replica that may not have heard yet of a new password.
        self.user_model: Any = SimpleNamespace(objects=stored_users(), DoesNotExist=get_user_model().DoesNotExist)

    def get_user(self, validated_token: Token) -> User:  # type: ignore[override]
        try:
            user: Any = super().get_user(validated_token)
        except (
            TypeError,
            ValueError,
            OverflowError,
            ValidationError,
        ) as error:  # no user id of this site
            raise InvalidToken from error
        stamp: Any = validated_token.get(STAMP_CLAIM)
        if stamp is not None and stamp not in current_stamps(user):
            raise AuthenticationFailed(code="password_changed")
        return cast("User", user)
