import uuid
from typing import Any, ClassVar, cast

from django.contrib.auth.models import AbstractBaseUser, BaseUserManager, PermissionsMixin
from django.db import models


class UserManager(BaseUserManager["User"]):
    def get_queryset(self) -> "models.QuerySet[User]":
        users = super().get_queryset().select_related("profile")
        return cast("models.QuerySet[User]", users.annotate(group_count=models.Count("groups")))

    def create_user(self, email: str, password: str | None = None, **fields: Any) -> "User":
        user = self.model(email=self.normalize_email(email), **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user


class User(AbstractBaseUser, PermissionsMixin):
    uuid = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    email = models.EmailField(unique=True)
    is_active = models.BooleanField(default=True)
    is_staff = models.BooleanField(default=False)

    objects: ClassVar = UserManager()

    USERNAME_FIELD = "email"
    EMAIL_FIELD = "email"


class Profile(models.Model):
    user = models.OneToOneField(User, models.CASCADE)
    color = models.CharField(max_length=20)

    def __str__(self) -> str:
        return self.color


class Teacher(User):
    """Has a row beside the user's."""

    subject = models.CharField(max_length=20)
