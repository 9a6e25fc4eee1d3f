"""Who is named in a text: members whose handle stands in it after an ``@``."""

import re
from collections.abc import Iterator, Sequence

from ..models import Chat, Membership, Mention, Message
from ..users import User, handle, users_with_handles

MOST_NAMES = 50
"""What begins with an ``@`` beyond this number is text like any other."""

MOST_PUNCTUATION = 3
"""How much of it a name may end with."""

# What Django's own validator lets a username consist of; an address such as wali@email.com names nobody.
_NAME = re.compile(r"(?<![\w@.+-])@([\w.@+-]+)")
_PUNCTUATION = ".@+-_"


def mentioned(chat: Chat, text: str) -> list[User]:
    """The members whom the text names, each once, in its order."""
    readings = [list(_readings(name)) for name in _NAME.findall(text)[:MOST_NAMES]]
    if not readings:
        return []
    members = {handle(user): user for user in _members(chat, {name for names in readings for name in names})}
    named = [next((name for name in names if name in members), None) for names in readings]
    return [members[name] for name in dict.fromkeys(named) if name is not None]


def note_mentions(message: Message, users: Sequence[User]) -> None:
    """Have a new message name these."""
    message.mentions = [handle(user) for user in users]
    Mention.objects.bulk_create(Mention(chat=message.chat, seq=message.seq, user=user) for user in users)


def _readings(name: str) -> Iterator[str]:
    """Without the punctuation of a sentence, which may be that of a name too: the longest name counts. There are few
    readings, since all are looked for while the chat is locked."""
    bare = name.rstrip(_PUNCTUATION)
    longest = name[: len(bare) + MOST_PUNCTUATION]
    yield from (longest[:end] for end in range(len(longest), len(bare), -1))
    if bare:
        yield bare


def _members(chat: Chat, names: set[str]) -> list[User]:
    users = {user.pk: user for user in users_with_handles(names)}
    present = Membership.objects.present().filter(chat=chat, user__in=users).values_list("user", flat=True)
    return [users[user_id] for user_id in present]
