"""The user's life, as far as it reaches chats and open sockets."""

from typing import Any

from django.apps import apps
from django.contrib.auth import get_user_model
from django.contrib.auth.signals import user_logged_out
from django.db import router
from django.db.models.signals import post_delete, post_save, pre_delete

from . import events, operations
from .logins import login_of_session


def connect() -> None:
    """For the site's users only: a receiver of every model would cost every model its fast delete."""
    user_logged_out.connect(close_sockets)
    for model in apps.get_models():
        if issubclass(model, get_user_model()):
            post_save.connect(recheck_sockets, sender=model)
        # A row that extends a user's may be deleted alone; where the user goes with it, Django says that too.
        if model._meta.concrete_model is get_user_model()._meta.concrete_model:
            pre_delete.connect(release_chats, sender=model)
            post_delete.connect(forget_user, sender=model)


def release_chats(instance: Any, using: str, **_: Any) -> None:
    """Messages stay, and chats keep an owner."""
    if _is_main(using):
        operations.release_user(user=instance)


def recheck_sockets(instance: Any, using: str, created: bool = False, update_fields: Any = None, **_: Any) -> None:
    """A password change and a deactivation end the user's sockets."""
    if _is_main(using) and not created and set(update_fields or ()) != {"last_login"}:
        events.user_changed(instance.pk)


def forget_user(instance: Any, using: str, **_: Any) -> None:
    """So does a deletion."""
    if _is_main(using):
        events.user_deleted(instance.pk)


def _is_main(database: str) -> bool:
    """Not an archive, say, in which other users may have the same keys."""
    return database == router.db_for_write(get_user_model())


def close_sockets(request: Any, **_: Any) -> None:
    """Sent before the session is flushed, while its key is still known."""
    session_key = getattr(getattr(request, "session", None), "session_key", None)
    if session_key:
        events.logged_out(login_of_session(session_key))
