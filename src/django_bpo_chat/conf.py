"""The only reader of ``settings.BPO_CHAT``.

Nothing is cached, so ``override_settings`` simply works. Each key is one typed property of :data:`chat_settings`.
"""

from collections.abc import Callable
from typing import Any, cast

from django.conf import settings
from django.utils.module_loading import import_string

DEFAULTS: dict[str, Any] = {
    "ADAPTER": "django_bpo_chat.adapter.Adapter",
    "ATTACHMENT_BYTES": 10 * 1024 * 1024,
    "ATTACHMENT_STORAGE": "default",
    "ATTACHMENTS_PER_MESSAGE": 10,
    "AUTHENTICATION_CLASSES": [
        "django_bpo_chat.tokens.BearerAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "BUS": "django_bpo_chat.live.bus.publish",
    "CHANNEL_LAYER": "default",
    "DATABASE_THREADS": 4,
    "DELETED_USERS_MESSAGES": "keep",
    "HANDLE_FIELD": None,
    "HEARTBEAT_SECONDS": 25,
    "HELLO_SECONDS": 10,
    "IMAGE_PIXELS": 25_000_000,
    "PAGINATION_CLASS": "django_bpo_chat.api.pagination.KeysetPagination",
    "PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "PRESENCE_CACHE": "default",
    "PRESENCE_MEMBERS": 100,
    "RATE_CACHE": "default",
    "RATES": {
        "log_in": "5/min",
        "log_in_by_address": "20/min",
        "sign_up": "5/h",
        "refresh": "30/min",
        "start_chat": "20/h",
        "join_chat": "30/h",
        "send_message": "60/min, 10/2s",
        "upload_attachment": "60/h",
        "write": "120/min",
        "read": "300/min",
        "frames": "120/min",
    },
    "REACTIONS_PER_MESSAGE": 100,
    "READ_RECEIPT_MEMBERS": 100,
    "SEARCH_CONFIGURATION": "simple",
    "SERIALIZERS": {
        "sign_up": "django_bpo_chat.accounts.serializers.SignUpInput",
        "log_in": "django_bpo_chat.accounts.serializers.LogInInput",
        "start_chat": "django_bpo_chat.serializers.StartChatInput",
        "patch_chat": "django_bpo_chat.serializers.PatchChatInput",
        "send_message": "django_bpo_chat.serializers.SendMessageInput",
        "edit_message": "django_bpo_chat.serializers.EditMessageInput",
    },
    "SOCKETS_PER_USER": 10,
    "SWEEP_SECONDS": 20,
    "THROTTLE_CLASSES": [],
}


class ChatSettings:
    """The values of ``settings.BPO_CHAT``, with the defaults of this version filled in."""

    def _get(self, key: str) -> Any:
        return getattr(settings, "BPO_CHAT", {}).get(key, DEFAULTS[key])

    def _load(self, key: str) -> Any:
        return import_string(self._get(key))

    def _load_all(self, key: str) -> list[Any]:
        return [import_string(path) for path in self._get(key)]

    @property
    def adapter_class(self) -> Any:
        """The :class:`~django_bpo_chat.adapter.Adapter` subclass that holds the site's policy."""
        return self._load("ADAPTER")

    @property
    def attachment_bytes(self) -> int:
        """How large a file may be."""
        return cast("int", self._get("ATTACHMENT_BYTES"))

    @property
    def attachment_storage(self) -> str:
        """Alias in ``STORAGES`` of where files are kept."""
        return cast("str", self._get("ATTACHMENT_STORAGE"))

    @property
    def attachments_per_message(self) -> int:
        """How many files a message may have; with 0 nobody uploads any."""
        return cast("int", self._get("ATTACHMENTS_PER_MESSAGE"))

    @property
    def authentication_classes(self) -> list[Any]:
        """The REST framework authentication classes of the chat API, first match wins."""
        return self._load_all("AUTHENTICATION_CLASSES")

    @property
    def bus(self) -> Callable[[dict[str, Any]], None]:
        """The function that takes each event after commit."""
        return cast("Callable[[dict[str, Any]], None]", self._load("BUS"))

    @property
    def channel_layer(self) -> str:
        """Alias in ``CHANNEL_LAYERS`` that carries events between processes."""
        return cast("str", self._get("CHANNEL_LAYER"))

    @property
    def database_threads(self) -> int:
        """How many threads (and so database connections) a process keeps for its sockets."""
        return cast("int", self._get("DATABASE_THREADS"))

    @property
    def deleted_users_messages(self) -> str:
        """What becomes of messages whose author's account is deleted: ``"keep"`` or ``"delete"``."""
        return cast("str", self._get("DELETED_USERS_MESSAGES"))

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
    def image_pixels(self) -> int:
        """How many pixels an image may have, which are in memory together, with up to 16 bytes each, while its preview
        is made."""
        return cast("int", self._get("IMAGE_PIXELS"))

    @property
    def pagination_class(self) -> Any:
        """The REST framework pagination class of the lists of chats and members."""
        return self._load("PAGINATION_CLASS")

    @property
    def permission_classes(self) -> list[Any]:
        """The REST framework permission classes of whoever is logged in; they are asked at both doors."""
        return self._load_all("PERMISSION_CLASSES")

    @property
    def presence_cache(self) -> str:
        """Alias in ``CACHES`` by which processes know who is online in others."""
        return cast("str", self._get("PRESENCE_CACHE"))

    @property
    def presence_members(self) -> int:
        """Chats with more members than this tell nobody who is typing, nor who is online."""
        return cast("int", self._get("PRESENCE_MEMBERS"))

    @property
    def rate_cache(self) -> str:
        """Alias in ``CACHES`` by which all processes count together how often something is done."""
        return cast("str", self._get("RATE_CACHE"))

    def rate(self, action: str) -> str | None:
        """How often somebody may do this, such as ``"60/min, 10/2s"``; None for any number of times."""
        given = self._get("RATES")
        return None if given is None else {**DEFAULTS["RATES"], **given}[action]

    @property
    def reactions_per_message(self) -> int:
        """How many reactions a message may have, each person's with each emoji counted."""
        return cast("int", self._get("REACTIONS_PER_MESSAGE"))

    @property
    def read_receipt_members(self) -> int:
        """Chats with more members than this announce nobody's read marks."""
        return cast("int", self._get("READ_RECEIPT_MEMBERS"))

    @property
    def search_configuration(self) -> str:
        """The configuration of PostgreSQL's full text search by which texts and searches become lexemes."""
        return cast("str", self._get("SEARCH_CONFIGURATION"))

    def serializer(self, name: str) -> Any:
        """The serializer class of this input, such as ``"sign_up"``."""
        return import_string({**DEFAULTS["SERIALIZERS"], **self._get("SERIALIZERS")}[name])

    @property
    def sockets_per_user(self) -> int:
        """How many sockets somebody may have in one process."""
        return cast("int", self._get("SOCKETS_PER_USER"))

    @property
    def sweep_seconds(self) -> float:
        """Seconds, give or take a fifth, between two comparisons of what was delivered with what is stored."""
        return cast("float", self._get("SWEEP_SECONDS"))

    @property
    def throttle_classes(self) -> list[Any]:
        """The REST framework throttle classes of the chat API."""
        return self._load_all("THROTTLE_CLASSES")


chat_settings = ChatSettings()
