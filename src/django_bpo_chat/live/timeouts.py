"""Waiting for something, but not for ever. All of the live door waits so, and never by ``asyncio.wait_for``."""

import asyncio
import sys
from collections.abc import Awaitable
from typing import TypeVar

Result = TypeVar("Result")

if sys.version_info >= (3, 12):

    async def within(seconds: float, work: Awaitable[Result]) -> Result:
        """What ``work`` returns. Raises ``asyncio.TimeoutError`` where it takes longer, and ends it."""
        return await asyncio.wait_for(work, seconds)

else:

    async def within(seconds: float, work: Awaitable[Result]) -> Result:
        """Likewise. Here ``asyncio.wait_for`` forgets that it was cancelled where the result comes in the same moment,
        and whoever waits in a loop never ends."""
        task = asyncio.ensure_future(work)
        try:
            await asyncio.wait([task], timeout=seconds)
        finally:
            if is_late := task.cancel():
                await asyncio.wait([task])
        if is_late and task.cancelled():
            raise asyncio.TimeoutError
        return task.result()
