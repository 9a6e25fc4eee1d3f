"""The example project's settings, made quick, on the database that ``--db`` chose."""

from config.settings import *  # noqa: F403
from config.settings import DATABASES

ALLOWED_HOSTS = ["127.0.0.1"]
# Tests do much in no time. Those of limits set their own.
BPO_CHAT = {"RATES": None, "SOCKETS_PER_USER": 10_000}
PASSWORD_HASHERS = ["tests.hashers.QuickPBKDF2PasswordHasher"]

if DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":
    # A file, since threads and server processes open it too. Django would take a database in memory.
    DATABASES["default"]["TEST"] = {"NAME": f"{DATABASES['default']['NAME']}-test"}
