from django.contrib.auth.hashers import PBKDF2PasswordHasher


class QuickPBKDF2PasswordHasher(PBKDF2PasswordHasher):
    """Makes hashes in no time, which a server process with Django's own hashers accepts all the same."""

    iterations = 1
