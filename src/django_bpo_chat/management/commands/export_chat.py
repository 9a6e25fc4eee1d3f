"""Write what is stored of a chat, or of somebody, to a file."""

from argparse import ArgumentParser
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedWriter, FileIO
from pathlib import Path
from typing import IO, Any

from django.core.management.base import BaseCommand, CommandError

from ... import exports
from ...exceptions import NotFound
from ...users import users_with_handles
from ..progress import shown


class Command(BaseCommand):
    help = "Write all of a chat, or all that somebody has said and chosen, to a ZIP file of JSON and attachments."

    def add_arguments(self, parser: ArgumentParser) -> None:
        which = parser.add_mutually_exclusive_group(required=True)
        which.add_argument("--chat", metavar="URI", help="This chat; as --chat=URI if it begins with a dash.")
        which.add_argument("--user", metavar="USERNAME", help="This user.")
        parser.add_argument("--output", "-o", required=True, type=Path, help="A file that does not exist yet.")

    def handle(self, *args: Any, **options: Any) -> None:
        path: Path = options["output"]
        users = users_with_handles([options["user"]]) if options["user"] is not None else []
        if options["user"] is not None and not users:
            raise CommandError(f"There is no user {options['user']!r}.")
        with _new_file(path) as file:
            work = (
                exports.export_user(user=users[0], file=file)
                if users
                else exports.export_chat(chat=options["chat"], file=file)
            )
            try:
                rows = shown(work, self.stdout, "rows")
            except NotFound:
                raise CommandError(f"There is no chat {options['chat']!r}.") from None
        if options["verbosity"]:
            self.stdout.write(f"Rows in {path}: {rows}")


@contextmanager
def _new_file(path: Path) -> Iterator[IO[bytes]]:
    """Nothing is left of it where it does not come to its end. Raises ``CommandError`` where it cannot be written."""
    file = _begun(path)
    try:
        with file:
            yield file
    except BaseException:
        path.unlink(missing_ok=True)
        raise


def _begun(path: Path) -> IO[bytes]:
    with _told(path):
        try:
            return BufferedWriter(_Output(path, "xb"))
        except FileExistsError:
            raise CommandError(f"{path} exists already.") from None


class _Output(FileIO):
    """Tells what fails here, as on a full disk, from what fails where the rows and the attachments are read."""

    def write(self, data: Any) -> int:
        with _told(self.name):
            return super().write(data)

    def close(self) -> None:
        with _told(self.name):
            super().close()


@contextmanager
def _told(name: Any) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise CommandError(f"{name} cannot be written: {error.strerror}.") from None
