"""What sites put around all of their views."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

READS_FORMS = f"{__name__}.ReadsForms"


class ReadsForms:
    """Looks for a field in each form, as those do that let forms have other methods."""

    def __init__(self, get_response: Callable[[Any], Any]) -> None:
        self.get_response = get_response

    def __call__(self, request: Any) -> Any:
        request.POST.get("_method")
        return self.get_response(request)
