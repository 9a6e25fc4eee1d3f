"""Exports from the admin, which are downloaded as they are written."""

from __future__ import annotations

import asyncio
import json
import tracemalloc
from collections.abc import Iterator
from io import BytesIO
from typing import IO, Any
from zipfile import ZipFile

import pytest
from asgiref.sync import sync_to_async
from django.db import OperationalError, connections
from django.test import AsyncClient, Client

from django_bpo_chat import exports
from django_bpo_chat.models import Chat, Membership, Message
from tests.moderator import Moderator, hidden, membership
from tests.person import Person

pytestmark = [pytest.mark.users, pytest.mark.django_db, pytest.mark.usefixtures("own_folder")]

VIEW = ("view_chat", "view_membership", "view_message")
EXPORT: dict[Any, tuple[str, ...]] = {Chat: (*VIEW, "view_ban"), Membership: (*VIEW, "view_block", "view_report")}
"""What it takes to see all that is in the file on other pages."""


def the(uri: str) -> Chat:
    return Chat.objects.get(uri=uri)


def asked(moderator: Moderator, *rows: Any) -> Any:
    chosen = {"action": "export", "_selected_action": [row.pk for row in rows], "index": 0}
    return moderator.client.post(moderator.page(type(rows[0]), "changelist"), chosen)


def export(moderator: Moderator, row: Any) -> Any:
    return moderator.client.post(moderator.page(type(row), "export"), {"row": row.pk})


def downloaded(answer: Any) -> ZipFile:
    assert answer.status_code == 200
    assert answer["Content-Type"] == "application/zip"
    return ZipFile(BytesIO(b"".join(answer.streaming_content)))


def texts(archive: ZipFile) -> list[str]:
    assert archive.testzip() is None
    return [json.loads(line)["message"] for line in archive.read("messages.jsonl").splitlines()]


def test_all_of_a_chat(ines: Moderator, wali: Person, mabel: Person) -> None:
    uri, other = wali.start(mabel, title="Picnic"), wali.start()
    wali.send(uri, "one")
    file = mabel.send_file(uri, b"Lemonade", "list.txt")
    wali.send(other, "other")
    page = asked(ines, the(uri))
    assert "Picnic" in page.content.decode() and "2 messages" in page.content.decode()
    assert ines.log() == []
    answer = export(ines, the(uri))
    assert answer["Content-Disposition"] == 'attachment; filename="Picnic.zip"'
    archive = downloaded(answer)
    assert texts(archive)[0] == "one"
    assert archive.read(f"attachments/{file['id']}/list.txt") == b"Lemonade"
    assert ines.log() == [("Picnic", "Exported")]


def test_all_of_a_person(ines: Moderator, wali: Person, mabel: Person) -> None:
    uri, direct = wali.start(mabel), wali.start_direct(mabel)
    wali.send(uri, "one")
    mabel.send(uri, "mabel's")
    wali.send(direct, "two")
    row = membership(uri, wali)
    page = asked(ines, row).content.decode()
    assert wali.username in page and "2 messages" in page
    assert texts(downloaded(export(ines, row))) == ["one", "two"]
    assert ines.log() == [(str(row), "Exported")]


def test_one_row_at_a_time(ines: Moderator, wali: Person) -> None:
    rows = [the(wali.start()) for _ in range(2)]
    assert ines.act("export", rows) == ["Choose one row for this."]


@pytest.mark.parametrize(("model", "missing"), [(model, each) for model in EXPORT for each in EXPORT[model]])
def test_it_takes_all_that_shows_what_is_in_it(wali: Person, model: Any, missing: str) -> None:
    wali.send(wali.start())
    row = model.objects.get()
    otto = Moderator("otto", *EXPORT[model])
    downloaded(export(otto, row))
    otto.user.user_permissions.remove(otto.user.user_permissions.get(codename=missing))
    assert export(otto, row).status_code == 403
    assert b'value="export"' not in otto.get(model, "changelist").content


@pytest.mark.parametrize("model", [Chat, Membership])
def test_a_site_that_shows_no_messages_exports_none(ines: Moderator, wali: Person, model: Any) -> None:
    wali.send(wali.start())
    row = model.objects.get()
    with hidden(Message):
        assert b'value="export"' not in ines.get(model, "changelist").content
        assert export(ines, row).status_code == 403
    downloaded(export(ines, row))


@pytest.mark.parametrize("row", ["", "0", "x", "-1", "9" * 30, "\0", "1.5"])
def test_what_is_no_row_is_told(ines: Moderator, row: str) -> None:
    answer = ines.client.post(ines.page(Chat, "export"), {"row": row}, follow=True)
    assert "This row is not there any more." in answer.content.decode()
    assert ines.get(Chat, "export").status_code == 302


def test_a_form_of_another_site_gets_nothing(ines: Moderator, wali: Person) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(ines.user)
    assert client.post(ines.page(Chat, "export"), {"row": the(wali.start()).pk}).status_code == 403


def test_it_is_sent_while_it_is_written(ines: Moderator, wali: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exports, "ROWS_AT_ONCE", 10)
    uri = wali.start()
    content = bytes(range(256)) * 4096 * 8
    wali.send_file(uri, content, "large")
    answer = export(ines, the(uri))
    tracemalloc.start()
    sizes = [len(part) for part in answer.streaming_content]
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(sizes) > 8 and peak < len(content)


def test_what_fails_on_the_way_has_no_end(ines: Moderator, wali: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    uri = wali.start()
    export_chat = exports.export_chat

    def fail(*, chat: str, file: IO[bytes]) -> Iterator[int]:
        yield next(export_chat(chat=chat, file=file))
        raise OperationalError

    monkeypatch.setattr(exports, "export_chat", fail)
    answer = export(ines, the(uri))
    with pytest.raises(OperationalError):
        list(answer.streaming_content)


@pytest.mark.django_db(transaction=True)
def test_an_asynchronous_server_sends_it_likewise(wali: Person) -> None:
    ines = Moderator("ines")
    uri = wali.start()
    wali.send(uri, "one")
    wali.send_file(uri)
    page, row = ines.page(Chat, "export"), the(uri).pk

    async def download() -> list[bytes]:
        client = AsyncClient()
        await client.aforce_login(ines.user)
        answer: Any = await client.post(page, {"row": row})
        assert answer.is_async
        parts = [part async for part in answer.streaming_content]
        await sync_to_async(connections.close_all)()  # those of the thread that has answered
        return parts

    parts = asyncio.run(download())
    assert len(parts) > 3
    assert texts(ZipFile(BytesIO(b"".join(parts)))) == ["one", "Hello world"]
