"""Building an environment: virtualenv makes it, uv fills it, and it proves to be healthy."""

import errno
import json
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import NamedTuple

from runproj.adapters.environments.built import (
    BuildLock,
    Marker,
    Slot,
    add_bytecode_folders,
    damage,
)
from runproj.adapters.environments.installing import Installer
from runproj.adapters.environments.interpreters import Interpreter
from runproj.errors import EnvironmentFailed, NotSupported
from runproj.lock import pylock
from runproj.lock.pyproject import normalized
from runproj.ports import Say

_ABOUT = (
    "import json,sys;"
    "print();print(json.dumps([sys.prefix,sys.base_prefix,list(sys.version_info[:3]),sys.path]))"
)
_HEALTH_TIMEOUT_S = 120


class Blueprint(NamedTuple):
    """What is to be built: the interpreter, and the lockfile's text without our own note."""

    interpreter: Interpreter
    content: str


class Builder(NamedTuple):
    """Builds environments into their slots, one builder a slot at a time."""

    installer: Installer
    caller: Mapping[str, str]
    data: Path
    say: Callable[[str], None]

    def build(self, slot: Slot, blueprint: Blueprint) -> Marker:
        """Build an environment, or take it when another process has built it meanwhile.

        Raises:
            EnvironmentFailed: it cannot be built; nothing of it is left.
        """

        def make(lock: BuildLock) -> Marker:
            check_local(blueprint.content, self.installer.libraries.paths)
            count = len(pylock.packages(blueprint.content))
            self.say(f"building: Python {blueprint.interpreter.version}, {counted(count)}")
            make_venv(slot.content, blueprint.interpreter, self.caller, self.data)
            self._install(slot, blueprint, lock)
            packages = check_health(slot.content, blueprint)
            add_bytecode_folders(slot.content)
            return slot.finish(blueprint.interpreter, packages)

        return build_alone(slot, make, self.say)

    def _install(self, slot: Slot, blueprint: Blueprint, lock: BuildLock) -> None:
        (slot.folder / "pylock.toml").write_text(blueprint.content, encoding="utf-8")
        # an own (empty) configuration: what lies in folders above does not count
        (slot.folder / "uv.toml").touch()
        holding = self.installer._replace(uv=self.installer.uv.holding(lock.descriptor))
        holding.install(blueprint.content, slot.folder, str(slot.content / "bin/python"))


def build_alone(slot: Slot, make: Callable[[BuildLock], Marker], say: Say) -> Marker:
    """Build an environment while nobody else does, or take what somebody has built meanwhile.

    Args:
        slot: its place.
        make: builds it into the slot's folder, which is empty, and finishes the slot.
        say: told about progress.

    Raises:
        EnvironmentFailed: it cannot be built; nothing of it is left.
    """
    try:
        with BuildLock(
            slot, lambda: say("waiting for another runproj that builds this environment")
        ) as lock:
            marker = slot.marker()
            if marker is not None:
                changed = damage(slot, marker)
                if changed is None:
                    return marker
                say(changed)
            return _made(slot, make, lock, say)
    except OSError as error:
        raise _failed(error, slot.folder) from error


def _made(slot: Slot, make: Callable[[BuildLock], Marker], lock: BuildLock, say: Say) -> Marker:
    start = time.monotonic()
    slot.forget()
    _clear(slot.folder)
    slot.folder.mkdir()
    try:
        marker = make(lock)
    except BaseException:
        shutil.rmtree(slot.folder, ignore_errors=True)
        raise
    seconds = time.monotonic() - start
    say(f"built: {counted(marker.packages)}, {marker.size / 1e6:.0f} MB, {seconds:.1f} s")
    return marker


def check_local(content: str, known: Collection[str]) -> None:
    """Make sure that a lock has no packages at paths but those that are known to be libraries.

    Raises:
        NotSupported: it has.
    """
    local = pylock.local(content, known)
    if local:
        raise NotSupported(f"the lock has packages at local paths: {', '.join(local)}")


def counted(count: int) -> str:
    """Return how many packages there are, in words."""
    return f"{count} package{'s' * (count != 1)}"


def _clear(folder: Path) -> None:
    """Remove what a killed builder, or a damaged environment, left."""
    if folder.exists():
        shutil.rmtree(folder)


def make_venv(venv: Path, interpreter: Interpreter, caller: Mapping[str, str], data: Path) -> None:
    """Make an empty environment with virtualenv; no pip, nothing is downloaded.

    Raises:
        EnvironmentFailed: it cannot be made.
    """
    from virtualenv import cli_run  # noqa: PLC0415 -- 0.2 s, and only a build needs it

    own = {name: value for name, value in caller.items() if not name.startswith("VIRTUALENV_")}
    own["VIRTUALENV_CONFIG_FILE"] = os.devnull
    arguments = [
        "--python", interpreter.executable, "--no-seed", "--no-periodic-update",
        "--app-data", str(data), "--prompt", "runproj", str(venv),
    ]  # fmt: skip
    try:
        cli_run(arguments, setup_logging=False, env=own)
    except OSError:
        raise
    except (Exception, SystemExit) as error:
        raise EnvironmentFailed(
            f"virtualenv cannot make an environment: {error}", where=interpreter.executable
        ) from error


def check_health(venv: Path, blueprint: Blueprint) -> int:
    """Start the interpreter and look for every package; return how many packages there are.

    Raises:
        EnvironmentFailed: it is not what it should be.
    """
    python = str(venv / "bin/python")
    try:
        done = subprocess.run(
            [python, "-I", "-c", _ABOUT], capture_output=True, check=True, text=True,
            stdin=subprocess.DEVNULL, timeout=_HEALTH_TIMEOUT_S,
        )  # fmt: skip
        prefix, base, version, path = json.loads(done.stdout.splitlines()[-1])  # packages may greet
    except (OSError, ValueError, IndexError, subprocess.SubprocessError) as error:
        said = getattr(error, "stderr", None) or error
        raise EnvironmentFailed(
            f"the new environment's interpreter does not work: {said}", where=python
        ) from error
    numbers = ".".join(map(str, version))
    if not Path(prefix).samefile(venv) or prefix == base:
        raise EnvironmentFailed(f"the new environment reports the prefix {prefix}", where=python)
    if not blueprint.interpreter.version.startswith(numbers):
        raise EnvironmentFailed(
            f"the new environment has Python {numbers}, not {blueprint.interpreter.version}",
            where=python,
        )
    there = _distributions([Path(one) for one in path if Path(one).is_relative_to(prefix)])
    missing = [
        f"{name} {wanted}"
        for name, wanted in pylock.unconditional(blueprint.content).items()
        if name not in there
    ]
    if missing:
        raise EnvironmentFailed(f"not installed after all: {', '.join(missing)}", where=str(venv))
    return len(there)


def _distributions(folders: list[Path]) -> set[str]:
    return {
        normalized(info.name.removesuffix(".dist-info").rpartition("-")[0])
        for folder in folders
        for info in folder.glob("*.dist-info")
    }


def _failed(error: OSError, folder: Path) -> EnvironmentFailed:
    hint = None
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        hint = "make room on the disk; 'runproj env remove' removes environments"
    elif error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        hint = "let the folder be writable, or set XDG_CACHE_HOME to another"
    return EnvironmentFailed(
        f"the environment cannot be built: {error.strerror or error}",
        where=os.fspath(error.filename or folder),
        hint=hint,
    )
