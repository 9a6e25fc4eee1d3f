"""Try the parts of a site, and say of those that do not work what to do."""

from argparse import ArgumentParser, ArgumentTypeError
from typing import Any
from urllib.parse import urlsplit

from django.core.management.base import BaseCommand, CommandError

from ...exceptions import DATABASE_AWAY
from .. import doctor


class Command(BaseCommand):
    help = (
        "Try the database, the channel layer, the caches and, with --url, what clients meet there, and say what is "
        "wrong. Ends with 1 where something does not work."
    )
    requires_system_checks: list[str] = []  # it says what they say, and goes on

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--url", type=_url, help="Where clients find the site, such as https://chat.example.com/.")
        parser.add_argument("--socket-path", default=doctor.SOCKET_PATH, help="Of the socket there: %(default)s.")
        parser.add_argument("--no-socket", action="store_true", help="There is no socket.")
        who = parser.add_mutually_exclusive_group()
        who.add_argument("--username", help="Come there as this user, by a token that is made for it.")
        who.add_argument("--token", help="Come there by this token, which is seen by whoever sees what processes run.")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["url"] is None and (options["username"] or options["token"]):
            raise CommandError("Who comes, comes by an --url.")
        errors = self._tell(doctor.INSIDE)
        if options["url"] is not None:
            visit = doctor.Visit(options["url"], socket_path=options["socket_path"], token=_token(options))
            errors += self._tell(doctor.outside(visit, has_socket=not options["no_socket"]))
        if errors:
            raise CommandError(f"Errors: {errors}.")

    def _tell(self, parts: list[doctor.Part]) -> int:
        """Each part as soon as it is known, and return how many errors there were."""
        styles = {"ok": self.style.SUCCESS, "warning": self.style.WARNING, "error": self.style.ERROR}
        errors = 0
        for finding in (finding for part in parts for finding in part.examine()):
            self.stdout.write(f"{finding.level:7}  {finding.part}: {finding.text}", styles[finding.level])
            if finding.remedy:
                self.stdout.write(f"         {finding.remedy}")
            errors += finding.level == "error"
        return errors


def _url(text: str) -> str:
    """Raises argparse's error."""
    url = urlsplit(text)
    if url.scheme not in {"http", "https"} or not url.hostname or url.path not in {"", "/"}:
        raise ArgumentTypeError(f"{text!r} is not of the form https://chat.example.com/")
    return text


def _token(options: dict[str, Any]) -> str | None:
    if options["username"] is None:
        return options["token"]  # type: ignore[no-any-return]
    try:
        token = doctor.token_of(options["username"])
    except (*DATABASE_AWAY, TimeoutError) as error:
        raise CommandError(f"Without a database there is no token for {options['username']!r}.") from error
    if token is None:
        raise CommandError(f"There is no user {options['username']!r}.")
    return token
