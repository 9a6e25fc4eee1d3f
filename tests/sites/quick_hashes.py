"""For sign-ups that shall meet at the database, not queue for a processor, and for tests of anything but passwords."""

from config.settings import *  # noqa: F403

PASSWORD_HASHERS = ["tests.hashers.QuickPBKDF2PasswordHasher"]
