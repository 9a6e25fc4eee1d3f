from django.apps import AppConfig, apps
from django.utils.translation import gettext_lazy as _


class ChatConfig(AppConfig):
    name = "django_bpo_chat"
    label = "bpo_chat"
    verbose_name = _("Chat")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from . import checks, receivers  # noqa: F401  (importing the checks registers them)

        receivers.connect()
        if apps.is_installed("drf_spectacular"):
            from .accounts import schema as _accounts  # noqa: F401  (importing them describes the views)
            from .api import schema as _api  # noqa: F401
