"""What ties a token or a socket to one log-in, and to the password of that day. Neither gives the secret away."""

import hashlib

from django.utils.crypto import salted_hmac

from .users import User

_SALT = "django_bpo_chat.logins"


def login_of_session(session_key: str) -> str:
    """The name of a session's log-in on the bus."""
    return salted_hmac(f"{_SALT}.session", session_key, algorithm="sha256").hexdigest()


def password_stamp(user: User) -> str:
    """Changes whenever Django would end the user's sessions."""
    return stamp(user.get_session_auth_hash())


def current_stamps(user: User) -> set[str]:
    """The stamps that are good at present; keys in ``SECRET_KEY_FALLBACKS`` count, as for sessions."""
    return {stamp(each) for each in (user.get_session_auth_hash(), *user.get_session_auth_fallback_hash())}


def stamp(session_auth_hash: str) -> str:
    """From the hash that Django keeps in a session."""
    return hashlib.sha256(f"{_SALT}.password{session_auth_hash}".encode()).hexdigest()[:32]
