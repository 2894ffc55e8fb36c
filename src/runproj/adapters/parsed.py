"""Projects that were read before, by the content of their file.

Reading YAML and checking a project costs more than all the rest of a small run, and a large
project takes seconds. What was read without a mistake is kept in the user's cache folder, as
Python keeps bytecode: a file of ours, for this version of runproj and of Python alone.
"""

import contextlib
import pickle
import sys
from pathlib import Path

from runproj.adapters.disk import write_atomically
from runproj.model import digest_of
from runproj.spec.fields import Declared
from runproj.spec.project import Project
from runproj.version import VERSION


def _shape() -> dict[str, list[str]]:
    """Return the fields of all parts of a project file: what was kept has these and no others."""
    return {part.__name__: list(part.model_defaults) for part in Declared.__subclasses__()}


class ParsedProjects:
    """Parsed projects below a folder of the user's cache."""

    def __init__(self, folder: Path) -> None:
        """Keep them below ``folder``."""
        self.folder = folder

    def _place(self, text: str) -> Path:
        return self.folder / digest_of([VERSION, sys.version, _shape(), text])[:40]

    def get(self, text: str) -> Project | None:
        """Return the project of this text; None when it was not kept, or cannot be used."""
        try:
            found = pickle.loads(self._place(text).read_bytes())  # noqa: S301 -- our own cache, as bytecode is
        except Exception:  # noqa: BLE001 -- a damaged cache is no cache
            return None
        return found if isinstance(found, Project) else None

    def put(self, text: str, project: Project) -> None:
        """Keep a project; a cache that cannot be written is done without."""
        with contextlib.suppress(OSError):
            self.folder.mkdir(parents=True, exist_ok=True)
            write_atomically(self._place(text), pickle.dumps(project, pickle.HIGHEST_PROTOCOL))
