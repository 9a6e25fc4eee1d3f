"""The rows of a chat. What the database can enforce is a constraint; reads that have a name are QuerySet methods."""

import hashlib
import re
import secrets
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any, ClassVar, TypeVar

from django.conf import settings
from django.db import models, router
from django.db.models import BinaryField, Count, Exists, F, Max, OuterRef, Q, Subquery
from django.db.models.functions import Cast, Coalesce, Greatest
from django.utils.translation import gettext_lazy as _

from .clock import ClockTime
from .fulltext import VectorField, VectorIndex
from .users import User, handle

TITLE_LENGTH = 200
CLIENT_ID_LENGTH = 64
OWNER = "owner"
"""The role of the one whom the chat names as such; members have one of :class:`Membership.Role`."""

OWNER_RANK = 2

EMOJI_LENGTH = 16
"""In code points; Unicode's longest has ten."""

FILE_NAME_LENGTH = 255
"""In bytes of UTF-8 at that, as file systems have it: somebody may want to unpack an export."""

CONTENT_TYPE_LENGTH = 127
"""RFC 6838, section 4.2, has up to 127 characters for each part of a type; what is known here is much shorter."""

PATH_LENGTH = 255
"""Of a file in its storage."""

URI_PATTERN = re.compile(r"[A-Za-z0-9_-]{22}")


def new_uri() -> str:
    """128 random bits, URL-safe: 22 characters."""
    return secrets.token_urlsafe(16)


def pair_key(one: User, other: User) -> str:
    """The same key for the same two users, whoever asks first and whatever their primary keys are."""
    low, high = sorted(str(user.pk) for user in (one, other))
    return hashlib.sha256(f"{len(low)}:{low}{high}".encode()).hexdigest()


def lock_order(uri: str = "uri") -> Cast:
    """The order in which whoever locks several chats takes them: that of Python's strings, whatever the database's
    collation makes of capital letters."""
    return Cast(uri, BinaryField())


Row = TypeVar("Row", bound=models.Model)


class PrimaryManager(models.Manager[Row]):
    """Reads from the database that is written to: versions and rows from a lagging replica would be a hole."""

    def get_queryset(self) -> "models.QuerySet[Row]":
        return super().get_queryset().using(self._db or router.db_for_write(self.model))


class ChatQuerySet(models.QuerySet["Chat"]):
    def with_uri(self, uri: str) -> "ChatQuerySet":
        """The chat of that uri; none for what cannot be one (a NUL must not reach the database)."""
        return self.filter(uri=uri) if URI_PATTERN.fullmatch(uri) else self.none()

    def with_messages_older_than(self, age: timedelta) -> "ChatQuerySet":
        """Where the first message that is no part of what was pruned is so old."""
        following = Message.objects.filter(chat=OuterRef("pk"), seq=OuterRef("pruned_seq") + 1)
        return self.filter(Exists(following.older_than(age)))

    def changed_since(self, moment: datetime) -> "ChatQuerySet":
        return self.filter(changed_at__gte=moment)

    def newest_change(self) -> datetime | None:
        """The database's time of it; a row from the future, as of a clock that was wrong once, does not count."""
        newest: datetime | None = self.filter(changed_at__lte=ClockTime()).aggregate(newest=Max("changed_at"))["newest"]
        return newest


