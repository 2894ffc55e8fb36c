"""What kind of picture a file is, by its first bytes, and how large it becomes."""

import struct
from typing import NamedTuple

_PNG, _JPEG, _GIF = b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", (b"GIF87a", b"GIF89a")
_FRAMES = frozenset({*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC})  # markers of JPEG with a size
_ALONE = frozenset({0x01, *range(0xD0, 0xDA)})  # markers without a length
_BEGINNING = 4096


class Picture(NamedTuple):
    """The media type of a picture, and its size in pixels, None where that is free."""

    media: str
    size: tuple[int, int] | None = None

    @property
    def pixels(self) -> int:
        """How many pixels it has; 0 where that is free."""
        return self.size[0] * self.size[1] if self.size else 0


def picture(path: str, data: bytes) -> Picture | None:
    """Return what kind of picture a file is; None: it is none for a browser.

    PNG (https://www.w3.org/TR/png-3/), JPEG (ITU-T T.81) and GIF are known by what they hold, SVG
    by its name too. An SVG that defines entities is none: it could grow without end.
    """
    try:
        if data.startswith(_PNG):
            return Picture("image/png", struct.unpack_from(">II", data, 16))
        if data.startswith(_GIF):
            return Picture("image/gif", struct.unpack_from("<HH", data, 6))
        if data.startswith(_JPEG):
            return Picture("image/jpeg", _jpeg(data))
    except struct.error:  # it is cut off
        return None
    if path.lower().endswith(".svg") and b"<svg" in data[:_BEGINNING] and b"<!ENTITY" not in data:
        return Picture("image/svg+xml")
    return None


def _jpeg(data: bytes) -> tuple[int, int]:
    """Return width and height out of the first frame's header."""
    at = 2
    while True:
        fill, marker = struct.unpack_from(">BB", data, at)
        if fill != 0xFF:  # noqa: PLR2004 -- every marker begins so
            raise struct.error("no marker")
        if marker == 0xFF:  # noqa: PLR2004 -- it may be repeated
            at += 1
            continue
        if marker in _FRAMES:
            height, width = struct.unpack_from(">HH", data, at + 5)
            return width, height
        at += 2
        if marker not in _ALONE:
            at += max(2, struct.unpack_from(">H", data, at)[0])
