"""What was worked out before, by what it was made of, in the user's cache.

Reading YAML and checking a project costs more than all the rest of a small run, and a large
project takes seconds, as does planning it. What came out without a mistake is kept as Python keeps
bytecode: a file of ours, for this version of runproj and of Python alone.
"""

import contextlib
import os
import pickle
import sys
from collections.abc import Iterable
from pathlib import Path

from runproj.adapters.disk import write_atomically
from runproj.model import Model, digest_of
from runproj.version import VERSION


class RememberedValues:
    """The last values of one kind, see :class:`~runproj.ports.Remembered`."""

    def __init__(self, folder: Path, parts: Iterable[type[Model]], last: int) -> None:
        """Keep the ``last`` ones below ``folder``, which nothing else uses.

        ``parts`` are the models that they are made of: what was kept has their fields, no others.
        """
        self.folder = folder
        self.last = last
        self._shape = {part.__name__: list(part.model_defaults) for part in parts}

    def _place(self, key: str) -> Path:
        return self.folder / digest_of([VERSION, sys.version, self._shape, key])[:40]

    def get(self, key: str) -> object:
        """Return what was kept; None when it was not, or cannot be used."""
        place = self._place(key)
        try:
            found: object = pickle.loads(place.read_bytes())  # noqa: S301 -- our own cache, as bytecode is
        except Exception:  # noqa: BLE001 -- a damaged cache is no cache
            return None
        with contextlib.suppress(OSError):
            os.utime(place)
        return found

    def put(self, key: str, value: object) -> None:
        """Keep a value; a cache that cannot be written is done without."""
        with contextlib.suppress(OSError):
            self.folder.mkdir(parents=True, exist_ok=True)
            write_atomically(self._place(key), pickle.dumps(value, pickle.HIGHEST_PROTOCOL))
            self._forget()

    def _forget(self) -> None:
        """Remove all but the last ones that were used."""
        with os.scandir(self.folder) as entries:
            used = [(entry.stat().st_mtime, entry.path) for entry in entries]
        for _, place in sorted(used, reverse=True)[self.last :]:
            Path(place).unlink(missing_ok=True)
