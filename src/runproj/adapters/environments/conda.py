"""Conda environments: py-rattler solves and installs them; conda itself is not needed.

What a run needs when nothing changed (the key, and an environment that is there) is done here with
a few file reads; all that is slow stands in modules that are imported when it is needed.
"""

import contextlib
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from runproj.adapters.environments import activation, built
from runproj.adapters.environments.archives import FolderArchives
from runproj.adapters.environments.built import SYSTEM_PATH, Marker, Slot
from runproj.errors import EnvironmentFailed
from runproj.lock import conda
from runproj.lock.conda import CondaLock
from runproj.lock.lock import Declaration, Lock
from runproj.model import digest_of
from runproj.ports import Archive, Say

if TYPE_CHECKING:
    from runproj.adapters.environments.conda_building import CondaInstaller

_FORMAT = 1


class PreparedConda(NamedTuple):
    """A conda environment that is there, see :class:`runproj.ports.PreparedEnvironment`."""

    key: str
    slot: Slot
    marker: Marker
    activation: activation.Activation
    home: str

    @property
    def description(self) -> str:
        """What it is, for a person."""
        count = self.marker.packages
        python = f"Python {self.marker.python}, " if self.marker.python else ""
        return f"conda, {python}{count} package{'s' * (count != 1)}, in {self.slot.content}"

    @property
    def folders(self) -> Sequence[str]:
        """The environment: its interpreter is in it."""
        return [str(self.slot.content)]

    def variables(self, project_folder: str) -> Mapping[str, str]:  # noqa: ARG002 -- a port's
        """Return what activating it sets; packages of the user's home are not looked at."""
        found = self.activation.resolved(SYSTEM_PATH, self.home)
        return {"PATH": SYSTEM_PATH, "PYTHONNOUSERSITE": "1", **found}

    def is_intact(self) -> bool:
        """Compare every file's size and time; a changed environment is forgotten."""
        return built.is_intact(self.slot, self.marker)


class CondaBackend:
    """Locks and builds conda environments, see :class:`runproj.ports.EnvironmentBackend`."""

    def __init__(self, cache: str, archives: FolderArchives, caller: Mapping[str, str]) -> None:
        """Build below ``cache``, the user's folder for what can be made again.

        Packages are installed from ``archives``. ``caller`` are the caller's variables: proxies,
        the auth file of channels, settings of uv.
        """
        self.cache = Path(cache).absolute()  # it will stand in programs
        self.archive_folder = archives
        self.caller = caller
        self.root = self.cache / "environments"

    def lock(self, declaration: Declaration, previous: Lock | None, say: Say) -> Lock:
        """Solve a declaration; pins that ``previous`` has stay where they can."""
        from runproj.adapters.environments.conda_locking import CondaLocker  # noqa: PLC0415 -- lazy

        locker = CondaLocker(self._installer(declaration, say), self.cache, say)
        return locker.lock(declaration, previous)

    def key(self, declaration: Declaration, lock: Lock) -> str:  # noqa: ARG002 -- a port's
        """Return the digest of packages and platform."""
        return _key(conda.read(lock.content))

    def facts(self, declaration: Declaration) -> Mapping[str, str]:  # noqa: ARG002 -- a port's
        """Return nothing: all that the key depends on is in the lock."""
        return {}

    def prepare(self, declaration: Declaration, lock: Lock, say: Say) -> PreparedConda:
        """Take the environment that is there, or build it."""
        read = conda.read(lock.content)
        self._check_platform(read)
        slot = Slot(self.root, _key(read), "conda")
        self._check_machine(slot, read, declaration, say)
        marker = slot.marker()
        if marker is None or built.damage(slot, marker) is not None:
            marker = self._installer(declaration, say).build(slot, read)
        slot.touch()
        known = activation.read(slot.folder / "activation.json")
        return PreparedConda(slot.key, slot, marker, known, self.caller.get("HOME", "/"))

    def archives(self, declaration: Declaration, lock: Lock, say: Say) -> Sequence[Archive]:
        """Return all that a lock is installed from; what is missing is fetched."""
        return self._installer(declaration, say).provide(conda.read(lock.content))

    def _installer(self, declaration: Declaration, say: Say) -> "CondaInstaller":
        from runproj.adapters.environments.conda_building import CondaInstaller  # noqa: PLC0415 -- lazy
        from runproj.adapters.environments.rattler import find_rattler  # noqa: PLC0415 -- lazy

        return CondaInstaller(
            find_rattler(self.caller), self.archive_folder, self.caller, declaration.files, say
        )

    def _check_platform(self, lock: CondaLock) -> None:
        from runproj.adapters.environments.rattler import this_platform  # noqa: PLC0415 -- lazy

        here = this_platform()
        if lock.platform != here:
            raise EnvironmentFailed(
                f"the lock is for {lock.platform}, and this machine is {here}",
                hint="'runproj lock' makes it for this one",
            )

    def _check_machine(
        self, slot: Slot, lock: CondaLock, declaration: Declaration, say: Say
    ) -> None:
        """Make sure that the machine has what packages need of it, such as a driver.

        Rattler tells it; what it said holds as long as the machine looks the same.

        Raises:
            EnvironmentFailed: something is missing.
        """
        needs = lock.needs
        if not needs:
            return
        now = digest_of(
            [_FORMAT, needs, _machine({need.split()[0] for _, need in needs}, self.caller)]
        )
        place = slot.folder.with_suffix(".machine")
        with contextlib.suppress(OSError):
            if place.read_text("ascii", "replace") == now:
                return
        self._installer(declaration, say).check_machine(needs)
        with contextlib.suppress(OSError):  # it is asked again next time
            self.root.mkdir(parents=True, exist_ok=True)
            place.write_text(now, "ascii")


def _key(lock: CondaLock) -> str:
    return digest_of([_FORMAT, "conda", conda.identity(lock)])


def _machine(names: set[str], caller: Mapping[str, str]) -> list[object]:
    """Return what decides which virtual packages a machine has, as far as ``names`` ask."""
    system = os.uname()
    libc = None
    with contextlib.suppress(ValueError, OSError):  # the name is glibc's
        libc = os.confstr("CS_GNU_LIBC_VERSION")
    overrides = {name: text for name, text in caller.items() if name.startswith("CONDA_OVERRIDE_")}
    found: list[object] = [system.sysname, system.release, system.machine, libc, overrides]
    if any(name.startswith("__cuda") for name in names):
        found.append(_text("/proc/driver/nvidia/version"))
    if any(name.startswith("__archspec") for name in names):
        found.append(sorted({*_text("/proc/cpuinfo").split()}))
    return found


def _text(path: str) -> str:
    try:
        return Path(path).read_text("utf-8", "replace")
    except OSError:
        return ""
