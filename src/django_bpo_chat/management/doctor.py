"""Whether the parts of a site work, and what to do where they do not. Each of them is tried, as the chat uses it.

Nothing is waited for longer than some seconds, and nothing is left behind.
"""

import asyncio
import json
import platform
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from importlib import metadata
from typing import Any, Literal
from urllib.parse import urlsplit
from uuid import uuid4

from channels.layers import InMemoryChannelLayer, get_channel_layer
from django.core.cache import caches
from django.core.cache.backends.base import BaseCache
from django.core.cache.backends.dummy import DummyCache
from django.core.cache.backends.locmem import LocMemCache
from django.core.cache.backends.redis import RedisCache
from django.core.checks import ERROR, run_checks
from django.db import connections, router
from django.db.migrations.executor import MigrationExecutor
from django.urls import reverse
from rest_framework_simplejwt.tokens import AccessToken

from ..conf import chat_settings
from ..exceptions import CloseCode
from ..health import begun, within
from ..models import Chat
from ..users import users_with_handles
from ..wire import SUBPROTOCOL
from .websocket import Refused, WebSocket, connect

SECONDS = 10
"""Each part has so long."""

STEP_SECONDS = 4
"""A step on the way has so long: so it is known which one it was that took too long."""

SETTLE_SECONDS = 0.2

SOCKET_PATH = "/ws/v1/chat/"
MOST_BYTES = 64 * 1024
COUNTERS, COUNTS = 8, 25
"""So many threads count so far at the same time."""

PACKAGES = (
    *("Django", "djangorestframework", "djangorestframework-simplejwt", "channels", "channels-redis", "redis"),
    *("uvicorn", "daphne", "psycopg", "psycopg2", "psycopg2-binary"),
)


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found out of a part; where it is no good, with the ``remedy``."""

    level: Literal["ok", "warning", "error"]
    part: str
    text: str
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class Part:
    """What can be tried. ``remedy`` is for whatever nobody has thought of."""

    name: str
    findings: Callable[["Part"], Iterable[Finding]]
    remedy: str

    def ok(self, text: str) -> Finding:
        return Finding("ok", self.name, text)

    def warning(self, text: str, remedy: str) -> Finding:
        return Finding("warning", self.name, text, remedy)

    def error(self, text: str, remedy: str = "") -> Finding:
        return Finding("error", self.name, text, remedy or self.remedy)

    def examine(self) -> list[Finding]:
        """All that is found out; and, where that fails or takes too long, that it does."""
        found: list[Finding] = []
        try:
            within(SECONDS, lambda: self._note(found))
        except TimeoutError:
            return [*found, self.error("It does not answer in time.")]
        except Exception as error:  # noqa: BLE001  (any part may raise anything)
            return [*found, self.error(f"{type(error).__name__}: {error}".strip())]
        return found

    def _note(self, found: list[Finding]) -> None:
        try:
            found.extend(self.findings(self))
        finally:
            _close()


def _close() -> None:
    """What this thread has opened. Django's own cache in Redis closes nothing by itself."""
    connections.close_all()
    caches.close_all()
    for cache in caches.all(initialized_only=True):
        if isinstance(cache, RedisCache):
            for pool in cache._cache._pools.values():  # type: ignore[attr-defined]  # noqa: SLF001  (its only way)
                pool.disconnect()


# The site as it is


def settings(part: Part) -> Iterator[Finding]:
    """What the package's own checks say."""
    messages = [
        each for each in run_checks(tags=["bpo_chat"], include_deployment_checks=True) if not each.is_silenced()
    ]
    for each in messages:
        tell = part.error if each.level >= ERROR else part.warning
        yield tell(f"{each.id}: {each.msg}", str(each.hint or ""))
    if not messages:
        yield part.ok("The checks find nothing.")


def versions(part: Part) -> Iterator[Finding]:
    installed = [f"{package} {version}" for package in PACKAGES if (version := _version(package))]
    yield part.ok(", ".join([f"Python {platform.python_version()}", *installed]))


def _version(package: str) -> str | None:
    with suppress(metadata.PackageNotFoundError):
        return metadata.version(package)
    return None


# The database


def database(part: Part) -> Iterator[Finding]:
    connection = connections[router.db_for_write(Chat)]
    version = ".".join(str(number) for number in connection.get_database_version())
    seconds = min(_timed(lambda: _value(connection, "SELECT 1")) for _ in range(5))
    yield part.ok(f"{connection.display_name} {version} answers in {_milliseconds(seconds)}.")
    if connection.vendor == "postgresql":
        yield from _postgresql(part, connection)
    if connection.vendor == "sqlite":
        yield from _sqlite(part, connection)
    yield from _migrations(part, connection)


