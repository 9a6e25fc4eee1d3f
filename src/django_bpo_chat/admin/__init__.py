"""The chat in Django's admin: everything is shown, and what is done is done by operations, as the site itself.

The tables may have millions of rows. So nothing is counted, ordered or searched but by an index.
"""

from .chats import ChatAdmin, InviteAdmin
from .members import BanAdmin, MembershipAdmin
from .messages import MessageAdmin
from .reports import BlockAdmin, ReportAdmin
from .rows import LISTED_ROWS

__all__ = [
    "LISTED_ROWS",
    "BanAdmin",
    "BlockAdmin",
    "ChatAdmin",
    "InviteAdmin",
    "MembershipAdmin",
    "MessageAdmin",
    "ReportAdmin",
]
