"""Colour, where there is a terminal that wants it."""

import os
import sys
from functools import cache
from typing import NamedTuple, TextIO


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


def wants_colour(stream: TextIO) -> bool:
    """Tell whether a stream is to be coloured (https://no-color.org, https://force-color.org)."""
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR"):
        return True
    return stream.isatty() and os.environ.get("TERM") != "dumb"


@cache
def stderr_style() -> Style:
    """Return the style of standard error."""
    return Style(wants_colour(sys.stderr))


@cache
def stdout_style() -> Style:
    """Return the style of standard output."""
    return Style(wants_colour(sys.stdout))
