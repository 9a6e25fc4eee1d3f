"""Waiting for something, but not for ever, and not when told to end."""

from __future__ import annotations

import asyncio

import pytest

from django_bpo_chat.live.timeouts import within


@pytest.mark.parametrize("later", range(6))
def test_a_cancellation_counts_also_in_the_moment_of_the_result(later: int) -> None:
    """So many turns of the event loop after what was waited for."""

    async def scenario() -> bool:
        event = asyncio.Event()
        waiting = asyncio.create_task(within(60, event.wait()))
        for _ in range(3):
            await asyncio.sleep(0)
        event.set()
        for _ in range(later):
            await asyncio.sleep(0)
        has_heard = waiting.cancel()
        await asyncio.wait([waiting])
        return has_heard == waiting.cancelled()

    assert asyncio.run(scenario())


def test_what_takes_too_long_is_ended() -> None:
    async def scenario() -> bool:
        work = asyncio.create_task(asyncio.sleep(60))
        with pytest.raises(asyncio.TimeoutError):
            await within(0.01, work)
        return work.cancelled()

    assert asyncio.run(scenario())


def test_what_ends_in_time_is_returned_or_raised() -> None:
    async def divide(number: int) -> float:
        return 1 / number

    assert asyncio.run(within(60, divide(2))) == 0.5
    with pytest.raises(ZeroDivisionError):
        asyncio.run(within(60, divide(0)))
