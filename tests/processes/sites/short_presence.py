"""Whoever has gone is offline after two seconds. Without a sweep: what is known of others is known by bus and cache."""

from config.settings import *  # noqa: F403
from config.settings import BPO_CHAT
from django_bpo_chat.live import online

BPO_CHAT = {**BPO_CHAT, "SWEEP_SECONDS": 3600}

online.ONLINE_SECONDS = 2
online.PULSE_SECONDS = 1
