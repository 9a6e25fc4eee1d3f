from typing import Any

from django_bpo_chat import adapter
from django_bpo_chat.users import User


class Adapter(adapter.Adapter):
    def new_user(self, username: str, email: str, **extra: Any) -> User:
        """Nobody is asked for a full name, which the model requires."""
        return super().new_user(username, email, full_name="Somebody", **extra)
