"""What the account views do, on Django's authentication and simplejwt's tokens."""

import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from string import ascii_lowercase, ascii_uppercase
from typing import Any
from uuid import uuid4

from django.apps import apps
from django.contrib.auth import authenticate, get_user_model
from django.contrib.auth.models import update_last_login
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.db import DatabaseError, IntegrityError, router, transaction
from django.db.models import Field, IntegerField, Value
from django.db.models.functions import Lower
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from rest_framework.exceptions import AuthenticationFailed
from rest_framework_simplejwt.exceptions import TokenError
from rest_framework_simplejwt.settings import api_settings
from rest_framework_simplejwt.tokens import RefreshToken

from .. import events
from ..adapter import get_adapter
from ..exceptions import DATABASE_AWAY, Invalid, NotAuthenticated
from ..locks import lock_first, queue
from ..rates import spend
from ..tokens import LOGIN_CLAIM, BearerAuthentication, new_refresh_token
from ..users import User, handle, handle_field, rows_of_users, stored_users

TAKEN = _("This is taken already.")
ASCII_LOWER = str.maketrans(ascii_uppercase, ascii_lowercase)
SIGN_UP_LOCK = 0x62706F_63686174  # "bpochat" in ASCII: an advisory lock's key, shared by all processes of a site


def sign_up(*, username: str, email: str, password: str, **extra: Any) -> tuple[User, RefreshToken]:
    """A new user and the tokens of their first log-in. Raises ``Invalid`` with what is wrong in each field of the API,
    and, by their own names, in those fields of the model that only the adapter fills.

    ``extra`` is what the site's own sign-up serializer asks for; the adapter makes of it what it likes.

    Names and emails are taken whatever the ASCII case and the Unicode form they are written in. The column need not
    be unique for that: sign-ups check and save one after the other. The password is hashed before they queue.
    """
    written = {"username": username, "email": email}
    user = get_adapter().new_user(_normalized(username), _normalized(email), **extra)
    _validate(user, password)
    user.set_password(password)
    database = router.db_for_write(type(user))
    try:
        with transaction.atomic(using=database):
            queue(SIGN_UP_LOCK, database)
            _check_free(user, written)
            user.save(using=database, force_insert=True)  # never over somebody's row
            return user, new_refresh_token(user)
    except IntegrityError:  # taken in this moment by some other part of the site, or by its own idea of equal
        _check_free(user, written)
        raise Invalid({"non_field_errors": [TAKEN]}) from None


def log_in(request: HttpRequest, *, email: str, password: str) -> RefreshToken:
    """The tokens of a new log-in. Raises ``NotAuthenticated``, after the same work whatever was wrong, and
    ``Throttled``, for emails that are nobody's too."""
    spend("log_in", _folded(email))
    known = _user_with(email)
    username = known.get_username() if known else _nobodys_name()
    user = authenticate(request, **{get_user_model().USERNAME_FIELD: username, "password": password})
    if user is None or known is None or user.pk != known.pk or not api_settings.USER_AUTHENTICATION_RULE(user):
        raise NotAuthenticated(_("No active account has this email and password."))
    with _account_that_lasts(user):
        if api_settings.UPDATE_LAST_LOGIN:
            update_last_login(type(user), user)
        return new_refresh_token(user)


def refresh(raw_token: str) -> dict[str, str]:
    """A new access token, and where rotation is on a new refresh token in the place of the used one.

    Raises ``NotAuthenticated``. Of several uses of one rotating token at the same moment one gets through.
    """
    token, user = _live_token(raw_token)
    if not api_settings.ROTATE_REFRESH_TOKENS:
        return {"access": str(token.access_token)}
    successor, _user = _live_token(raw_token)
    successor.set_jti()
    successor.set_exp()
    successor.set_iat()
    # In one transaction, so that a failure leaves the old one alive.
    database = router.db_for_write(get_user_model())
    with _account_that_lasts(user), transaction.atomic(using=database):
        lock_first(database)
        successor.outstand()
        if api_settings.BLACKLIST_AFTER_ROTATION:
            _retire(token)
    return token_pair(successor)


def log_out(raw_token: str) -> None:
    """End a log-in: its refresh token is dead, its sockets close. Raises ``NotAuthenticated``."""
    token, _user = _live_token(raw_token)
    _retire(token)
    if LOGIN_CLAIM in token:
        events.logged_out(token[LOGIN_CLAIM])


def token_pair(token: RefreshToken) -> dict[str, str]:
    return {"access": str(token.access_token), "refresh": str(token)}


@contextmanager
def _account_that_lasts(user: User) -> Iterator[None]:
    """Around writes for an account that may be deleted at the same moment. Raises ``NotAuthenticated`` then."""
    try:
        yield
    except DatabaseError as error:  # a foreign key, or an update of a row that has gone
        if isinstance(error, DATABASE_AWAY) or rows_of_users().filter(pk=user.pk).exists():
            raise
        raise NotAuthenticated from error


