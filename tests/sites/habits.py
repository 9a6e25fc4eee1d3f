"""The habits of other people's sites, one after another or together: ``HABITS=atomic_requests,no_slashes``."""

import os
from typing import Any

from config import settings as example

from . import PrimaryForWriting
from .quick_hashes import *  # noqa: F403

DATABASE: Any = dict(example.DATABASES["default"])
databases = {"default": DATABASE}
BPO_CHAT = dict(example.BPO_CHAT)
INSTALLED_APPS = list(example.INSTALLED_APPS)

for habit in os.environ["HABITS"].split(","):
    match habit:
        case "atomic_requests":
            DATABASE["ATOMIC_REQUESTS"] = True
        case "deferred":
            DATABASE["OPTIONS"] = {}
        case "no_slashes":
            APPEND_SLASH = False
        case "prefix":
            FORCE_SCRIPT_NAME = "/shop"
        case "layer_in_memory":
            CHANNEL_LAYERS = {"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}}
        case "core_layer":
            CHANNEL_LAYERS = {
                "default": {
                    "BACKEND": "channels_redis.core.RedisChannelLayer",
                    "CONFIG": {"hosts": [{"address": os.environ["REDIS_URL"], "socket_timeout": 30}]},
                },
            }
        case "layer_of_its_own":
            CHANNEL_LAYERS = {
                "default": {"BACKEND": "channels.layers.InMemoryChannelLayer"},
                "chat": {
                    "BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer",
                    "CONFIG": {"hosts": [os.environ["REDIS_URL"]]},
                },
            }
            BPO_CHAT["CHANNEL_LAYER"] = "chat"
        case "one_thread":
            BPO_CHAT["DATABASE_THREADS"] = 1
        case "no_sweep":
            BPO_CHAT["SWEEP_SECONDS"] = 3600
        case "replica":
            databases["replica"] = dict(DATABASE, NAME=os.environ["REPLICA"])
            DATABASE_ROUTERS = [PrimaryForWriting()]
        case "no_rotation":
            SIMPLE_JWT = {"UPDATE_LAST_LOGIN": True}
        case "rest_framework":
            REST_FRAMEWORK = {
                "DEFAULT_AUTHENTICATION_CLASSES": ["rest_framework.authentication.BasicAuthentication"],
                "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAdminUser"],
                "DEFAULT_RENDERER_CLASSES": ["djangorestframework_camel_case.render.CamelCaseJSONRenderer"],
                "DEFAULT_PARSER_CLASSES": ["djangorestframework_camel_case.parser.CamelCaseJSONParser"],
                "DEFAULT_PAGINATION_CLASS": "rest_framework.pagination.PageNumberPagination",
                "DEFAULT_VERSIONING_CLASS": "rest_framework.versioning.AcceptHeaderVersioning",
                "ALLOWED_VERSIONS": ["7"],
                "DEFAULT_VERSION": "7",
                "DEFAULT_THROTTLE_CLASSES": ["rest_framework.throttling.AnonRateThrottle"],
                "DEFAULT_THROTTLE_RATES": {"anon": "1/day"},
                "EXCEPTION_HANDLER": f"{__name__}.say_nothing",
                "NON_FIELD_ERRORS_KEY": "errors",
                "PAGE_SIZE": 1,
            }
        case "daphne":
            INSTALLED_APPS.insert(0, "daphne")
            ASGI_APPLICATION = "config.asgi.application"

globals()["DATABASES"] = databases


def say_nothing(exc: Exception, context: Any) -> None:
    return None
