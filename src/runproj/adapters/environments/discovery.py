"""Which Python interpreters this machine has, as virtualenv's own discovery sees it.

Nothing is ever downloaded. This is the slow part (each candidate is started once);
:mod:`.interpreters` keeps its answers.
"""

import logging
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from runproj.adapters.environments.interpreters import Interpreter
from runproj.errors import EnvironmentFailed

if TYPE_CHECKING:
    from packaging.specifiers import SpecifierSet
    from python_discovery import DiskCache, PythonInfo

_LEVELS = {"alpha": "a", "beta": "b", "candidate": "rc"}
# it warns of every interpreter that it cannot ask; such a one is just not there
logging.getLogger("python_discovery").addHandler(logging.NullHandler())


def discover(spec: str | None, caller: Mapping[str, str], cache: Path) -> Interpreter:
    """Find the interpreter for a version ("3.12", ">=3.10,<3.13"); None: runproj's own.

    runproj's own is taken when it fits, then what PATH has, then what version managers keep.

    Raises:
        EnvironmentFailed: there is none; with all that there are.
    """
    from python_discovery import DiskCache, PythonInfo, get_interpreter  # noqa: PLC0415 -- lazy

    known = DiskCache(cache / "interpreters" / "probed")
    current = PythonInfo.current_system(known)
    if spec is None:
        return _interpreter(current)
    wanted = specifiers(spec)
    if _fits(current, wanted):
        return _interpreter(current)
    found = get_interpreter(
        _key(spec),
        try_first_with=_managed(caller, wanted, known),
        cache=known,
        env=_without_shims(caller),
        predicate=lambda info: _fits(info, wanted),
    )
    if found is None:
        raise _missing(spec, caller, known)
    return _interpreter(found)


def specifiers(spec: str) -> "SpecifierSet":
    """Return what versions a specification allows.

    >>> "3.12.4" in specifiers("3.12"), "3.13.0" in specifiers("3.12")
    (True, False)

    Raises:
        EnvironmentFailed: it is no specification of a version.
    """
    from packaging.specifiers import InvalidSpecifier, SpecifierSet  # noqa: PLC0415 -- lazy

    parts = [part.strip() for part in spec.split(",")]
    exact = [part if part[:1] in "<>=!~" else f"=={part.removesuffix('.*')}.*" for part in parts]
    try:
        return SpecifierSet(",".join(exact), prereleases=True)
    except InvalidSpecifier as error:
        raise EnvironmentFailed(
            f"{spec!r} is not a version of Python", hint='examples: "3.12", ">=3.10,<3.14"'
        ) from error


def _key(spec: str) -> str:
    """Return what the discovery looks for: ``cpython3.12``, or any, which is then filtered."""
    plain = spec.strip().removesuffix(".*")
    return f"cpython{plain}" if plain.replace(".", "").isdigit() else "cpython"


def _fits(info: "PythonInfo", wanted: "SpecifierSet") -> bool:
    return info.implementation == "CPython" and _version(info) in wanted


def _version(info: "PythonInfo") -> str:
    """Return the full version, ``3.14.0rc1``."""
    numbers = info.version_info
    level = _LEVELS.get(numbers.releaselevel)
    return info.version_str + (f"{level}{numbers.serial}" if level else "")


def _interpreter(info: "PythonInfo") -> Interpreter:
    executable = info.system_executable or info.executable or ""
    return Interpreter(
        executable=executable,
        version=_version(info),
        implementation=info.implementation + ("t" if info.free_threaded else ""),
        platform=f"{info.sysconfig_platform or info.platform}",
    )


def _without_shims(caller: Mapping[str, str]) -> dict[str, str]:
    """Leave out the shims of version managers: slow, and what they lead to is looked at itself."""
    folders = caller.get("PATH", "").split(os.pathsep)
    kept = os.pathsep.join(folder for folder in folders if Path(folder).name != "shims")
    return {**caller, "PATH": kept}


_VERSION = re.compile(r"\d+\.\d+\.\d+")


def _managed(
    caller: Mapping[str, str], wanted: "SpecifierSet | None", known: "DiskCache"
) -> Iterator[str]:
    """Yield interpreters of version managers that fit by their name and work, the newest first.

    The discovery raises for one that does not work (too old, half installed), unlike for PATH's.
    """
    from python_discovery import PythonInfo  # noqa: PLC0415 -- lazy

    home = Path(caller.get("HOME") or Path.home())
    folders = [
        Path(caller.get("PYENV_ROOT") or home / ".pyenv") / "versions",
        Path(caller.get("MISE_DATA_DIR") or home / ".local/share/mise") / "installs/python",
        Path(caller.get("ASDF_DATA_DIR") or home / ".asdf") / "installs/python",
    ]
    for folder in folders:
        try:
            named = [path for path in folder.iterdir() if _VERSION.fullmatch(path.name)]
        except OSError:
            continue  # not there, or somebody else's
        for path in sorted(
            named, key=lambda one: list(map(int, one.name.split("."))), reverse=True
        ):
            python = str(path / "bin/python")
            if (wanted is None or path.name in wanted) and PythonInfo.from_exe(
                python, known, raise_on_error=False, env=dict(caller)
            ):
                yield python


def _missing(spec: str, caller: Mapping[str, str], known: "DiskCache") -> EnvironmentFailed:
    from packaging.version import Version  # noqa: PLC0415 -- lazy
    from python_discovery import iter_interpreters  # noqa: PLC0415 -- lazy

    managed = _managed(caller, None, known)
    infos = iter_interpreters(
        "cpython", try_first_with=managed, cache=known, env=_without_shims(caller)
    )
    there = sorted(
        {(_interpreter(info).version, _interpreter(info).executable) for info in infos},
        key=lambda one: (Version(one[0]), one[1]),
    )
    found = ", ".join(f"{version} ({path})" for version, path in there) or "none at all"
    return EnvironmentFailed(
        f"no Python {spec} on this machine; found: {found}",
        hint="install it ('uv python install', pyenv, your system's packages) and put it on PATH, "
        "or change 'python' of the environment",
    )
