"""A minimal site with a chat. All that differs between a laptop and a server comes from the environment."""

import os
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import dj_database_url

BASE_DIR = Path(__file__).resolve().parent.parent

DEBUG = os.environ.get("DJANGO_DEBUG", "1").lower() in {"1", "true", "yes", "on"}
# Without DEBUG the key has to be given: Django does not start with an empty one.
SECRET_KEY = os.environ.get(
    "DJANGO_SECRET_KEY",
    "django-insecure-the-example-project-signs-nothing-worth-stealing" if DEBUG else "",
)
ALLOWED_HOSTS = os.environ.get("DJANGO_ALLOWED_HOSTS", "").replace(",", " ").split()

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "rest_framework",
    "rest_framework_simplejwt.token_blacklist",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "channels",
    "django_bpo_chat",
    "people",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]

ROOT_URLCONF = "config.urls"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

database = dj_database_url.config(default=f"sqlite:///{BASE_DIR / 'db.sqlite3'}", conn_health_checks=True)
if database["ENGINE"].endswith("sqlite3"):
    # Writers wait for their turn instead of failing, and readers do not wait at all.
    database.setdefault("OPTIONS", {}).update(
        transaction_mode="IMMEDIATE",
        timeout=20,
        init_command="PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
    )
elif database["ENGINE"].endswith("postgresql"):
    # Whoever cannot have a chat's lock is told to try again, instead of waiting for as long as somebody holds it.
    database.setdefault("OPTIONS", {}).setdefault("options", "-c lock_timeout=5000")
    if find_spec("psycopg_pool"):
        # Under ASGI each request has a thread, and so without a pool a new connection, of its own. Where there is no
        # connection to be had, nobody waits for half a minute to be told.
        database["OPTIONS"].setdefault("pool", {"max_size": 20, "timeout": 2})
DATABASES = {"default": database}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# One process needs neither a channel layer nor a shared cache; several meet in Redis.
if redis_url := os.environ.get("REDIS_URL"):
    CHANNEL_LAYERS = {
        "default": {"BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer", "CONFIG": {"hosts": [redis_url]}},
    }
    CACHES = {
        "default": {
            "BACKEND": "django.core.cache.backends.redis.RedisCache",
            "LOCATION": redis_url,
            "OPTIONS": {"socket_timeout": 1},
        },
    }

AUTH_USER_MODEL = "people.User"
# The documentation's sample password is a common one, so there is no CommonPasswordValidator.
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator"},
]
SIMPLE_JWT = {
    "ROTATE_REFRESH_TOKENS": True,
    "BLACKLIST_AFTER_ROTATION": True,
    "UPDATE_LAST_LOGIN": True,
}

REST_FRAMEWORK: dict[str, Any] = {
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "NUM_PROXIES": int(os.environ.get("NUM_PROXIES", "0")),
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Chat",
    "VERSION": "1",
    "OAS_VERSION": "3.1.1",
    "SERVE_INCLUDE_SCHEMA": False,
    # Swagger UI comes from here, not from a CDN.
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
}

# Nobody who tries the demo shall run into a limit, and several do so from one address.
BPO_CHAT: dict[str, Any] = {
    "RATES": {
        "log_in_by_address": "100/min",
        "sign_up": "100/h",
        "start_chat": "200/h",
        "join_chat": "300/h",
    },
}
if os.environ.get("EXAMPLE_THROTTLES") == "off":
    BPO_CHAT = {"RATES": None, "SOCKETS_PER_USER": 10_000}

USE_TZ = True
TIME_ZONE = "UTC"

STATIC_URL = "static/"
STATIC_ROOT = BASE_DIR / "static"

# What people attach to messages. No web server shows this folder: who may see a file, gets it from the chat.
MEDIA_ROOT = os.environ.get("MEDIA_ROOT", BASE_DIR / "media")
