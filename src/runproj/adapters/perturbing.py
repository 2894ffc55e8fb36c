"""What this machine can perturb, and workspaces that list their entries in another order."""

import contextlib
import itertools
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TypeAlias

from runproj.errors import StoreError
from runproj.ports import Furnishing, Workspace, Workspaces

Arrange: TypeAlias = Callable[[str, Furnishing], None]
"""Does something to a folder that was furnished."""

_LIBRARIES = ("libfaketimeMT.so.1", "libfaketime.so.1")
_FOLDERS = ("/usr/lib/*/faketime", "/usr/lib/faketime", "/usr/local/lib/faketime")
_INSTALL = "the library libfaketime is not installed (Debian: apt-get install libfaketime)"
_SPARE = 16_000_000  # bytes that stay free
_DAY_S = 86_400


def installed_locale() -> str | None:
    """Return a locale of this machine that is not that of C, in UTF-8 and not English if it can."""
    program = shutil.which("locale")
    if program is None:
        return None
    done = subprocess.run([program, "-a"], capture_output=True, check=False)
    found = [
        name
        for name in done.stdout.decode(errors="replace").split()
        if not re.match(r"(C|POSIX)(\.|$)", name)
    ]
    return min(found, key=lambda name: ("utf" not in name.lower(), name[:2] == "en"), default=None)


def faketime(folders: Sequence[str] = _FOLDERS) -> tuple[str | None, str]:
    """Return the library that gives processes another time, or why there is none."""
    root = Path("/")
    for library, folder in itertools.product(_LIBRARIES, folders):
        for place in root.glob(f"{folder.lstrip('/')}/{library}"):
            return (str(place), "") if _fakes(place) else (None, f"{place} does not work here")
    return None, _INSTALL


def _fakes(library: Path) -> bool:
    date = shutil.which("date")
    if date is None:
        return False
    variables = {"LD_PRELOAD": str(library), "FAKETIME": str(_DAY_S), "FAKETIME_FMT": "%s"}
    done = subprocess.run([date, "+%s"], env=variables, capture_output=True, check=False)
    return done.stdout.strip() == str(_DAY_S).encode()


def sweep_faketime(folder: str = "/dev/shm") -> None:  # noqa: S108 -- where the library puts them
    """Remove what the library left in memory for processes that were ended before their time."""
    for place in Path(folder).glob("*faketime_s*m_*"):
        pid = place.name.rpartition("_")[2]
        with contextlib.suppress(OSError):
            if pid.isdigit() and not Path("/proc", pid).exists():
                place.unlink()


def ordered_folder(needed: int, folders: Iterable[str]) -> tuple[str | None, str]:
    """Return a folder of our own where entries are listed in the order in which they were made.

    Args:
        needed: bytes that it must have room for, twice.
        folders: where it may be; the first that serves is taken.

    Returns:
        The folder, or None and why there is none.
    """
    why = []
    for folder in folders:
        try:
            reason = _unfit(folder, needed)
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
        if reason is None:
            return str(_own(folder)), ""
        why.append(f"{folder}: {reason}")
    return None, "; ".join(why)


def _own(folder: str) -> Path:
    """Return a folder that is only this user's.

    Raises:
        OSError: somebody else has made it.
    """
    own = Path(folder, f"runproj-{os.getuid()}")
    with contextlib.suppress(FileExistsError):
        own.mkdir(mode=0o700)
    status = own.lstat()
    if own.is_symlink() or status.st_uid != os.getuid() or status.st_mode & 0o077:
        raise PermissionError(1, f"{own} is somebody else's")
    return own


def _unfit(folder: str, needed: int) -> str | None:
    """Return why the entries of folders here cannot be put into another order."""
    if not Path(folder).is_dir():
        return "there is no such folder"
    free = shutil.disk_usage(folder).free
    if free < 2 * needed + _SPARE:
        return f"{free // 1_000_000} MB are free, {(2 * needed + _SPARE) // 1_000_000} are needed"
    with tempfile.TemporaryDirectory(dir=_own(folder), prefix="probe-") as name:
        probe = Path(name)
        names = [f"entry-{number}" for number in range(8)]
        listings = []
        for folder_name, order in (("a", names), ("b", names[::-1])):
            (probe / folder_name).mkdir()
            for entry in order:
                (probe / folder_name / entry).touch(mode=0o700)
            listings.append(_entries(probe / folder_name))
        if listings[0] == listings[1]:
            return "the file system lists entries in an order of its own"
        if not os.access(probe / "a" / names[0], os.X_OK):
            return "programs cannot be executed there"
    return None


def _entries(folder: Path) -> list[str]:
    return [place.name for place in folder.iterdir()]


def listings(root: str) -> dict[str, list[str]]:
    """Return the entries of a folder and of all folders below it, in the order of the system."""
    found = {}
    for folder, folders, _ in os.walk(root):
        found[os.path.relpath(folder, root)] = _entries(Path(folder))
        folders[:] = [name for name in folders if not Path(folder, name).is_symlink()]
    return found


def reorder(root: str, before: Mapping[str, Sequence[str]]) -> None:
    """Give the folders below ``root`` another order of their entries than they have elsewhere.

    Raises:
        StoreError: that was not possible.
    """
    aside = Path(tempfile.mkdtemp(dir=Path(root).parent, prefix="order-"))
    try:
        for path, now in sorted(listings(root).items(), reverse=True):
            ordinary = [name for name in before.get(path, ()) if name in set(now)]
            if len(now) > 1 and ordinary:
                _arrange(Path(root, path), ordinary, aside)
    except OSError as error:
        raise StoreError(
            f"entries cannot be put into another order: {error.strerror}", where=error.filename
        ) from error
    finally:
        aside.rmdir()


def _arrange(folder: Path, ordinary: list[str], aside: Path) -> None:
    """Have a folder list entries in the reverse of an order, whichever way its system goes."""
    for order in (ordinary, ordinary[::-1]):
        for name in order:
            (folder / name).rename(aside / name)
        for name in order:
            (aside / name).rename(folder / name)
        wanted = set(ordinary)
        if [name for name in _entries(folder) if name in wanted] != ordinary:
            return
    raise StoreError("entries cannot be put into another order", where=str(folder))


class ReorderedWorkspaces:
    """Workspaces that list their entries in another order than the ordinary ones do."""

    def __init__(self, make: Callable[[Arrange], Workspaces], ordinary: Workspaces) -> None:
        """Use workspaces that ``make`` returns, with what is done to each when it is furnished."""
        self._inner = make(self._arrange)
        self._ordinary = ordinary

    def _arrange(self, root: str, furnishing: Furnishing) -> None:
        workspace = self._ordinary.open(furnishing)
        try:
            before = listings(workspace.root)
        finally:
            workspace.close(keep=False)
        reorder(root, before)

    def open(self, furnishing: Furnishing) -> Workspace:
        """Make a workspace, see :class:`~runproj.ports.Workspaces`."""
        return self._inner.open(furnishing)

    def close(self) -> None:
        """Remove what was kept for reuse."""
        try:
            self._inner.close()
        finally:
            self._ordinary.close()
