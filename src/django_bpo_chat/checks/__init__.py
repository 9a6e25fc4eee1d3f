"""System checks. Each has a number for ever, a hint that says the remedy, and a heading in the documentation.

They look at settings, models and URLs, and never ask the database.
"""

from . import caches, channel_layers, databases, keys, proxies, servers, storages, tokens, users

__all__ = ["caches", "channel_layers", "databases", "keys", "proxies", "servers", "storages", "tokens", "users"]
