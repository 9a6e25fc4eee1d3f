"""For tests of what nothing but a sweep finds."""

from .quick_hashes import *  # noqa: F403
from .quick_hashes import BPO_CHAT

BPO_CHAT = {**BPO_CHAT, "SWEEP_SECONDS": 2}
