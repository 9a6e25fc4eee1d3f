"""Sign-ups with variants of one name at the same moment, as the example project serves them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from string import ascii_lowercase

import httpx
import pytest

from tests.person import PASSWORD
from tests.servers import Server
from tests.sites import site

pytestmark = pytest.mark.processes

ROUNDS = 10


def eight_case_variants(name: str) -> list[str]:
    """Of a name of six letters: as it is, in capitals, and with each one of them a capital."""
    return [name, name.upper(), *(name[:place] + name[place:].capitalize() for place in range(6))]


@pytest.mark.parametrize("field", ["username", "email"])
def test_one_of_eight_case_variants_gets_the_name(serve: Callable[..., Server], field: str) -> None:
    server = serve(**site("quick_hashes"))

    async def scenario() -> None:
        async with httpx.AsyncClient(base_url=f"{server.http}/api/v1/users/", timeout=30) as visitors:

            async def sign_up(variant: str, other: str) -> httpx.Response:
                username, address = (variant, other) if field == "username" else (other, variant)
                body = {"username": username, "email": f"{address}@email.com"}
                return await visitors.post("signup/", json={**body, "password": PASSWORD, "password2": PASSWORD})

            for letter in ascii_lowercase[:ROUNDS]:
                name = f"mabel{letter}"
                variants = eight_case_variants(name)
                assert len(set(variants)) == 8
                answers = await asyncio.gather(
                    *(sign_up(variant, f"{name}-{number}") for number, variant in enumerate(variants))
                )
                assert sorted(answer.status_code for answer in answers) == [201] + [400] * 7
                refusals = [answer.json().keys() for answer in answers if answer.status_code == 400]
                assert refusals == [{field}] * 7

    asyncio.run(scenario())
