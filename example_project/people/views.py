from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import render
from django.views.decorators.http import require_safe
from drf_spectacular.views import SpectacularSwaggerSplitView


@require_safe
def chat_page(request: HttpRequest) -> HttpResponse:
    """One static page; all that it shows comes through the API and the socket, as for any other client."""
    response = render(request, "people/chat.html")
    host = request.get_host()
    response["Content-Security-Policy"] = (
        # Not every browser counts the page's own ws: and wss: as 'self'.
        f"default-src 'self'; connect-src 'self' ws://{host} wss://{host}; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    return response


class APIPage(SpectacularSwaggerSplitView):
    """Swagger UI, where the API can be tried."""

    template_name = "people/api.html"

    def dispatch(self, request: Any, *args: Any, **kwargs: Any) -> HttpResponseBase:
        response: HttpResponseBase = super().dispatch(request, *args, **kwargs)
        response["Content-Security-Policy"] = (
            "default-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        )
        return response
