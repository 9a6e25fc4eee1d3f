"""Files: they are uploaded first, and then are part of a message that names them.

Nothing that dies in between loses one: the row of an attachment is stored before its file, and deleted after it.
"""

import logging
from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Any

from django.core.files.base import File
from django.db import router, transaction
from django.db.models import QuerySet
from django.utils.translation import gettext_lazy as _

from .. import access, events, files
from ..adapter import get_adapter
from ..conf import chat_settings
from ..exceptions import Invalid, NotFound, Unavailable
from ..files import Content
from ..images import TooManyPixels
from ..locks import lock_first
from ..models import Attachment, Membership, Message
from ..users import User
from . import texts
from .change import Change, hold_membership

logger = logging.getLogger(__name__)

MOST_PENDING = 100
"""How many files somebody may have uploaded to a chat and not sent yet; with the next one the oldest goes."""

BATCH = 100

FORGOTTEN_AFTER = timedelta(days=1)


def upload_attachment(*, actor: User, chat: str, file: "File[Any]", name: str = "") -> Attachment:
    """Store a file for a message that ``actor`` is about to send to the chat, under its own name or this one.

    Nobody else sees it before that. Raises ``Invalid`` (``file``), ``TooLarge``, ``NotAllowed`` (the site takes no
    files, or one is blocked by the other one of a personal chat), ``NotAMember``, ``NotFound``, and ``Unavailable``
    where the storage fails. A transaction around it that is rolled back leaves the file without its row, for ever.
    """
    member = access.uploader(actor, chat)
    name = texts.clean_file_name(name or file.name or "")
    files.check_size(file.size)
    if not file.size:
        raise _refused(_("This file is empty."))
    content = _content(file, name)
    file.seek(0)
    get_adapter().check_attachment(actor, member.chat, file, name, content.type)
    attachment = _reserve(member, name, file.size, content)
    _store(attachment, file, content)
    return attachment


def prune_attachments(*, older_than: timedelta = FORGOTTEN_AFTER) -> Iterator[int]:
    """Delete the files that nobody has sent for so long, and those that belong to no message any more, some at a time,
    and yield how many.

    What cannot be deleted now is there the next time. Raises ``RuntimeError`` within a transaction, which could still
    bring back the rows of what it has deleted.
    """
    forgotten = Attachment.objects.forgotten(older_than)
    while _release(forgotten.exclude(uploader=None)[:BATCH], durable=True):
        pass
    last = 0
    while released := list(Attachment.objects.released().filter(pk__gt=last).order_by("pk")[:BATCH]):
        yield sum(map(_discard, released))
        last = released[-1].pk


def count_unsent_attachments(*, older_than: timedelta = FORGOTTEN_AFTER) -> int:
    """How many files :func:`prune_attachments` would delete."""
    return (Attachment.objects.forgotten(older_than) | Attachment.objects.released()).count()


def attach(message: Message, sender: User, keys: Sequence[str]) -> None:
    """Make the sender's uploads a part of their new message, in this order. Raises ``Invalid``."""
    keys = list(dict.fromkeys(keys))
    if len(keys) > chat_settings.attachments_per_message:
        raise _unsendable(_("No more than %(most)d files.") % {"most": chat_settings.attachments_per_message})
    uploads = Attachment.objects.pending(message.chat, sender).with_keys(keys)
    found = {upload.key: upload for upload in uploads.select_for_update(of=("self",))}
    if len(found) < len(keys):
        raise _unsendable(_("There is no such file, or it has been sent."))
    attachments = [found[key] for key in keys]
    for place, each in enumerate(attachments):
        each.message, each.place = message, place
    Attachment.objects.bulk_update(attachments, ["message", "place"])
    message.loaded_attachments = attachments


def detach(change: Change, attachments: Sequence[Attachment]) -> None:
    """Nothing of these is kept, nor seen from now on."""
    if attachments:
        Attachment.objects.filter(pk__in=[each.pk for each in attachments]).update(message=None, uploader=None)
        change.afterwards(lambda: _discard_all(attachments))


def _content(file: "File[Any]", name: str) -> Content:
    try:
        return files.read_content(file, name)
    except TooManyPixels:
        raise _refused(_("This image has too many pixels.")) from None


def _reserve(member: Membership, name: str, size: int, content: Content) -> Attachment:
    """A row for the file that is about to be stored. The member's own row, locked, has them count one at a time, and
    keeps them and the chat from being deleted meanwhile."""
    with transaction.atomic(using=router.db_for_write(Attachment)):
        member = hold_membership(member.user, member.chat.uri)
        _make_room(member)
        return Attachment.objects.create(
            chat=member.chat,
            uploader=member.user,
            name=name,
            content_type=content.type,
            size=size,
            width=content.width,
            height=content.height,
            path=files.new_path(),
            preview_path=files.new_path() if content.preview else "",
        )


def _make_room(member: Membership) -> None:
    """What was forgotten shuts nobody out."""
    pending = Attachment.objects.pending(member.chat, member.user)
    released = _release(pending.filter(pk__in=pending.order_by("-pk").values("pk")[MOST_PENDING - 1 :]))
    events.after_commit(lambda: _discard_all(released))


def _release(uploads: "QuerySet[Attachment]", *, durable: bool = False) -> Sequence[Attachment]:
    """Have nobody send these any more, but for those that somebody is sending just now: they are passed over, so that
    nobody waits here, and no two ever wait for each other."""
    database = router.db_for_write(Attachment)
    with transaction.atomic(using=database, durable=durable):
        lock_first(database)
        released = list(uploads.select_for_update(skip_locked=True))
        Attachment.objects.filter(pk__in=[each.pk for each in released]).update(uploader=None)
    return released


def _store(attachment: Attachment, file: "File[Any]", content: Content) -> None:
    try:
        _store_as("path", attachment, file)
        if content.preview:
            _store_as("preview_path", attachment, content.preview)
    except (NotFound, Unavailable):
        _discard(attachment)
        raise


def _store_as(field: str, attachment: Attachment, content: "File[Any] | bytes") -> None:
    """The path is saved at once, since the storage may have chosen another one.

    Raises ``NotFound`` where the account or the chat was deleted meanwhile, and ``Unavailable``.
    """
    try:
        path = files.store(getattr(attachment, field), content)
    except Exception as error:
        logger.exception("The storage of attachments fails")
        raise Unavailable from error
    setattr(attachment, field, path)
    as_reserved = Attachment.objects.filter(pk=attachment.pk, chat=attachment.chat_id, uploader=attachment.uploader_id)
    if not as_reserved.update(**{field: path}):
        raise NotFound


def _discard_all(attachments: Sequence[Attachment]) -> None:
    for each in attachments:
        _discard(each)


def _discard(attachment: Attachment) -> bool:
    """Whether its files are gone, and then its row too."""
    try:
        for path in filter(None, (attachment.path, attachment.preview_path)):
            files.storage().delete(path)
    except Exception:
        logger.exception("The storage of attachments fails")
        return False
    Attachment.objects.filter(pk=attachment.pk).delete()
    return True


def _refused(text: Any) -> Invalid:
    return Invalid({"file": [text]})


def _unsendable(text: Any) -> Invalid:
    return Invalid({"attachments": [text]})
