"""What Pillow, where it is installed, knows of images: how large they are, and how they look in small."""

import threading
from dataclasses import dataclass
from io import SEEK_END, BytesIO
from typing import IO, Any, Literal

from .conf import chat_settings

try:
    from PIL import Image

    has_pillow = True
except ImportError:
    has_pillow = False

TYPES = {"GIF": "image/gif", "JPEG": "image/jpeg", "MPO": "image/jpeg", "PNG": "image/png", "WEBP": "image/webp"}
"""The content types of what all browsers show and none runs, by Pillow's names. MPO is a JPEG with more behind it."""

PREVIEW_PIXELS = 320
"""The most of either side of a preview."""

PREVIEW_TYPE = "image/webp"

_ORIENTATION = 0x0112
_TURNS = {
    2: "FLIP_LEFT_RIGHT",
    3: "ROTATE_180",
    4: "FLIP_TOP_BOTTOM",
    5: "TRANSPOSE",
    6: "ROTATE_270",
    7: "TRANSVERSE",
    8: "ROTATE_90",
}
"""What sets an image upright, in Pillow's words, by its orientation: Exif 2.32, section 4.6.4."""

_SIDEWAYS = frozenset({5, 6, 7, 8})
"""The orientations that show an image's width as its height."""

_HEAD_STEPS = 2000
"""How often Pillow may read from a file until it knows the image's size. A photo with ten MiB of extended XMP, in
segments of 64 KiB, takes some 700."""

_STEP_BYTES = 256
"""How many bytes it must then read at once, on average. Most PNGs have chunks of 8 KiB or more, read in three steps."""

_START_OF_SCAN = b"\xff\xda"
_MOST_SCANS = 32
"""Of a JPEG. An ordinary progressive one has ten, and one more in its thumbnail; each goes through all of its pixels,
and may be 40 bytes long."""

_one_at_a_time = threading.Lock()
"""Held while an image is decoded, so that only one in a process takes the memory that it needs."""


class TooManyPixels(Exception):
    """The image would fill the memory, however small its file is."""


@dataclass(frozen=True, slots=True)
class Picture:
    """``width`` and ``height`` are those that are seen. The preview carries nothing but pixels: no place, no camera."""

    content_type: str
    width: int
    height: int
    preview: bytes


class TooMuchWork(Exception):
    """The file is made of so many small parts that it would keep a process busy."""


class Reader:
    """A file for Pillow, which takes it in no more steps than an honest image needs.

    Its parsers go through as many parts as a file has, and may copy what they have of it with each; its JPEG decoder
    goes through all pixels with each scan. So a small file could take minutes, without more pixels than there may be.
    Pillow runs in this process all the same: another one with limits would have to be started for each image, and not
    every site may start any.
    """

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._steps = _HEAD_STEPS
        self._scans: int | None = None
        self._last = b""
        self.seek, self.tell = file.seek, file.tell

    def read(self, size: int = -1) -> bytes:
        """Raises ``TooMuchWork``."""
        data = self._file.read(size)
        self._steps -= 1
        if self._scans is not None:
            self._scans += (self._last + data).count(_START_OF_SCAN)
            self._last = data[-1:]
        if self._steps < 0 or (self._scans or 0) > _MOST_SCANS:
            raise TooMuchWork
        return data

    def expect_pixels(self, *, in_scans: bool) -> None:
        """What was read until now was the head of the image. Only a JPEG's bytes mean what scans begin with."""
        place = self.tell()
        self._steps = _HEAD_STEPS + self.seek(0, SEEK_END) // _STEP_BYTES
        self.seek(place)
        self._scans = 0 if in_scans else None


def read_picture(file: IO[bytes]) -> Picture | None:
    """None for what is no image, or not whole, or of a kind that is not shown, or of too many parts.

    Raises ``TooManyPixels``.
    """
    if not has_pillow:
        return None
    reader: Any = Reader(file)
    try:
        with _one_at_a_time, Image.open(reader, formats=["GIF", "JPEG", "PNG", "WEBP"]) as image:
            _check_pixels(image)
            content_type = TYPES[image.format or ""]
            reader.expect_pixels(in_scans=content_type == "image/jpeg")
            return _picture(content_type, image)
    except (TooManyPixels, Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise TooManyPixels from error
    except Exception:  # noqa: BLE001  (a decoder may raise anything for bytes that are none of its own)
        return None


def _check_pixels(image: Any) -> None:
    """Before anything is decoded."""
    width, height = image.size
    if width * height > chat_settings.image_pixels:
        raise TooManyPixels


def _picture(content_type: str, image: Any) -> Picture:
    """Of an animation, its first frame."""
    width, height = image.size
    small = _in_8_bits(image)
    small.thumbnail((PREVIEW_PIXELS, PREVIEW_PIXELS))
    small.load()  # which may find the orientation only behind the pixels
    orientation = _orientation(small.info.get("exif", b""))
    if orientation in _TURNS:
        small = small.transpose(Image.Transpose[_TURNS[orientation]])
    if orientation in _SIDEWAYS:
        width, height = height, width
    return Picture(content_type, width, height, _encoded(small))


def _in_8_bits(image: Any) -> Any:
    """Pillow makes nothing smaller that has 16 bits for each grey, and cuts off what is above 255."""
    if image.mode.startswith("I"):
        return image.point(lambda grey: grey * (1 / 256)).convert("L")
    return image


def _orientation(exif: bytes) -> int:
    """Out of the first directory, as TIFF 6.0, section 2, lays it out; 1, upright, where it does not say. Pillow would
    read all of the Exif for this, and older versions each part of it as often as it is referred to."""
    tiff = exif.removeprefix(b"Exif\0\0")
    order: Literal["little", "big"] = "little" if tiff[:2] == b"II" else "big"
    start = int.from_bytes(tiff[4:8], order)
    count = int.from_bytes(tiff[start : start + 2], order)
    for entry in range(start + 2, min(start + 2 + 12 * count, len(tiff)), 12):
        if int.from_bytes(tiff[entry : entry + 2], order) == _ORIENTATION:
            return int.from_bytes(tiff[entry + 8 : entry + 10], order)
    return 1


def _encoded(image: Any) -> bytes:
    image = image.convert("RGBA" if image.has_transparency_data else "RGB")
    image.info.clear()
    file = BytesIO()
    image.save(file, "WEBP")
    return file.getvalue()
