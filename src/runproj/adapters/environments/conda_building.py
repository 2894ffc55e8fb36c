"""Building a conda environment from archives: checked, unpacked by py-rattler, and tried."""

import json
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from runproj.adapters.environments import activation
from runproj.adapters.environments import uv as pip
from runproj.adapters.environments.archives import FolderArchives, Wanted
from runproj.adapters.environments.building import build_alone, counted
from runproj.adapters.environments.built import (
    SYSTEM_PATH,
    BuildLock,
    Marker,
    Slot,
    add_bytecode_folders,
    note_archives,
)
from runproj.adapters.environments.channels import ChannelFetcher
from runproj.adapters.environments.installing import LazyFetch
from runproj.adapters.environments.interpreters import Interpreter
from runproj.adapters.environments.rattler import Rattler, RattlerFailed
from runproj.errors import EnvironmentFailed, Problem
from runproj.lock.conda import CondaLock
from runproj.ports import Archive, Say

_ABOUT = (
    "import json,platform,sys,sysconfig;"
    "t='t'*bool(sysconfig.get_config_var('Py_GIL_DISABLED'));"
    "print();print(json.dumps([sys.prefix,platform.python_version(),"
    "platform.python_implementation()+t,sysconfig.get_platform()]))"
)
_TIMEOUT_S = 120


