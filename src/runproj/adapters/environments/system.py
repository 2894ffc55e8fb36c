"""The system as it is: recorded, and not reproducible."""

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from runproj.errors import EnvironmentFailed
from runproj.lock.lock import Declaration, Lock
from runproj.model import digest_of
from runproj.ports import Say


@dataclass(frozen=True, slots=True)
class SystemBackend:
    """The programs on the caller's PATH."""

    caller: Mapping[str, str]

    def lock(self, declaration: Declaration, previous: Lock | None, say: Say) -> Lock:
        """Refuse: there is nothing to lock."""
        del declaration, previous, say
        raise EnvironmentFailed("an environment of kind 'system' has no lock")

    def key(self, declaration: Declaration, lock: Lock) -> str:
        """Return a digest that changes when another Python comes first on PATH.

        Other programs are not looked at: which of them a step uses cannot be known.
        """
        del declaration, lock
        return digest_of({"kind": "system", "python": self._python()})

    def _python(self) -> list[object]:
        for name in ("python3", "python"):
            found = shutil.which(name, path=self.caller.get("PATH"))
            if found:
                real = os.path.realpath(found)
                status = Path(real).stat()
                return [real, status.st_size, status.st_mtime_ns]
        return []

    def prepare(self, declaration: Declaration, lock: Lock, say: Say) -> "System":
        """Return the system."""
        del say
        return System(self.key(declaration, lock), self.caller.get("PATH", os.defpath))


@dataclass(frozen=True, slots=True)
class System:
    """The system, see :class:`~runproj.ports.PreparedEnvironment`."""

    key: str
    path: str
    description: str = "the programs of this machine"

    def variables(self, project_folder: str) -> Mapping[str, str]:
        """Return the caller's PATH."""
        del project_folder
        return {"PATH": self.path}

    def is_intact(self) -> bool:
        """Return True: what belongs to it is not known."""
        return True