class Chat(models.Model):
    class Kind(models.TextChoices):
        GROUP = "group", _("group")
        DIRECT = "direct", _("direct")

    class History(models.TextChoices):
        FULL = "full", _("everything")
        SINCE_JOIN = "since_join", _("from joining on")

    uri = models.CharField(max_length=22, unique=True, default=new_uri, editable=False)
    kind = models.CharField(max_length=6, choices=Kind, default=Kind.GROUP)
    pair = models.CharField(max_length=64, unique=True, null=True, editable=False)  # noqa: DJ001  (unique where there is one)
    title = models.CharField(max_length=TITLE_LENGTH, blank=True)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+")
    joinable = models.BooleanField(default=True)
    history = models.CharField(max_length=10, choices=History, default=History.FULL)
    version = models.PositiveBigIntegerField(default=1)
    details_version = models.PositiveBigIntegerField(default=1)
    last_seq = models.PositiveBigIntegerField(default=0)
    pruned_seq = models.PositiveBigIntegerField(default=0, editable=False)
    member_count = models.PositiveIntegerField(default=0)
    created_at = models.DateTimeField(db_default=ClockTime())
    changed_at = models.DateTimeField(db_default=ClockTime())
    active_at = models.DateTimeField(db_default=ClockTime())

    members: "Sequence[Membership]"  # where the chat has just been started

    objects = PrimaryManager.from_queryset(ChatQuerySet)()

    class Meta:
        verbose_name = _("chat")
        verbose_name_plural = _("chats")
        indexes: ClassVar = [
            models.Index(fields=["changed_at"], name="bpo_chat_changed"),
        ]
        constraints: ClassVar = [
            models.CheckConstraint(
                name="bpo_chat_kind",
                condition=Q(kind="group", pair=None)
                | Q(kind="direct", pair__isnull=False, owner=None, joinable=False, title=""),
            ),
            models.CheckConstraint(name="bpo_chat_history", condition=Q(history__in=["full", "since_join"])),
            models.CheckConstraint(
                name="bpo_chat_versions",
                condition=Q(version__gte=1, details_version__lte=F("version"), last_seq__lt=F("version")),
            ),
        ]

    def __str__(self) -> str:
        return self.title or self.uri

    @property
    def is_direct(self) -> bool:
        return self.kind == self.Kind.DIRECT

    @property
    def first_seq_for_newcomers(self) -> int:
        """The first message that somebody who joins now may see."""
        return 1 if self.history == self.History.FULL else self.last_seq + 1


class MembershipQuerySet(models.QuerySet["Membership"]):
    def present(self) -> "MembershipQuerySet":
        return self.filter(left_at=None)

    def sharing_chats_with(self, user: User, *, most_members: int) -> "MembershipQuerySet":
        """The present members of what chats this user is in, of those with no more members than that."""
        shared = Membership.objects.present().of(user).filter(chat__member_count__lte=most_members)
        return self.present().filter(chat__in=shared.values("chat"))

    def left_since(self, moment: datetime) -> "MembershipQuerySet":
        return self.filter(left_at__gte=moment, chat__changed_at__gte=moment)

    def of(self, user: User) -> "MembershipQuerySet":
        return self.filter(user=user)

    def beside(self, user: User) -> "MembershipQuerySet":
        """The present members of the chats that the user is in, the user among them."""
        return self.present().filter(chat__in=Membership.objects.present().of(user).values("chat"))

    def by_standing(self) -> "MembershipQuerySet":
        """Who inherits a chat comes first: admins before members, the longest-standing before the newer."""
        return self.order_by("role", "joined_at", "id")

    def changed(self, since: int, version: int) -> "MembershipQuerySet":
        return self.filter(version__gt=since, version__lte=version).order_by("version", "id")

    def with_counts(self) -> "MembershipQuerySet":
        """``unread_count``: messages beyond the read mark that are still there; ``mention_count``: those of them that
        mention the member."""
        # Up to where a chat was pruned there are tombstones only, which need not be counted.
        mark = Greatest("read_seq", "chat__pruned_seq")
        beyond = {"chat": OuterRef("chat"), "seq__gt": OuterRef("mark")}
        tombstones = Message.objects.filter(deleted_at__isnull=False, **beyond)
        mentions = Mention.objects.filter(user=OuterRef("user"), **beyond)
        return self.alias(mark=mark).annotate(  # type: ignore[no-redef]  # declared on the model
            unread_count=F("chat__last_seq") - F("mark") - _count(tombstones),
            mention_count=_count(mentions),
        )

    def routes(self, uris: Iterable[str]) -> Any:
        """``(uri, version, user id, first visible seq)`` of every present member of these chats."""
        return self.present().filter(chat__uri__in=uris).values_list("chat__uri", "chat__version", "user", "first_seq")


def _count(rows: "models.QuerySet[Any]") -> Coalesce:
    """How many of these rows of one chat there are, within a query of something else."""
    counted = rows.order_by().values("chat").annotate(n=Count("*")).values("n")
    return Coalesce(Subquery(counted), 0)


