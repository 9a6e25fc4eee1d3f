"""The versions of what serves sockets."""

from collections.abc import Iterator
from importlib import metadata

from django.core.checks import CheckMessage, Tags
from django.core.checks import Warning as CheckWarning
from django.utils.version import get_version_tuple

from .sites import check

OLDEST = {"daphne": "4.2.2", "uvicorn": "0.53"}


@check(Tags.security, deploy=True)
def check_servers() -> Iterator[CheckMessage]:
    for server, oldest in OLDEST.items():
        version = installed(server)
        if version and version < get_version_tuple(oldest):
            yield CheckWarning(
                f"{server} {metadata.version(server)} is installed, which has faults that sockets run into.",
                hint=f'pip install --upgrade "{server}>={oldest}"',
                id="bpo_chat.W019",
            )


def installed(package: str) -> tuple[int, ...]:
    """Its version, up to the first part that is no number; empty where it is not installed."""
    try:
        return tuple(get_version_tuple(metadata.version(package)))
    except metadata.PackageNotFoundError:
        return ()
