"""Files that want to be more than files: they are refused, or stored and handed out as what harms nobody."""

from __future__ import annotations

import struct
import time
import zipfile
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.utils.http import parse_header_parameters
from PIL import Image

from django_bpo_chat import operations
from django_bpo_chat.models import Attachment
from tests.fixtures import Configure
from tests.parallel import at_once
from tests.person import Answer, Person
from tests.pictures import (
    animation,
    bomb,
    photo,
    picture,
    with_chunks,
    with_comments,
    with_scans,
    with_segments,
)

pytestmark = pytest.mark.usefixtures("own_folder")

HTML = b"<!doctype html><script>alert(document.domain)</script>"
SVG = b'<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>'


def archive() -> bytes:
    file = BytesIO()
    with zipfile.ZipFile(file, "w") as zipped:
        zipped.writestr("../../x", b"\0" * 1_000_000)
    return file.getvalue()


def with_text(content: bytes) -> bytes:
    """A PNG that is a page as well, to whoever looks only for tags."""
    return content + HTML


DOWNLOADS: dict[str, Callable[[], bytes]] = {
    "HTML": lambda: HTML,
    "HTML behind white space": lambda: b"\n" * 600 + HTML,
    "HTML in UTF-16": lambda: HTML.decode().encode("utf-16"),
    "SVG": lambda: SVG,
    "SVG behind a prolog": lambda: b'<?xml version="1.0"?><!DOCTYPE svg>' + SVG,
    "XHTML": lambda: (
        b'<?xml version="1.0"?><html xmlns="http://www.w3.org/1999/xhtml"><script>alert(1)</script></html>'
    ),
    "JavaScript": lambda: b"alert(1)",
    "a GIF that is JavaScript": lambda: b"GIF89a/*" + b"\0" * 30 + b"*/=1;alert(1)",
    "a JPEG in name only": lambda: b"\xff\xd8\xff\xe0" + HTML,
    "a PNG that ends early": lambda: picture("PNG", (500, 500))[:200],
    "a PNG with a broken checksum": lambda: picture()[:40] + b"\0" + picture()[41:],
    "a WebP of the wrong length": lambda: b"RIFF" + struct.pack("<I", 2**32 - 1) + b"WEBPVP8 " + b"\0" * 50,
    "a PDF": lambda: b"%PDF-1.7\n1 0 obj<</OpenAction<</S/JavaScript/JS(app.alert(1))>>>>",
    "a ZIP with a path": archive,
    "a program": lambda: b"MZ\x90\0" + b"\0" * 100,
    "a TIFF": lambda: picture("TIFF"),
    "an icon": lambda: picture("ICO"),
    "a BMP": lambda: picture("BMP"),
    "PostScript": lambda: b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n(x) run",
    "NULs": lambda: b"\0" * 1000,
    "one byte": lambda: b"\xff",
    "deep XML": lambda: b"<a>" * 100_000,
    "UTF-8 that is cut off": lambda: b"x" * 4095 + "é".encode(),
}


def downloaded(wali: Person, uri: str, content: bytes, name: str = "x.png") -> tuple[Any, Answer]:
    file = wali.send_file(uri, content, name)
    return file, wali.download(uri, file)


@pytest.mark.parametrize("name", DOWNLOADS)
def test_what_browsers_might_run_is_never_shown(name: str, wali: Person) -> None:
    content = DOWNLOADS[name]()
    file, answer = downloaded(wali, wali.start(), content)
    assert answer.content == content
    assert answer.headers["Content-Type"] == "application/octet-stream"
    assert answer.headers["Content-Disposition"] == 'attachment; filename="x.png"'
    assert_harmless(answer)
    assert (file["width"], file["preview"]) == (None, False)


IMAGES: dict[str, Callable[[], bytes]] = {
    "a PNG that is a page as well": lambda: with_text(picture()),
    "a GIF that is a page as well": lambda: with_text(animation()),
    "a JPEG that is a page as well": lambda: with_text(photo()),
    "a PNG that is a ZIP as well": lambda: picture() + archive(),
}