class Membership(models.Model):
    class Role(models.TextChoices):
        """What a member may do. The owner is named by the chat, so that there is one at most."""

        ADMIN = "admin", _("admin")
        MEMBER = "member", _("member")

    chat = models.ForeignKey(Chat, models.CASCADE, related_name="memberships", db_index=False)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="+")
    role = models.CharField(max_length=6, choices=Role, default=Role.MEMBER)
    version = models.PositiveBigIntegerField(default=1)
    joined_at = models.DateTimeField(db_default=ClockTime())
    left_at = models.DateTimeField(null=True, blank=True)
    first_seq = models.PositiveBigIntegerField(default=1)
    read_seq = models.PositiveBigIntegerField(default=0)
    returned_version = models.BigIntegerField(null=True, editable=False)
    """Of the last coming back to other messages than before; None for who always saw the same ones."""
    muted = models.BooleanField(default=False, db_default=False)
    pinned = models.BooleanField(default=False, db_default=False)
    archived = models.BooleanField(default=False, db_default=False)

    unread_count: int  # where with_counts() has annotated it
    mention_count: int  # likewise
    last_listed: int | None  # likewise, access.chats()

    objects = PrimaryManager.from_queryset(MembershipQuerySet)()

    class Meta:
        verbose_name = _("membership")
        verbose_name_plural = _("memberships")
        indexes: ClassVar = [
            models.Index(fields=["chat", "version"], name="bpo_member_version"),
            models.Index(fields=["chat", "id"], condition=Q(left_at=None), name="bpo_member_present"),
            models.Index(fields=["user", "chat"], condition=Q(left_at=None), name="bpo_member_chats"),
            models.Index(fields=["left_at"], condition=Q(left_at__isnull=False), name="bpo_member_left"),
        ]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["chat", "user"], name="bpo_member_once"),
            models.CheckConstraint(name="bpo_member_role", condition=Q(role__in=["admin", "member"])),
            models.CheckConstraint(name="bpo_member_first_seq", condition=Q(first_seq__gte=1)),
        ]

    def __str__(self) -> str:
        # Nothing that has to be read first: Django's admin lists all memberships of an account that it will delete.
        return f"{handle(self.user)} in chat {self.chat_id}"

    @property
    def is_present(self) -> bool:
        return self.left_at is None

    @property
    def is_owner(self) -> bool:
        return self.chat.owner_id == self.user_id

    def has_returned_since(self, version: int) -> bool:
        """Whether what a client holds that knows the chat up to this version may be other than what the member sees."""
        return self.returned_version is not None and 0 < version < self.returned_version

    @property
    def shown_role(self) -> str:
        return OWNER if self.is_owner else self.role

    @property
    def rank(self) -> int:
        """Nobody acts on an equal or higher rank: member 0, admin 1, owner 2."""
        return OWNER_RANK if self.is_owner else int(self.role == self.Role.ADMIN)


class MessageQuerySet(models.QuerySet["Message"]):
    def seen_by(self, user: User) -> "MessageQuerySet":
        """What this user may see of the chats that they are in."""
        memberships = {"user": user, "left_at": None, "first_seq__lte": F("seq")}
        return self.filter(**{f"chat__memberships__{name}": value for name, value in memberships.items()})

    def changed(self, since: int, version: int) -> "MessageQuerySet":
        return self.filter(version__gt=since, version__lte=version).order_by("version", "seq")

    def older_than(self, age: timedelta) -> "MessageQuerySet":
        """In one chat, those of its beginning: times follow seqs."""
        return self.filter(created_at__lt=ClockTime() - age)


class MessageManager(PrimaryManager["Message"]):
    """Leaves the vector in the database, which alone reads it."""

    def get_queryset(self) -> models.QuerySet["Message"]:
        return super().get_queryset().defer("vector")


