"""Workspaces: folders made from the source and the inputs of a step, away from the project.

A workspace in which a successful step left the source alone is swept and used for the next step
that sees the same source, so that many steps over a large source pay for what they change only.
"""

import contextlib
import os
import posixpath
import stat
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from runproj.adapters.disk import FolderLock, is_left, is_locked, remove_all
from runproj.errors import Refused, StoreError
from runproj.ports import Changes, Furnishing, ObjectStore, SourceControl

_State = tuple[int, int, int, int, int]
_Key = tuple[str, str, frozenset[str] | None]
_KEPT = "kept"


class FolderWorkspaces:
    """Makes workspaces below a folder."""

    def __init__(
        self, folder: str, source: SourceControl, objects: ObjectStore, *,
        own: str | None = None, arrange: Callable[[str, Furnishing], None] | None = None,
    ) -> None:  # fmt: skip
        """Make them below ``folder``, in a subfolder of this process.

        ``own`` names that subfolder; ``arrange`` is done to each workspace when it is furnished.
        """
        self.folder = Path(folder).resolve()
        self.own = own
        self.arrange = arrange
        self.source = source
        self.objects = objects
        self._own: Path | None = None
        self._lock: FolderLock | None = None
        self._count = 1
        self._is_kept = False
        self._held = 0
        self._free: dict[_Key, list[_Furnished]] = {}

    def open(self, furnishing: Furnishing) -> "FolderWorkspace":
        """Make a workspace, see :class:`~runproj.ports.Workspaces`."""
        free = self._free.get(_key(furnishing))
        furnished = free.pop() if free else self._furnish(furnishing)
        workspace = FolderWorkspace(furnished, furnishing, self)
        try:
            workspace.fill(self.objects)
        except BaseException:
            workspace.close(keep=False)
            raise
        return workspace

    def _furnish(self, furnishing: Furnishing) -> "_Furnished":
        with _translated(self.folder):
            root = self._own_folder() / f"w{self._count}"
            self._count += 1
            root.mkdir()
        if furnishing.files is None or furnishing.files:
            self.source.checkout(furnishing.tree, str(root), furnishing.files)
        with _translated(root):
            (root / furnishing.project_path).mkdir(parents=True, exist_ok=True)
            return _Furnished(root, dict(_scan(root)), dict(_folders(root)))

    def _own_folder(self) -> Path:
        """Return this process's folder; what dead processes left behind goes.

        It gets the name by which others find it when it is locked, so that it never looks dead.
        """
        if self._own is None:
            self.folder.mkdir(parents=True, exist_ok=True)
            for other in self.folder.glob("run-*"):
                if not (other / _KEPT).exists() and not is_locked(other / "lock"):
                    remove_all(other)
            new = Path(tempfile.mkdtemp(dir=self.folder, prefix="new-"))
            self._lock = FolderLock(new / "lock")
            name = new.name.removeprefix("new-")
            if self.own is not None and not (self.folder / f"run-{self.own}").exists():
                name = self.own
            self._own = new.rename(self.folder / f"run-{name}")
        return self._own

    def release(self, furnished: "_Furnished", furnishing: Furnishing) -> None:
        """Take back a workspace that is as it was after the checkout."""
        self._free.setdefault(_key(furnishing), []).append(furnished)

    def keep(self) -> None:
        """Leave this process's folder when it ends: something in it is kept."""
        self._is_kept = True
        (self._own_folder() / _KEPT).touch()

    def hold(self) -> None:
        """Leave this process's folder, should it be killed before :meth:`let_go`."""
        self._held += 1
        (self._own_folder() / _KEPT).touch()

    def let_go(self) -> None:
        """Undo one :meth:`hold`."""
        self._held -= 1
        if not (self._held or self._is_kept):
            (self._own_folder() / _KEPT).unlink(missing_ok=True)

    def close(self) -> None:
        """Remove what was kept for reuse."""
        for free in self._free.values():
            for furnished in free:
                remove_all(furnished.root)
        self._free.clear()
        if self._own is not None:
            if not (self._own / _KEPT).exists():
                remove_all(self._own)
            self._own = None
            self._is_kept, self._held = False, 0
        if self._lock is not None:
            self._lock.close()
            self._lock = None


