"""The site's policy in one class. A host overrides what it wants otherwise and names its class in ``BPO_CHAT``."""

from collections.abc import Iterable, Sequence
from typing import Any

from django.contrib.auth import get_user_model
from django.core.files.base import File
from django.db.models import QuerySet

from .conf import chat_settings
from .models import Chat, Membership
from .users import User, handle_field, stored_users


class Adapter:
    """Every method may be overridden; the defaults let any active user do what the contract describes.

    The methods run inside the operation, under the chat's lock where there is one: keep them quick.
    """

    card_related: Sequence[str] = ()
    """Relations of the user model that :meth:`card` reads, as for ``select_related()``."""

    def may_start_chat(self, actor: User) -> bool:
        """Whether ``actor`` may start a chat of any kind."""
        return True

    def may_join(self, actor: User, chat: Chat) -> bool:
        """Whether the uri of a joinable chat lets ``actor`` in. Where it does not, the chat is hidden from them."""
        return True

    def may_contact(self, actor: User, user: User) -> bool:
        """Whether ``actor`` may write to ``user`` and add them to chats. A refusal looks like an unknown name."""
        return True

    def visible_presence(self, actor: User, users: Sequence[User]) -> Iterable[User]:
        """Those of ``users`` of whom ``actor`` may see whether they are online: who is in a chat with them, and in one
        of no more than ``PRESENCE_MEMBERS`` members.

        It is asked for all at once, and again with each sweep; whoever is left out looks like an unknown name.
        """
        company = Membership.objects.sharing_chats_with(actor, most_members=chat_settings.presence_members)
        visible = set(company.filter(user__in=users).values_list("user", flat=True).distinct())
        return [user for user in users if user.pk in visible]

    def people(self, actor: User) -> "QuerySet[User]":
        """The users whom ``actor`` may find: by default those with whom they share a chat.

        They are filtered further: nobody finds themselves, somebody inactive, or across a block. Let it agree with
        :meth:`may_contact`, which is not asked about each.
        """
        return stored_users().filter(pk__in=Membership.objects.beside(actor).values("user"))

    def clean_message(self, actor: User, chat: Chat, text: str) -> str:
        """The text to store. Raise ``exceptions.Invalid({"message": [...]})`` to refuse it."""
        return text

    def check_attachment(self, actor: User, chat: Chat, file: "File[Any]", name: str, content_type: str) -> None:
        """Raise ``exceptions.Invalid({"file": [...]})`` to refuse a file before it is stored: by its type, which is
        found from its bytes, or by what a scanner says of it. Its place in the file is yours to move."""

    def card(self, user: User) -> dict[str, Any]:
        """What others are shown of a user beside the ``username``, such as a name or a picture; never an email.

        It is asked for each author and member, so it must not ask the database: name in ``card_related`` what it reads.
        """
        return {}

    def new_user(self, username: str, email: str, **extra: Any) -> User:
        """An unsaved user for a sign-up; the caller validates it, sets the password and saves the row.

        ``extra`` is what the site's own sign-up serializer asks for beyond the contract, and what overrides fill. The
        ``username`` is not used where the handle is a primary key that the model itself hands out.
        """
        user_model = get_user_model()
        values: dict[str, Any] = {user_model.USERNAME_FIELD: username}
        if handle_field() != user_model._meta.pk.name:
            values[handle_field()] = username
        return user_model(**{**values, user_model.get_email_field_name(): email, **extra})


def get_adapter() -> Adapter:
    adapter: Adapter = chat_settings.adapter_class()
    return adapter
