"""Schemathesis reads the OpenAPI document, and asks of the application what it allows and what it does not."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from typing import Any

import pytest
from django.conf import LazySettings
from django.core.signals import request_finished, request_started
from django.core.wsgi import get_wsgi_application
from django.db import close_old_connections, transaction
from hypothesis import HealthCheck, Phase
from hypothesis import settings as bounds

from django_bpo_chat.models import Attachment, Chat, Invite
from tests.documents import OPENAPI, committed
from tests.person import Person
from tests.test_outsiders import Place

schemathesis = pytest.importorskip("schemathesis", reason="It does not run on Python 3.10")

pytestmark = [
    pytest.mark.thorough,
    # It does not close the files that it is answered with.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

NAMES: dict[str, list[str]] = {
    "uri": ["A" * 22],
    "username": ["wali", "mabel", "otis"],
    "seq": ["1", "2", "3"],
    "key": ["B" * 22],
    "token": ["C" * 22],
    "emoji": ["👍"],
}
"""Of what there is: of invented names hardly any would be found."""


def document() -> dict[str, Any]:
    """The committed one, in which the parts of paths are those names as often as anything else."""
    document = deepcopy(committed(OPENAPI))
    operations = [operation for verbs in document["paths"].values() for operation in verbs.values()]
    for parameter in [each for operation in operations for each in operation.get("parameters", ())]:
        if parameter["in"] == "path":
            parameter["schema"] = {"anyOf": [{"enum": NAMES[parameter["name"]]}, parameter["schema"]]}
    return document


def not_checked(case: Any) -> list[Any]:
    """That whatever the document allows is taken: a schema knows neither who is there nor all rules. And that what it
    does not allow is refused, where a parameter is empty: then it counts as none."""
    from schemathesis.specs.openapi.checks import negative_data_rejection, positive_data_acceptance

    has_empty = "" in (case.query or {}).values()
    return [positive_data_acceptance, *([negative_data_rejection] if has_empty else [])]


schema = schemathesis.openapi.from_dict(document())
schema.config.update(base_url="http://localhost")
schema.app = get_wsgi_application()


@contextmanager
def undone() -> Iterator[None]:
    """What is asked meanwhile leaves no trace. The application keeps the test's connection, as it does for Django's
    test client."""
    for signal in (request_started, request_finished):
        signal.disconnect(close_old_connections)
    try:
        with transaction.atomic():
            yield
            transaction.set_rollback(True)
    finally:
        for signal in (request_started, request_finished):
            signal.connect(close_old_connections)


@pytest.fixture
def world(settings: LazySettings, wali: Person, mabel: Person, otis: Person) -> None:
    """A group of wali's, in which everything is called by :data:`NAMES`."""
    settings.ALLOWED_HOSTS = ["testserver", "localhost"]  # of Django's test client, and of Schemathesis
    place = Place(wali.start(mabel), wali, mabel)
    wali.invite(place.uri)
    wali.block(otis)
    Chat.objects.update(uri=NAMES["uri"][0])
    Attachment.objects.update(key=NAMES["key"][0])
    Invite.objects.update(token=NAMES["token"][0])


@schema.parametrize()
@bounds(
    max_examples=30,
    derandomize=True,
    database=None,
    deadline=None,
    phases=[Phase.explicit, Phase.generate, Phase.shrink],
    suppress_health_check=list(HealthCheck),
)
def test_the_application_does_what_the_document_says(case: Any, world: None, wali: Person) -> None:
    headers = wali.headers
    with undone():
        case.call_and_validate(headers=headers, excluded_checks=not_checked(case))
