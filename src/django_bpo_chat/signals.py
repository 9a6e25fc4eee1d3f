"""What happened in a chat, for the site's own code. Each signal is sent once its change is committed.

A receiver that fails is logged by Django and hurts nobody. Receivers run in the thread of the request, or of the
socket's frame, right after the live update has left: what takes long belongs into a task. Besides ``sender``, the
model's class, each signal carries ``chat``, the :class:`~django_bpo_chat.models.Chat`, and ``actor``, the user who
did it, or None where that was the site itself: the admin, a command, a task, and where a deleted account leaves a chat
without its owner.
"""

from django.dispatch import Signal

chat_started = Signal()
"""From ``Chat``, with ``members``: the memberships that the chat starts with; they are not sent as joined as well."""

chat_edited = Signal()
"""From ``Chat``, with ``fields``: the names of what has changed, of title, owner, joinable and history."""

member_joined = Signal()
"""From ``Membership``, with ``membership``. The actor is the new member, or who has added them."""

member_left = Signal()
"""From ``Membership``, with ``membership``. The actor is the former member, or who has removed them."""

message_sent = Signal()
"""From ``Message``, with ``message``. Not sent for a repetition of the same ``client_id``."""

message_edited = Signal()
"""From ``Message``, with ``message``."""

message_deleted = Signal()
"""From ``Message``, with ``message``: the tombstone."""

message_reported = Signal()
"""From ``Report``, with ``report``: somebody wants the site's moderators to look at its ``message``. Not sent where the
same user has reported it before, unless it has been edited since."""
