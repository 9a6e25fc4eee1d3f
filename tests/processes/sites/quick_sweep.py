"""For tests of what nothing but a sweep finds."""

from config.settings import *  # noqa: F403
from config.settings import BPO_CHAT

BPO_CHAT = {**BPO_CHAT, "SWEEP_SECONDS": 2}
