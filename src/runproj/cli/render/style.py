"""Colour, where there is a terminal that wants it."""

import os
import re
import sys
from functools import cache
from typing import NamedTuple, TextIO

# Control characters, and those that change the direction of what follows.
_CONTROL = r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]"
_OURS = r"\x1b\[(?:0|1|2|3[12346])m"


def visible(text: str, *, keep: str = "", painted: bool = True) -> str:
    r"""Return text that can do nothing to a terminal: control characters are written as escapes.

    Our own colours stay where the text is ``painted``, and the characters in ``keep``.

    >>> visible("a\rb\x1b[2J\x1b[31mred")
    'a\\rb\\x1b[2J\x1b[31mred'
    """

    def escaped(match: re.Match[str]) -> str:
        found = match[0]
        return found if len(found) > 1 or found in keep else ascii(found)[1:-1]

    return re.sub(f"{_OURS}|{_CONTROL}" if painted else _CONTROL, escaped, text)


class Style(NamedTuple):
    """Paints text, or leaves it."""

    colour: bool

    def _paint(self, text: str, code: int) -> str:
        return f"\x1b[{code}m{text}\x1b[0m" if self.colour else text

    def bold(self, text: str) -> str:
        """Return bold text."""
        return self._paint(text, 1)

    def dim(self, text: str) -> str:
        """Return faint text."""
        return self._paint(text, 2)

    def red(self, text: str) -> str:
        """Return red text."""
        return self._paint(text, 31)

    def green(self, text: str) -> str:
        """Return green text."""
        return self._paint(text, 32)

    def yellow(self, text: str) -> str:
        """Return yellow text."""
        return self._paint(text, 33)

    def blue(self, text: str) -> str:
        """Return blue text."""
        return self._paint(text, 34)

    def cyan(self, text: str) -> str:
        """Return cyan text."""
        return self._paint(text, 36)


_chosen = ["auto"]


def choose(colour: str) -> None:
    """Let colour be ``always`` or ``never`` printed, or ``auto``: where it is wanted."""
    _chosen[0] = colour


def wants_colour(stream: TextIO) -> bool:
    """Tell whether a stream is to be coloured (https://no-color.org, https://force-color.org)."""
    if _chosen[0] != "auto":
        return _chosen[0] == "always"
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR"):
        return True
    return stream.isatty() and os.environ.get("TERM") != "dumb"


def wants_movement(stream: TextIO) -> bool:
    """Tell whether what stands on a stream may be written over: a person looks at it."""
    plain = any(os.environ.get(name) for name in ("NO_COLOR", "CI"))
    return stream.isatty() and not plain and os.environ.get("TERM") != "dumb"


@cache
def stderr_style() -> Style:
    """Return the style of standard error."""
    return Style(wants_colour(sys.stderr))


@cache
def stdout_style() -> Style:
    """Return the style of standard output."""
    return Style(wants_colour(sys.stdout))