@dataclass
class _Furnished:
    """A folder with the source in it: the state of every file, the modes of folders, as made."""

    root: Path
    source: dict[str, _State]
    folders: dict[str, int]


@dataclass
class FolderWorkspace:
    """One workspace, see :class:`~runproj.ports.Workspace`."""

    furnished: _Furnished
    furnishing: Furnishing
    owner: FolderWorkspaces
    inputs: dict[str, _State] = field(default_factory=dict)
    has_temporary: bool = False
    is_held: bool = False

    @property
    def root(self) -> str:
        """The workspace's folder."""
        return str(self.furnished.root)

    @property
    def project(self) -> str:
        """The project folder in it."""
        return posixpath.normpath(f"{self.root}/{self.furnishing.project_path}")

    @property
    def temporary(self) -> str:
        """A folder for temporary files of the step, beside the workspace."""
        path = _temporary(self.furnished.root)
        if not self.has_temporary:
            with _translated(path):
                path.mkdir(exist_ok=True)
            self.has_temporary = True
        return str(path)

    def fill(self, objects: ObjectStore) -> None:
        """Give the inputs, and make the folders of the outputs."""
        root, project = self.furnished.root, Path(self.project)
        for artifact in self.furnishing.inputs:
            place = self._place(artifact.path)
            objects.give(artifact, str(project))
            with _translated(place):
                folder = artifact.kind == "folder"
                for path, state in _scan(place) if folder else [("", _state(place.lstat()))]:
                    self.inputs[str((place / path).relative_to(root))] = state
        for output in self.furnishing.outputs:
            with _translated(project):
                self._place(output).parent.mkdir(parents=True, exist_ok=True)
        if self.furnishing.persist:
            self._persist(objects)
        if self.owner.arrange is not None:
            self.owner.arrange(self.root, self.furnishing)
            self._look_again()

    def _persist(self, objects: ObjectStore) -> None:
        """Make the folders that persist, with what is in them."""
        with _translated(self.furnished.root):
            self.owner.hold()
            self.is_held = True
            for folder in self.furnishing.persist:
                self._place(folder).mkdir(parents=True, exist_ok=True)
        for artifact in self.furnishing.persisted:
            objects.give(artifact, self.project)

    def _look_again(self) -> None:
        """Take note of how everything is, after it was moved without being changed."""
        with _translated(self.furnished.root, "looked at"):
            now = dict(_scan(self.furnished.root))
        source = self.furnished.source
        source |= {path: now[path] for path in source if path not in self.inputs}
        self.inputs |= {path: now[path] for path in self.inputs}

    def _place(self, path: str) -> Path:
        """Return where a path of the project really is: the source may hold symbolic links.

        Raises:
            Refused: it is not in the workspace; a file of the user could be overwritten.
        """
        place = Path(self.project, path)
        place = place.parent.resolve() / place.name
        if not place.is_relative_to(self.furnished.root):
            raise Refused(
                f"{path} leads out of the workspace", where=str(place),
                hint="what stands elsewhere is given by a parameter of type path",
            )  # fmt: skip
        return place

    def changes(self) -> Changes:
        """Compare with how it was furnished, see :class:`~runproj.ports.Workspace`."""
        with _translated(self.furnished.root, "looked at"):
            now = dict(_scan(self.furnished.root))
        source = self.furnished.source
        made = [path for path in now if path not in source and path not in self.inputs]
        altered = [
            path
            for path, state in source.items()
            if path not in self.inputs and now.get(path) != state
        ]
        inputs = [path for path, state in self.inputs.items() if now.get(path) != state]
        return Changes(
            *(tuple(sorted(map(self._seen, paths))) for paths in (made, altered, inputs))
        )

    def _seen(self, path: str) -> str:
        if not self.furnishing.project_path:
            return path
        return posixpath.relpath(f"/{path}", f"/{self.furnishing.project_path}")

    def close(self, *, keep: bool) -> None:
        """Remove it, leave it, or sweep it for the next step."""
        remove_all(_temporary(self.furnished.root))
        if keep:
            self.owner.keep()
        elif self._sweep():
            self.owner.release(self.furnished, self.furnishing)
        else:
            remove_all(self.furnished.root)
        if self.is_held:
            self.owner.let_go()
            self.is_held = False

    def _sweep(self) -> bool:
        """Remove all but the source; tell whether the source is as it was."""
        source, folders = self.furnished.source, self.furnished.folders
        pending, added, seen = [(str(self.furnished.root), "")], [], 0
        modes = {}
        try:
            modes["."] = self.furnished.root.stat().st_mode
            while pending:
                folder, below = pending.pop()
                with _opened(folder) as entries:
                    for entry in list(entries):
                        path = f"{below}{entry.name}"
                        if entry.is_dir(follow_symlinks=False):
                            pending.append((entry.path, f"{path}/"))
                            if path in folders:
                                modes[path] = entry.stat(follow_symlinks=False).st_mode
                            else:
                                added.append(entry.path)
                        elif path not in source:
                            os.unlink(entry.path)  # noqa: PTH108 -- quicker than a Path for each of many files
                        elif _state(entry.stat(follow_symlinks=False)) == source[path]:
                            seen += 1
                        else:
                            return False
            for place in reversed(added):  # each comes after the one that it stands in
                Path(place).rmdir()
            return seen == len(source) and modes == folders
        except OSError:
            return False


