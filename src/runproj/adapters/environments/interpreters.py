"""Interpreters, and where the one for a version was found before.

Discovery takes 75 ms and more, so its answer is kept with the size and times of the executable,
and holds as long as these do.
"""

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple, TypeAlias

from runproj.adapters.disk import write_atomically
from runproj.model import digest_of

Discover: TypeAlias = "Callable[[str | None, Mapping[str, str], Path], Interpreter]"
_FORMAT = 1
# What discovery looks at of the caller's variables.
_LOOKED_AT = (
    "PATH",
    "HOME",
    "PYENV_ROOT",
    "MISE_DATA_DIR",
    "ASDF_DATA_DIR",
    "UV_PYTHON_INSTALL_DIR",
)


class Interpreter(NamedTuple):
    """A Python interpreter that is no virtual environment's.

    ``version`` is the full one (``3.12.1``), ``implementation`` ``CPython``, with a ``t`` when it
    is free-threaded; ``platform`` as sysconfig names it (``linux-x86_64``).
    """

    executable: str
    version: str
    implementation: str
    platform: str

    @property
    def minor(self) -> str:
        """The version without its last number, ``3.12``."""
        return ".".join(self.version.split(".")[:2])


def state(path: str) -> list[int]:
    """Return size, time and inode of a file: they change when another is put in its place.

    Raises:
        OSError: there is none.
    """
    found = os.stat(path)  # noqa: PTH116 -- the fast one, this is the hot path
    return [found.st_size, found.st_mtime_ns, found.st_ino]


def _state_or_none(path: str) -> list[int] | None:
    try:
        return state(path)
    except OSError:
        return None


def find(
    spec: str | None, own: str, caller: Mapping[str, str], cache: Path, discover: Discover
) -> Interpreter:
    """Return the interpreter for a version, from memory where that still holds.

    Args:
        spec: the version; None stands for the interpreter that runs runproj.
        own: the executable that runs runproj; when another is put there, all is looked for anew.
        caller: the caller's variables; PATH decides what is found.
        cache: the user's cache folder.
        discover: what finds it when nobody remembers.

    Raises:
        EnvironmentFailed: there is none.
    """
    looked_at = {name: caller.get(name) for name in _LOOKED_AT} if spec is not None else {}
    name = digest_of([_FORMAT, spec, own, _state_or_none(own), looked_at])[:20]
    file = cache / "interpreters" / f"{name}.json"
    try:
        kept = json.loads(file.read_bytes())
        if state(kept["interpreter"]["executable"]) == kept["state"]:
            return Interpreter(**kept["interpreter"])
    except (OSError, ValueError, KeyError, TypeError):
        pass  # never found before, or the memory is damaged: look again
    found = discover(spec, caller, cache)
    try:
        data = {"interpreter": found._asdict(), "state": state(found.executable)}
        file.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(file, json.dumps(data).encode())
    except OSError:
        pass  # it is found again next time; a cache that cannot be written stops nobody
    return found
