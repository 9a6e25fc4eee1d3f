from django.contrib import admin
from django.contrib.auth.admin import UserAdmin

from .models import User


@admin.register(User)
class PeopleAdmin(UserAdmin):  # type: ignore[type-arg]  # generic for type checkers only
    # Django's form for a new user does not ask for the email that ours has to have.
    add_fieldsets = (*UserAdmin.add_fieldsets, (None, {"fields": ["email"]}))
