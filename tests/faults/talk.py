"""People who talk, by a plan that a seed decides: who says what when, through which door, and what they repeat."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from random import Random

from .checker import Door, Journal
from .client import ANSWER_SECONDS, Client

MOST_AT_FIRST = 50
"""With so many others a chat may start."""

LET_IN_A_SECOND = 10
"""Clients, at the least."""


@asynccontextmanager
async def conversation(*clients: Client) -> AsyncIterator[Journal]:
    """A group chat of these, all connected."""
    first, *others = clients
    members = [client.username for client in others[:MOST_AT_FIRST]]
    chat = await first.request("POST", "chats/", {"members": members})
    for client in others[MOST_AT_FIRST:]:
        await client.request("PATCH", f"chats/{chat['uri']}/", {})
    async with connected(*clients):
        yield Journal(chat["uri"])


@asynccontextmanager
async def connected(*clients: Client) -> AsyncIterator[None]:
    async with AsyncExitStack() as stack:
        for client in clients:
            await stack.enter_async_context(client)
        for client in clients:
            await client.until_ready(within=ANSWER_SECONDS + len(clients) / LET_IN_A_SECOND)
        yield


@asynccontextmanager
async def talking(
    journal: Journal,
    clients: Sequence[Client],
    seed: int,
    *,
    doors: Sequence[Door] = ("http", "socket"),
    voices: int = 1,
    pause: float = 0.05,
) -> AsyncIterator[None]:
    """Let everybody talk with several voices at once, for as long as the block runs."""
    enough = asyncio.Event()
    talks = [
        asyncio.create_task(talk(journal, client, Random(f"{seed} {client.username} {voice}"), enough, doors, pause))
        for client in clients
        for voice in range(voices)
    ]
    try:
        yield
    finally:
        enough.set()
        await asyncio.gather(*talks)


async def talk(
    journal: Journal, client: Client, random: Random, enough: asyncio.Event, doors: Sequence[Door], pause: float
) -> None:
    while not enough.is_set():
        ask = await journal.send(client, random.choice(doors))
        # Most people try again until they are told; some give up, and never know.
        while ask.outcome == "unknown" and not enough.is_set() and random.random() < 0.8:
            await asyncio.sleep(0.2)
            await journal.repeat(client, ask, random.choice(doors))
        if ask.outcome == "ok" and random.random() < 0.1:
            await journal.edit(client, ask)
        await asyncio.sleep(random.uniform(0, 2 * pause))