@pytest.mark.parametrize("name", IMAGES)
def test_an_image_is_shown_as_nothing_but_an_image(name: str, wali: Person) -> None:
    _file, answer = downloaded(wali, wali.start(), IMAGES[name](), "x.html")
    assert answer.headers["Content-Type"] in {"image/png", "image/gif", "image/jpeg"}
    assert answer.headers["Content-Disposition"] == 'inline; filename="x.html"'
    assert_harmless(answer)


def assert_harmless(answer: Answer) -> None:
    assert answer.status == 200
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Content-Security-Policy"] == "default-src 'none'; sandbox"
    assert answer.headers["Cross-Origin-Resource-Policy"] == "same-site"


@pytest.mark.parametrize(("width", "height"), [(50_000, 50_000), (2**31 - 1, 2**31 - 1), (1, 60_000_000)])
def test_a_bomb_is_refused(width: int, height: int, wali: Person) -> None:
    answer = wali.upload(wali.start(), bomb(width, height), "x.png")
    assert (answer.status, answer.json) == (400, {"file": ["This image has too many pixels."]})
    assert not Attachment.objects.exists()


def test_how_many_pixels_an_image_may_have_is_a_setting(wali: Person, configure: Configure) -> None:
    configure(IMAGE_PIXELS=64 * 48)
    uri = wali.start()
    assert wali.upload(uri, picture()).status == 201
    for content in (picture(size=(64, 49)), picture("GIF", (65, 48), "P"), picture("WEBP", (64, 49))):
        assert wali.upload(uri, content).status == 400


# Small files that would keep a process busy for minutes. They are not, since they are no pictures.
TEDIOUS: dict[str, Callable[[], bytes]] = {
    "a PNG of tiny chunks": lambda: with_chunks(3000),
    "a PNG of tiny chunks behind its pixels": lambda: with_chunks(3000, behind_pixels=True),
    "a JPEG of tiny segments": lambda: with_segments(3000),
    "a GIF of tiny comments": lambda: with_comments(3000),
    "a JPEG of many scans": lambda: with_scans(33),
}


@pytest.mark.parametrize("name", TEDIOUS)
def test_what_takes_long_to_decode_is_not_decoded(name: str, wali: Person) -> None:
    file, answer = downloaded(wali, wali.start(), TEDIOUS[name]())
    assert (file["width"], file["preview"]) == (None, False)
    assert answer.headers["Content-Type"] == "application/octet-stream"


HONEST: dict[str, Callable[[], bytes]] = {
    "a PNG of some chunks": lambda: with_chunks(300),
    "a JPEG of some segments": lambda: with_segments(300),
    "a GIF of some comments": lambda: with_comments(300),
    "a progressive JPEG": lambda: picture("JPEG", progressive=True),
    "a JPEG of some more scans": lambda: with_scans(32),
    "random pixels, which look like anything": lambda: noise("PNG"),
    "random pixels in scans": lambda: noise("JPEG", progressive=True, quality=95),
}


def noise(kind: str, **options: Any) -> bytes:
    file = BytesIO()
    Image.effect_noise((1500, 1500), 100).convert("RGB").save(file, kind, **options)
    return file.getvalue()


@pytest.mark.parametrize("name", HONEST)
def test_what_does_not_is(name: str, wali: Person) -> None:
    file = ContentFile(HONEST[name]())
    attachment = operations.upload_attachment(actor=wali.user, chat=wali.start(), file=file, name="x")
    assert attachment.is_image
    assert attachment.preview_path


