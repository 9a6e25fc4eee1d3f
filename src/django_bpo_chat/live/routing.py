from typing import Any

from django.urls import re_path

from .consumers import ChatConsumer

websocket_urlpatterns: list[Any] = [
    re_path(r"^ws/v1/chat/?$", ChatConsumer.as_asgi()),  # type: ignore[arg-type]  # Channels routes applications
]
