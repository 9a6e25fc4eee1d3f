"""The only reader of ``settings.BPO_CHAT``.

Nothing is cached, so ``override_settings`` simply works. Each key is one typed property of :data:`chat_settings`.
"""

from typing import Any, cast

from django.conf import settings

DEFAULTS: dict[str, Any] = {
    "ADAPTER": "django_bpo_chat.adapter.Adapter",
    "AUTHENTICATION_CLASSES": [
        "django_bpo_chat.tokens.BearerAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "BUS": "django_bpo_chat.live.bus.publish",
    "CHANNEL_LAYER": "default",
    "DATABASE_THREADS": 4,
    "HANDLE_FIELD": None,
    "HEARTBEAT_SECONDS": 25,
    "HELLO_SECONDS": 10,
    "READ_RECEIPT_MEMBERS": 100,
    "SWEEP_SECONDS": 20,
}


class ChatSettings:
    """The values of ``settings.BPO_CHAT``, with the defaults of this version filled in."""

    def _get(self, key: str) -> Any:
        return getattr(settings, "BPO_CHAT", {}).get(key, DEFAULTS[key])

    @property
    def adapter(self) -> str:
        """Dotted path of the :class:`~django_bpo_chat.adapter.Adapter` subclass that holds the site's policy."""
        return cast("str", self._get("ADAPTER"))

    @property
    def authentication_classes(self) -> list[str]:
        """Dotted paths of the REST framework authentication classes of the chat API, first match wins."""
        return cast("list[str]", self._get("AUTHENTICATION_CLASSES"))

    @property
    def bus(self) -> str:
        """Dotted path of the function that takes each event after commit."""
        return cast("str", self._get("BUS"))

    @property
    def channel_layer(self) -> str:
        """Alias in ``CHANNEL_LAYERS`` that carries events between processes."""
        return cast("str", self._get("CHANNEL_LAYER"))

    @property
    def database_threads(self) -> int:
        """How many threads (and so database connections) a process keeps for its sockets."""
        return cast("int", self._get("DATABASE_THREADS"))

    @property
    def handle_field(self) -> str | None:
        """The user model's unique field that is ``username`` on the wire; without it ``users.handle_field`` decides."""
        return cast("str | None", self._get("HANDLE_FIELD"))

    @property
    def heartbeat_seconds(self) -> float:
        """Seconds between two ``ping`` frames of a socket."""
        return cast("float", self._get("HEARTBEAT_SECONDS"))

    @property
    def hello_seconds(self) -> float:
        """Seconds that a new socket has to say who it is."""
        return cast("float", self._get("HELLO_SECONDS"))

    @property
    def read_receipt_members(self) -> int:
        """Chats with more members than this announce nobody's read marks."""
        return cast("int", self._get("READ_RECEIPT_MEMBERS"))

    @property
    def sweep_seconds(self) -> float:
        """Seconds, give or take a fifth, between two comparisons of what was delivered with what is stored."""
        return cast("float", self._get("SWEEP_SECONDS"))


chat_settings = ChatSettings()
