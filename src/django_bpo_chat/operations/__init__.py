"""Every write of the chat, as one function each. This is public API: views, sockets, commands and hosts call the same.

All arguments are keywords. ``actor`` is the user who acts, ``chat`` a chat's uri, and other people are named by their
handles, as on the wire. Where ``actor`` may be None, that is the site itself: the admin, a command, a task. It needs no
membership and may do what an owner may, in any chat, and delete messages of personal chats too; the adapter, which
judges people, is not asked about it.

Each function does all of its work in one transaction, or raises a :class:`~django_bpo_chat.exceptions.ChatError` and
does nothing; what works in batches, or with files, says how far it is one. ``NotAuthenticated`` may come from each:
the actor's account was deleted meanwhile. Where the database is away, or a lock not to be had in time, Django's
``OperationalError`` comes through, and nothing was done.
"""

from .attachments import count_unsent_attachments, prune_attachments, upload_attachment
from .bans import ban_user, unban_user
from .chats import edit_chat, start_direct, start_group
from .invites import accept_invite, create_invite, revoke_invite
from .members import add_member, change_role, join_chat, leave_chat, release_user, remove_member
from .messages import delete_message, edit_message, send_message
from .reactions import add_reaction, remove_reaction
from .reading import edit_preferences, mark_read, mark_unread
from .retention import count_messages_of, count_old_messages, delete_messages_of, prune_messages
from .safety import block_user, report_message, resolve_report, unblock_user

__all__ = [
    "accept_invite",
    "add_member",
    "add_reaction",
    "ban_user",
    "block_user",
    "change_role",
    "count_messages_of",
    "count_old_messages",
    "count_unsent_attachments",
    "create_invite",
    "delete_message",
    "delete_messages_of",
    "edit_chat",
    "edit_message",
    "edit_preferences",
    "join_chat",
    "leave_chat",
    "mark_read",
    "mark_unread",
    "prune_attachments",
    "prune_messages",
    "release_user",
    "remove_member",
    "remove_reaction",
    "report_message",
    "resolve_report",
    "revoke_invite",
    "send_message",
    "start_direct",
    "start_group",
    "unban_user",
    "unblock_user",
    "upload_attachment",
]
