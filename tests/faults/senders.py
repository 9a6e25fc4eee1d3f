"""A process in which several people send at once, each in transactions of their own, of which some are rolled back.

``python -m tests.faults.senders <chat> <messages> <seed> <username>…`` says in a line of JSON what becomes of each.
"""

from __future__ import annotations

import json
import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from random import Random
from typing import Any

import django

HOLDING_SECONDS = 0.02
ROLLED_BACK = 1 / 3


class Undone(Exception):
    pass


def send_all(uri: str, number: int, seed: str, username: str) -> None:
    from django.contrib.auth import get_user_model
    from django.db import connections

    actor = get_user_model()._default_manager.get_by_natural_key(username)
    random = Random(f"{seed} {username}")
    for n in range(number):
        client_id, text = f"{username}-{n}", f"{username} says {n}"
        outcome = send(actor, uri, text, client_id, random)
        line = json.dumps({"client_id": client_id, "outcome": outcome}) + "\n"
        os.write(sys.stdout.fileno(), line.encode())  # whole, whatever the others say
    connections.close_all()


def send(actor: Any, uri: str, text: str, client_id: str, random: Random) -> str:
    """Again, where the lock cannot be had in time; that is safe."""
    from django.db import transaction

    from django_bpo_chat import operations
    from django_bpo_chat.exceptions import Unavailable

    is_undone = random.random() < ROLLED_BACK
    while True:
        try:
            with transaction.atomic():
                operations.send_message(actor=actor, chat=uri, text=text, client_id=client_id)
                time.sleep(random.uniform(0, HOLDING_SECONDS))
                if is_undone:
                    raise Undone
            return "ok"
        except Undone:
            return "failed"
        except Unavailable:
            pass


def main(uri: str, number: str, seed: str, *usernames: str) -> None:
    django.setup()
    with ThreadPoolExecutor(len(usernames)) as pool:
        list(pool.map(lambda username: send_all(uri, int(number), seed, username), usernames))


if __name__ == "__main__":
    main(*sys.argv[1:])
