"""A process with gevent's greenlets for threads, and nothing else to do: it announces, and says how long that took."""

from gevent import monkey

monkey.patch_all()

import time  # noqa: E402

import django  # noqa: E402

django.setup()

from django_bpo_chat.live import bus  # noqa: E402

began = time.monotonic()
bus.publish({"v": 1, "kind": "user", "user": "1"})
print(time.monotonic() - began)
