"""The files in which users and projects say their settings; most have none."""

import os
from collections.abc import Iterable, Mapping

from runproj.errors import UsageError

PROJECT = "pyproject.toml"


def user_file(variables: Mapping[str, str]) -> str:
    """Return where the user's file stands, or would."""
    home = variables.get("XDG_CONFIG_HOME", "")
    if not os.path.isabs(home):  # noqa: PTH117 -- strings are faster, and this is done always
        home = os.path.join(variables.get("HOME") or os.path.expanduser("~"), ".config")  # noqa: PTH111, PTH118 -- the same
    return os.path.join(home, "runproj", "config.toml")  # noqa: PTH118 -- the same


def project_file(start: str, markers: Iterable[str]) -> str | None:
    """Return the ``pyproject.toml`` beside a project file or a store, here or above."""
    folder = os.path.abspath(start)  # noqa: PTH100 -- the same
    while True:
        if any(os.path.lexists(f"{folder}/{name}") for name in markers):
            return os.path.join(folder, PROJECT)  # noqa: PTH118 -- the same
        above = os.path.dirname(folder)  # noqa: PTH120 -- the same
        if above == folder:
            return None
        folder = above


def text_of(file: str) -> str | None:
    """Return the text of a file, None when it is not there.

    Raises:
        UsageError: it cannot be read.
    """
    try:
        with open(file, encoding="utf-8") as opened:  # noqa: PTH123 -- the same
            return opened.read()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except UnicodeDecodeError as error:
        raise UsageError("it is not UTF-8 text", where=file, hint="save it as UTF-8") from error
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise UsageError(f"the settings cannot be read: {reason}", where=file) from error
