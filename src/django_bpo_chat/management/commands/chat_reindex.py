"""Write anew by what messages are found, with today's ``SEARCH_CONFIGURATION``."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from ... import search

BATCH = 1_000
"""Messages in one statement: whoever edits one of them waits for it, while others wait for that chat."""


class Command(BaseCommand):
    help = "Write anew by what messages are found: after a change of SEARCH_CONFIGURATION, or for older messages."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--after", type=int, default=0, metavar="ID", help="Go on behind the message of this id.")

    def handle(self, *args: Any, **options: Any) -> None:
        if not search.has_vectors():
            self._say(options, "Only PostgreSQL has an index of words. There is nothing to do.")
            return
        count, last = 0, options["after"]
        while keys := search.reindex(after=last, most=BATCH):
            count, last = count + len(keys), keys[-1]
            self._say(options, f"{count} messages, up to the id {last}")
        self._say(options, "Done.")

    def _say(self, options: dict[str, Any], line: str) -> None:
        if options["verbosity"]:
            self.stdout.write(line)
