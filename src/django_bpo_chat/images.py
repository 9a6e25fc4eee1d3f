"""What Pillow, where it is installed, knows of images: how large they are, and how they look in small."""

from dataclasses import dataclass
from io import BytesIO
from typing import IO, Any

from .conf import chat_settings

try:
    from PIL import Image, ImageOps

    has_pillow = True
except ImportError:
    has_pillow = False

TYPES = {"GIF": "image/gif", "JPEG": "image/jpeg", "MPO": "image/jpeg", "PNG": "image/png", "WEBP": "image/webp"}
"""The content types of what all browsers show and none runs, by Pillow's names. MPO is a JPEG with more behind it."""

PREVIEW_PIXELS = 320
"""The most of either side of a preview."""

PREVIEW_TYPE = "image/webp"

_ORIENTATION = 0x0112
_SIDEWAYS = frozenset({5, 6, 7, 8})
"""The orientations of Exif 2.32, section 4.6.4, that show an image's width as its height."""


class TooManyPixels(Exception):
    """The image would fill the memory, however small its file is."""


@dataclass(frozen=True, slots=True)
class Picture:
    """``width`` and ``height`` are those that are seen. The preview carries nothing but pixels: no place, no camera."""

    content_type: str
    width: int
    height: int
    preview: bytes


def read_picture(file: IO[bytes]) -> Picture | None:
    """None for what is no image, or not whole, or of a kind that is not shown. Raises ``TooManyPixels``."""
    if not has_pillow:
        return None
    try:
        with Image.open(file, formats=["GIF", "JPEG", "PNG", "WEBP"]) as image:
            _check_pixels(image)
            sideways = image.getexif().get(_ORIENTATION) in _SIDEWAYS
            width, height = reversed(image.size) if sideways else image.size
            return Picture(TYPES[image.format or ""], width, height, _preview(image))
    except (TooManyPixels, Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise TooManyPixels from error
    except Exception:  # noqa: BLE001  (a decoder may raise anything for bytes that are none of its own)
        return None


def _check_pixels(image: Any) -> None:
    """Before anything is decoded."""
    width, height = image.size
    if width * height > chat_settings.image_pixels:
        raise TooManyPixels


def _preview(image: Any) -> bytes:
    """Of an animation, its first frame."""
    image.thumbnail((PREVIEW_PIXELS, PREVIEW_PIXELS))
    small = ImageOps.exif_transpose(image).convert("RGBA" if image.has_transparency_data else "RGB")
    small.info.clear()
    file = BytesIO()
    small.save(file, "WEBP")
    return file.getvalue()
