"""Images of all kinds, as files."""

from __future__ import annotations

import struct
import zlib
from io import BytesIO
from typing import Any

from PIL import Image

ORIENTATION, GPS = 0x0112, 0x8825


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
