"""Which file of each locked package an interpreter is given, by markers and tags (PEP 751)."""

import json
import os
import platform
import subprocess
import sysconfig
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple, cast
from urllib.parse import unquote, urlsplit

import packaging
from packaging.markers import Environment
from packaging.pylock import Pylock, PylockSelectError, PylockValidationError
from packaging.tags import Tag, parse_tag, sys_tags

from runproj.adapters.environments.archives import Wanted
from runproj.adapters.environments.interpreters import Interpreter
from runproj.adapters.environments.resolving import marker_environment
from runproj.errors import EnvironmentFailed
from runproj.lock.pylock import archive_of
from runproj.lock.pyproject import toml

_OTHER = (
    "the lock was made for another Python or platform: 'runproj lock' makes it for this one, and "
    "'platforms' of the environment names those that it serves"
)
_TAGS = (
    "import json,sys;sys.path.append(sys.argv[1]);from packaging.tags import sys_tags;"
    "print(json.dumps([str(t) for t in sys_tags()]))"
)
_TIMEOUT_S = 60


class Choice(NamedTuple):
    """A package of a lock, and the file that is installed.

    ``wanted`` is None for what has no file, such as a git repository or a folder. ``is_wheel``
    tells what is installed as it is from what is built. ``table`` is the package's in the lock.
    """

    table: Mapping[str, Any]
    wanted: Wanted | None
    is_wheel: bool

    @property
    def is_buildable(self) -> bool:
        """Whether it is a source archive from which a wheel can be built."""
        inside = self.table.get("archive", {}).get("subdirectory")
        return self.wanted is not None and not self.is_wheel and inside is None


def tags_of(interpreter: Interpreter) -> list[str]:
    """Return the tags of wheels that an interpreter takes, the best first.

    Raises:
        EnvironmentFailed: the interpreter does not tell.
    """
    if interpreter[1:] == _own():
        return [str(tag) for tag in sys_tags()]
    home = str(Path(packaging.__file__).parents[1])
    try:
        done = subprocess.run(
            [interpreter.executable, "-I", "-S", "-c", _TAGS, home], capture_output=True,
            check=True, text=True, stdin=subprocess.DEVNULL, timeout=_TIMEOUT_S,
        )  # fmt: skip
        return list(json.loads(done.stdout))
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        said = getattr(error, "stderr", None) or error
        raise EnvironmentFailed(
            f"the interpreter does not tell which wheels it takes: {said}",
            where=interpreter.executable,
        ) from error


def _own() -> tuple[str, str, str]:
    free_threaded = "t" if sysconfig.get_config_var("Py_GIL_DISABLED") else ""
    implementation = platform.python_implementation() + free_threaded
    return platform.python_version(), implementation, sysconfig.get_platform()


def choose(content: str, interpreter: Interpreter, tags: Sequence[str]) -> list[Choice]:
    """Return what an interpreter is given of each package of a lockfile.

    Raises:
        EnvironmentFailed: the lock does not serve this interpreter, or is damaged.
    """
    read = tomllib.loads(content)
    environment = cast("Environment", marker_environment(interpreter))
    parsed: list[Tag] = [tag for text in tags for tag in parse_tag(text)]
    try:
        lock = Pylock.from_dict({"created-by": "?", **read})
        tables = {
            id(one): table for one, table in zip(lock.packages, read["packages"], strict=True)
        }
        chosen = list(lock.select(environment=environment, tags=parsed))
    except PylockValidationError as error:
        raise EnvironmentFailed(
            f"the lockfile is damaged: {error}", hint="'runproj lock' writes it anew"
        ) from error
    except PylockSelectError as error:
        raise EnvironmentFailed(
            f"the lock does not serve Python {interpreter.version}: {error}", hint=_OTHER
        ) from error
    return [_choice(tables[id(package)], file) for package, file in chosen]


def _choice(table: Mapping[str, Any], file: Any) -> Choice:  # noqa: ANN401 -- any of five classes
    if "directory" in table:
        return Choice(table, None, is_wheel=False)
    url, hashes = getattr(file, "url", None), getattr(file, "hashes", {})
    own = archive_of(table)  # its bytes are in the snapshot
    if url is None and own is None and getattr(file, "path", None) is not None:
        url = Path(file.path).as_uri()  # an absolute one: others were refused
    if (url is None and own is None) or "sha256" not in hashes or "vcs" in table:
        return Choice(table, None, is_wheel=False)
    version = f"=={table['version']}" if "version" in table else ""
    path = own or unquote(urlsplit(url or "").path)
    name = getattr(file, "name", None) or PurePosixPath(path).name
    sha256 = str(hashes["sha256"]).lower()
    wanted = Wanted(f"{table['name']}{version}", os.path.basename(name), sha256, url)  # noqa: PTH119 -- a name, no path
    return Choice(table, wanted, is_wheel=name.endswith(".whl"))


def local_lockfile(content: str, choices: Sequence[tuple[Choice, Wanted | None, str]]) -> str:
    """Return a lockfile whose files stand on this machine.

    Args:
        content: the lockfile; what it says of the interpreter is taken over.
        choices: each package, the file that is installed for it, and where that stands.
    """
    read = tomllib.loads(content)
    head = {key: read[key] for key in ("lock-version", "requires-python") if key in read}
    lines = [f"{key} = {json.dumps(value)}\n" for key, value in head.items()]
    lines.append('created-by = "runproj"\n')
    for choice, wanted, place in choices:
        table = _local(choice, wanted, place)
        lines.append(toml({"packages": table}).replace("[packages]", "[[packages]]", 1))
    return "".join(lines)


def _local(choice: Choice, wanted: Wanted | None, place: str) -> dict[str, Any]:
    """Return the table of a package; without markers, since they hold."""
    if wanted is None:
        return {key: value for key, value in choice.table.items() if key != "marker"}
    table = {key: choice.table[key] for key in ("name", "version") if key in choice.table}
    file = {"path": place, "hashes": {"sha256": wanted.sha256}}
    inside = choice.table.get("archive", {}).get("subdirectory")
    if inside is not None:
        return {**table, "archive": {**file, "subdirectory": inside}}
    if {"vcs", "directory"} & choice.table.keys() or (
        "archive" in choice.table and choice.is_wheel
    ):
        return {**table, "archive": file}
    return {**table, "wheels": [file]}
