"""Texts of anybody, made such that they can be written into files and pages."""

import html

from runproj.cli.render.style import visible

_NOT_XML = {0xFFFE: "\\ufffe", 0xFFFF: "\\uffff"}


def safe(value: str, *, keep: str = "") -> str:
    """Return any text so that it can stand in XML: what controls is written as an escape.

    The characters in ``keep`` stay as they are.
    """
    return html.escape(plain(value, keep=keep).translate(_NOT_XML))


def plain(value: str, *, keep: str = "") -> str:
    r"""Return a text that can be written anywhere: what controls, or is no character, is escaped.

    >>> plain("a\x1b[2J\ud800")
    'a\\x1b[2J\\ud800'
    """
    told = visible(value, keep=keep, painted=False)
    return told.encode("utf-8", "backslashreplace").decode()
