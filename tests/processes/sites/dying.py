"""The process dies between the commit of certain words and their publication."""

import os
import signal
from typing import Any

from config.settings import *  # noqa: F403
from config.settings import BPO_CHAT

from . import LAST_WORDS

BPO_CHAT = {**BPO_CHAT, "BUS": f"{__name__}.publish"}


def publish(envelope: Any) -> None:
    if LAST_WORDS in envelope.get("frame", ""):
        os.kill(os.getpid(), signal.SIGKILL)
    # Not above: settings are read before the models that the bus knows.
    from django_bpo_chat.live import bus

    bus.publish(envelope)