@contextlib.contextmanager
def revisited(root: str) -> Iterator[bool]:
    """Hold a workspace that was kept, and tell whether it is there: nobody removes it meanwhile.

    It gets a new folder for temporary files.
    """
    place = Path(root)
    if not (place.is_dir() and (place.parent / _KEPT).exists()):
        yield False
        return
    with contextlib.ExitStack() as stack:
        with contextlib.suppress(OSError):  # who holds it keeps it, too
            stack.callback(FolderLock(place.parent / "lock").close)
        with _translated(place):
            _temporary(place).mkdir(exist_ok=True)
        yield True


def kept(folder: Path) -> list[Path]:
    """Return the folders in which a process that is gone left workspaces for a person."""
    return [one for one in _of_the_dead(folder) if (one / _KEPT).exists()]


def left(folder: Path) -> list[Path]:
    """Return the folders of workspaces that processes left behind when they were killed."""
    dead = [one for one in _of_the_dead(folder) if not (one / _KEPT).exists()]
    return [*dead, *(one for one in folder.glob("new-*") if is_left(one))]


def _of_the_dead(folder: Path) -> list[Path]:
    return [one for one in sorted(folder.glob("run-*")) if not is_locked(one / "lock")]


def _key(furnishing: Furnishing) -> _Key:
    return furnishing.tree, furnishing.project_path, furnishing.files


def _temporary(root: Path) -> Path:
    return root.with_name(root.name + ".tmp")


def _scan(root: Path) -> Iterator[tuple[str, _State]]:
    """Yield path and state of every file and link below a folder; bytecode does not count."""
    pending = [(str(root), "")]
    while pending:
        folder, below = pending.pop()
        with _opened(folder) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    if entry.name != "__pycache__":
                        pending.append((entry.path, f"{below}{entry.name}/"))
                else:
                    yield f"{below}{entry.name}", _state(entry.stat(follow_symlinks=False))


def _opened(folder: str) -> "os._ScandirIterator[str]":  # its type has no public name
    """List a folder; one that a step closed to its owner is opened again."""
    try:
        return os.scandir(folder)
    except PermissionError:
        Path(folder).chmod(stat.S_IRWXU)
        return os.scandir(folder)


def _folders(root: Path) -> Iterator[tuple[str, int]]:
    """Yield path and mode of every folder, the one itself included."""
    for folder, _, _ in os.walk(root):
        yield os.path.relpath(folder, root), Path(folder).stat().st_mode


def _state(status: os.stat_result) -> _State:
    return status.st_mtime_ns, status.st_ctime_ns, status.st_size, status.st_ino, status.st_mode


@contextlib.contextmanager
def _translated(place: Path, done: str = "made") -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StoreError(
            f"a workspace cannot be {done}: {(error.strerror or str(error)).lower()}",
            where=str(error.filename or place),
        ) from error
