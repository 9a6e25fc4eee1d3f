"""Files that are part of messages: who may send them, who may see them, and what becomes of them."""

from __future__ import annotations

import gc
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from io import BytesIO
from pathlib import Path
from typing import Any, ClassVar

import httpx
import pytest
from django.core.files.base import ContentFile, File
from django.core.files.storage import FileSystemStorage, default_storage
from django.db import connection, transaction
from django.db.models.signals import pre_save
from django.test.utils import CaptureQueriesContext
from PIL import Image, ImageOps
from pytest_django import DjangoCaptureOnCommitCallbacks

from django_bpo_chat import images, operations
from django_bpo_chat.adapter import Adapter
from django_bpo_chat.clock import ClockTime
from django_bpo_chat.exceptions import Invalid, TooLarge
from django_bpo_chat.models import Attachment, Chat
from tests.clients import Connect
from tests.fixtures import Configure
from tests.middleware import READS_FORMS
from tests.parallel import at_once
from tests.person import FORM, Answer, OnPage, Person, Visitor, file_part, form
from tests.pictures import ORIENTATION, animation, opened, photo, picture, with_exif, with_exif_at_its_end
from tests.servers import LiveServer, logged_errors

pytest_plugins = ["tests.sockets"]

pytestmark = [pytest.mark.users, pytest.mark.usefixtures("own_folder")]


def stored_files() -> set[str]:
    """The paths of all files in the storage."""
    root = Path(default_storage.path("bpo_chat"))
    return {str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()}


# Uploading and sending


def test_a_file_is_uploaded_and_then_sent(wali: Person, mabel: Person) -> None:
    uri = wali.start(mabel)
    file = wali.upload(uri, b"Hello", "notes.txt")
    assert file.status == 201
    described = {"name": "notes.txt", "content_type": "text/plain", "size": 5, "width": None, "height": None}
    assert file.json == {"id": file.json["id"], **described, "preview": False}
    since = wali.chat(uri)["version"]
    message = wali.send(uri, "Look", attachments=[file.json["id"]])
    assert message["attachments"] == [file.json]
    assert mabel.messages(uri)["results"] == [message]
    assert mabel.changes(uri, since)["messages"] == [message]
    assert mabel.chat(uri)["last_message"] == message
    assert mabel.download(uri, file.json).content == b"Hello"


def test_a_message_without_files_has_none(wali: Person) -> None:
    uri = wali.start()
    assert wali.send(uri)["attachments"] == []
    assert wali.send(uri, attachments=[])["attachments"] == []
    assert wali.send(uri, attachments=None)["attachments"] == []


def test_a_file_needs_no_text(wali: Person) -> None:
    uri = wali.start()
    message = wali.send(uri, " ", attachments=[wali.attach(uri)["id"]])
    assert message["message"] == ""
    assert wali.messages(uri)["results"] == [message]
    assert wali.edit(uri, 1, "With a text")["message"] == "With a text"
    edited = wali.edit(uri, 1, "")
    assert (edited["message"], len(edited["attachments"])) == ("", 1)
    body = {"attachments": [wali.attach(uri)["id"]]}
    assert wali.post(f"chats/{uri}/messages/", body).done()["message"] == ""


@pytest.mark.parametrize("text", [" \u200b", "\u2800", "\u3164\n"])
def test_a_text_that_shows_nothing_is_none(text: str, wali: Person) -> None:
    uri = wali.start()
    assert wali.send(uri, text, attachments=[wali.attach(uri)["id"]])["message"] == ""
    assert wali.edit(uri, 1, "With a text")["message"] == "With a text"
    assert wali.edit(uri, 1, text)["message"] == ""
    for bad in ("\0", " \0 "):
        body = {"message": bad, "attachments": [wali.attach(uri)["id"]]}
        assert [*wali.post(f"chats/{uri}/messages/", body).json] == ["message"]


def test_a_message_without_files_does(wali: Person) -> None:
    uri = wali.start()
    wali.send(uri)
    blank = {"message": ["This field may not be blank."]}
    assert wali.post(f"chats/{uri}/messages/", {"message": "", "attachments": []}).json == blank
    for nothing in ({}, {"attachments": []}, {"attachments": None}):
        assert wali.post(f"chats/{uri}/messages/", nothing).json == blank
    assert wali.patch(f"chats/{uri}/messages/1/", {"message": ""}).json == blank


def test_files_are_in_the_order_in_which_they_are_named(wali: Person) -> None:
    uri = wali.start()
    ids = [wali.attach(uri, name=f"{n}.txt")["id"] for n in range(3)]
    sent = wali.send(uri, attachments=[ids[2], ids[0], ids[1], ids[0]])
    assert [file["name"] for file in sent["attachments"]] == ["2.txt", "0.txt", "1.txt"]
    assert wali.messages(uri)["results"] == [sent]


def test_a_message_has_so_many_files_at_most(wali: Person, configure: Configure) -> None:
    configure(ATTACHMENTS_PER_MESSAGE=2)
    uri = wali.start()
    ids = [wali.attach(uri)["id"] for _ in range(3)]
    answer = wali.post(f"chats/{uri}/messages/", {"message": "", "attachments": ids})
    assert (answer.status, answer.json) == (400, {"attachments": ["No more than 2 files."]})
    assert len(wali.send(uri, attachments=ids[:2])["attachments"]) == 2


