"""What a chat, or a person, looks like as a file."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest
from django.core.files.storage import FileSystemStorage
from django.core.management import CommandError, call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext

from django_bpo_chat import exports
from django_bpo_chat.exceptions import NotFound
from tests.clients import history
from tests.person import Person
from tests.servers import logged_errors

pytestmark = [pytest.mark.users, pytest.mark.usefixtures("own_folder")]

INSTANT = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z"


def exported(work: Any, **what: Any) -> dict[str, Any]:
    """What is in the file, by its names; rows as they are read from their lines."""
    file = BytesIO()
    assert sum(work(file=file, **what)) > 0
    with ZipFile(file) as archive:
        assert archive.testzip() is None
        return {name: read(name, archive.read(name)) for name in archive.namelist()}


def read(name: str, content: bytes) -> Any:
    if name.endswith(".jsonl"):
        return [json.loads(line) for line in content.splitlines()]
    return json.loads(content) if name.endswith(".json") else content


def test_all_of_a_chat(wali: Person, mabel: Person, otis: Person) -> None:
    uri = wali.start(mabel, title="Picnic")
    file = wali.send_file(uri, b"Lemonade", "list.txt")
    wali.send(uri, "Hello @mabel", reply_to=1)
    mabel.react(uri, 2, "👍")
    mabel.send(uri)
    mabel.erase(uri, 3)
    mabel.leave(uri)
    wali.ban(uri, otis)
    wali.attach(uri)
    found = exported(exports.export_chat, chat=uri)
    head = found.pop("export.json")
    assert re.fullmatch(INSTANT, head.pop("exported_at"))
    details = {"title": "Picnic", "owner": wali.username, "joinable": True, "history": "full"}
    assert head == {
        "format": 1,
        "kind": "chat",
        "chat": {"uri": uri, "kind": "group", **details},
        "version": wali.chat(uri)["version"],
    }
    assert {row["username"]: row["left"] for row in found.pop("members.jsonl")} == {
        wali.username: False,
        mabel.username: True,
    }
    assert [row["username"] for row in found.pop("bans.jsonl")] == [otis.username]
    assert found.pop("messages.jsonl") == list(history(wali, uri).values())
    assert found == {f"attachments/{file['id']}/list.txt": b"Lemonade"}


def test_all_of_a_person_and_nothing_of_others(wali: Person, mabel: Person, otis: Person) -> None:
    uri, direct, other = wali.start(mabel), wali.start_direct(mabel), mabel.start(otis)
    wali.send(uri, "wali's", client_id="a")
    wali.send(direct, "to mabel")
    mabel.send(uri, "mabel's")
    mabel.send(other, "to otis")
    mabel.react(uri, 1, "👍")
    wali.react(uri, 2, "🎉")
    wali.block(mabel)
    mabel.block(wali)
    wali.report(uri, 2, "Rude")
    wali.prefer(uri, pinned=True)
    sent, waiting = wali.send_file(uri, b"sent", "a.txt"), wali.attach(uri, b"waiting", "a.txt")
    mabel.send_file(uri, b"mabel's")
    wali.leave(uri)
    found = exported(exports.export_user, user=wali.user)
    head = found.pop("export.json")
    assert (head["kind"], head["user"]) == ("user", {"username": wali.username, "email": wali.email})
    chats = {row["uri"]: row for row in found.pop("chats.jsonl")}
    assert {uri: row["left_at"] is None for uri, row in chats.items()} == {uri: False, direct: True}
    messages = found.pop("messages.jsonl")
    assert [(row["chat"], row["message"]) for row in messages] == [
        (uri, "wali's"),
        (direct, "to mabel"),
        (uri, "Hello world"),
    ]
    assert messages[0]["client_id"] == "a"
    assert found.pop("reactions.jsonl") == [{"chat": uri, "seq": 2, "emoji": "🎉"}]
    assert [row["username"] for row in found.pop("blocks.jsonl")] == [mabel.username]
    assert [(row["seq"], row["reason"]) for row in found.pop("reports.jsonl")] == [(2, "Rude")]
    assert found == {
        f"attachments/{sent['id']}/a.txt": b"sent",
        f"attachments/{waiting['id']}/a.txt": b"waiting",
    }


def test_whoever_has_done_nothing_gets_that_too(wali: Person) -> None:
    file = BytesIO()
    assert list(exports.export_user(user=wali.user, file=file)) == []
    with ZipFile(file) as archive:
        assert archive.read("messages.jsonl") == b""


def test_where_somebody_is_not_any_more_has_no_title_for_them(wali: Person, mabel: Person) -> None:
    uri = wali.start(mabel, title="Picnic")
    wali.remove(uri, mabel)
    wali.edit_chat(uri, title="Without mabel")
    file = BytesIO()
    sum(exports.export_user(user=mabel.user, file=file))
    [row] = read("chats.jsonl", ZipFile(file).read("chats.jsonl"))
    assert (row["uri"], row["title"]) == (uri, None)


def test_every_name_can_be_unpacked(wali: Person, tmp_path: Path) -> None:
    uri = wali.start()
    for name in ("😀" * 200 + ".txt", "x" * 300 + ".txt", "é" * 200):
        wali.send_file(uri, name=name)
    file = BytesIO()
    sum(exports.export_chat(chat=uri, file=file))
    ZipFile(file).extractall(tmp_path)
    names = {path.name for path in tmp_path.glob("attachments/*/*")}
    assert names == {"😀" * 62 + ".txt", "x" * 251 + ".txt", "é" * 127}


def test_more_rows_of_a_batch_take_no_more_queries(wali: Person, crowd: Callable[[int], Sequence[Person]]) -> None:
    def count(export: Callable[[], Iterator[int]]) -> int:
        with CaptureQueriesContext(connection) as queries:
            sum(export())
        return len(queries)

    uri = wali.start()
    export_chat = partial(exports.export_chat, chat=uri, file=BytesIO())
    export_user = partial(exports.export_user, user=wali.user, file=BytesIO())
    counts, people = [], crowd(8)
    for some in (people[:2], people[2:]):
        for person in some:
            person.join(uri)
            wali.report(uri, person.send(uri)["seq"])
            person.react(uri, wali.send(uri)["seq"], "👍")
            wali.ban(uri, person)
            wali.block(person)
        counts.append((count(export_chat), count(export_user)))
    assert counts[0] == counts[1]


def test_in_batches(wali: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exports, "ROWS_AT_ONCE", 3)
    uri = wali.start()
    for n in range(7):
        wali.send_file(uri, f"{n}".encode())
    file = BytesIO()
    written = [rows for rows in exports.export_chat(chat=uri, file=file) if rows]
    assert written == [1, 3, 3, 1, *[1] * 7], "files one at a time"
    with ZipFile(file) as archive:
        rows = read("messages.jsonl", archive.read("messages.jsonl"))
        assert rows == list(history(wali, uri).values())
        contents = [archive.read(f"attachments/{row['attachments'][0]['id']}/hello.txt") for row in rows]
    assert contents == [f"{n}".encode() for n in range(7)]


def test_a_large_file_in_parts(wali: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exports, "BYTES_AT_ONCE", 1000)
    uri = wali.start()
    content = bytes(range(256)) * 40
    saved = wali.send_file(uri, content, "large")
    file = BytesIO()
    sizes = [file.tell() for _ in exports.export_chat(chat=uri, file=file)]
    assert len(sizes) > 10
    with ZipFile(file) as archive:
        assert archive.read(f"attachments/{saved['id']}/large") == content


def test_files_that_the_storage_has_lost_are_listed(
    wali: Person, settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    uri = wali.start()
    wali.send(uri)
    sent, waiting = wali.send_file(uri), wali.attach(uri)
    settings.MEDIA_ROOT = settings.MEDIA_ROOT / "elsewhere"
    of_chat, of_user = exported(exports.export_chat, chat=uri), exported(exports.export_user, user=wali.user)
    assert of_chat["lost.jsonl"] == [{"chat": uri, "seq": 2, **sent}]
    assert of_user["lost.jsonl"] == [{"chat": uri, "seq": 2, **sent}, {"chat": uri, "seq": None, **waiting}]
    assert logged_errors(caplog)


@pytest.mark.parametrize("name", ["../../x", "..\\x", "/etc/passwd", "C:\\x", "a/../../b", "con", "x" * 300])
def test_no_name_leads_out_of_the_file(name: str, wali: Person, tmp_path: Path) -> None:
    uri = wali.start()
    wali.send_file(uri, b"Hello", name)
    file = BytesIO()
    list(exports.export_chat(chat=uri, file=file))
    with ZipFile(file) as archive:
        archive.extractall(tmp_path / "out")
        assert all(re.fullmatch(r"attachments/[\w-]{22}/[^/\\]+|\w+\.jsonl?", each) for each in archive.namelist())


def test_there_is_no_other_chat(db: None) -> None:
    with pytest.raises(NotFound):
        list(exports.export_chat(chat="x" * 22, file=BytesIO()))


# Commands


def command(name: str, *arguments: str, capsys: pytest.CaptureFixture[str]) -> str:
    call_command(name, *arguments)
    return capsys.readouterr().out


def test_the_command_writes_a_file(wali: Person, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    uri, path = wali.start(), tmp_path / "export.zip"
    wali.send(uri)
    for which in (f"--chat={uri}", f"--user={wali.username}"):
        assert command("export_chat", which, "-o", str(path), capsys=capsys) == f"Rows in {path}: 2\n"
        assert "messages.jsonl" in ZipFile(path).namelist()
        path.unlink()


def test_the_command_overwrites_nothing_and_leaves_nothing_half(wali: Person, tmp_path: Path) -> None:
    path = tmp_path / "export.zip"
    path.write_text("mine")
    with pytest.raises(CommandError, match="exists already"):
        call_command("export_chat", "--user", wali.username, "-o", path)
    assert path.read_text() == "mine"
    path.unlink()
    for which in (["--user", "nobody"], ["--chat", "x" * 22]):
        with pytest.raises(CommandError, match="There is no"):
            call_command("export_chat", *which, "-o", path)
        assert not path.exists()
    path = tmp_path / "nowhere" / "export.zip"
    with pytest.raises(CommandError) as told:
        call_command("export_chat", "--user", wali.username, "-o", path)
    assert str(told.value) == f"{path} cannot be written: No such file or directory."


@pytest.mark.parametrize("size", [0, 1000, 100_000])
def test_a_disk_that_is_full_is_told_and_nothing_is_left(size: int, wali: Person, tmp_path: Path) -> None:
    wali.send_file(wali.start(), os.urandom(200_000))
    path = tmp_path / "export.zip"
    with files_of_at_most(size), pytest.raises(CommandError) as told:
        call_command("export_chat", "--user", wali.username, "-o", path)
    assert str(told.value) == f"{path} cannot be written: File too large."
    assert list(tmp_path.glob("*.zip")) == []


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    """The system writes no more, which this process is told as it is of a full disk."""
    resource = pytest.importorskip("resource")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("error", [PermissionError, TimeoutError, FileExistsError, RuntimeError])
def test_of_an_export_that_fails_nothing_is_left(
    error: type[Exception], wali: Person, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> None:
        raise error("The storage says no")

    wali.send_file(wali.start())
    monkeypatch.setattr(FileSystemStorage, "open", fail)
    path = tmp_path / "export.zip"
    with pytest.raises(error, match="The storage says no"):
        call_command("export_chat", "--user", wali.username, "-o", path)
    assert not path.exists()
