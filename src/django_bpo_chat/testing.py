"""For the tests of a site: people and chats, what was announced, and a client of the socket.

With pytest the fixtures ``chat_user``, ``chat_events`` and ``chat_socket`` are there once the package is installed.
What is here works as well in Django's own test cases. Announcements leave after commits, and the socket has connections
of its own to the database: use ``TransactionTestCase``, or ``@pytest.mark.django_db(transaction=True)``.
"""

import asyncio
import itertools
import json
import queue
import threading
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from channels.routing import URLRouter
from django.conf import settings
from django.test import Client
from rest_framework_simplejwt.authentication import JWTAuthentication

from .adapter import get_adapter
from .conf import chat_settings
from .events import Envelope, witnesses
from .live.routing import websocket_urlpatterns
from .tokens import new_refresh_token
from .users import User
from .wire import SUBPROTOCOL

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["ChatSocket", "Closed", "Event", "access_token", "make_user", "recorded_events"]

PATH = "/ws/v1/chat/"

Frame = dict[str, Any]


def make_user(name: str, password: str | None = None, **extra: Any) -> User:
    """A user as the site's adapter makes them for a sign-up, with the email ``name@example.com``.

    ``extra`` is what the adapter's ``new_user`` takes beyond name and email. Without a password nobody can log in by
    one, which saves the time to hash it.
    """
    user = get_adapter().new_user(name, f"{name}@example.com", **extra)
    user.set_password(password)
    user.save()
    return user


def access_token(user: User) -> str:
    """For ``Authorization: Bearer``, at a site that takes tokens of simplejwt, as it does by default."""
    return str(new_refresh_token(user).access_token)


# Announcements


@dataclass(frozen=True, slots=True)
class Event:
    """What was announced: ``kind`` is ``changes``, ``ephemeral``, ``typing``, ``personal``, ``user`` or ``logout``.

    Of the first four ``frame`` is what is sent, to the members or to somebody's own clients; of the first three
    ``chat`` is the chat's uri. ``ephemeral`` are read marks.
    """

    kind: str
    chat: str | None
    frame: Mapping[str, Any]


@contextmanager
def recorded_events() -> Iterator[list[Event]]:
    """A list to which each announcement is added as soon as it is committed. Sockets hear of it as ever."""
    recorded: list[Event] = []

    def record(envelope: Envelope) -> None:
        recorded.append(Event(envelope["kind"], envelope.get("chat"), json.loads(envelope.get("frame", "{}"))))

    witnesses.append(record)
    try:
        yield recorded
    finally:
        witnesses.remove(record)


# Sockets


NOBODY = (
    "for the site this is nobody. It sees only users who are committed, and in a plain TestCase none is; and it takes "
    "only the tokens of its AUTHENTICATION_CLASSES."
)


class Closed(Exception):
    """The server has closed the socket with this code."""

    def __init__(self, code: int) -> None:
        self.code = code
        super().__init__(code)

    def __str__(self) -> str:
        return f"{self.code}: {NOBODY}" if self.code == 4401 else f"{self.code}"


class ChatSocket:
    """A client of the socket within the test's own process, without a server: ``with ChatSocket(user) as socket: …``.

    It says ``hello`` by itself; the answer is ``ready``. A user is logged in, by a token of simplejwt's or else by a
    session; a token is said in ``hello`` as it is. ``application`` is an ASGI application, by default the package's
    routes alone, and ``headers`` are those of the handshake. Waiting ends after ``timeout`` seconds with
    :class:`TimeoutError`.
    """

    def __init__(
        self,
        who: User | str | None = None,
        *,
        application: Any = None,
        path: str = PATH,
        headers: Mapping[str, str] | None = None,
        timeout: float = 10,
    ) -> None:
        self.ready: Frame = {}
        self._token, shown = (who, {}) if who is None or isinstance(who, str) else _log_in(who)
        headers = {**shown, **(headers or {})}
        self._application: Any = application or URLRouter(websocket_urlpatterns)
        self._scope = {
            "type": "websocket",
            "path": path,
            "query_string": b"",
            "headers": [(name.lower().encode(), value.encode()) for name, value in headers.items()],
            "subprotocols": [SUBPROTOCOL],
        }
        self._timeout = timeout
        # A daemon, so that an application that does not end keeps no test run from ending.
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), name="chat-socket", daemon=True)
        self._is_serving = threading.Event()
        self._told: queue.SimpleQueue[dict[str, Any] | BaseException] = queue.SimpleQueue()
        self._unheard: deque[Frame] = deque()
        self._ids = itertools.count(1)

    def __enter__(self) -> "Self":
        self._thread.start()
        self._is_serving.wait()
        try:
            self._next_event()  # that it is accepted
            self.say("hello", **({} if self._token is None else {"token": self._token}))
            self.ready = self.hear()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._tell({"type": "websocket.disconnect", "code": 1000})
        self._thread.join(self._timeout)

    def say(self, kind: str, **fields: Any) -> None:
        """Send a frame of this type."""
        self._tell({"type": "websocket.receive", "text": json.dumps({"type": kind, **fields})})

    def ask(self, kind: str, **fields: Any) -> Frame:
        """Send a frame with an ``id``, and return what answers it; what came before can be heard later."""
        name = f"ask-{next(self._ids)}"
        self.say(kind, id=name, **fields)
        while (frame := self._next_frame()).get("id") != name:
            self._unheard.append(frame)
        return frame

    def hear(self) -> Frame:
        """The next frame; a ``ping`` is answered and passed over. Raises :class:`Closed`."""
        return self._unheard.popleft() if self._unheard else self._next_frame()

    def _next_frame(self) -> Frame:
        while True:
            frame: Frame = json.loads(self._next_event()["text"])
            if frame["type"] != "ping":
                return frame
            self.say("pong")

    def _next_event(self) -> dict[str, Any]:
        try:
            event = self._told.get(timeout=self._timeout)
        except queue.Empty:
            raise TimeoutError(f"The server has said nothing for {self._timeout} seconds.") from None
        if isinstance(event, BaseException):
            raise event
        if event["type"] == "websocket.close":
            raise Closed(event["code"])
        return event

    def _tell(self, event: dict[str, Any]) -> None:
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._asked.put_nowait, event)

    async def _serve(self) -> None:
        """As a server would: the hub of this loop ends with it."""
        self._loop, self._asked = asyncio.get_running_loop(), asyncio.Queue[dict[str, Any]]()
        self._is_serving.set()
        await self._asked.put({"type": "websocket.connect"})
        try:
            await self._application(self._scope, self._asked.get, self._send)
        except Exception as error:  # noqa: BLE001  (the test is to see it)
            self._told.put(error)

    async def _send(self, event: dict[str, Any]) -> None:
        self._told.put(event)


def _log_in(user: User) -> tuple[str | None, dict[str, str]]:
    """The token that a user says in ``hello``, and the headers that they show, whichever the site takes."""
    if any(issubclass(each, JWTAuthentication) for each in chat_settings.authentication_classes):
        return access_token(user), {}
    browser = Client()
    browser.force_login(user)
    cookie = f"{settings.SESSION_COOKIE_NAME}={browser.cookies[settings.SESSION_COOKIE_NAME].value}"
    scheme = "https" if settings.SESSION_COOKIE_SECURE else "http"
    return None, {"Cookie": cookie, "Host": "testserver", "Origin": f"{scheme}://testserver"}
