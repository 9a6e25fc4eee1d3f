import signal
import socket
from argparse import ArgumentParser
from contextlib import suppress
from ipaddress import ip_address
from typing import Any

import uvicorn
from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError

from people.demo_data import EMAILS, PASSWORD, seed

WELCOME = """
The chat is at http://{address}/

  log in as   {emails}
  password    {password}

  REST API    http://{address}/api/v1/docs/
  WebSocket   ws://{address}/ws/v1/chat/
  admin       http://{address}/admin/ (as mabel)

Open it in two windows, one user in each. Ctrl-C ends it.
"""


class Command(BaseCommand):
    help = "Shows the chat: migrates, adds a few people and chats, and serves everything in one process."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--port", type=int, default=8000)
        parser.add_argument(
            "--host",
            default="127.0.0.1",
            help="To be visited from elsewhere, name the host in DJANGO_ALLOWED_HOSTS too.",
        )

    def handle(self, *, host: str, port: int, **_: Any) -> None:
        if not settings.DEBUG:
            raise CommandError("Everybody knows the demo's passwords: it runs with DJANGO_DEBUG on only.")
        # uvicorn ends in good order on Ctrl-C and SIGTERM, then raises the signal again: here that is no failure.
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        with suppress(KeyboardInterrupt), self.listen(host, port) as listener:
            call_command("migrate", verbosity=0, interactive=False)
            seed()
            self.welcome(listener)
            self.serve(listener)

    def listen(self, host: str, port: int) -> socket.socket:
        """Takes the port first, so that one that is taken costs nothing and leaves nothing behind."""
        try:
            return socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
        except (OSError, OverflowError) as error:
            reason = (getattr(error, "strerror", None) or str(error)).partition(" (while ")[0].rstrip(".")
            raise CommandError(f"Cannot listen on {host}:{port}: {reason}. Is there another one for --port?") from None

    def welcome(self, listener: socket.socket) -> None:
        host, port = ip_address(listener.getsockname()[0]), listener.getsockname()[1]
        name = "localhost" if host.is_unspecified else f"[{host}]" if host.version == 6 else host
        self.stdout.write(WELCOME.format(address=f"{name}:{port}", emails=" or ".join(EMAILS), password=PASSWORD))
        self.stdout.flush()

    def serve(self, listener: socket.socket) -> None:
        config = uvicorn.Config(
            "config.asgi:application",
            lifespan="off",
            log_level="warning",
            timeout_graceful_shutdown=1,
            # The frames are small: compressing them costs more than it saves.
            ws_per_message_deflate=False,
        )
        uvicorn.Server(config).run(sockets=[listener])
