"""A client comes back after much has changed: it gets all of that in order, or is told to start anew."""

from __future__ import annotations

import asyncio

import pytest

from tests.clients import Frame
from tests.servers import Serve

from .checker import read_history, until_complete
from .client import Client, sign_up
from .report import Findings, Scale
from .talk import connected

pytestmark = pytest.mark.faults("resume after a long absence")

AT_ONCE = 500
"""Changes in one transaction, which spares the disk."""

CHANGES = """
from random import Random
from django.conf import settings
from django.contrib.auth import get_user_model
from django.db import transaction
from django_bpo_chat import operations
from django_bpo_chat.models import Chat
settings.DEBUG = False  # or Django would note each query
wali = get_user_model().objects.get(username="wali")
chat, number, random = {uri!r}, {number}, Random({seed})
first, last = Chat.objects.values_list("version", "last_seq").get(uri=chat)
for start in range(0, number, {at_once}):
    with transaction.atomic():
        for n in range(start, min(start + {at_once}, number)):
            if last and random.random() < 0.2:
                seq = random.randint(1, last)
                operations.edit_message(actor=wali, chat=chat, seq=seq, text=f"wali corrects {{first + n}}")
            else:
                operations.send_message(actor=wali, chat=chat, text=f"wali says {{first + n}}")
                last += 1
"""


@pytest.mark.parametrize("starts_anew", [False, True], ids=["in order", "anew"])
def test_whoever_comes_back_sees_everything_in_order_or_is_told_to_start_anew(
    serve: Serve, starts_anew: bool, findings: Findings, scale: Scale, seed: int
) -> None:
    number = scale(1_000, 10_000) if starts_anew else 450
    findings.inject(f"a client is away for {number:,} changes")
    server = serve()
    server.mode = None

    async def scenario() -> None:
        wali, mabel = await asyncio.gather(sign_up("wali", http=server), sign_up("mabel", http=server))
        chat = await wali.request("POST", "chats/", {"members": ["mabel"]})
        uri = chat["uri"]
        await change(uri, 30)
        async with Client("mabel", mabel.access, http=server, ws=server) as before:
            await before.until_ready()
        started_at = before.views[uri].version
        await change(uri, number)

        # The same view, on a new connection.
        mabel.views = before.views
        async with connected(wali, mabel):
            history = await read_history(wali, uri)
            assert history.version >= started_at + number
            await until_complete([mabel], uri, history, within=30)
        # What a sweep tells besides is that nothing has changed since.
        told = [frame for frame in mabel.frames if frame["type"] in {"changes", "reset"}]
        answers = [frame for frame in told if frame.get("since") != history.version]
        if starts_anew:
            assert answers == [{"type": "reset", "id": uri, "chat": uri, "version": history.version}]
        else:
            assert_complete_and_in_order(answers, started_at, history.version)
        findings.see("reset, then all over HTTP" if starts_anew else f"{len(answers)} pages, in order")

    async def change(uri: str, times: int) -> None:
        command = CHANGES.format(uri=uri, number=times, seed=seed, at_once=AT_ONCE)
        await asyncio.to_thread(server.manage, "shell", "--no-imports", "--command", command)

    asyncio.run(scenario())


def assert_complete_and_in_order(pages: list[Frame], since: int, version: int) -> None:
    """Each page begins where the one before it ends, and its rows are in the order of the versions."""
    assert [page["since"] for page in pages] == [since, *(page["version"] for page in pages[:-1])]
    assert pages[-1]["version"] == version
    assert [page["more"] for page in pages] == [True] * (len(pages) - 1) + [False]
    versions = [row["version"] for page in pages for row in page["messages"]]
    assert versions == sorted(versions)