@pytest.mark.django_db(transaction=True)
def test_images_are_in_memory_one_at_a_time(wali: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    uri, _token = wali.start(), wali.access
    at_work, most = [0], [0]
    thumbnail = Image.Image.thumbnail

    def watched(*args: Any, **kwargs: Any) -> None:
        at_work[0] += 1
        most[0] = max(most[0], at_work[0])
        time.sleep(0.05)
        thumbnail(*args, **kwargs)
        at_work[0] -= 1

    monkeypatch.setattr(Image.Image, "thumbnail", watched)
    answers = at_once(*[lambda: wali.upload(uri, picture())] * 4)
    assert {answer.status for answer in answers} == {201}
    assert most == [1]


NAMES = {
    "../../x": "x",
    "..\\..\\x": "x",
    "C:\\fakepath\\x.png": "x.png",
    "/etc/passwd": "passwd",
    "a\0b.png": "ab.png",
    "photo\u202egnp.exe": "photognp.exe",
    "  many   spaces .txt ": "many spaces .txt",
    "Grüße 👋🏽.txt": "Grüße 👋🏽.txt",
    "x" * 250 + ".html": "x" * 250 + ".html",
    "\U0001f468\u200d\U0001f469\u200d\U0001f467.png": "\U0001f468\u200d\U0001f469\u200d\U0001f467.png",
    "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645.txt": "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645.txt",
    "a\u2066b\u2069\u200ec\u061c.txt": "abc.txt",
    "a\x85b\u2028c.txt": "abc.txt",
    "a\u00a0b\u3000c.txt": "a b c.txt",
    "\u3164": "file",
    "\u3164" + "." * 300: "file",
    ".\u200b\u2800": "file",
    "&lt;b&gt;.txt": "<b>.txt",
    "<script>.txt": "<script>.txt",
    "CON": "CON",
    ".htaccess": ".htaccess",
}


@pytest.mark.parametrize("name", NAMES, ids=lambda name: repr(name[:20]))
def test_a_name_is_a_name_and_no_path(name: str, wali: Person) -> None:
    file, _answer = downloaded(wali, wali.start(), b"Hello", name)
    assert file["name"] == NAMES[name]
    [stored] = [each for each in Path(default_storage.path("")).rglob("*") if each.is_file()]
    folder, _part, stored_name = stored.relative_to(default_storage.path("")).parts
    assert (folder, len(stored_name)) == ("bpo_chat", 32)


@pytest.mark.parametrize("name", ["a\r\nSet-Cookie: b=c.txt", 'a"; filename="b.html', "a\\", "a;b", "é\u2028.txt"])
def test_a_name_does_not_end_its_header(name: str, wali: Person) -> None:
    uri = wali.start()
    file = ContentFile(b"Hello")
    attachment = operations.upload_attachment(actor=wali.user, chat=uri, file=file, name=name)
    header = wali.download(uri, {"id": attachment.key}).headers["Content-Disposition"]
    assert parse_header_parameters(header)[1]["filename"].replace("\\", "") == attachment.name
    assert not {"\r", "\n"} & set(header)


def test_a_file_that_has_its_name_where_the_site_runs_is_not_read(
    wali: Person, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    uri, content = wali.start(), b"\x01\x02\x03Hello"
    before = wali.attach(uri, content, "x.json")["content_type"]
    Path("x.json").write_text("{}")
    assert wali.attach(uri, content, "x.json")["content_type"] == before


@pytest.mark.parametrize("name", ["x." + "y" * 250, "x." + "\U0001f468" * 60])
def test_a_large_file_may_have_a_long_suffix(name: str, wali: Person) -> None:
    assert wali.upload(wali.start(), b"x" * 3_000_000, name).json["name"] == name


@pytest.mark.parametrize("name", ["..", ".", "/", "\0", "\u202e"])
def test_what_is_no_name_is_no_file_or_gets_one(name: str, wali: Person) -> None:
    answer = wali.upload(wali.start(), b"Hello", name)
    assert answer.status == 400 or answer.json["name"] == "file"


def test_where_a_file_is_stored_says_nothing_of_what_members_know(wali: Person) -> None:
    uri = wali.start()
    file = wali.send_file(uri, picture(), "x.html")
    stored = [each.name for each in Path(default_storage.path("")).rglob("*") if each.is_file()]
    assert len(stored) == 2
    for name in stored:
        assert not {file["id"], uri} & {name, name[:22]}
        assert "." not in name
