from typing import ClassVar

from django.contrib.auth.models import AbstractUser
from django.db import models
from django.db.models.functions import Lower
from django.utils.translation import gettext_lazy as _


class User(AbstractUser):
    """Django's user, who logs in to the chat with an email: so everybody has one, and nobody else has it too."""

    email = models.EmailField(_("email address"))

    class Meta(AbstractUser.Meta):
        constraints: ClassVar = [
            # Also what finds a name in whatever case: without an index each sign-up would read the whole table.
            models.UniqueConstraint(
                Lower("username"),
                name="people_user_username",
                violation_error_message=_("A user with that username already exists."),
            ),
            models.UniqueConstraint(
                Lower("email"),
                name="people_user_email",
                violation_error_message=_("A user with that email address already exists."),
            ),
        ]