def _postgresql(part: Part, connection: Any) -> Iterator[Finding]:
    """As it is for a connection of the site, wherever that was set."""
    level = _value(connection, "SHOW transaction_isolation")
    if level == "read committed":
        yield part.ok("Its isolation level is read committed.")
    else:
        yield part.error(
            f"Its isolation level is {level}: whoever has waited for a chat gets an error.",
            "Set it to read committed, wherever it was set: in OPTIONS, or for the role, the database or the server.",
        )
    limits = {name: _value(connection, f"SHOW {name}") for name in ("lock_timeout", "statement_timeout")}
    if set(limits.values()) == {"0"}:
        yield part.warning(
            "Whoever wants a busy chat waits for ever.", 'Add to its OPTIONS "options": "-c lock_timeout=5000".'
        )
    else:
        yield part.ok(", ".join(f"{name} is {limit}" for name, limit in limits.items()) + ".")


def _sqlite(part: Part, connection: Any) -> Iterator[Finding]:
    mode, journal = connection.transaction_mode or "DEFERRED", _value(connection, "PRAGMA journal_mode")
    said = f"transaction_mode is {mode}, and journal_mode {journal}."
    if mode in {"IMMEDIATE", "EXCLUSIVE"} and journal != "delete":
        yield part.ok(said)
    else:
        yield part.warning(
            f"{said} Requests that come at once may fail, or wait for each other more than they have to.",
            'Add to the database "OPTIONS": {"transaction_mode": "IMMEDIATE", "timeout": 20, "init_command": '
            '"PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;"}.',
        )


def _migrations(part: Part, connection: Any) -> Iterator[Finding]:
    executor = MigrationExecutor(connection)
    plan = executor.migration_plan(executor.loader.graph.leaf_nodes("bpo_chat"))
    missing = [migration.name for migration, _ in plan if migration.app_label == "bpo_chat"]
    if missing:
        yield part.error(f"Migrations are not applied: {', '.join(missing)}.", "Run manage.py migrate.")
    else:
        yield part.ok("All migrations are applied.")


def _value(connection: Any, sql: str) -> Any:
    with connection.cursor() as cursor:
        cursor.execute(sql)
        return cursor.fetchone()[0]


# Between processes


def channel_layer(part: Part) -> Iterator[Finding]:
    layer = get_channel_layer(chat_settings.channel_layer)
    if layer is None:
        yield part.ok("There is none. A site of one process needs none.")
        return
    seconds = asyncio.run(_relayed(layer))
    reach = ", within this process alone" if isinstance(layer, InMemoryChannelLayer) else ""
    yield part.ok(f"{type(layer).__name__} brings a message to two channels in {_milliseconds(seconds)}{reach}.")


async def _relayed(layer: Any) -> float:
    """How many seconds a message to a group takes to those who are in it. Raises what the layer does, or
    ``TimeoutError``."""
    group, said = f"bpo_chat.doctor.{uuid4().hex}", {"type": "bpo_chat.doctor"}
    channels = [await _soon(layer.new_channel()) for _ in range(2)]
    try:
        for channel in channels:
            await _soon(layer.group_add(group, channel))
        began = time.monotonic()
        await _soon(layer.group_send(group, said))
        for channel in channels:
            await _soon(layer.receive(channel))
        return time.monotonic() - began
    finally:
        for channel in channels:
            with suppress(Exception):
                await _soon(layer.group_discard(group, channel))
        await _settled()


async def _settled() -> None:
    """Some layers still tell Redis what has been heard, by a task of their own. Others have one that never ends."""
    if others := asyncio.all_tasks() - {asyncio.current_task()}:
        await asyncio.wait(others, timeout=SETTLE_SECONDS)


async def _soon(work: Any) -> Any:
    try:
        return await asyncio.wait_for(work, STEP_SECONDS)
    except asyncio.TimeoutError as error:  # before Python 3.11 it is no TimeoutError
        raise TimeoutError from error


def rate_cache(part: Part) -> Iterator[Finding]:
    """Whether no two of those who count together get the same number."""
    cache: BaseCache = caches[chat_settings.rate_cache]
    name = type(cache).__name__
    if isinstance(cache, LocMemCache | DummyCache):
        yield part.ok(f"{name} reaches no other process: each of them counts for itself.")
        return
    seconds, counted = _counted(cache)
    if counted == list(range(1, COUNTERS * COUNTS + 1)):
        yield part.ok(f"{name} counts to {len(counted)} for {COUNTERS} at once, in {_milliseconds(seconds)}.")
    else:
        yield part.warning(
            f"{name} lets some through uncounted: {len(counted)} times it gave {len(set(counted))} numbers.",
            'Take "django.core.cache.backends.redis.RedisCache", or another cache whose incr() is one step.',
        )


