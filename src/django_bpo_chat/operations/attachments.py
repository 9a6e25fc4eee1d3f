"""Files: they are uploaded first, and then are part of a message that names them.

Nothing that dies in between loses one: the row of an attachment is stored before its file, and deleted after it.
"""

import logging
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from django.core.files.base import File
from django.db import router, transaction
from django.db.models import F
from django.utils.translation import gettext_lazy as _

from .. import access, files
from ..adapter import get_adapter
from ..clock import ClockTime
from ..conf import chat_settings
from ..exceptions import Invalid, NotFound, Unavailable
from ..files import Content
from ..images import TooManyPixels
from ..models import Attachment, Membership, Message
from ..users import User
from . import texts

logger = logging.getLogger(__name__)

MOST_PENDING = 100
"""How many files somebody may have uploaded to a chat and not sent yet."""

BATCH = 100


def upload_attachment(*, actor: User, chat: str, file: "File[Any]", name: str = "") -> Attachment:
    """Store a file for a message that ``actor`` is about to send to the chat, under its own name or this one.

    Nobody else sees it before that. Raises ``Invalid`` (``file``), ``TooLarge``, ``NotAllowed`` (the site takes no
    files, or one is blocked by the other one of a personal chat), ``NotAMember``, ``NotFound``, and ``Unavailable``
    where the storage fails.
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


def prune_attachments(*, older_than: timedelta = timedelta(days=1)) -> int:
    """Delete the files that nobody has sent for so long, and those that belong to no message any more; how many.

    What cannot be deleted now is there the next time.
    """
    Attachment.objects.pending().filter(created_at__lt=ClockTime() - older_than).update(uploader=None)
    count, last = 0, 0
    while released := list(Attachment.objects.released().filter(pk__gt=last).order_by("pk")[:BATCH]):
        count += sum(map(_discard, released))
        last = released[-1].pk
    return count


def attach(message: Message, sender: User, keys: Sequence[str]) -> None:
    """Make the sender's uploads a part of their new message, in this order. Raises ``Invalid``."""
    keys = list(dict.fromkeys(keys))
    if len(keys) > chat_settings.attachments_per_message:
        raise _unsendable(_("No more than %(most)d files.") % {"most": chat_settings.attachments_per_message})
    uploads = Attachment.objects.pending().with_keys(keys).filter(chat=message.chat, uploader=sender)
    found = {upload.key: upload for upload in uploads.select_for_update(of=("self",))}
    if len(found) < len(keys):
        raise _unsendable(_("There is no such file, or it has been sent."))
    attachments = [found[key] for key in keys]
    for place, each in enumerate(attachments):
        each.message, each.place = message, place
    Attachment.objects.bulk_update(attachments, ["message", "place"])
    message.loaded_attachments = attachments


def detach(messages: Sequence[Message]) -> None:
    """Nothing of what these had is kept, nor seen from now on."""
    attachments = [each for message in messages for each in message.shown_attachments]
    if not attachments:
        return
    Attachment.objects.filter(message__in=messages).update(message=None, uploader=None)

    def discard() -> None:
        for each in attachments:
            _discard(each)

    transaction.on_commit(discard, using=router.db_for_write(Attachment), robust=True)


def _content(file: "File[Any]", name: str) -> Content:
    try:
        return files.read_content(file, name)
    except TooManyPixels:
        raise _refused(_("This image has too many pixels.")) from None


def _reserve(member: Membership, name: str, size: int, content: Content) -> Attachment:
    """A row for the file that is about to be stored. The member's own row, locked, has them count one at a time, and
    keeps them and the chat from being deleted meanwhile."""
    with transaction.atomic(using=router.db_for_write(Attachment)):
        if not Membership.objects.present().filter(pk=member.pk).update(read_seq=F("read_seq")):
            raise NotFound
        uploads = Attachment.objects.pending().filter(chat=member.chat, uploader=member.user)
        if uploads.count() >= MOST_PENDING:
            raise _refused(_("Send what you have uploaded first."))
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


def _store(attachment: Attachment, file: "File[Any]", content: Content) -> None:
    """A storage may choose other paths, as those do that number what has one name."""
    try:
        attachment.path = files.store(attachment.path, file)
        if content.preview:
            attachment.preview_path = files.store(attachment.preview_path, content.preview)
    except Exception as error:
        logger.exception("The storage of attachments fails")
        _discard(attachment)
        raise Unavailable from error
    paths = {"path": attachment.path, "preview_path": attachment.preview_path}
    if not Attachment.objects.filter(pk=attachment.pk).update(**paths):
        # The account or the chat was deleted meanwhile, and the row was pruned before the file was there.
        _discard(attachment)
        raise NotFound


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
