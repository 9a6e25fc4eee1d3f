"""The site's users: their type, whatever model they are, and the handles by which others know them."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, overload

from django.contrib.auth import get_user_model
from django.core.exceptions import FieldDoesNotExist, ValidationError
from django.db import router
from django.db.models import EmailField, QuerySet

from .conf import chat_settings

if TYPE_CHECKING:
    from django.contrib.auth.models import _User as User
else:
    from django.contrib.auth.models import AbstractBaseUser as User

__all__ = [
    "User",
    "active",
    "email",
    "handle",
    "handle_field",
    "is_email",
    "rows_of_users",
    "stored_users",
    "users_with_handles",
]


def handle_field() -> str:
    """``BPO_CHAT["HANDLE_FIELD"]``, else ``USERNAME_FIELD``; where that is the email, a unique ``username`` field if
    there is one, else the primary key."""
    user_model = get_user_model()
    if chat_settings.handle_field:
        return chat_settings.handle_field
    if not is_email(user_model.USERNAME_FIELD):
        return user_model.USERNAME_FIELD
    try:
        is_name = getattr(user_model._meta.get_field("username"), "unique", False) and not is_email("username")
    except FieldDoesNotExist:
        is_name = False
    return "username" if is_name else user_model._meta.pk.name


def is_email(name: str) -> bool:
    """Whether this field of the user model holds emails: the model says so, or it is made for them."""
    user_model = get_user_model()
    return name == user_model.get_email_field_name() or isinstance(user_model._meta.get_field(name), EmailField)


@overload
def handle(user: User) -> str: ...
@overload
def handle(user: None) -> None: ...
def handle(user: User | None) -> str | None:
    """``username`` on the wire; nobody has none."""
    return None if user is None else str(getattr(user, handle_field()))


def email(user: User) -> str:
    """Empty where there is none."""
    return str(getattr(user, user.get_email_field_name()) or "")


def stored_users() -> "QuerySet[User]":
    """All users, from the database that is written to."""
    user_model = get_user_model()
    return user_model._default_manager.using(router.db_for_write(user_model))


def rows_of_users() -> "QuerySet[User]":
    """Likewise, as they stand in their own table, whatever the site's manager joins, counts or leaves out."""
    user_model = get_user_model()
    return QuerySet(user_model, using=router.db_for_write(user_model)).order_by()


def active(users: "QuerySet[User]") -> "QuerySet[User]":
    """Those of them who are active, from the database that is written to; with a model that stores nothing of the kind
    all are, as Django has it."""
    users = users.using(router.db_for_write(users.model))
    is_stored = any(field.name == "is_active" for field in users.model._meta.concrete_fields)
    return users.filter(is_active=True) if is_stored else users


def users_with_handles(handles: Iterable[str]) -> list[User]:
    """Those of these handles that are somebody's, as they are written."""
    names = {each for each in handles if _may_be_handle(each)}
    # A column that is no text takes more than one spelling of a value, and so may a text's collation.
    return [user for user in stored_users().filter(**{f"{handle_field()}__in": names}) if handle(user) in names]


def _may_be_handle(name: str) -> bool:
    """What cannot be one must not reach the database: a NUL, half a character, no number where they are numbers."""
    field: Any = get_user_model()._meta.get_field(handle_field())
    try:
        name.encode()
        value = field.to_python(name)
        if not isinstance(value, str):
            field.run_validators(value)
    except (ValidationError, UnicodeEncodeError):
        return False
    return "\0" not in name