def _counted(cache: BaseCache) -> tuple[float, list[int]]:
    """The seconds that it took, and the numbers that the threads got, in order."""
    key = f"bpo_chat.doctor.{uuid4().hex}"
    try:
        cache.add(key, 0, timeout=60)
        began = time.monotonic()
        counting = [begun(lambda: _count(key)) for _ in range(COUNTERS)]
        counted = sorted(number for each in counting for number in each.result(SECONDS))
        return time.monotonic() - began, counted
    finally:
        cache.delete(key)


def _count(key: str) -> list[int]:
    """Each thread has a connection to the cache of its own, as each request has."""
    cache: BaseCache = caches[chat_settings.rate_cache]
    try:
        return [cache.incr(key) for _ in range(COUNTS)]
    finally:
        _close()


def presence_cache(part: Part) -> Iterator[Finding]:
    """Whether what is noted there is there for others."""
    cache: BaseCache = caches[chat_settings.presence_cache]
    name, keys = type(cache).__name__, [f"bpo_chat.doctor.{uuid4().hex}" for _ in range(2)]
    if isinstance(cache, LocMemCache | DummyCache):
        yield part.ok(f"{name} reaches no other process: each of them knows who is online in it.")
        return
    try:
        began = time.monotonic()
        cache.set_many(dict.fromkeys(keys, 1), timeout=60)
        found = begun(lambda: _noted(keys)).result(SECONDS)
        seconds = time.monotonic() - began
    finally:
        cache.delete_many(keys)
    if found == set(keys):
        yield part.ok(f"{name} gives back what was noted in {_milliseconds(seconds)}.")
    else:
        yield part.error(f"{name} does not give back what was noted a moment ago.")


def _noted(keys: list[str]) -> set[str]:
    """As another thread finds it."""
    try:
        return set(caches[chat_settings.presence_cache].get_many(keys))
    finally:
        _close()


# By the public address


def token_of(username: str) -> str | None:
    """An access token of simplejwt's that ends in minutes and is stored nowhere; None where there is no such user.

    Raises ``TimeoutError``, and what the database does.
    """

    def made() -> str | None:
        try:
            return next((str(AccessToken.for_user(user)) for user in users_with_handles([username])), None)
        finally:
            _close()

    return within(SECONDS, made)


class Visit:
    """Where clients find the site, and who comes: with a ``token`` somebody, and otherwise a stranger."""

    def __init__(self, url: str, *, socket_path: str = SOCKET_PATH, token: str | None = None) -> None:
        self._site = urlsplit(url)
        self._socket_path = socket_path
        self._token = token

    def rest(self, part: Part) -> Iterator[Finding]:
        """A stranger is refused by the API itself; whom a token names is not."""
        began = time.monotonic()
        status, location, body = self._asked({})
        seconds = time.monotonic() - began
        if status != 401:
            yield part.error(f"Who shows no token is answered {status}, not 401.", _remedy_over_http(status, location))
            return
        if not _is_refusal(body):
            yield part.error("The 401 is not the chat's own.", "Have the proxy ask for no password at its paths.")
            return
        yield part.ok(f"It refuses strangers, in {_milliseconds(seconds)}.")
        if self._token is not None:
            yield self._known_over_http(part, self._token)

    def _known_over_http(self, part: Part, token: str) -> Finding:
        status, _, _ = self._asked({"Authorization": f"Bearer {token}"})
        if status == 200:
            return part.ok("It knows whom a token names.")
        if status == 401:
            return part.error(
                "It does not know whom the token names.",
                "Have the proxy pass Authorization on (Apache with mod_wsgi: WSGIPassAuthorization On), unless the "
                "token is dead, or not of this site.",
            )
        return part.error(f"Whom the token names is answered {status}.", "BPO_CHAT's PERMISSION_CLASSES may say why.")

    def _asked(self, headers: dict[str, str]) -> tuple[int, str, bytes]:
        """For one's chats: the status, where else one is sent, and the body."""
        connection = connect(self._site, STEP_SECONDS)
        try:
            connection.request("GET", reverse("bpo_chat:chats"), headers=headers)
            answer = connection.getresponse()
            return answer.status, answer.headers["Location"] or "", answer.read(MOST_BYTES)
        finally:
            connection.close()

    def socket(self, part: Part) -> Iterator[Finding]:
        """A stranger is refused by the chat itself, and somebody is told that they are in."""
        began = time.monotonic()
        try:
            with WebSocket(self._site, self._socket_path, subprotocol=SUBPROTOCOL, seconds=STEP_SECONDS) as socket:
                socket.say(json.dumps({"type": "hello", **({"token": self._token} if self._token else {})}))
                heard = socket.hear()
        except Refused as refused:
            yield part.error(f"The handshake is answered {refused.status}, not 101.", _remedy_of_handshake(refused))
            return
        seconds = time.monotonic() - began
        yield self._expected(part, heard, seconds)
        if socket.subprotocol != SUBPROTOCOL:
            yield part.warning("The subprotocol gets lost.", "Have the proxy pass Sec-WebSocket-Protocol, both ways.")

    def _expected(self, part: Part, heard: str | int, seconds: float) -> Finding:
        if self._token is None and heard == CloseCode.NOT_AUTHENTICATED:
            return part.ok(f"It refuses strangers, in {_milliseconds(seconds)}.")
        if self._token is not None and isinstance(heard, str) and json.loads(heard).get("type") == "ready":
            return part.ok(f"It lets in whom a token names, in {_milliseconds(seconds)}.")
        said = f"closed with {heard}" if isinstance(heard, int) else "answered by something else than expected"
        return part.error(f"Who says hello is {said}.", REMEDIES_OF_CODES.get(heard, ""))


