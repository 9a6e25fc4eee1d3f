"""The process dies between the commit of certain words and their publication."""

import os
import signal
from typing import Any

from . import LAST_WORDS
from .quick_hashes import *  # noqa: F403
from .quick_hashes import BPO_CHAT

BPO_CHAT = {**BPO_CHAT, "BUS": f"{__name__}.publish"}


def publish(envelope: Any) -> None:
    if LAST_WORDS in envelope.get("frame", ""):
        os.kill(os.getpid(), signal.SIGKILL)
    # Not above: settings are read before the models that the bus knows.
    from django_bpo_chat.live import bus

    bus.publish(envelope)
