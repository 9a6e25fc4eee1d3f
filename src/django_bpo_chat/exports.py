"""What is stored of a chat, or of somebody, as a ZIP file of JSON and of what was attached.

Who may have it, the caller says. What is of a chat is written in the order of its messages, up to the last one that
there was in the beginning; each is as it stood when it was written.
"""

import logging
from collections.abc import Callable, Iterator
from contextlib import closing
from itertools import islice
from typing import IO, Any
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile, ZipInfo

from django.core.files.base import File
from django.db.models import F, QuerySet
from django.utils import timezone

from . import access, files, wire
from .exceptions import NotFound
from .models import Attachment, Chat, Membership, Message, Reaction, Report
from .users import User, email, handle

logger = logging.getLogger(__name__)

FORMAT = 1
"""A change that a reader would stumble over is another one."""

ROWS_AT_ONCE = 500

BYTES_AT_ONCE = 1024 * 1024
"""Of a file. Between two of these, and two batches of rows, whoever takes what is written can take it."""

Writer = Callable[[Any], wire.Dict]


def export_chat(*, chat: str, file: IO[bytes]) -> Iterator[int]:
    """Write all of a chat to this file, and yield how many rows have been written, a batch at a time.

    Raises ``NotFound``.
    """
    found = Chat.objects.with_uri(chat).select_related("owner").first()
    if found is None:
        raise NotFound
    memberships = access.memberships_with_users().filter(chat=found).select_related("chat")
    stored = access.messages_with_authors().filter(chat=found, seq__lte=found.last_seq)
    messages = stored.select_related("chat").order_by("seq")
    bans = access.bans_with_users().filter(chat=found)
    attachments = Attachment.objects.filter(chat=found).exclude(message=None).order_by("created_at", "pk")
    with _Archive(file) as archive:
        archive.write_head("chat", {"uri": found.uri, "kind": found.kind, **wire.details(found)}, version=found.version)
        yield from archive.write_rows("members", memberships, wire.member)
        yield from archive.write_rows("bans", bans, wire.ban)
        yield from archive.write_rows("messages", messages, wire.message)
        yield from archive.write_files(attachments)


def export_user(*, user: User, file: IO[bytes]) -> Iterator[int]:
    """Write to this file all that somebody has said and chosen, and yield how many rows have been written, a batch at
    a time. Of others it has their handles, where they are in somebody's own rows."""
    messages = access.messages_with_authors().filter(author=user).select_related("chat").order_by("created_at", "pk")
    memberships = Membership.objects.of(user).select_related("chat__owner")
    reactions = Reaction.objects.filter(user=user).select_related("message__chat")
    blocks = access.blocks_with_users().filter(blocker=user)
    reports = Report.objects.filter(reporter=user).select_related("message__chat")
    attachments = Attachment.objects.filter(uploader=user).order_by("created_at", "pk")
    with _Archive(file) as archive:
        archive.write_head("user", {"username": handle(user), "email": email(user)})
        yield from archive.write_rows("chats", memberships, _membership)
        yield from archive.write_rows("messages", messages, _message)
        yield from archive.write_rows("reactions", reactions, _reaction)
        yield from archive.write_rows("blocks", blocks, wire.block)
        yield from archive.write_rows("reports", reports, _report)
        yield from archive.write_files(attachments)


class _Archive:
    """A ZIP file that is written from its beginning to its end, and never held in memory."""

    def __init__(self, file: IO[bytes]) -> None:
        self._zip = ZipFile(file, "w", ZIP_DEFLATED)

    def __enter__(self) -> "_Archive":
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._zip.close()

    def write_head(self, kind: str, about: wire.Dict, **more: Any) -> None:
        head = {"format": FORMAT, "kind": kind, "exported_at": wire.instant(timezone.now()), kind: about, **more}
        self._zip.writestr("export.json", wire.encode(head))

    def write_rows(self, name: str, rows: "QuerySet[Any]", shape: Writer) -> Iterator[int]:
        """A line for each, in their order."""
        with self._zip.open(f"{name}.jsonl", "w", force_zip64=True) as entry:
            for batch in _batches(rows):
                for row in batch:
                    entry.write(wire.encode(shape(row)).encode() + b"\n")
                yield len(batch)

    def write_files(self, attachments: "QuerySet[Attachment]") -> Iterator[int]:
        """Each in a folder of its own, since several may have one name; those that the storage has lost are listed."""
        lost: list[wire.Dict] = []
        placed = attachments.annotate(uri=F("chat__uri"), seq=F("message__seq"))
        for batch in _batches(placed):
            for each in batch:
                stored = _opened(each)
                if stored is None:
                    lost.append(_lost(each))
                else:
                    yield from self._write_file(each, stored)
                yield 1
        if lost:
            self._zip.writestr("lost.jsonl", "".join(f"{wire.encode(each)}\n" for each in lost))

    def _write_file(self, attachment: Attachment, stored: "File[Any]") -> Iterator[int]:
        """A part at a time, none of which is a row."""
        entry = ZipInfo(f"attachments/{attachment.key}/{attachment.name}")
        entry.compress_type = ZIP_STORED if attachment.is_image else ZIP_DEFLATED
        with closing(stored), self._zip.open(entry, "w", force_zip64=True) as target:
            while part := stored.read(BYTES_AT_ONCE):
                target.write(part)
                yield 0


def _opened(attachment: Attachment) -> "File[Any] | None":
    """None for what the storage has lost."""
    try:
        return files.storage().open(attachment.path)
    except FileNotFoundError:
        logger.error("An attachment is not in its storage: %s", attachment.path)
        return None


def _batches(rows: "QuerySet[Any]") -> Iterator[list[Any]]:
    """By a cursor of the database, where it has such, so that no memory is too small. What has no order of its own is
    read by its keys."""
    remaining = (rows if rows.ordered else rows.order_by("pk")).iterator(chunk_size=ROWS_AT_ONCE)
    while batch := list(islice(remaining, ROWS_AT_ONCE)):
        yield access.with_parts(batch) if rows.model is Message else batch


def _membership(row: Membership) -> wire.Dict:
    return {
        "uri": row.chat.uri,
        "kind": row.chat.kind,
        "title": row.chat.title if row.is_present else None,  # it may be another one since they left
        "role": row.shown_role,
        "joined_at": wire.instant(row.joined_at),
        "left_at": wire.instant(row.left_at),
        "read_seq": row.read_seq,
        **wire.preferences(row),
    }


def _message(row: Message) -> wire.Dict:
    return {"chat": row.chat.uri, **wire.message(row)}


def _reaction(row: Reaction) -> wire.Dict:
    return {"chat": row.message.chat.uri, "seq": row.message.seq, "emoji": row.emoji}


def _lost(row: Any) -> wire.Dict:
    return {"chat": row.uri, "seq": row.seq, **wire.attachment(row)}


def _report(row: Report) -> wire.Dict:
    return {
        "chat": row.chat.uri,
        "seq": row.message.seq,
        "reason": row.reason,
        "reported_at": wire.instant(row.created_at),
        "is_open": row.is_open,
    }
