"""Whatever is on PATH: nothing is locked or built, and nothing is promised."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from runproj.adapters.environments.interpreters import state
from runproj.lock.lock import Declaration, Lock
from runproj.model import digest_of
from runproj.ports import Archive, Say

_FORMAT = 1
_PASSED = ("PATH", "VIRTUAL_ENV", "CONDA_PREFIX", "PYENV_ROOT", "PYENV_VERSION")
"""What decides which programs are found; all else that a step needs is declared by ``pass_env``."""

_PROGRAMS = ("bin", "sbin", "shims")


class SystemPrograms(NamedTuple):
    """The caller's programs, see :class:`runproj.ports.PreparedEnvironment`."""

    key: str
    caller: Mapping[str, str]
    description: str = "system (not reproducible)"

    @property
    def folders(self) -> Sequence[str]:
        """The folders on PATH, and what surrounds those called ``bin``; never a whole home."""
        home = Path(self.caller.get("HOME") or "/")
        found: dict[str, None] = {}
        for text in self.caller.get("PATH", "").split(":"):
            if text.startswith("/"):
                folder = Path(text)
                found[text] = None
                for program in ("python3", "python"):  # of a virtual environment, what it is from
                    real = os.path.realpath(folder / program)
                    base = Path(real).parent
                    if os.path.exists(real) and base != folder:  # noqa: PTH110 -- pathlib raises where one may not look
                        found |= dict.fromkeys(_around(base, home))
                found |= dict.fromkeys(_around(folder, home))
        return list(found)

    def variables(self, project_folder: str) -> Mapping[str, str]:  # noqa: ARG002 -- a port's
        """Return the caller's PATH as it is, an active virtual environment included."""
        return {name: self.caller[name] for name in _PASSED if name in self.caller}

    def is_intact(self) -> bool:
        """Tell whether the same interpreter is still first on PATH."""
        return self.key == _key(self.caller)


def _around(folder: Path, home: Path) -> list[str]:
    """Return the installation that a folder of programs belongs to, if it is one."""
    outer = folder.parent
    is_home = outer in (home, *home.parents)
    return [str(outer)] if folder.name in _PROGRAMS and not is_home else [str(folder)]


class SystemBackend:
    """Takes the system as it is, see :class:`runproj.ports.EnvironmentBackend`."""

    def __init__(self, caller: Mapping[str, str]) -> None:
        """Take the programs that ``caller``, the caller's variables, lead to."""
        self.caller = caller

    def lock(
        self,
        declaration: Declaration,
        previous: Lock | None,  # noqa: ARG002 -- a port's
        say: Say,  # noqa: ARG002 -- a port's
    ) -> Lock:
        """Return an empty lock."""
        return Lock(kind="system", content="", declaration=declaration.digest)

    def key(self, declaration: Declaration, lock: Lock) -> str:  # noqa: ARG002 -- a port's
        """Return the digest of where the first Python on PATH is, and of its file's state.

        It changes when another Python comes first or is installed in its place, not by chance; no
        process is started for it.
        """
        return _key(self.caller)

    def facts(self, declaration: Declaration) -> Mapping[str, str]:  # noqa: ARG002 -- a port's
        """Return where the first Python on PATH is, and when its file was changed."""
        found = _first_python(self.caller.get("PATH", os.defpath))
        if found is None:
            return {}
        return {"python": str(found[0]), "its file": digest_of(found)[:12]}

    def prepare(
        self,
        declaration: Declaration,  # noqa: ARG002 -- a port's
        lock: Lock,  # noqa: ARG002 -- a port's
        say: Say,  # noqa: ARG002 -- a port's
    ) -> SystemPrograms:
        """Return the system; there is nothing to build."""
        return SystemPrograms(_key(self.caller), dict(self.caller))

    def archives(
        self,
        declaration: Declaration,  # noqa: ARG002 -- a port's
        lock: Lock,  # noqa: ARG002 -- a port's
        say: Say,  # noqa: ARG002 -- a port's
    ) -> Sequence[Archive]:
        """Return nothing: the system is what it is."""
        return ()


def _key(caller: Mapping[str, str]) -> str:
    return digest_of([_FORMAT, "system", _first_python(caller.get("PATH", os.defpath))])


def _first_python(path: str) -> list[object] | None:
    for folder in path.split(os.pathsep):
        for name in ("python3", "python"):
            program = os.path.join(folder, name)  # noqa: PTH118 -- the hot path
            if folder and os.path.isfile(program) and os.access(program, os.X_OK):  # noqa: PTH113
                return [program, os.path.realpath(program), state(program)]
    return None
