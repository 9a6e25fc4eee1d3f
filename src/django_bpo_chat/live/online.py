"""Who is online in any process, as the site's cache tells: a key for each, which expires."""

import asyncio
import logging
from collections.abc import Collection, Iterable, Iterator
from hashlib import sha256
from itertools import islice

from django.core.cache import caches
from django.core.cache.backends.dummy import DummyCache
from django.core.cache.backends.locmem import LocMemCache
from django.utils.module_loading import import_string

from ..conf import chat_settings
from ..exceptions import Unavailable
from .database import DatabaseThreads
from .timeouts import within

logger = logging.getLogger(__name__)

ONLINE_SECONDS = 60
"""The contract's: for so long after their last socket somebody counts as online. A page reloads in less."""

PULSE_SECONDS = 20
"""Give or take a fifth, between two looks at the cache. What is written there outlives one that fails."""

CACHE_SECONDS = 5
"""What a cache has not done by then it has failed to do."""

KEYS_AT_ONCE = 500


class OnlineKeys:
    """A cache that fails, or hangs, costs nothing but what it would have told."""

    def __init__(self) -> None:
        self._thread = DatabaseThreads(1)  # its own: a cache that hangs holds up nothing else
        self._works = True

    def close(self) -> None:
        self._thread.close(wait=False)

    @property
    def are_shared(self) -> bool:
        """Whether other processes see them. In a cache in this one's memory they would be of no use, and push out what
        else is in there: it holds a few hundred keys."""
        try:
            backend = import_string(caches.settings[chat_settings.presence_cache]["BACKEND"])
        except (ImportError, KeyError):
            return False
        return not issubclass(backend, LocMemCache | DummyCache)

    async def exchange(self, here: Collection[str], asked: Collection[str], *, is_probe: bool) -> set[str] | None:
        """Write down who is here, and return who of those asked for is online anywhere; None where nobody can tell.

        While the cache is known not to work, only probes ask it.
        """
        if not (here or asked) or not self.are_shared:
            return set()
        if not (self._works or is_probe):
            return None
        try:
            work = self._thread.run(_exchange, chat_settings.presence_cache, here, asked)
            found = await within(CACHE_SECONDS, work)
        except (Unavailable, asyncio.TimeoutError) as error:
            if self._works:
                reason = error.__cause__ if isinstance(error, Unavailable) else error
                logger.warning("The cache does not tell who is online: %r", reason)
            self._works = False
            return None
        self._works = True
        return found


def _exchange(alias: str, here: Collection[str], asked: Collection[str]) -> set[str]:
    """Raises ``Unavailable``, which its thread does not log each time."""
    try:
        cache = caches[alias]
        for some in _batches(here):
            cache.set_many(dict.fromkeys(map(_key, some), 1), ONLINE_SECONDS)
        found: set[str] = set()
        for some in _batches(asked):
            users = {_key(user): user for user in some}
            found.update(users[key] for key in cache.get_many(users))
        return found
    except Exception as error:  # a cache may raise anything
        raise Unavailable from error


def _key(user: str) -> str:
    """Safe for any cache, whatever a primary key is made of."""
    return f"bpo_chat.online.{sha256(user.encode()).hexdigest()}"


def _batches(users: Iterable[str]) -> Iterator[list[str]]:
    remaining = iter(users)
    while batch := list(islice(remaining, KEYS_AT_ONCE)):
        yield batch
