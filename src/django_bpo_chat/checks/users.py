"""The user model, and what accounts need of it."""

from collections.abc import Iterator
from typing import Any

from django.contrib.auth import get_user_model
from django.core.checks import CheckMessage, Error, Tags
from django.core.checks import Warning as CheckWarning
from django.core.exceptions import FieldDoesNotExist
from django.db.models import NOT_PROVIDED, F, Field, UniqueConstraint
from django.db.models.functions import Lower
from django.utils.module_loading import import_string

from ..adapter import Adapter
from ..conf import DEFAULTS, chat_settings
from ..users import handle_field, is_email
from .sites import check, has_django_users, mounts

NEEDS_EMAIL = ["SignUpView", "LogInView", "RefreshView", "MeView"]


@check(Tags.models)
def check_user_model() -> Iterator[CheckMessage]:
    if not has_django_users():
        yield Error(
            f"{get_user_model()._meta.label} is no AbstractBaseUser.",
            hint="Let it inherit from django.contrib.auth.models.AbstractUser or AbstractBaseUser.",
            id="bpo_chat.E009",
        )


@check(Tags.models)
def check_handle() -> Iterator[CheckMessage]:
    if not has_django_users():
        return
    name = handle_field()
    field = user_field(name)
    place = f"{get_user_model()._meta.label}.{name}"
    if field is None or field.is_relation or field.null or not is_unique(field):
        fault = "does not exist" if field is None else "is no unique field that is filled for everybody"
        yield Error(
            f"{place} {fault}, so it cannot be the handle by which people are known.",
            hint='Name a field with unique=True and without null=True: BPO_CHAT = {"HANDLE_FIELD": "username"}.',
            id="bpo_chat.E005",
        )
    elif is_email(name):
        yield CheckWarning(
            f"{place} is the handle by which people are known, so everybody's email is shown to others.",
            hint='Name another unique field: BPO_CHAT = {"HANDLE_FIELD": "username"}.',
            id="bpo_chat.W002",
        )


@check(Tags.models, Tags.urls)
def check_accounts() -> Iterator[CheckMessage]:
    if not has_django_users():
        return
    if mounts(*NEEDS_EMAIL) and _email_field() is None:
        yield Error(
            f"Accounts are mounted, but {get_user_model()._meta.label} has no email field.",
            hint='Add email = models.EmailField(unique=True) and EMAIL_FIELD = "email" to it, '
            "or mount the chats alone: include('django_bpo_chat.api.urls').",
            id="bpo_chat.E008",
        )
    if mounts("SignUpView") and (names := _unfilled()):
        yield CheckWarning(
            f"Every sign-up is refused, since nothing fills what {get_user_model()._meta.label} requires: "
            f"{', '.join(names)}.",
            hint='Fill it in Adapter.new_user, or ask for it: BPO_CHAT = {"SERIALIZERS": {"sign_up": "…"}}.',
            id="bpo_chat.W003",
        )


@check(Tags.models, Tags.security, deploy=True)
def check_emails() -> Iterator[CheckMessage]:
    if not has_django_users() or not mounts("SignUpView"):
        return
    field = _email_field()
    if field is not None and not is_unique(field, but_blank=True):
        yield CheckWarning(
            f"{get_user_model()._meta.label}.{field.name} is not unique: two accounts may have one email.",
            hint=f"Add models.UniqueConstraint(Lower({field.name!r}), name='one_account_per_email') to its Meta. Where "
            "the model is not yours, add a unique index in a migration of your own, and silence this check.",
            id="bpo_chat.W014",
        )


def user_field(name: str) -> "Field[Any, Any] | None":
    try:
        field = get_user_model()._meta.get_field(name)
    except FieldDoesNotExist:
        return None
    return field if isinstance(field, Field) else None


def _email_field() -> "Field[Any, Any] | None":
    return user_field(get_user_model().get_email_field_name())


def is_unique(field: "Field[Any, Any]", *, but_blank: bool = False) -> bool:
    """By itself, or by a constraint on it or its lower case. ``but_blank`` takes one that only looks at this field, and
    so may leave out those that are blank."""
    if field.unique:
        return True
    conditions = {None, frozenset([field.name])} if but_blank else {None}
    return any(
        isinstance(each, UniqueConstraint) and _is_on(each, field.name) and _condition_fields(each) in conditions
        for each in field.model._meta.constraints
    )


def _is_on(constraint: UniqueConstraint, name: str) -> bool:
    return constraint.fields == (name,) or list(constraint.expressions) in ([F(name)], [Lower(name)])


def _condition_fields(constraint: UniqueConstraint) -> frozenset[str] | None:
    return None if constraint.condition is None else frozenset(constraint.condition.referenced_base_fields)


def _unfilled() -> list[str]:
    """What a sign-up would have to fill and does not, where no code of the site may do so either."""
    default = import_string(DEFAULTS["SERIALIZERS"]["sign_up"])
    if chat_settings.adapter_class.new_user is not Adapter.new_user or chat_settings.serializer("sign_up") != default:
        return []
    user_model = get_user_model()
    filled = {user_model.USERNAME_FIELD, handle_field(), user_model.get_email_field_name()}
    return [name for name in user_model.REQUIRED_FIELDS if name not in filled and not _fills_itself(name)]


def _fills_itself(name: str) -> bool:
    field = user_field(name)
    return field is None or field.blank or field.has_default() or field.db_default is not NOT_PROVIDED
