"""The channel layer, by which processes tell each other."""

from collections.abc import Iterator
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags
from django.core.checks import Warning as CheckWarning
from django.utils.module_loading import import_string

from ..conf import chat_settings
from .keys import channel_layers
from .servers import installed
from .sites import check, unusable

PUBSUB = "channels_redis.pubsub.RedisPubSubChannelLayer"
CORE = "channels_redis.core.RedisChannelLayer"
LAYER = f'{{"BACKEND": "{PUBSUB}", "CONFIG": {{"hosts": ["redis://127.0.0.1:6379/0"]}}}}'
EXAMPLE = f'Write CHANNEL_LAYERS = {{"default": {LAYER}}}, or whichever layer it shall be.'


@check(Tags.async_support)
def check_settings() -> Iterator[CheckMessage]:
    """Of the kinds of what is there; that nothing is there is another matter."""
    layers = getattr(settings, "CHANNEL_LAYERS", None)
    layer = channel_layers().get(chat_settings.channel_layer)
    options = _config().get("CONFIG")
    place = f'CHANNEL_LAYERS["{chat_settings.channel_layer}"]'
    for name, value in {"CHANNEL_LAYERS": layers, place: layer, f'{place}["CONFIG"]': options}.items():
        if value and not isinstance(value, dict):
            yield unusable(f"{name} is {value!r}, which is no dict", EXAMPLE)
    hosts = _options(_config()).get("hosts")
    if hosts and _is_redis(_config()) and not isinstance(hosts, list | tuple):
        yield unusable(f'{place}["CONFIG"]["hosts"] is {hosts!r}, which is no list', EXAMPLE)


@check(Tags.async_support)
def check_layer() -> Iterator[CheckMessage]:
    config = _config()
    if config and _layer_class(config) is None:
        yield Error(
            f"The channel layer's BACKEND, {config.get('BACKEND')!r}, cannot be imported.",
            hint=f"Install what it is part of; for '{PUBSUB}' that is: pip install channels_redis",
            id="bpo_chat.E010",
        )


@check(Tags.async_support, deploy=True)
def check_shared_layer() -> Iterator[CheckMessage]:
    if has_shared_layer():
        return
    yield CheckWarning(
        "Processes do not tell each other what happens: what another process has done, a client learns from the sweep.",
        hint=f'pip install channels_redis, and set CHANNEL_LAYERS = {{"{chat_settings.channel_layer}": {LAYER}}}. '
        "Where one process serves all, silence this check.",
        id="bpo_chat.W011",
    )


@check(Tags.async_support, deploy=True)
def check_redis_layer() -> Iterator[CheckMessage]:
    config = _config()
    is_core = _is_a(_layer_class(config), CORE)
    if is_core and installed("redis") >= (8,) and not _is_patient(config):
        yield CheckWarning(
            "RedisChannelLayer loses its connection after five silent seconds with this version of redis.",
            hint=f'Take "BACKEND": "{PUBSUB}", or a longer patience: '
            '"hosts": [{"address": "redis://127.0.0.1:6379/0", "socket_timeout": 30}].',
            id="bpo_chat.W018",
        )


def _config() -> dict[str, Any]:
    config = channel_layers().get(chat_settings.channel_layer)
    return config if isinstance(config, dict) else {}


def _options(config: dict[str, Any]) -> dict[str, Any]:
    options = config.get("CONFIG")
    return options if isinstance(options, dict) else {}


def _layer_class(config: dict[str, Any]) -> Any:
    try:
        return import_string(config["BACKEND"])
    except Exception:  # noqa: BLE001  (a module may raise anything while it is imported)
        return None


def has_shared_layer() -> bool:
    config = _config()
    return bool(config) and not _is_a(_layer_class(config), "channels.layers.InMemoryChannelLayer")


def _is_redis(config: dict[str, Any]) -> bool:
    return any(_is_a(_layer_class(config), path) for path in (PUBSUB, CORE))


def _is_patient(config: dict[str, Any]) -> bool:
    """Whether each host says how long to wait, in its address or in its dict of options."""
    hosts = _options(config).get("hosts") or [""]
    return all("socket_timeout" in str(host) for host in (hosts if isinstance(hosts, list | tuple) else [hosts]))


def _is_a(layer_class: Any, path: str) -> bool:
    """Without importing what may not be installed: a subclass has done so."""
    return any(f"{each.__module__}.{each.__qualname__}" == path for each in getattr(layer_class, "__mro__", ()))
