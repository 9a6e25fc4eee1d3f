from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe


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
