"""Pictures are known by their first bytes; what is none, or could grow without end, is none."""

import struct

import pytest

from runproj.record.picture import Picture, picture

PNG = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + struct.pack(">II", 640, 480)
GIF = b"GIF89a" + struct.pack("<HH", 640, 480)
JPEG = (
    b"\xff\xd8\xff\xe0" + struct.pack(">H", 4) + b"ab"  # a segment with two bytes
    + b"\xff\xff\xff\x01"  # fill bytes, a marker without a length
    + b"\xff\xc0" + struct.pack(">HBHH", 11, 8, 480, 640)
)  # fmt: skip


@pytest.mark.parametrize(
    ("data", "media"), [(PNG, "image/png"), (GIF, "image/gif"), (JPEG, "image/jpeg")]
)
def test_a_picture_tells_how_large_it_is_and_a_torn_one_is_none(data: bytes, media: str) -> None:
    found = picture("whatever.its.name", data)
    assert found == Picture(media, (640, 480))
    assert found is not None
    assert found.pixels == 640 * 480
    assert picture("a.png", data[:-1]) is None


def test_what_looks_like_a_jpeg_is_none_without_its_markers() -> None:
    assert picture("a.jpg", b"\xff\xd8\xff\xe0" + struct.pack(">H", 4) + b"abXX") is None
    assert picture("a.jpg", b"\xff\xd8\xff\xe0" + struct.pack(">H", 0) + b"\0" * 8) is None


def test_an_svg_is_known_by_its_name_and_content() -> None:
    found = picture("A.SVG", b'<?xml version="1.0"?><svg/>')
    assert found == Picture("image/svg+xml")
    assert found is not None
    assert found.pixels == 0
    assert picture("a.txt", b"<svg/>") is None
    assert picture("a.svg", b"a text") is None
    assert picture("a.svg", b'<!DOCTYPE x [<!ENTITY a "aa">]><svg/>') is None
