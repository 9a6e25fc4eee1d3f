"""Images of all kinds, as files."""

from __future__ import annotations

import struct
import zlib
from io import BytesIO
from typing import Any

from PIL import Image

ORIENTATION, GPS = 0x0112, 0x8825
START_OF_SCAN = b"\xff\xda"


def picture(kind: str = "PNG", size: tuple[int, int] = (64, 48), mode: str = "RGB", **options: Any) -> bytes:
    """An image of that format and mode; the options are those of Pillow."""
    file = BytesIO()
    Image.new(mode, size, 120).save(file, kind, **options)
    return file.getvalue()


def photo(*, orientation: int = 1, size: tuple[int, int] = (64, 48)) -> bytes:
    """A JPEG that says how the camera was held, and where it was."""
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    exif.get_ifd(GPS)[1] = "N"
    return picture("JPEG", size, exif=exif)


def animation(*, frames: int = 3) -> bytes:
    file = BytesIO()
    first, *rest = [Image.new("P", (64, 48), n) for n in range(frames)]
    first.save(file, "GIF", save_all=True, append_images=rest)
    return file.getvalue()


def with_chunks(count: int, *, behind_pixels: bool = False) -> bytes:
    """A PNG with so many chunks that say nothing."""
    content, mark = picture(), b"IEND" if behind_pixels else b"IDAT"
    place = content.index(mark) - 4
    return content[:place] + _chunk(b"abCd") * count + content[place:]


def with_segments(count: int) -> bytes:
    """A JPEG whose Exif comes in so many segments."""
    content, exif = picture("JPEG"), b"Exif\0\0x"
    return content[:2] + (b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif) * count + content[2:]


def with_comments(count: int) -> bytes:
    """A GIF with a comment in so many blocks of one byte."""
    content = picture("GIF", mode="P")
    place = 13 + 3 * 2 ** ((content[10] & 7) + 1)
    return content[:place] + b"\x21\xfe" + b"\x01x" * count + b"\0" + content[place:]


def with_scans(count: int) -> bytes:
    """A progressive JPEG with so many scans."""
    content = picture("JPEG", (2000, 1500), progressive=True)
    last = content[content.rindex(START_OF_SCAN) : -2]
    return content[:-2] + last * (count - content.count(START_OF_SCAN)) + content[-2:]


def with_exif(kind: str, exif: Any) -> bytes:
    """An image of one dark corner, upright where that is the upper left one."""
    image = Image.new("RGB", (64, 48), "white")
    image.paste("black", (0, 0, 16, 16))
    file = BytesIO()
    image.save(file, kind, exif=exif, **({"lossless": True} if kind == "WEBP" else {}))
    return file.getvalue()


def with_exif_at_its_end(exif: bytes) -> bytes:
    """A PNG likewise, which says last how it stands."""
    content = with_exif("PNG", b"")
    place = content.index(b"IEND") - 4
    return content[:place] + _chunk(b"eXIf", exif) + content[place:]


def bomb(width: int, height: int) -> bytes:
    """A PNG of a few bytes that says it has so many pixels."""
    header = struct.pack(">IIBBBBB", width, height, 8, 6, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + _chunk(b"IDAT", zlib.compress(b"\0" * 1000)) + _chunk(b"IEND")
    )


def _chunk(kind: bytes, data: bytes = b"") -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def opened(content: bytes) -> Any:
    return Image.open(BytesIO(content))
