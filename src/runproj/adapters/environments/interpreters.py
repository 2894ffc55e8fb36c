"""Python interpreters of this machine. None is ever downloaded."""

import os
import sys
import sysconfig
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from runproj.adapters.disk import write_atomically
from runproj.errors import EnvironmentFailed
from runproj.model import Model, digest_of


class Interpreter(Model):
    """An interpreter: where it is, its full version, and for which platform it installs."""

    path: str
    version: str
    implementation: str
    platform: str
    state: str = ""

    @property
    def minor(self) -> str:
        """The version without its patch, ``3.12``."""
        return ".".join(self.version.split(".")[:2])


def own() -> Interpreter:
    """Return the interpreter that runs runproj (not its virtual environment)."""
    return Interpreter(
        path=getattr(sys, "_base_executable", sys.executable),
        version=".".join(map(str, sys.version_info[:3])),
        implementation=sys.implementation.name,
        platform=sysconfig.get_platform(),
    )


@dataclass(frozen=True, slots=True)
class Interpreters:
    """Finds interpreters, and remembers in ``folder`` what it found."""

    folder: Path
    caller: Mapping[str, str]

    def find(self, wanted: str | None) -> Interpreter:
        """Return an interpreter for a version or range; runproj's own where that fits.

        Raises:
            EnvironmentFailed: there is none; the message lists what is there.
        """
        mine = own()
        if wanted is None or fits(mine.version, wanted):
            return mine
        remembered = self._remembered(wanted)
        if remembered is not None:
            return remembered
        found = self._discover(wanted)
        self._remember(wanted, found)
        return found

    def _place(self, wanted: str) -> Path:
        return self.folder / digest_of([wanted, self.caller.get("PATH", "")])[:32]

    def _remembered(self, wanted: str) -> Interpreter | None:
        try:
            found = Interpreter.model_validate_json(self._place(wanted).read_bytes())
            return found if _state(found.path) == found.state else None
        except (OSError, ValueError):
            return None

    def _remember(self, wanted: str, found: Interpreter) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        write_atomically(self._place(wanted), found.model_dump_json().encode())

    def _discover(self, wanted: str) -> Interpreter:
        known = {}
        for found in self._all():
            if fits(found.version, wanted):
                return found
            known[found.path] = found.version
        listed = ", ".join(f"{version} ({path})" for path, version in known.items())
        raise EnvironmentFailed(
            f"there is no Python {wanted} on this machine; found: {listed or 'none'}",
            hint="install it (uv python install, pyenv, the system's packages), or change 'python'",
        )

    def _all(self) -> Iterator[Interpreter]:
        """Yield the interpreters of this machine, those that pyenv keeps included."""
        from python_discovery import iter_interpreters  # noqa: PLC0415 -- costs 80 ms

        seen: set[str] = set()
        for info in iter_interpreters(try_first_with=_pyenv(self.caller), env=dict(self.caller)):
            base = info.system_executable
            version = ".".join(map(str, info.version_info[:3]))
            if base is None or os.path.realpath(base) in seen or info.version_info[0] < 3:  # noqa: PLR2004 -- Python 2 is no choice
                continue
            seen.add(os.path.realpath(base))
            yield Interpreter(
                path=base,
                version=version,
                implementation=info.implementation.lower(),
                platform=sysconfig.get_platform(),
                state=_state(base),
            )


def _pyenv(caller: Mapping[str, str]) -> Sequence[str]:
    root = caller.get("PYENV_ROOT") or f"{caller.get('HOME', '')}/.pyenv"
    return sorted(map(str, Path(root).glob("versions/*/bin/python3")), reverse=True)


def _state(path: str) -> str:
    status = Path(path).stat()
    return f"{status.st_size} {status.st_mtime_ns} {status.st_ino}"


def fits(version: str, wanted: str) -> bool:
    """Tell whether a full version is what a version or a range asks for.

    >>> fits("3.11.7", "3.11"), fits("3.11.7", ">=3.12"), fits("3.11.7", ">=3.10,<3.13")
    (True, False, True)
    """
    number = _numbers(version)
    return all(_holds(number, part.strip()) for part in wanted.split(","))


def _holds(number: tuple[int, ...], part: str) -> bool:
    operator = part[: len(part) - len(part.lstrip("<>=!~"))]
    text = part[len(operator) :].strip().removesuffix(".*")
    bound = _numbers(text)
    start = number[: len(bound)]
    match operator:
        case ">=":
            return number >= bound
        case ">":
            return start > bound
        case "<=":
            return start <= bound
        case "<":
            return number < bound
        case "!=":
            return start != bound
        case "~=":
            return number >= bound and number[: len(bound) - 1] == bound[:-1]
    return start == bound


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split("."))
