"""The user's life, as far as it reaches chats and open sockets."""

from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.signals import user_logged_out
from django.db.models.signals import post_delete, post_save, pre_delete
from django.dispatch import receiver

from . import events, operations
from .logins import session_login


@receiver(pre_delete)
def release_chats(sender: type, instance: Any, **_: Any) -> None:
    """Messages stay, and chats keep an owner."""
    if issubclass(sender, get_user_model()):
        operations.release_user(user=instance)


@receiver(post_save)
@receiver(post_delete)
def recheck_sockets(sender: type, instance: Any, created: bool = False, update_fields: Any = None, **_: Any) -> None:
    """A password change, a deactivation and a deletion end the user's sockets."""
    if issubclass(sender, get_user_model()) and not created and set(update_fields or ()) != {"last_login"}:
        events.user_changed(instance.pk)


@receiver(user_logged_out)
def close_sockets(request: Any, **_: Any) -> None:
    """Sent before the session is flushed, while its key is still known."""
    session_key = getattr(getattr(request, "session", None), "session_key", None)
    if session_key:
        events.logged_out(session_login(session_key))
