"""Where something stands: in the document (a path of keys and indexes), and in its text."""

from collections.abc import Callable
from typing import TypeAlias

from runproj.errors import Problem

Path: TypeAlias = tuple[str | int, ...]
Place: TypeAlias = tuple[int, int]
"""Line and column, from 1."""
Point: TypeAlias = Callable[[Path, str, str | None], Problem]
"""Makes a problem of a path, a message and a hint, with the place and the line of text."""


def dotted(path: Path) -> str:
    """Return a path as a user reads it.

    >>> dotted(("steps", "train", "inputs", 0))
    'steps.train.inputs[0]'
    """
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text
