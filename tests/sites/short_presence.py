"""Whoever has gone is offline after two seconds. Without a sweep: what is known of others is known by bus and cache."""

from django_bpo_chat.live import online

from .quick_hashes import *  # noqa: F403
from .quick_hashes import BPO_CHAT

BPO_CHAT = {**BPO_CHAT, "SWEEP_SECONDS": 3600}

online.ONLINE_SECONDS = 2
online.PULSE_SECONDS = 1