class Message(models.Model):
    chat = models.ForeignKey(Chat, models.CASCADE, related_name="messages", db_index=False)
    seq = models.PositiveBigIntegerField()
    version = models.PositiveBigIntegerField()
    author = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+", db_index=False)
    text = models.TextField(blank=True)
    vector = VectorField(of="text")
    reply_to = models.PositiveBigIntegerField(null=True, blank=True)
    # The database's defaults are for processes of an earlier release, which store messages while a later one starts.
    mentions = models.JSONField(default=list, db_default=[], blank=True)
    is_reacted_to = models.BooleanField(default=False, db_default=False)
    has_attachments = models.BooleanField(default=False, db_default=False)
    client_id = models.CharField(max_length=CLIENT_ID_LENGTH, blank=True)
    created_at = models.DateTimeField()
    edited_at = models.DateTimeField(null=True, blank=True)
    deleted_at = models.DateTimeField(null=True, blank=True)

    loaded_reactions: "Sequence[Reaction]"  # where access has loaded them, of a message that has any
    loaded_attachments: "Sequence[Attachment]"  # likewise

    relevance: int  # where search has annotated it
    marked: str  # likewise

    objects = MessageManager.from_queryset(MessageQuerySet)()

    class Meta:
        verbose_name = _("message")
        verbose_name_plural = _("messages")
        indexes: ClassVar = [
            models.Index(fields=["chat", "version"], name="bpo_message_version"),
            models.Index(fields=["author", "created_at"], name="bpo_message_author"),
            models.Index(fields=["chat", "seq"], condition=Q(deleted_at__isnull=False), name="bpo_message_tombstones"),
            VectorIndex(fields=["vector"], condition=Q(vector__isnull=False), name="bpo_message_vector"),
        ]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["chat", "seq"], name="bpo_message_seq"),
            models.UniqueConstraint(
                fields=["chat", "author", "client_id"], condition=~Q(client_id=""), name="bpo_message_client_id"
            ),
            models.CheckConstraint(name="bpo_message_counts", condition=Q(seq__gte=1, version__gt=F("seq"))),
            models.CheckConstraint(
                name="bpo_message_tombstone",
                condition=Q(deleted_at=None) & (~Q(text="") | Q(has_attachments=True))
                | Q(deleted_at__isnull=False, text="", is_reacted_to=False, has_attachments=False),
            ),
            models.CheckConstraint(
                name="bpo_message_reply_to",
                condition=Q(reply_to=None) | Q(reply_to__gte=1, reply_to__lt=F("seq")),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.chat} #{self.seq}"

    @property
    def is_deleted(self) -> bool:
        return self.deleted_at is not None

    @property
    def shown_reactions(self) -> "Sequence[Reaction]":
        return self.loaded_reactions if self.is_reacted_to else ()

    @property
    def shown_attachments(self) -> "Sequence[Attachment]":
        return self.loaded_attachments if self.has_attachments else ()


class AttachmentQuerySet(models.QuerySet["Attachment"]):
    def with_key(self, key: str) -> "AttachmentQuerySet":
        """The attachment of that key; none for what cannot be one."""
        return self.with_keys([key])

    def with_keys(self, keys: Iterable[str]) -> "AttachmentQuerySet":
        return self.filter(key__in=[each for each in keys if URI_PATTERN.fullmatch(each)])

    def loose(self) -> "AttachmentQuerySet":
        """Those that no message has, or has any more."""
        return self.filter(message=None)

    def pending(self, chat: Chat, uploader: User) -> "AttachmentQuerySet":
        """Those that somebody may still send."""
        return self.loose().filter(chat=chat, uploader=uploader)

    def forgotten(self, age: timedelta) -> "AttachmentQuerySet":
        """Those that nobody has sent for so long."""
        return self.loose().filter(created_at__lt=ClockTime() - age)

    def released(self) -> "AttachmentQuerySet":
        """Those that no message will ever have, so that nobody may see them and their files can go."""
        return self.loose().filter(Q(uploader=None) | Q(chat=None))


