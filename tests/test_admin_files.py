"""What moderators see in the admin of the files that people have sent."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from django_bpo_chat.models import Message, Report
from tests.moderator import Moderator, hidden, message
from tests.person import Person
from tests.pictures import picture
from tests.servers import logged_errors

pytestmark = [pytest.mark.users, pytest.mark.django_db, pytest.mark.usefixtures("own_folder")]


def url(row: Message, key: str) -> str:
    return f"/admin/bpo_chat/message/{row.pk}/files/{key}/"


def content(answer: Any) -> bytes:
    return b"".join(answer.streaming_content)


def listed(moderator: Moderator, model: Any) -> str:
    return str(moderator.get(model, "changelist").content.decode())


def test_a_messages_page_has_its_files_to_download(ines: Moderator, wali: Person) -> None:
    uri = wali.start()
    files = [wali.attach(uri, b"Lemonade", "a<b>list.txt"), wali.attach(uri, picture(), "beach.png")]
    wali.send(uri, "Look", attachments=[file["id"] for file in files])
    page = ines.get(Message, "change", message(uri)).content.decode()
    for file, shown in zip(files, ["(text/plain, 8\xa0bytes)", "(image/png, "], strict=True):
        assert f'href="{url(message(uri), file["id"])}"' in page
        assert shown in page
    assert "a<b>list" not in page
    assert page.index("a&lt;b&gt;list") < page.index("beach.png")
    text, image = [ines.client.get(url(message(uri), file["id"])) for file in files]
    assert (content(text), content(image)) == (b"Lemonade", picture())
    assert text["Content-Disposition"].startswith("attachment")
    assert image["Content-Disposition"].startswith("inline")
    assert "sandbox" in text["Content-Security-Policy"]


def test_the_list_says_how_many_and_what_there_is_without_a_text(ines: Moderator, wali: Person) -> None:
    uri = wali.start()
    files = [wali.attach(uri, name=name) for name in ("one.txt", "two.txt")]
    wali.send(uri, "", attachments=[file["id"] for file in files])
    assert '<td class="field-file_count">2</td>' in listed(ines, Message)
    assert '<td class="field-beginning">one.txt, two.txt</td>' in listed(ines, Message)
    wali.erase(uri, 1)
    assert '<td class="field-file_count">-</td>' in listed(ines, Message)


def test_a_reported_picture_without_a_text_is_judged_from_the_report(
    ines: Moderator, wali: Person, mabel: Person
) -> None:
    uri = wali.start(mabel)
    file = mabel.attach(uri, picture(), "beach.png")
    mabel.send(uri, "", attachments=[file["id"]])
    wali.report(uri, 1)
    assert '<td class="field-beginning">beach.png</td>' in listed(ines, Report)
    page = ines.get(Report, "change", Report.objects.get()).content.decode()
    assert f'href="{url(message(uri), file["id"])}"' in page
    with hidden(Message):
        page = ines.get(Report, "change", Report.objects.get()).content.decode()
    assert "beach.png" in page and "/files/" not in page


def test_files_are_for_whoever_may_see_messages(wali: Person) -> None:
    uri = wali.start()
    file = wali.send_file(uri)
    path = url(message(uri), file["id"])
    viewer, other = Moderator("otto", "view_message"), Moderator("olga", "view_report", "view_chat", "change_chat")
    assert content(viewer.client.get(path)) == b"Hello"
    assert other.client.get(path).status_code == 403
    viewer.user.is_staff = False
    viewer.user.save()
    assert viewer.client.get(path).status_code == 302


def test_there_are_no_other_files(ines: Moderator, wali: Person) -> None:
    uri = wali.start()
    files = [wali.send_file(uri), wali.send_file(uri), wali.attach(uri)]
    first = message(uri)
    for key in (files[1]["id"], files[2]["id"], "A" * 22, "x", "%00", "%2e%2e"):
        assert ines.client.get(url(first, key)).status_code == 404, key
    for pk in (first.pk + 100, 10**30):
        assert ines.client.get(f"/admin/bpo_chat/message/{pk}/files/{files[0]['id']}/").status_code == 404
    wali.erase(uri, 1)
    assert ines.client.get(url(first, files[0]["id"])).status_code == 404


def test_a_file_that_the_storage_has_lost_is_told(
    ines: Moderator, wali: Person, settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    uri = wali.start()
    file = wali.send_file(uri)
    settings.MEDIA_ROOT = settings.MEDIA_ROOT / "elsewhere"
    answer = ines.client.get(url(message(uri), file["id"]))
    assert (answer.status_code, answer.content) == (404, b"Not found.")
    assert logged_errors(caplog)


@pytest.mark.parametrize("model", [Message, Report])
def test_lists_ask_no_more_for_more_files(ines: Moderator, wali: Person, mabel: Person, model: Any) -> None:
    uri = wali.start(mabel)

    def asked(number: int) -> int:
        for _ in range(number):
            seq = mabel.send(uri, attachments=[mabel.attach(uri)["id"]], text="")["seq"]
            wali.report(uri, seq)
        with CaptureQueriesContext(connection) as queries:
            ines.get(model, "changelist")
        return len(queries)

    assert asked(1) == asked(5)
