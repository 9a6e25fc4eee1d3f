"""Every write of the chat, as one function each. This is public API: views, sockets, commands and hosts call the same.

All arguments are keywords. ``actor`` is the user who acts, ``chat`` a chat's uri, and other people are named by their
handles, as on the wire. Where ``actor`` may be None, that is the site itself: the admin, a command, a task. It needs no
membership and may do what an owner may, in any chat, and delete messages of personal chats too; the adapter, which
judges people, is not asked about it. Each function either does all of its work in one transaction or raises a
:class:`~django_bpo_chat.exceptions.ChatError` and does nothing.
"""

from .chats import edit_chat, start_direct, start_group
from .members import add_member, join_chat, leave_chat, release_user, remove_member
from .messages import delete_message, edit_message, send_message
from .reading import mark_read

__all__ = [
    "add_member",
    "delete_message",
    "edit_chat",
    "edit_message",
    "join_chat",
    "leave_chat",
    "mark_read",
    "release_user",
    "remove_member",
    "send_message",
    "start_direct",
    "start_group",
]