def test_names_that_do_not_fit_a_frame_are_refused(wali: Person, configure: Configure) -> None:
    configure(ATTACHMENTS_PER_MESSAGE=100)
    uri = wali.start()
    quotes = {"file": ContentFile(b"Hello"), "name": '"' * 251}  # as JSON each is two characters
    ids = [operations.upload_attachment(actor=wali.user, chat=uri, **quotes).key for _ in range(100)]
    answer = wali.post(f"chats/{uri}/messages/", {"message": "\U0001f468" * 4000, "attachments": ids})
    assert (answer.status, [*answer.json]) == (400, ["attachments"])
    assert wali.messages(uri)["results"] == []
    assert len(wali.send(uri, attachments=ids[:20])["attachments"]) == 20


def test_a_site_may_take_no_files(wali: Person, configure: Configure) -> None:
    configure(ATTACHMENTS_PER_MESSAGE=0)
    assert wali.upload(wali.start()).json["code"] == "not_allowed"


def test_a_file_is_so_large_at_most(wali: Person, configure: Configure) -> None:
    configure(ATTACHMENT_BYTES=1000)
    uri = wali.start()
    assert wali.upload(uri, b"x" * 1000).status == 201
    answer = wali.upload(uri, b"x" * 1001)
    assert (answer.status, answer.json["code"]) == (413, "too_large")
    assert "1000" in answer.json["detail"]
    assert wali.upload(uri, b"x" * 100_000).status == 413
    assert Attachment.objects.count() == len(stored_files()) == 1


def test_a_file_may_be_larger_than_a_message_or_what_is_kept_in_memory(wali: Person, mabel: Person) -> None:
    uri, content = wali.start(mabel), bytes(range(256)) * 20_000
    assert mabel.download(uri, wali.send_file(uri, content)).content == content


BODIES: dict[str, tuple[bytes, str, int, str]] = {
    "JSON": (b"{}", "application/json", 415, "unsupported_media_type"),
    "a form of another kind": (b"file=x", "application/x-www-form-urlencoded", 415, "unsupported_media_type"),
    "no type": (b"x", "", 415, "unsupported_media_type"),
    "no boundary": (b"x", "multipart/form-data", 400, "parse_error"),
    "an odd boundary": (b"x", "multipart/form-data; boundary=\xe9", 400, "parse_error"),
    "a bad base64": (
        form(file_part(b"abcde", header=b"Content-Transfer-Encoding: base64\r\n")),
        FORM,
        400,
        "parse_error",
    ),
    "many fields": (form(*[b'name="x"\r\n\r\nx'] * 1500), FORM, 400, "invalid"),
    "a long field": (form(b'name="x"\r\n\r\n' + b"x" * 3_000_000), FORM, 400, "invalid"),
    "no form": (b"x" * 100, FORM, 400, ""),
    "half of a form": (form(file_part())[:40], FORM, 400, ""),
    "text instead of a file": (form(b'name="file"\r\n\r\nx'), FORM, 400, ""),
    "another field": (form(file_part(field="another")), FORM, 400, ""),
    "an empty file": (form(file_part(b"")), FORM, 400, ""),
}


@pytest.mark.parametrize("name", BODIES)
def test_a_body_without_one_file_is_refused(name: str, wali: Person) -> None:
    body, content_type, status, code = BODIES[name]
    answer = wali.ask("POST", f"chats/{wali.start()}/attachments/", body, content_type=content_type)
    assert answer.status == status, answer.json
    assert answer.json.get("code", "") == code
    if not code:
        assert [*answer.json] == ["file"]
    assert not Attachment.objects.exists()


def test_one_file_at_a_time(wali: Person) -> None:
    uri = wali.start()
    answer = wali.upload(uri, more=file_part())
    assert (answer.status, answer.json) == (400, {"file": ["One file at a time."]})
    assert wali.upload(uri, more=b'name="comment"\r\n\r\nx').status == 201


