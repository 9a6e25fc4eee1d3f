"""What happens here no other process is told. Access tokens that are made here live for ``ACCESS_SECONDS``."""

import os
from datetime import timedelta
from typing import Any

from config import settings as example

from .quick_hashes import *  # noqa: F403
from .quick_hashes import BPO_CHAT

BPO_CHAT = {**BPO_CHAT, "BUS": f"{__name__}.publish"}
globals()["SIMPLE_JWT"] = {
    **example.SIMPLE_JWT,
    "ACCESS_TOKEN_LIFETIME": timedelta(seconds=int(os.environ["ACCESS_SECONDS"])),
}


def publish(envelope: Any) -> None:
    pass
