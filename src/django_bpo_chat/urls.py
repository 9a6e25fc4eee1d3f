"""Everything that the contract documents: ``path("api/v1/", include("django_bpo_chat.urls"))``."""

from django.urls import include, path

urlpatterns = [
    path("", include("django_bpo_chat.accounts.urls")),
    path("", include("django_bpo_chat.api.urls")),
]
