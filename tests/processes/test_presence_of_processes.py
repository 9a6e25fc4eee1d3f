"""Two processes that meet in Valkey: who types in one, and who is online in it, is known in the other."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

from tests.faults.client import Client, sign_up
from tests.faults.talk import connected
from tests.servers import Serve
from tests.services import Valkey
from tests.sites import site

pytestmark = pytest.mark.processes

AT_ONCE = 1
OFFLINE_AFTER = (2, 6)
"""At the least, and at the most with what a busy machine needs."""


async def next_frame(client: Client, kind: str, within: float = AT_ONCE) -> tuple[Any, float]:
    """The next frame of this kind, and how many seconds it took."""
    started = time.monotonic()
    known = len([frame for frame in client.frames if frame["type"] == kind])
    while time.monotonic() - started < within:
        frames = [frame for frame in client.frames if frame["type"] == kind]
        if len(frames) > known:
            return frames[known], time.monotonic() - started
        await asyncio.sleep(0.01)
    raise AssertionError(f"{client.username} hears no {kind}")


def presences(client: Client) -> list[tuple[str, bool]]:
    return [(frame["username"], frame["online"]) for frame in client.frames if frame["type"] == "presence"]


def test_typing_in_one_process_is_heard_in_the_other(valkey: Valkey, serve: Serve) -> None:
    first, second = (serve(REDIS_URL=valkey.url, **site("without_sweep")) for _ in range(2))

    async def scenario() -> None:
        wali, mabel = await asyncio.gather(sign_up("wali", http=first), sign_up("mabel", http=second))
        chat = await wali.request("POST", "chats/", {"members": ["mabel"]})
        async with connected(wali, mabel):
            for typist, hearer in [(wali, mabel), (mabel, wali)]:
                heard = asyncio.create_task(next_frame(hearer, "typing"))
                await asyncio.sleep(0)
                await typist.tell(type="typing", chat=chat["uri"])
                frame, _ = await heard
                assert frame == {"type": "typing", "chat": chat["uri"], "username": typist.username}

    asyncio.run(scenario())


def test_who_is_online_in_one_process_is_known_in_the_other(valkey: Valkey, serve: Serve) -> None:
    first, second = (serve(REDIS_URL=valkey.url, **site("short_presence")) for _ in range(2))

    async def scenario() -> None:
        wali, mabel = await asyncio.gather(sign_up("wali", http=first), sign_up("mabel", http=second))
        other_mabel = Client("mabel", mabel.access, http=first, ws=first)
        await wali.request("POST", "chats/", {"members": ["mabel"]})
        async with connected(wali):
            await wali.tell(type="presence.watch", usernames=["mabel"])
            await asyncio.sleep(0.2)
            assert presences(wali) == [("mabel", False)]

            heard = asyncio.create_task(next_frame(wali, "presence"))
            async with connected(mabel):
                assert (await heard)[0]["online"]
                await asyncio.sleep(4)
                async with connected(other_mabel):
                    second.kill()
                    await asyncio.sleep(4)  # what the dead process has written is long over
                    assert presences(wali)[1:] == [("mabel", True)]
                frame, seconds = await next_frame(wali, "presence", within=10)
                assert not frame["online"]
                assert OFFLINE_AFTER[0] - 0.5 < seconds < OFFLINE_AFTER[1]

    asyncio.run(scenario())


def test_a_process_ends_also_while_valkey_hangs(valkey: Valkey, serve: Serve) -> None:
    server = serve(REDIS_URL=valkey.url, **site("short_presence"))

    async def scenario() -> None:
        async with connected(await sign_up("wali", http=server)):
            valkey.freeze()
            await asyncio.sleep(3)  # so that its hub has begun to ask
            await asyncio.to_thread(server.stop, timeout=20)

    asyncio.run(scenario())


@pytest.mark.parametrize("fault", ["killed", "frozen"])
def test_presence_outlives_the_absence_of_valkey(valkey: Valkey, serve: Serve, fault: str) -> None:
    counting = {"EXAMPLE_THROTTLES": "on", **site("short_presence")}
    first, second = (serve(REDIS_URL=valkey.url, **counting) for _ in range(2))
    begin, end = {"killed": (valkey.kill, valkey.start), "frozen": (valkey.freeze, valkey.thaw)}[fault]

    async def scenario() -> None:
        wali, mabel, otis = await asyncio.gather(
            sign_up("wali", http=first), sign_up("mabel", http=second), sign_up("otis", http=first)
        )
        chat = await wali.request("POST", "chats/", {"members": ["mabel", "otis"]})
        async with connected(wali):
            async with connected(mabel):
                await wali.tell(type="presence.watch", usernames=["mabel", "otis"])
                await asyncio.sleep(0.2)
                assert presences(wali) == [("mabel", True), ("otis", False)]

                begin()
                async with connected(otis):  # of the same process
                    await asyncio.sleep(7)  # longer than anybody waits for it
                    assert presences(wali)[2:] == [("otis", True)]
                    started = time.monotonic()
                    await wali.tell(type="message.send", chat=chat["uri"], message="Hello")
                    await wali.tell(type="presence.watch", usernames=["mabel", "otis"])
                    assert time.monotonic() - started < 2
                    end()
            deadline = time.monotonic() + 20
            while dict(presences(wali)) != {"mabel": False, "otis": False}:
                assert time.monotonic() < deadline, presences(wali)
                await asyncio.sleep(0.05)

    asyncio.run(scenario())
