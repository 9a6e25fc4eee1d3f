import uuid
from typing import Any, ClassVar

from django.contrib.auth.models import AbstractBaseUser, BaseUserManager
from django.db import models
from django.db.models import Q
from django.db.models.functions import Lower


class AbstractOddUser(AbstractBaseUser):
    username = models.CharField(max_length=150, unique=True)
    is_active = models.BooleanField(default=True)

    objects: ClassVar = BaseUserManager[Any]()

    USERNAME_FIELD = "username"

    class Meta:
        abstract = True


class User(AbstractOddUser):
    email = models.EmailField(unique=True)
    nickname = models.CharField(max_length=150, blank=True)
    full_name = models.CharField(max_length=150)
    number = models.IntegerField(unique=True, default=0)
    motto = models.CharField(max_length=150)
    callsign = models.CharField(max_length=150, unique=True, null=True)  # noqa: DJ001
    friend = models.OneToOneField("self", models.CASCADE)
    following = models.ManyToManyField("self")

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["nickname"], name="odd_nickname", condition=~Q(nickname="")),
            models.UniqueConstraint(fields=["full_name", "number"], name="odd_full_name"),
            models.UniqueConstraint(Lower("motto"), name="odd_motto"),
        ]


class NamesakesUser(AbstractBaseUser):
    name = models.CharField(max_length=150)
    email = models.EmailField(unique=True)

    USERNAME_FIELD = "name"


class NoEmailUser(AbstractOddUser):
    @property
    def email(self) -> str:
        return "nobody@example.com"


class EmailKeyUser(AbstractBaseUser):
    email = models.EmailField(primary_key=True)

    USERNAME_FIELD = "email"


class AddressUser(AbstractBaseUser):
    """Nothing says that the field is the email, but what it is made of."""

    address = models.EmailField(unique=True)

    USERNAME_FIELD = "address"


class AddressNameUser(AbstractBaseUser):
    username = models.EmailField(unique=True)

    USERNAME_FIELD = "username"


class UuidKeyUser(AbstractOddUser):
    uuid = models.UUIDField(primary_key=True, default=uuid.uuid4)
    email = models.EmailField(unique=True)


class PlainUser(models.Model):
    username = models.CharField(max_length=150, unique=True)

    USERNAME_FIELD = "username"
    REQUIRED_FIELDS: ClassVar[list[str]] = []

    def __str__(self) -> str:
        return self.username


class MemberUser(AbstractOddUser):
    email = models.EmailField(unique=True)
    full_name = models.CharField(max_length=150)
    born = models.DateField()
    motto = models.CharField(max_length=150, blank=True)
    language = models.CharField(max_length=2, default="en")

    REQUIRED_FIELDS: ClassVar = ["username", "email", "full_name", "born", "motto", "language"]


class SharedEmailUser(AbstractOddUser):
    email = models.EmailField()


class EmailAndTeamUser(AbstractOddUser):
    email = models.EmailField()
    team = models.IntegerField()

    class Meta:
        unique_together: ClassVar = [("email", "team")]


class ActiveEmailUser(AbstractOddUser):
    """Two accounts of one email, of which the second is banned and comes back, are two."""

    email = models.EmailField()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["email"], name="odd_active_email", condition=Q(is_active=True)),
        ]


class LowerEmailUser(AbstractOddUser):
    email = models.EmailField()

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint(Lower("email"), name="odd_lower_email")]


class FilledEmailUser(AbstractOddUser):
    email = models.EmailField(blank=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(Lower("email"), name="odd_filled_email", condition=~Q(email="")),
        ]


class PeopleUser(AbstractBaseUser):
    username = models.CharField(max_length=150, unique=True)
    email = models.EmailField(unique=True)

    people: ClassVar = BaseUserManager[Any]()

    USERNAME_FIELD = "username"


class Human(models.Model):
    name = models.CharField(max_length=150)

    def __str__(self) -> str:
        return self.name


class KeyOfAnotherUser(AbstractOddUser):
    human = models.OneToOneField(Human, models.CASCADE, primary_key=True)
    email = models.EmailField(unique=True)