class CondaInstaller(NamedTuple):
    """Installs what a lock says; ``caller`` are the caller's variables.

    ``declared`` is path → text of the declared files: they may name indexes.
    """

    rattler: Rattler
    archives: FolderArchives
    caller: Mapping[str, str]
    declared: Mapping[str, str]
    say: Say

    def build(self, slot: Slot, lock: CondaLock) -> Marker:
        """Build an environment, or take it when another process has built it meanwhile.

        Raises:
            EnvironmentFailed: it cannot be built; nothing of it is left.
        """
        count = len(lock.packages) + len(lock.pip)

        def make(alone: BuildLock) -> Marker:
            self.say(f"building: conda, {counted(count)}")
            places = [one.place for one in self.provide(lock)]
            holding = self._replace(rattler=self.rattler.holding(alone.descriptor))
            note_archives(slot, places)
            script = holding.install(lock, places, slot.content)
            python = self.check_health(lock, slot.content)
            if lock.pip:
                wheels = places[len(lock.packages) :]
                self.install_wheels(wheels, slot.content, slot.folder, alone.descriptor)
            activation.tried(script, SYSTEM_PATH).write(slot.folder / "activation.json")
            add_bytecode_folders(slot.content)
            return slot.finish(None, count, "" if python is None else python.version)

        return build_alone(slot, make, self.say)

    def provide(self, lock: CondaLock) -> list[Archive]:
        """Let all archives be there, with the right bytes: packages, then wheels.

        Raises:
            EnvironmentFailed: an archive is to be had nowhere; all are named.
        """
        wanted = [
            Wanted("=".join([one["name"], one["version"], one["build"]]), *_file(one))
            for one in lock.packages
        ]
        wheels = [
            Wanted(f"{one.name}=={one.version}", one.file, one.sha256, one.url) for one in lock.pip
        ]
        found: list[Archive] = []
        problems: list[Problem] = []
        kinds = (
            (wanted, self.fetch_packages()),
            (wheels, LazyFetch.of(pip.find_uv(self.caller).variables, self.declared)),
        )
        for kind, fetch in kinds:
            try:
                found += self.archives.provide(kind, fetch, self.say)
            except EnvironmentFailed as error:
                problems += error.problems
        if problems:
            raise EnvironmentFailed.of(problems)
        return found

    def fetch_packages(self) -> LazyFetch:
        """Return what fetches from channels."""
        return LazyFetch(lambda: ChannelFetcher(self.caller))

    def install(self, lock: CondaLock, places: Sequence[str], prefix: Path) -> str:
        """Install the packages of conda from their archives; return what activates them.

        Scripts that packages bring for this moment are not run.

        Raises:
            EnvironmentFailed: they cannot be installed.
        """
        try:
            done = self.rattler.ask(
                "install", prefix=str(prefix), platform=lock.platform, path=SYSTEM_PATH,
                packages=lock.packages, places=list(places[: len(lock.packages)]),
            )  # fmt: skip
        except RattlerFailed as error:
            full = "No space left" in str(error)
            raise EnvironmentFailed(
                f"the environment cannot be installed: {error}",
                hint="make room on the disk; 'runproj env remove' removes environments"
                if full
                else None,
            ) from error
        scripts = sorted(one.name for one in (prefix / "bin").glob(".*-post-link.sh"))
        if scripts:
            self.say(f"not run, scripts of packages: {', '.join(scripts)}")
        return str(done["activation"])

    def check_health(self, lock: CondaLock, prefix: Path) -> Interpreter | None:
        """Look for every package, and start the interpreter; return it where there is one.

        Raises:
            EnvironmentFailed: it is not what it should be.
        """
        there = {one.name for one in (prefix / "conda-meta").glob("*.json")}
        missing = [
            f"{one['name']} {one['version']}"
            for one in lock.packages
            if f"{one['name']}-{one['version']}-{one['build']}.json" not in there
        ]
        if missing:
            raise EnvironmentFailed(
                f"not installed after all: {', '.join(missing)}", where=str(prefix)
            )
        return None if lock.version("python") is None else interpreter_of(prefix)

    def install_wheels(
        self, wheels: Sequence[str], prefix: Path, folder: Path, held: int | None = None
    ) -> None:
        """Install wheels beside the packages of conda, whose files stay as they are.

        Args:
            wheels: their paths.
            prefix: the environment.
            folder: for what is needed on the way.
            held: a descriptor that uv inherits.

        Raises:
            EnvironmentFailed: they cannot be installed.
        """
        uv = pip.find_uv(self.caller)
        done = pip.added(
            uv if held is None else uv.holding(held), wheels, str(prefix / "bin/python"), folder
        )
        if done.returncode != 0:
            pip.fail(done, "the part of pip cannot be installed")

    def check_machine(self, needs: Sequence[tuple[str, str]]) -> None:
        """Make sure that this machine has what packages need of it.

        Raises:
            EnvironmentFailed: something is missing; with all of it.
        """
        try:
            missing = self.rattler.ask("missing", needs=list(needs))
        except RattlerFailed as error:
            raise EnvironmentFailed(f"the machine cannot be looked at: {error}") from error
        if missing:
            raise EnvironmentFailed.of(
                [
                    Problem(
                        f"{package} needs {need}, and this machine has "
                        + ("none" if version is None else version),
                        hint="run it on another machine, or lock for less with 'virtual_packages'",
                    )
                    for package, need, version in missing
                ]
            )


def _file(record: Mapping[str, Any]) -> tuple[str, str, str]:
    return record["fn"], record["sha256"], record["url"]


def interpreter_of(prefix: Path) -> Interpreter:
    """Start the interpreter of an environment; return it.

    Raises:
        EnvironmentFailed: it does not work.
    """
    python = str(prefix / "bin/python")
    try:
        done = subprocess.run(
            [python, "-I", "-c", _ABOUT], capture_output=True, check=True, text=True,
            stdin=subprocess.DEVNULL, timeout=_TIMEOUT_S,
        )  # fmt: skip
        reported, version, implementation, platform = json.loads(done.stdout.splitlines()[-1])
    except (OSError, ValueError, IndexError, subprocess.SubprocessError) as error:
        said = getattr(error, "stderr", None) or error
        raise EnvironmentFailed(
            f"the new environment's interpreter does not work: {said}", where=python
        ) from error
    if not Path(reported).samefile(prefix):
        raise EnvironmentFailed(f"the new environment reports the prefix {reported}", where=python)
    return Interpreter(python, version, implementation, platform)
