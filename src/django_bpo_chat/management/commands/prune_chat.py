"""Delete what is not to be kept any longer."""

from argparse import ArgumentParser, ArgumentTypeError
from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from ... import operations
from ...exceptions import NotFound
from ...users import users_with_handles
from ..progress import shown

MOST_DAYS = 365_000


class Command(BaseCommand):
    help = (
        "Delete old messages, or all of somebody, so that tombstones are left of them; and files that were never sent, "
        "or belong to no message any more."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        which = parser.add_mutually_exclusive_group()
        which.add_argument("--older-than", type=_days, metavar="DAYS", help="Messages that were sent before that.")
        which.add_argument("--author", metavar="USERNAME", help="All messages of this user.")
        parser.add_argument("--chat", metavar="URI", help="Only in this chat; as --chat=URI if it begins with a dash.")
        parser.add_argument("--dry-run", action="store_true", help="Only say how many there are.")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            if options["older_than"] is not None:
                self._prune(options, older_than=options["older_than"], chat=options["chat"])
            elif options["chat"] is not None:
                raise CommandError("In one chat only messages --older-than some DAYS are deleted.")
            elif options["author"] is not None:
                self._delete_messages_of(options)
        except NotFound:
            raise CommandError(f"There is no chat {options['chat']!r}.") from None
        self._prune_attachments(options)

    def _prune(self, options: dict[str, Any], **which: Any) -> None:
        if options["dry_run"]:
            self._say(options, f"Messages that are so old: {operations.count_old_messages(**which)}")
            return
        # On a site with very many chats it takes a while to count, which nobody needs who does not look on.
        total = operations.count_old_messages(**which) if self.stdout.isatty() else None
        deleted = shown(operations.prune_messages(**which), self.stdout, "messages", total)
        self._say(options, f"Messages deleted: {deleted}")

    def _delete_messages_of(self, options: dict[str, Any]) -> None:
        found = users_with_handles([options["author"]])
        if not found:
            raise CommandError(f"There is no user {options['author']!r}.")
        total = operations.count_messages_of(author=found[0])
        if options["dry_run"]:
            self._say(options, f"Messages by {options['author']}: {total}")
            return
        deleted = shown(operations.delete_messages_of(author=found[0]), self.stdout, "messages", total)
        self._say(options, f"Messages deleted: {deleted}")

    def _prune_attachments(self, options: dict[str, Any]) -> None:
        total = operations.count_unsent_attachments()
        if options["dry_run"]:
            self._say(options, f"Files of no message: {total}")
            return
        deleted = shown(operations.prune_attachments(), self.stdout, "files", total)
        self._say(options, f"Files deleted: {deleted}")

    def _say(self, options: dict[str, Any], line: str) -> None:
        if options["verbosity"]:
            self.stdout.write(line)


def _days(text: str) -> timedelta:
    """Raises argparse's error."""
    try:
        days = float(text)
    except ValueError:
        days = -1
    if not timedelta.resolution / timedelta(days=1) <= days <= MOST_DAYS:
        raise ArgumentTypeError(f"{text!r} is no number of days above 0")
    return timedelta(days=days)