class Attachment(models.Model):
    """A file, first of nobody but its uploader, then of a message.

    The row is there before the file, and until after it. So no file is forgotten, whatever dies in between, where the
    storage has it at the path that it was given.
    """

    key = models.CharField(max_length=22, unique=True, default=new_uri, editable=False)
    chat = models.ForeignKey(Chat, models.SET_NULL, null=True, related_name="+")
    uploader = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+")
    message = models.ForeignKey(Message, models.SET_NULL, null=True, related_name="attachments", db_index=False)
    place = models.PositiveSmallIntegerField(default=0)
    name = models.CharField(max_length=FILE_NAME_LENGTH)
    content_type = models.CharField(max_length=CONTENT_TYPE_LENGTH)
    size = models.PositiveBigIntegerField()
    width = models.PositiveIntegerField(null=True)
    height = models.PositiveIntegerField(null=True)
    path = models.CharField(max_length=PATH_LENGTH)
    preview_path = models.CharField(max_length=PATH_LENGTH, blank=True)
    created_at = models.DateTimeField(db_default=ClockTime())

    objects = PrimaryManager.from_queryset(AttachmentQuerySet)()

    class Meta:
        verbose_name = _("attachment")
        verbose_name_plural = _("attachments")
        indexes: ClassVar = [
            models.Index(fields=["created_at"], condition=Q(message=None), name="bpo_attachment_pending"),
        ]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["message", "place"], name="bpo_attachment_place"),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def is_image(self) -> bool:
        """One that has been decoded, which its type alone does not say."""
        return self.width is not None

    def is_seen_by(self, member: Membership) -> bool:
        """Whether a present member of its chat may have it: with its message, or before it as who has uploaded it."""
        if self.message is None:
            return self.uploader_id == member.user_id
        return self.message.seq >= member.first_seq


class Mention(models.Model):
    """That a message names a member, for counting what they have not read of these."""

    chat = models.ForeignKey(Chat, models.CASCADE, related_name="+", db_index=False)
    seq = models.PositiveBigIntegerField()
    # Unconstrained: no message fails because somebody whom it names deletes their account in this moment.
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.CASCADE, related_name="+", db_index=False, db_constraint=False
    )

    objects = PrimaryManager()

    class Meta:
        verbose_name = _("mention")
        verbose_name_plural = _("mentions")
        indexes: ClassVar = [models.Index(fields=["user", "chat", "seq"], name="bpo_mention_user")]
        constraints: ClassVar = [models.UniqueConstraint(fields=["chat", "seq", "user"], name="bpo_mention_once")]

    def __str__(self) -> str:
        return f"{handle(self.user)} in message {self.seq} of chat {self.chat_id}"


class Reaction(models.Model):
    message = models.ForeignKey(Message, models.CASCADE, related_name="reactions", db_index=False)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="+")
    emoji = models.CharField(max_length=EMOJI_LENGTH)

    objects = PrimaryManager()

    class Meta:
        verbose_name = _("reaction")
        verbose_name_plural = _("reactions")
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["message", "user", "emoji"], name="bpo_reaction_once"),
        ]

    def __str__(self) -> str:
        return f"{self.emoji} by {handle(self.user)}"


class Ban(models.Model):
    """That somebody is kept out of a chat."""

    chat = models.ForeignKey(Chat, models.CASCADE, related_name="bans", db_index=False)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="+")
    banned_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+")
    banned_at = models.DateTimeField()

    objects = PrimaryManager()

    class Meta:
        verbose_name = _("ban")
        verbose_name_plural = _("bans")
        constraints: ClassVar = [models.UniqueConstraint(fields=["chat", "user"], name="bpo_ban_once")]

    def __str__(self) -> str:
        return f"{handle(self.user)} in chat {self.chat_id}"


class InviteQuerySet(models.QuerySet["Invite"]):
    def with_token(self, token: str) -> "InviteQuerySet":
        """The invite of that token; none for what cannot be one."""
        return self.filter(token=token) if URI_PATTERN.fullmatch(token) else self.none()

    def valid(self, time: Any) -> "InviteQuerySet":
        """Those that let somebody in at that time, which may be an expression."""
        is_in_time = Q(expires_at=None) | Q(expires_at__gt=time)
        return self.filter(is_in_time, Q(max_uses=None) | Q(uses__lt=F("max_uses")))

    def spent(self, time: Any) -> "InviteQuerySet":
        """The others: they will never let anybody in again."""
        return self.filter(Q(expires_at__lte=time) | Q(uses__gte=F("max_uses")))