def _validate(user: User, password: str) -> None:
    errors: dict[str, list[Any]] = {}
    name = handle(user)
    if name in {".", ".."} or "/" in name:  # which is not one part of a URL
        errors["username"] = [_("This cannot be a name.")]
    try:
        user.clean_fields(exclude={field.name for field in user._meta.fields if not _is_filled(user, field)})
    except ValidationError as error:
        names = _wire_names()
        errors.update({names.get(field, field): texts for field, texts in error.message_dict.items()})
    try:
        validate_password(password, user)
    except ValidationError as error:
        errors["password"] = error.messages
    if errors:
        raise Invalid(errors)


def _is_filled(user: User, field: "Field[Any, Any]") -> bool:
    """Whether a sign-up has to fill this field, or does. The model answers for its own defaults."""
    if field.name in {*_wire_names(), *user.REQUIRED_FIELDS}:
        return True
    return not field.generated and field.value_from_object(user) != field.get_default()


def _wire_names() -> dict[str, str]:
    """The model's fields for the names of a sign-up, each with what a client calls it."""
    user_model = get_user_model()
    names = {user_model.USERNAME_FIELD: "username", handle_field(): "username"}
    return {**names, user_model.get_email_field_name(): "email"}


def _check_free(user: User, written: dict[str, str]) -> None:
    taken = {
        name: [TAKEN]
        for field, name in _wire_names().items()
        if _users_called(field, getattr(user, field), written[name])
    }
    if taken:
        raise Invalid(taken)


def _users_called(field: str, value: Any, written: str) -> list[User]:
    """Rows that no sign-up has written may hold the value as it was ``written``, or in any other form of Unicode.

    The database's idea of case is wider than ASCII on PostgreSQL; what is the same is decided here.
    """
    if not isinstance(value, str):
        return [] if value is None else list(stored_users().filter(**{field: value}))
    spellings = [Lower(Value(each)) for each in sorted(_spellings(value) | _spellings(written))]
    found = stored_users().alias(lower=Lower(field)).filter(lower__in=spellings)
    return [user for user in found if _folded(getattr(user, field)) == _folded(value)]


def _spellings(text: str) -> set[str]:
    return {text, _normalized(text), *(unicodedata.normalize(form, text) for form in ("NFC", "NFD", "NFKD"))}


def _folded(text: str) -> str:
    return _normalized(text).translate(ASCII_LOWER)


def _normalized(text: str) -> str:
    return unicodedata.normalize("NFKC", text).strip()


def _user_with(email: str) -> User | None:
    """The one user of this email. Of several old accounts that differ in case or form only, the one written like this.

    Where several are written like this, nobody: the email does not tell who asks, and nobody shall get into another's
    account because a password fits there too. The site has to give one of them another email.
    """
    field = get_user_model().get_email_field_name()
    normalized = _normalized(email)
    found = _users_called(field, normalized, email) if normalized else []
    if len(found) > 1:
        found = _spelled(found, field, email) or _spelled(found, field, normalized)
    return found[0] if len(found) == 1 else None


def _spelled(users: list[User], field: str, text: str) -> list[User]:
    return [user for user in users if getattr(user, field) == text]


def _nobodys_name() -> str:
    """For the site's backends to look for, of the kind that names are."""
    is_number = isinstance(get_user_model()._meta.get_field(get_user_model().USERNAME_FIELD), IntegerField)
    return "0" if is_number else uuid4().hex


def _live_token(raw_token: str) -> tuple[RefreshToken, User]:
    """The token, and whose it is. Raises ``NotAuthenticated``."""
    try:
        token = RefreshToken(raw_token)  # type: ignore[arg-type]  # simplejwt says Token, and takes text
        _check_alive(token)
        user = BearerAuthentication().get_user(token)
    except (TokenError, AuthenticationFailed, KeyError) as error:  # simplejwt takes the id for granted
        raise NotAuthenticated from error
    if not api_settings.USER_AUTHENTICATION_RULE(user):
        raise NotAuthenticated
    return token, user


def _check_alive(token: RefreshToken) -> None:
    """simplejwt asks a replica, if there is one, which may not have heard of a log-out."""
    if hasattr(token, "check_blacklist"):
        blacklisted = apps.get_model("token_blacklist", "BlacklistedToken")._default_manager
        retired = blacklisted.using(router.db_for_write(blacklisted.model))
        if retired.filter(token__jti=token[api_settings.JTI_CLAIM]).exists():
            raise NotAuthenticated


def _retire(token: RefreshToken) -> None:
    """Raises ``NotAuthenticated`` for all but the first. Without simplejwt's blacklist app, of which a check warns,
    nothing happens."""
    if hasattr(token, "blacklist"):
        blacklisted: Any = token.blacklist()  # annotated as the row, but it is what get_or_create() returns
        if not blacklisted[1]:
            raise NotAuthenticated
