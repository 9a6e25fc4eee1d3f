"""A site on which one of the people is not to be written to."""

from __future__ import annotations

from django_bpo_chat.adapter import Adapter
from django_bpo_chat.users import User, email

SHY_MABEL = f"{__name__}.ShyMabel"


class ShyMabel(Adapter):
    def may_contact(self, actor: User, user: User) -> bool:
        return email(user) != "mabel@email.com"