class Invite(models.Model):
    """A link that makes whoever has it a member."""

    chat = models.ForeignKey(Chat, models.CASCADE, related_name="invites")
    token = models.CharField(max_length=22, unique=True, default=new_uri, editable=False)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+")
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField(null=True, blank=True)
    max_uses = models.PositiveIntegerField(null=True, blank=True)
    uses = models.PositiveIntegerField(default=0)

    objects = PrimaryManager.from_queryset(InviteQuerySet)()

    class Meta:
        verbose_name = _("invite")
        verbose_name_plural = _("invites")
        constraints: ClassVar = [
            models.CheckConstraint(name="bpo_invite_uses", condition=Q(max_uses=None) | Q(uses__lte=F("max_uses"))),
        ]

    def __str__(self) -> str:
        return f"{self.chat} #{self.pk}"


class BlockQuerySet(models.QuerySet["Block"]):
    def within(self, chat: Chat) -> "BlockQuerySet":
        """Those by which a member of a personal chat blocks the other one."""
        members = Membership.objects.filter(chat=chat).values("user")
        return self.filter(blocker__in=members, blocked__in=members)

    def across(self, user: User, others: Collection[Any]) -> Any:
        """The keys of those of the others whom the user blocks, or by whom the user is blocked."""
        by_user = self.filter(blocker=user, blocked__in=others).values_list("blocked", flat=True)
        return by_user.union(self.filter(blocked=user, blocker__in=others).values_list("blocker", flat=True))


class Block(models.Model):
    """That somebody wants no messages from somebody else."""

    blocker = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="+", db_index=False)
    blocked = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="+")
    created_at = models.DateTimeField(db_default=ClockTime())

    objects = PrimaryManager.from_queryset(BlockQuerySet)()

    class Meta:
        verbose_name = _("block")
        verbose_name_plural = _("blocks")
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["blocker", "blocked"], name="bpo_block_once"),
            models.CheckConstraint(name="bpo_block_another", condition=~Q(blocker=F("blocked"))),
        ]

    def __str__(self) -> str:
        # Of the two accounts only the one that Django's admin will delete is read with the row.
        return f"{self.blocker_id} → {self.blocked_id}"


class ReportQuerySet(models.QuerySet["Report"]):
    def open(self) -> "ReportQuerySet":
        return self.filter(is_open=True)


class Report(models.Model):
    """That a member wants the moderators to look at a message. Its text is not copied: a deleted one is gone.

    It is about one text of the message. So whoever resolves it has seen that one, or a later one, however old their
    page is: where the message was edited afterwards, the newer text has reports of its own.
    """

    message = models.ForeignKey(Message, models.CASCADE, related_name="reports", db_index=False)
    message_edited_at = models.DateTimeField(null=True, blank=True)
    """Of the text that was reported. None for the first one; and for one that a release before this has not noted."""
    reporter = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+")
    reason = models.TextField()
    created_at = models.DateTimeField(db_default=ClockTime())
    is_open = models.BooleanField(default=True)
    resolved_at = models.DateTimeField(null=True, blank=True)
    resolved_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+")

    objects = PrimaryManager.from_queryset(ReportQuerySet)()

    class Meta:
        verbose_name = _("report")
        verbose_name_plural = _("reports")
        indexes: ClassVar = [
            models.Index(fields=["is_open", "id"], name="bpo_report_queue"),  # in the order of the moderators' queue
            models.Index(fields=["message", "reporter"], name="bpo_report_message"),
        ]
        constraints: ClassVar = [
            # Two, since no None equals another one.
            models.UniqueConstraint(
                fields=["message", "reporter"],
                condition=Q(is_open=True, message_edited_at=None),
                name="bpo_report_once",
            ),
            models.UniqueConstraint(
                fields=["message", "reporter", "message_edited_at"],
                condition=Q(is_open=True),
                name="bpo_report_edited_once",
            ),
            models.CheckConstraint(
                name="bpo_report_resolved",
                condition=Q(is_open=True, resolved_at=None) | Q(is_open=False, resolved_at__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return str(self.message)

    @property
    def chat(self) -> Chat:
        return self.message.chat