REFUSED: dict[str, bytes] = {
    "too large": form(file_part(b"x" * 3_100_000)),
    "two files": form(file_part(b"x" * 2_700_000), file_part()),
    "another field": form(file_part(b"x" * 2_700_000, field="another")),
    "half of a form": form(file_part(b"x" * 2_700_000))[:-20],
    "a bad base64": form(
        file_part(b"eHh4" * 700_000 + b"abcde", header=b"Content-Transfer-Encoding: base64\r\n"),
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused_leaves_no_temporary_file(
    name: str, wali: Person, configure: Configure, tmp_path: Path, settings: Any
) -> None:
    configure(ATTACHMENT_BYTES=3_000_000)
    settings.FILE_UPLOAD_TEMP_DIR = tmp_path
    uri = wali.start()
    gc.disable()
    try:
        answer = wali.ask("POST", f"chats/{uri}/attachments/", REFUSED[name], content_type=FORM)
        assert answer.status in {400, 413}
        assert [*tmp_path.glob("*.upload*")] == []
    finally:
        gc.enable()


def test_a_page_uploads_with_the_session_of_its_site(wali: Person) -> None:
    uri = wali.start()
    file = OnPage(wali.user).upload(uri).done()
    assert wali.download(uri, file).content == b"Hello"


@pytest.mark.parametrize("has_session", [True, False])
def test_a_middleware_may_have_read_the_form(
    wali: Person, configure: Configure, settings: Any, has_session: bool
) -> None:
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, READS_FORMS]
    configure(ATTACHMENT_BYTES=10)
    uri = wali.start()
    person: Visitor = OnPage(wali.user) if has_session else wali
    assert person.upload(uri).status == 201
    assert person.upload(uri, b"x" * 11).json["code"] == "too_large"
    assert person.upload(uri, more=file_part(field="another")).json == {"file": ["One file at a time."]}
    assert person.ask("POST", f"chats/{uri}/attachments/", form(file_part())[:40], content_type=FORM).status == 400
    assert len(stored_files()) == 1


def test_with_one_file_more_than_may_wait_to_be_sent_the_oldest_goes(
    wali: Person,
    mabel: Person,
    monkeypatch: pytest.MonkeyPatch,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    monkeypatch.setattr("django_bpo_chat.operations.attachments.MOST_PENDING", 2)
    uri, other = wali.start(mabel), wali.start(mabel)
    sent, mabels, elsewhere = wali.send_file(uri), mabel.attach(uri), wali.attach(other)
    with django_capture_on_commit_callbacks(execute=True):
        first, second, third = [wali.attach(uri) for _ in range(3)]
    assert [wali.download(uri, file).status for file in (sent, first, second, third)] == [200, 404, 200, 200]
    assert (mabel.download(uri, mabels).status, wali.download(other, elsewhere).status) == (200, 200)
    assert len(stored_files()) == Attachment.objects.count() == 5
    wali.send(uri, attachments=[second["id"], third["id"]])


@pytest.mark.django_db(transaction=True)
def test_so_many_wait_also_when_they_come_at_once(wali: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("django_bpo_chat.operations.attachments.MOST_PENDING", 3)
    uri, _token = wali.start(), wali.access
    answers = at_once(*[lambda: wali.upload(uri)] * 8)
    assert {answer.status for answer in answers} <= {201, 404}
    assert len(stored_files()) == Attachment.objects.count() == 3


# What may be sent


def test_only_ones_own_files_of_this_chat_can_be_sent_and_only_once(wali: Person, mabel: Person) -> None:
    uri, other = wali.start(mabel), wali.start(mabel)
    own, sent = wali.attach(uri), wali.send_file(uri)
    elsewhere, mabels = wali.attach(other), mabel.attach(uri)
    refusals = [
        wali.post(f"chats/{uri}/messages/", {"message": "x", "attachments": [own["id"], id_]})
        for id_ in (sent["id"], elsewhere["id"], mabels["id"], "x" * 22, "\0", "", "\ud800", "x" * 5000)
    ]
    assert {(answer.status, answer.content) for answer in refusals} == {(400, refusals[0].content)}
    assert [*refusals[0].json] == ["attachments"]
    assert len(wali.send(uri, attachments=[own["id"]])["attachments"]) == 1


@pytest.mark.parametrize("attachments", ["x", {"a": 1}, 1, [1], [None], [["a"]], True])
def test_what_is_no_list_of_ids_is_refused(attachments: Any, wali: Person) -> None:
    answer = wali.post(f"chats/{wali.start()}/messages/", {"message": "x", "attachments": attachments})
    assert (answer.status, [*answer.json]) == (400, ["attachments"])


@pytest.mark.django_db(transaction=True)
def test_of_messages_with_one_file_that_are_sent_at_once_one_has_it(wali: Person) -> None:
    uri, _token = wali.start(), wali.access
    file = wali.attach(uri)
    answers = at_once(*[lambda: wali.post(f"chats/{uri}/messages/", {"message": "x", "attachments": [file["id"]]})] * 6)
    assert sorted(answer.status for answer in answers) == [201] + [400] * 5
    assert [message["seq"] for message in wali.messages(uri)["results"]] == [1]


def test_a_repetition_gives_the_message_with_its_files(wali: Person) -> None:
    uri = wali.start()
    body = {"message": "", "client_id": "a", "attachments": [wali.attach(uri)["id"]]}
    first, again = (wali.post(f"chats/{uri}/messages/", body) for _ in range(2))
    assert (first.status, again.status) == (201, 200)
    assert again.json == first.json
    other = wali.post(f"chats/{uri}/messages/", {**body, "attachments": [wali.attach(uri)["id"]]})
    assert (other.status, other.json["code"]) == (409, "client_id_reused")
    wali.erase(uri, 1)
    assert wali.post(f"chats/{uri}/messages/", body).json["deleted"] is True


def test_over_a_socket_too(connect: Connect, wali: Person, mabel: Person) -> None:
    uri = wali.start(mabel)
    socket, other = connect(wali), connect(mabel)
    file = wali.attach(uri)
    answer = socket.ask("message.send", chat=uri, message="", attachments=[file["id"]])
    assert answer["message"]["attachments"] == [file]
    assert other.hear()["messages"] == [answer["message"]]
    again = socket.ask("message.send", chat=uri, message="", attachments=[file["id"]])
    assert (again["type"], again["code"]) == ("error", "invalid")


# Who may see a file


def answers(person: Visitor, uri: str, file: Any) -> tuple[int, int]:
    """What an upload and a download get."""
    return person.upload(uri).status, person.get(f"chats/{uri}/attachments/{file['id']}/").status


def test_what_is_not_sent_yet_only_its_uploader_sees(wali: Person, mabel: Person) -> None:
    uri = wali.start(mabel)
    file = wali.attach(uri)
    assert wali.download(uri, file).content == b"Hello"
    assert mabel.download(uri, file).is_same_as(mabel.download(uri, {"id": "x" * 22}))


def test_nobody_else_sees_or_sends_files(wali: Person, mabel: Person, otis: Person, visitor: Visitor) -> None:
    uri = wali.start(mabel)
    file = wali.send_file(uri)
    assert answers(mabel, uri, file) == (201, 200)
    assert answers(visitor, uri, file) == (401, 401)
    assert answers(otis, uri, file) == (403, 403)
    wali.edit_chat(uri, joinable=False)
    assert answers(otis, uri, file) == (404, 404)
    wali.remove(uri, mabel)
    assert answers(mabel, uri, file) == (404, 404)
    wali.edit_chat(uri, joinable=True)
    assert mabel.download(uri, file).json["code"] == "not_a_member"
    wali.ban(uri, mabel)
    assert answers(mabel, uri, file) == (404, 404)


def test_a_file_is_of_its_chat_alone(wali: Person, mabel: Person) -> None:
    uri, other = wali.start(mabel), wali.start(mabel)
    file = wali.send_file(uri)
    assert mabel.download(other, file).status == mabel.download("x" * 22, file).status == 404


@pytest.mark.parametrize("id_", ["x", "x" * 22, "%00", "..", "x" * 500, "%ED%A0%80"])
def test_there_is_no_other_file(id_: str, wali: Person) -> None:
    answer = wali.get(f"chats/{wali.start()}/attachments/{id_}/")
    assert (answer.status, answer.json["code"]) == (404, "not_found")


def test_newcomers_do_not_see_files_from_before(wali: Person, mabel: Person) -> None:
    uri = wali.start()
    wali.edit_chat(uri, history="since_join")
    before = wali.send_file(uri)
    mabel.join(uri)
    after = wali.send_file(uri)
    assert [mabel.download(uri, file).status for file in (before, after)] == [404, 200]


def test_whom_one_blocks_sends_no_files(wali: Person, mabel: Person) -> None:
    uri = wali.start_direct(mabel)
    file = mabel.send_file(uri)
    wali.block(mabel)
    assert answers(mabel, uri, file) == (403, 200)


# What becomes of them


def test_files_go_with_their_message(
    wali: Person, mabel: Person, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    uri = wali.start(mabel)
    file = wali.send_file(uri, picture())
    assert len(stored_files()) == 2
    with django_capture_on_commit_callbacks(execute=True):
        tombstone = wali.erase(uri, 1)
    assert (tombstone["message"], tombstone["attachments"]) == ("", [])
    assert [each.download(uri, file).status for each in (wali, mabel)] == [404, 404]
    assert wali.post(f"chats/{uri}/messages/", {"message": "", "attachments": [file["id"]]}).status == 400
    assert stored_files() == set()
    assert not Attachment.objects.exists()


def test_files_stay_with_their_message_when_the_author_leaves(wali: Person, mabel: Person) -> None:
    uri = wali.start(mabel)
    file = mabel.send_file(uri)
    mabel.user.delete()
    assert wali.download(uri, file).content == b"Hello"


def test_what_was_never_sent_is_pruned(wali: Person, mabel: Person) -> None:
    uri = wali.start(mabel)
    sent, old, new = wali.send_file(uri), wali.attach(uri, picture()), wali.attach(uri)
    Attachment.objects.exclude(key=new["id"]).update(created_at=ClockTime() - timedelta(hours=25))
    assert len(stored_files()) == 4
    assert sum(operations.prune_attachments()) == 1
    assert [wali.download(uri, file).status for file in (sent, old, new)] == [200, 404, 200]
    assert len(stored_files()) == 2
    assert sum(operations.prune_attachments(older_than=timedelta(0))) == 1
    assert [wali.download(uri, file).status for file in (sent, new)] == [200, 404]


def test_what_an_account_has_not_sent_is_pruned_once_it_is_gone(wali: Person, mabel: Person) -> None:
    wali.attach(wali.start(mabel))
    wali.user.delete()
    assert sum(operations.prune_attachments()) == 1
    assert stored_files() == set()


def test_files_are_pruned_once_their_chat_is_gone(wali: Person) -> None:
    uri = wali.start()
    wali.send_file(uri)
    wali.attach(uri)
    Chat.objects.all().delete()
    assert sum(operations.prune_attachments()) == 2
    assert stored_files() == set()


class Broken(FileSystemStorage):
    """Takes so many files, and deletes none."""

    room = 0

    def save(self, *args: Any, **kwargs: Any) -> str:
        if not self.room:
            raise OSError("No space left on device")
        self.room -= 1
        return super().save(*args, **kwargs)

    def delete(self, name: str) -> None:
        raise OSError("Read-only file system")

    def open(self, *args: Any, **kwargs: Any) -> Any:
        raise ConnectionError("No route to host")


class Interrupted(FileSystemStorage):
    """Before a file is there, the account of its uploader is deleted."""

    prunes = False

    def save(self, *args: Any, **kwargs: Any) -> str:
        Attachment.objects.latest("pk").uploader.delete()
        if self.prunes:
            assert sum(operations.prune_attachments()) == 1
        return super().save(*args, **kwargs)


@pytest.mark.parametrize("prunes", [False, True])
def test_whose_account_is_deleted_meanwhile_leaves_no_file(
    prunes: bool, wali: Person, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    uri = wali.start()
    use(settings, Interrupted)
    monkeypatch.setattr(Interrupted, "prunes", prunes)
    assert wali.upload(uri).status == 404
    assert stored_files() == set()
    assert not Attachment.objects.exists()


class Renaming(FileSystemStorage):
    """Has files elsewhere than asked, as storages do that number what has one name; then it is full."""

    room = 1

    def save(self, name: str | None, *args: Any, **kwargs: Any) -> str:
        if not self.room:
            raise OSError("No space left on device")
        self.room -= 1
        return super().save(f"{name}_1", *args, **kwargs)

    def delete(self, name: str) -> None:
        if not self.room:
            raise OSError("Read-only file system")
        super().delete(name)


def test_a_file_is_found_where_the_storage_has_put_it(wali: Person, settings: Any) -> None:
    uri = wali.start()
    use(settings, Renaming)
    storage: Any = default_storage
    assert wali.upload(uri, picture()).status == 503
    assert len(stored_files()) == 1
    storage.room = 2
    assert sum(operations.prune_attachments(older_than=timedelta(0))) == 1
    assert stored_files() == set()
    assert wali.download(uri, wali.send_file(uri, picture()), preview="true").status == 200


class Typed(FileSystemStorage):
    """Keeps the type that a file comes with, as storages on S3 do."""

    types: ClassVar[list[str]] = []

    def save(self, name: str | None, content: Any, *args: Any, **kwargs: Any) -> str:
        self.types.append(content.content_type)
        return super().save(name, content, *args, **kwargs)


@pytest.mark.parametrize("size", [5, 3_000_000])
def test_the_storage_is_not_told_what_the_uploader_says_it_is(size: int, wali: Person, settings: Any) -> None:
    uri = wali.start()
    use(settings, Typed)
    Typed.types.clear()
    body = form(file_part(b"x" * size, "x.html", header=b"Content-Type: text/html\r\n"))
    wali.ask("POST", f"chats/{uri}/attachments/", body, content_type=FORM).done()
    wali.upload(uri, picture()).done()
    assert Typed.types == ["application/octet-stream"] * 3


class Lazy(FileSystemStorage):
    """Opens nothing before it is read, as storages elsewhere do, and does not know how long it is."""

    error: ClassVar[Exception | None] = None

    def _open(self, name: str, mode: str = "rb") -> Any:
        content = super()._open(name, mode)

        class Read(File):  # type: ignore[type-arg]
            @property
            def size(self) -> int:
                raise AttributeError("Unable to determine the file's size.")

            def read(self, *args: Any) -> Any:
                if Lazy.error:
                    raise Lazy.error
                return content.read(*args)

        return Read(content.file)


@pytest.mark.parametrize(
    ("error", "status"), [(FileNotFoundError("Gone"), 404), (ConnectionError("No route to host"), 503)]
)
def test_a_storage_may_fail_late(
    error: Exception, status: int, wali: Person, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    uri = wali.start()
    file = wali.send_file(uri, picture())
    use(settings, Lazy)
    answer = wali.download(uri, file)
    assert (answer.content, answer.headers["Content-Length"]) == (picture(), str(len(picture())))
    assert opened(wali.download(uri, file, preview="true").content).size == (64, 48)
    monkeypatch.setattr(Lazy, "error", error)
    assert wali.download(uri, file).status == wali.download(uri, file, preview="true").status == status


told_and_deleted: list[str] = []


class Told(FileSystemStorage):
    def delete(self, name: str) -> None:
        told_and_deleted.append("deleted")


def bus(_envelope: Any) -> None:
    told_and_deleted.append("told")


@pytest.mark.django_db(transaction=True)
def test_nobody_waits_for_the_storage_to_hear_of_a_deletion(wali: Person, configure: Configure, settings: Any) -> None:
    uri = wali.start()
    wali.send_file(uri)
    use(settings, Told)
    configure(BUS=f"{__name__}.bus")
    told_and_deleted.clear()
    wali.erase(uri, 1)
    assert told_and_deleted == ["told", "deleted"]


@pytest.mark.django_db(transaction=True)
def test_nothing_is_pruned_within_a_transaction(wali: Person) -> None:
    file = wali.attach(uri := wali.start())
    with pytest.raises(RuntimeError), transaction.atomic():
        sum(operations.prune_attachments(older_than=timedelta(0)))
    assert wali.download(uri, file).status == 200


@pytest.mark.skipif(connection.vendor != "postgresql", reason="On SQLite one writes at a time")
@pytest.mark.django_db(transaction=True)
def test_what_is_being_sent_is_not_pruned_nor_waited_for(wali: Person) -> None:
    uri, _token = wali.start(), wali.access
    ids = [wali.attach(uri)["id"] for _ in range(3)]
    is_sending, is_pruned = threading.Event(), threading.Event()

    def send() -> bool:
        with transaction.atomic():
            operations.send_message(actor=wali.user, chat=uri, text="", attachments=ids)
            is_sending.set()
            return is_pruned.wait(5)

    def prune() -> bool:
        assert is_sending.wait(5)
        count = sum(operations.prune_attachments(older_than=timedelta(0)))
        is_pruned.set()
        return count == 0

    assert at_once(send, prune) == [True, True]
    assert len(wali.messages(uri)["results"][0]["attachments"]) == len(stored_files()) == 3


@pytest.mark.parametrize("messages", ["keep", "delete"])
@pytest.mark.django_db(transaction=True)
def test_an_account_is_deleted_while_it_uploads(
    messages: str, wali: Person, mabel: Person, configure: Configure
) -> None:
    configure(DELETED_USERS_MESSAGES=messages)
    uri, _token = wali.start(mabel), wali.access
    is_reserving = threading.Event()

    def hold(**_: Any) -> None:
        is_reserving.set()
        time.sleep(0.5)  # in which the deletion comes to wait

    def delete() -> None:
        assert is_reserving.wait(5)
        wali.user.delete()

    pre_save.connect(hold, sender=Attachment)
    try:
        answer, _deleted = at_once(lambda: wali.upload(uri), delete)
    finally:
        pre_save.disconnect(hold, sender=Attachment)
    assert answer is not None
    assert answer.status in {201, 404}
    assert wali.username not in [each["username"] for each in mabel.chat(uri)["members"]]
    sum(operations.prune_attachments())
    assert stored_files() == set()


def use(settings: Any, storage: type[FileSystemStorage]) -> None:
    settings.STORAGES = {**settings.STORAGES, "default": {"BACKEND": f"{__name__}.{storage.__name__}"}}


def storing(settings: Any, location: Path, room: int) -> None:
    settings.STORAGES = {
        **settings.STORAGES,
        "broken": {"BACKEND": f"{__name__}.Broken", "OPTIONS": {"location": location}},
    }
    settings.BPO_CHAT = {"ATTACHMENT_STORAGE": "broken"}
    from django.core.files.storage import storages

    storages["broken"].room = room


@pytest.mark.parametrize("room", [0, 1])
def test_where_the_storage_fails_nothing_is_left_to_be_forgotten(
    room: int, wali: Person, settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    uri = wali.start()
    storing(settings, settings.MEDIA_ROOT, room)
    answer = wali.upload(uri, picture())
    assert (answer.status, answer.json["code"], answer.headers["Retry-After"]) == (503, "unavailable", "1")
    assert len(stored_files()) == room
    assert sum(operations.prune_attachments(older_than=timedelta(0))) == 0
    assert logged_errors(caplog)
    settings.BPO_CHAT = {}
    assert sum(operations.prune_attachments(older_than=timedelta(0))) == 1
    assert stored_files() == set()


def test_where_the_storage_fails_a_message_is_deleted_all_the_same(
    wali: Person,
    settings: Any,
    caplog: pytest.LogCaptureFixture,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    uri = wali.start()
    storing(settings, settings.MEDIA_ROOT, 1)
    file = wali.send_file(uri)
    assert wali.download(uri, file).json["code"] == "unavailable"
    with django_capture_on_commit_callbacks(execute=True):
        wali.erase(uri, 1)
    assert wali.download(uri, file).status == 404
    assert len(stored_files()) == 1
    assert logged_errors(caplog)
    settings.BPO_CHAT = {}
    assert sum(operations.prune_attachments()) == 1
    assert stored_files() == set()


def test_a_file_that_the_storage_has_lost_is_not_there(
    wali: Person, caplog: pytest.LogCaptureFixture, settings: Any
) -> None:
    uri = wali.start()
    file = wali.send_file(uri)
    settings.MEDIA_ROOT = settings.MEDIA_ROOT / "elsewhere"
    assert wali.download(uri, file).json["code"] == "not_found"
    assert logged_errors(caplog)


# Images


def test_an_image_has_a_size_and_a_preview(wali: Person, mabel: Person) -> None:
    uri = wali.start(mabel)
    file = wali.send_file(uri, picture("PNG", (1200, 600)), "wide.png")
    assert (file["content_type"], file["width"], file["height"], file["preview"]) == ("image/png", 1200, 600, True)
    preview = mabel.download(uri, file, preview="true")
    assert preview.headers["Content-Type"] == "image/webp"
    assert opened(preview.content).size == (320, 160)


KINDS = {
    "image/png": lambda: [picture("PNG", mode=mode) for mode in ("1", "L", "LA", "P", "RGB", "RGBA", "I;16")],
    "image/jpeg": lambda: [*(picture("JPEG", mode=mode) for mode in ("L", "RGB", "CMYK")), picture("MPO")],
    "image/gif": lambda: [picture("GIF", mode="P"), animation()],
    "image/webp": lambda: [picture("WEBP"), picture("WEBP", mode="RGBA")],
}


@pytest.mark.parametrize("content_type", KINDS)
def test_images_of_all_kinds_that_browsers_show(content_type: str, wali: Person) -> None:
    uri = wali.start()
    for content in KINDS[content_type]():
        file = wali.send_file(uri, content, "x")
        assert (file["content_type"], file["width"], file["height"]) == (content_type, 64, 48)
        assert opened(wali.download(uri, file, preview="true").content).size == (64, 48)
        assert wali.download(uri, file).headers["Content-Type"] == content_type


def test_a_transparent_image_has_a_transparent_preview(wali: Person) -> None:
    uri = wali.start()
    file = wali.send_file(uri, picture("PNG", mode="RGBA"))
    assert opened(wali.download(uri, file, preview="true").content).mode == "RGBA"


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_an_image_stands_as_its_camera_was_held(kind: str, orientation: int, wali: Person) -> None:
    uri = wali.start()
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    content = with_exif(kind, exif)
    upright = ImageOps.exif_transpose(opened(content))
    file = wali.send_file(uri, content)
    assert (file["width"], file["height"]) == upright.size
    preview = opened(wali.download(uri, file, preview="true").content)
    assert preview.size == upright.size
    assert dark_corner(preview) == dark_corner(upright)


def dark_corner(image: Any) -> tuple[int, int]:
    x, y = image.width - 8, image.height - 8
    return min([(8, 8), (x, 8), (8, y), (x, y)], key=lambda place: int(image.convert("L").getpixel(place)))


BIG_ENDIAN = b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0"


def test_also_where_it_says_so_in_another_way(wali: Person) -> None:
    for content in (with_exif("JPEG", b"Exif\0\0" + BIG_ENDIAN), with_exif_at_its_end(BIG_ENDIAN)):
        file = wali.attach(wali.start(), content)
        assert (file["width"], file["height"]) == (48, 64)


@pytest.mark.parametrize(
    "exif", [b"", b"II*\0", b"II*\0\xff\xff\xff\xff", BIG_ENDIAN[:12], b"II*\0\x08\0\0\0\xff\xff", b"x" * 99]
)
def test_what_it_says_may_be_nonsense(exif: bytes, wali: Person) -> None:
    file = wali.attach(wali.start(), with_exif("PNG", b"Exif\0\0" + exif))
    assert (file["width"], file["height"], file["preview"]) == (64, 48, True)


def test_16_bits_of_grey_are_the_same_grey_in_8(wali: Person) -> None:
    uri = wali.start()
    for size in (64, 1300):
        file = BytesIO()
        Image.new("I;16", (size, size), 120 * 256).save(file, "PNG")
        sent = wali.send_file(uri, file.getvalue())
        preview = opened(wali.download(uri, sent, preview="true").content)
        assert (sent["width"], preview.width) == (size, min(size, 320))
        assert abs(preview.convert("L").getpixel((9, 9)) - 120) <= 3


def test_a_preview_does_not_tell_where_it_was_taken(wali: Person) -> None:
    uri = wali.start()
    content = photo(size=(640, 480))
    assert opened(content).getexif()
    file = wali.send_file(uri, content)
    assert not opened(wali.download(uri, file, preview="true").content).getexif()


def test_what_is_no_image_has_no_preview(wali: Person) -> None:
    uri = wali.start()
    file = wali.send_file(uri)
    answer = wali.download(uri, file, preview="true")
    assert (answer.status, answer.json["code"]) == (404, "not_found")
    assert wali.download(uri, file, preview="perhaps").status == 400


def test_without_pillow_an_image_is_a_file_like_any_other(wali: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(images, "has_pillow", False)
    uri = wali.start()
    file = wali.send_file(uri, picture(), "x.png")
    assert (file["content_type"], file["width"], file["preview"]) == ("image/png", None, False)
    assert wali.download(uri, file).headers["Content-Type"] == "application/octet-stream"


# Downloading


def test_a_browser_asks_whether_it_may_still_show_what_it_has(wali: Person, mabel: Person) -> None:
    uri = wali.start(mabel)
    path = f"chats/{uri}/attachments/{wali.send_file(uri)['id']}/"
    first = mabel.get(path)
    assert first.headers["Cache-Control"] == "private, no-cache"
    etag = {"If-None-Match": first.headers["ETag"]}
    again = mabel.ask("GET", path, headers=etag)
    assert (again.status, again.content) == (304, b"")
    wali.remove(uri, mabel)
    assert mabel.ask("GET", path, headers=etag).status == 403


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"If-None-Match": "*"}, 304),
        ({"If-None-Match": '"x", W/{etag}'}, 304),
        ({"If-None-Match": '"x"'}, 200),
        ({"If-Match": '"x"'}, 200),
        ({"If-Unmodified-Since": "Wed, 21 Oct 2015 07:28:00 GMT"}, 200),
        ({"Range": "bytes=0-1"}, 200),
    ],
)
def test_no_other_condition_changes_the_answer(headers: dict[str, str], status: int, wali: Person) -> None:
    uri = wali.start()
    path = f"chats/{uri}/attachments/{wali.send_file(uri)['id']}/"
    etag = wali.get(path).headers["ETag"]
    headers = {name: value.replace("{etag}", etag) for name, value in headers.items()}
    assert wali.ask("GET", path, headers=headers).status == status


def test_any_accept_header_will_do(wali: Person) -> None:
    uri = wali.start()
    file = wali.send_file(uri, picture())
    for accepted in ("image/avif,image/webp,*/*", "image/*", "text/html"):
        assert wali.ask("GET", f"chats/{uri}/attachments/{file['id']}/", headers={"Accept": accepted}).status == 200
        assert wali.ask("GET", f"chats/{uri}/attachments/x/", headers={"Accept": accepted}).json["code"] == "not_found"


def test_head_says_how_long_it_is(wali: Person) -> None:
    uri = wali.start()
    answer = wali.ask("HEAD", f"chats/{uri}/attachments/{wali.send_file(uri)['id']}/")
    assert (answer.status, answer.headers["Content-Length"], answer.content) == (200, "5", b"")


def test_from_an_asynchronous_server(live: LiveServer, wali: Person, settings: Any) -> None:
    uri, content = wali.start(), bytes(range(256)) * 10_000
    with httpx.Client(base_url=f"{live.http}/api/v1/chats/{uri}/", headers=wali.headers, trust_env=False) as client:
        file = client.post("attachments/", files={"file": ("x.bin", content)}).raise_for_status().json()
        wali.send(uri, attachments=[file["id"]])
        answer = client.get(f"attachments/{file['id']}/")
        assert (answer.content, answer.headers["Content-Length"]) == (content, str(len(content)))
        assert answer.headers["Content-Disposition"] == 'attachment; filename="x.bin"'
        with client.stream("GET", f"attachments/{file['id']}/") as half:
            next(half.iter_raw(1000))


def chunks() -> Iterator[bytes]:
    yield form(file_part())


def test_a_body_in_chunks_is_refused(live: LiveServer, wali: Person) -> None:
    answer = httpx.post(
        f"{live.http}/api/v1/chats/{wali.start()}/attachments/",
        content=chunks(),
        headers={**wali.headers, "Content-Type": FORM},
        trust_env=False,
    )
    assert (answer.status_code, answer.json()["code"]) == (411, "length_required")


# From a site's own code


def test_a_site_may_send_files_too(wali: Person, mabel: Person, tmp_path: Path) -> None:
    (tmp_path / "report.txt").write_text("All is well")
    uri = wali.start(mabel)
    with (tmp_path / "report.txt").open("rb") as file:
        attachment = operations.upload_attachment(actor=wali.user, chat=uri, file=File(file))
    operations.send_message(actor=wali.user, chat=uri, text="", attachments=[attachment.key])
    [sent] = mabel.messages(uri)["results"][0]["attachments"]
    assert (sent["name"], mabel.download(uri, sent).content) == ("report.txt", b"All is well")


def test_a_site_has_the_same_limits(wali: Person, configure: Configure) -> None:
    configure(ATTACHMENT_BYTES=10)
    uri = wali.start()
    with pytest.raises(TooLarge):
        operations.upload_attachment(actor=wali.user, chat=uri, file=ContentFile(b"x" * 11), name="x")
    with pytest.raises(Invalid):
        operations.upload_attachment(actor=wali.user, chat=uri, file=ContentFile(b""), name="x")


class NoText(Adapter):
    def check_attachment(self, actor: Any, chat: Any, file: Any, name: str, content_type: str) -> None:
        if content_type == "text/plain":
            raise Invalid({"file": [f"No {name} that begins with {file.read(1)!r}."]})

    def clean_message(self, actor: Any, chat: Any, text: str) -> str:
        assert text, "It is not asked about no text."
        return text


def test_a_site_may_refuse_files(wali: Person, configure: Configure) -> None:
    configure(ADAPTER=f"{__name__}.NoText")
    uri = wali.start()
    assert wali.upload(uri, b"Hello", "a.txt").json == {"file": ["No a.txt that begins with b'H'."]}
    sent = wali.send(uri, "", attachments=[wali.attach(uri, picture())["id"]])
    assert wali.download(uri, sent["attachments"][0]).content == picture()


# Queries


def queries(ask: Callable[[], Answer]) -> int:
    with CaptureQueriesContext(connection) as captured:
        ask().done()
    return sum(query["sql"].startswith(("SELECT", "INSERT", "UPDATE", "DELETE")) for query in captured)


def test_files_cost_one_query_however_many_there_are(wali: Person, mabel: Person) -> None:
    uri = wali.start(mabel)
    wali.send(uri)
    _token = mabel.access
    reads: Sequence[Callable[[], Answer]] = [
        lambda: mabel.get(f"chats/{uri}/messages/"),
        lambda: mabel.get(f"chats/{uri}/changes/"),
        lambda: mabel.get("chats/"),
    ]
    without = [queries(read) for read in reads]
    for _ in range(3):
        wali.send(uri, attachments=[wali.attach(uri)["id"] for _ in range(3)])
    assert [queries(read) for read in reads] == [count + 1 for count in without]


def test_sending_one_file_or_many_costs_the_same(wali: Person) -> None:
    uri, _token = wali.start(), wali.access
    ids = [wali.attach(uri)["id"] for _ in range(6)]

    def send(*named: str) -> Answer:
        return wali.post(f"chats/{uri}/messages/", {"message": "", "attachments": named})

    assert queries(lambda: send(ids[0])) == queries(lambda: send(*ids[1:])) == 7