def _is_refusal(body: bytes) -> bool:
    try:
        return bool(json.loads(body)["code"] == "not_authenticated")
    except (ValueError, LookupError, TypeError):
        return False


def _remedy_over_http(status: int, location: str) -> str:
    if location:
        return f"Give the address that this leads to: {location}."
    return {
        400: "Name its host in ALLOWED_HOSTS, and have the proxy pass Host on.",
        404: "Mount django_bpo_chat.urls, and have the proxy pass the whole path on.",
    }.get(status, "Look at the logs of the proxy, and of the server behind it, and whether that runs.")


def _remedy_of_handshake(refused: Refused) -> str:
    if refused.status == 403:
        return "Have the origin validator around the socket's route let this site's own origin in."
    if refused.status >= 500:
        return "Look at the logs of the proxy, and of the server behind it, and whether that runs."
    return (
        "Have the proxy pass Upgrade and Connection on, by HTTP/1.1 (nginx: proxy_http_version 1.1; proxy_set_header "
        'Upgrade $http_upgrade; proxy_set_header Connection "upgrade"), to an ASGI server whose application has '
        "websocket_urlpatterns."
    )


REMEDIES_OF_CODES: dict[str | int, str] = {
    CloseCode.NOT_AUTHENTICATED: "Show a token that is alive, and of a class in BPO_CHAT's AUTHENTICATION_CLASSES.",
    CloseCode.NOT_ALLOWED: "BPO_CHAT's PERMISSION_CLASSES do not let them in.",
    CloseCode.TOO_MANY: "They have as many sockets as SOCKETS_PER_USER, or say too much for their RATES.",
    CloseCode.UNAVAILABLE: "The process that serves sockets does not reach its database: look at its log.",
}


# All of it

INSIDE = [
    Part("settings", settings, "See whether the site starts: manage.py check."),
    Part("versions", versions, "Look at what is installed: pip check."),
    Part("database", database, "See whether it runs and lets this machine in, and look at DATABASES."),
    Part("channel layer", channel_layer, "See whether its server runs, and look at CHANNEL_LAYERS."),
    Part("rate cache", rate_cache, "See whether its server runs, and look at CACHES."),
    Part("presence cache", presence_cache, "See whether its server runs, and look at CACHES."),
]


def outside(visit: Visit, *, has_socket: bool = True) -> list[Part]:
    found = [
        Part(
            "rest",
            visit.rest,
            "See whether django_bpo_chat.urls is mounted, the address right, and its certificate, and the server runs.",
        )
    ]
    if has_socket:
        found.append(
            Part(
                "socket",
                visit.socket,
                "See whether the address is right, and the server runs, and the proxy keeps connections open.",
            )
        )
    return found


def _timed(work: Callable[[], Any]) -> float:
    began = time.monotonic()
    work()
    return time.monotonic() - began


def _milliseconds(seconds: float) -> str:
    return f"{1000 * seconds:.1f} ms"
