"""Content by digest, as read-only files: ``objects/ab/cdef…``.

A folder is kept as a manifest (canonical JSON of :class:`FolderManifest`) under its own digest.
What was hashed once is remembered by place, size, times and inode, so that an unchanged file
costs a stat.
"""

import contextlib
import errno
import hashlib
import io
import itertools
import os
import re
import sqlite3
import stat
import tempfile
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

from runproj.errors import StoreError, UsageError
from runproj.model import canonical, from_json
from runproj.record.artifact import Artifact, FolderManifest, FolderMember

_CHUNK = 1 << 20
_is_digest = re.compile("[0-9a-f]{64}").fullmatch
_RACY_NS = 2_000_000_000  # a file changed this recently may change again without a trace


class FolderObjects:
    """An object store in a folder; many processes may use it at once."""

    def __init__(self, folder: str) -> None:
        """Use ``folder``; it is made when something is kept."""
        self.folder = Path(folder)
        self._root = str(self.folder)
        self.remembered = _Remembered(self.folder / "digests.db")
        self._sound: dict[str, str] = {}  # objects that this process saw whole

    def put(self, source: str, path: str, *, take: bool = False) -> Artifact:
        """Keep a file or folder, see :class:`~runproj.ports.ObjectStore`."""
        place = Path(source)
        with _translated(place):
            status = _status(place)
            if status is None:
                raise UsageError("nothing is there to be kept", where=source)
            _as_text(path, place)
            # what is reached through a link is somebody else's: it must not move
            take = take and place.resolve() == place.absolute()
            if stat.S_ISDIR(status.st_mode):
                return self._put_folder(place, path, take=take)
            return self._put_file(place, path, status, take=take)

    def digest(self, source: str, path: str) -> Artifact | None:
        """Return what a file or folder is, see :class:`~runproj.ports.ObjectStore`."""
        place = Path(source)
        with _translated(place):
            status = _status(place)
            if status is None:
                return None
            _as_text(path, place)
            if stat.S_ISDIR(status.st_mode):
                return _folder_artifact(path, *self._manifest(place, keep=False, take=False))
            return _file_artifact(path, self._sha256(place, status), status)

    def give(self, artifact: Artifact, folder: str) -> None:
        """Write an artifact below a folder, see :class:`~runproj.ports.ObjectStore`."""
        target = Path(folder) / artifact.path
        with _translated(target):
            target.parent.mkdir(parents=True, exist_ok=True)
            if artifact.kind == "file":
                self._give_file(artifact.sha256, target, executable=artifact.executable)
            else:
                target.mkdir(exist_ok=True)
                for member in self.members(artifact.sha256):
                    self._give_member(member, target)

    def read(self, sha256: str) -> bytes:
        """Return the content of a file, see :class:`~runproj.ports.ObjectStore`."""
        place = self.place(sha256)
        with _translated(place), self._open(sha256) as file:
            data = file.read()
        if hashlib.sha256(data).hexdigest() != sha256:
            raise self._damaged(sha256)
        return data

    def has(self, artifact: Artifact) -> bool:
        """Tell whether it is all there, see :class:`~runproj.ports.ObjectStore`."""
        if artifact.kind == "file":  # nearly always; whatever else is found is looked at below
            with contextlib.suppress(OSError):
                place = f"{self._root}/{artifact.sha256[:2]}/{artifact.sha256[2:]}"
                if os.stat(place).st_size == artifact.size:  # noqa: PTH116 -- ten thousand times
                    return True
        with _translated(self.place(artifact.sha256)):
            if artifact.kind == "file":
                return self._stands(artifact.sha256, artifact.size)
            if not self.place(artifact.sha256).exists():
                return False
            members = self.members(artifact.sha256)
            return all(m.sha256 is None or self._stands(m.sha256, m.size) for m in members)

    def _stands(self, sha256: str, size: int) -> bool:
        """Tell whether an object is there, and as large as it was; what is not is looked into."""
        try:
            if self.place(sha256).stat().st_size == size:
                return True
        except FileNotFoundError:
            return False
        try:
            self.read(sha256)
        except StoreError:
            return False
        return True  # the file was written to while it was kept

    def members(self, sha256: str) -> tuple[FolderMember, ...]:
        """Return the members of a folder that is kept under this digest.

        Raises:
            StoreError: it is not there, damaged, or would reach out of the folder: somebody else
                may have made the store.
        """
        members = from_json(FolderManifest, self.read(sha256)).members
        odd = _reaching_out(members)
        if odd is not None:
            raise StoreError(
                f"the folder {sha256[:12]}… has {odd!r}, which would not stand in it",
                where=str(self.place(sha256)), hint="runproj makes no such folder: do not trust it",
            )  # fmt: skip
        return members

    def all(self) -> Iterator[tuple[str, Path]]:
        """Yield sha256 and place of every object that is there, sorted.

        Raises:
            StoreError: a folder cannot be read.
        """
        for begin in _names(self.folder):
            if re.fullmatch("[0-9a-f]{2}", begin):
                for rest in _names(self.folder / begin):
                    if re.fullmatch("[0-9a-f]{62}", rest):
                        yield begin + rest, self.folder / begin / rest

    def set_aside_before(self) -> list[Path]:
        """Return what was set aside."""
        aside = self.folder / "damaged"
        return [aside / name for name in _names(aside)]

    def place(self, sha256: str) -> Path:
        """Return where an object is, or would be.

        Raises:
            StoreError: it is no digest; somebody else may have made the store.
        """
        if not _is_digest(sha256):
            raise StoreError(f"{sha256[:80]!r} is no digest of an object", where=self._root)
        return self.folder / sha256[:2] / sha256[2:]

    def _gone(self, sha256: str) -> StoreError:
        return StoreError(f"the object {sha256[:12]}… is not in the store", where=str(self.folder))

    def _damaged(self, sha256: str) -> StoreError:
        """Set an object aside whose bytes are wrong, so that it can be made again."""
        hint = "it was set aside: the next run of the step that made it makes it again"
        try:
            aside = self.set_aside(sha256)
        except StoreError:
            aside = self.place(sha256)
            hint = "remove that file, and run the step that made it again"
        return StoreError(
            f"the object {sha256[:12]}… is damaged: its bytes are not what its name says",
            where=str(aside),
            hint=hint,
        )

    def set_aside(self, sha256: str) -> Path:
        """Move an object into the folder ``damaged``; return where it is now.

        Raises:
            StoreError: it cannot be moved.
        """
        aside = self.folder / "damaged" / sha256
        with _translated(self.place(sha256)):
            aside.parent.mkdir(exist_ok=True)
            self.place(sha256).replace(aside)
        return aside

    def _sha256(self, place: Path, status: os.stat_result) -> str:
        _refuse_unless_file(place, status)
        known = self.remembered.get(place, status)
        if known is None:
            now = time.time_ns()
            with place.open("rb") as file:
                known = hashlib.file_digest(file, "sha256").hexdigest()
            self.remembered.put(place, status, known, now)
        return known

    def _put_file(self, place: Path, path: str, status: os.stat_result, *, take: bool) -> Artifact:
        _refuse_unless_file(place, status)
        take = take and status.st_nlink == 1  # what has a second name could be changed through it
        sha256 = None if take else self.remembered.get(place, status)
        if sha256 is None or not self.place(sha256).exists():
            sha256 = self._take_file(place) if take else self._copy_in(place, status)
        return _file_artifact(path, sha256, status)

    def _take_file(self, place: Path) -> str:
        if not os.access(place, os.R_OK):
            place.chmod(0o400)  # it is ours: who made it closed it to everybody
        with place.open("rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        target = self.place(sha256)
        target.parent.mkdir(parents=True, exist_ok=True)
        place.chmod(0o444)
        try:
            place.replace(target)
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise
            with place.open("rb") as file:
                sha256 = self._write(file)
            place.unlink()
        return sha256

    def _copy_in(self, place: Path, status: os.stat_result) -> str:
        now = time.time_ns()
        with place.open("rb") as file:
            sha256 = self._write(file)
        self.remembered.put(place, status, sha256, now)
        return sha256

    def keep(self, data: bytes) -> str:
        """Keep bytes as a file; return their sha256."""
        sha256 = hashlib.sha256(data).hexdigest()
        with _translated(self.folder):
            if not self._holds(sha256, data):
                self._write(io.BytesIO(data))
        return sha256

    def _holds(self, sha256: str, data: bytes) -> bool:
        try:
            return self.place(sha256).read_bytes() == data
        except FileNotFoundError:
            return False

    def _write(self, file: BinaryIO) -> str:
        """Copy an open file into the store, hashing on the way."""
        self.folder.mkdir(parents=True, exist_ok=True)
        digest = hashlib.sha256()
        handle, name = tempfile.mkstemp(dir=self.folder, prefix="incoming-")
        try:
            with os.fdopen(handle, "wb") as target:
                while chunk := file.read(_CHUNK):
                    digest.update(chunk)
                    target.write(chunk)
            self._settle(Path(name), digest.hexdigest())
        finally:
            Path(name).unlink(missing_ok=True)
        return digest.hexdigest()

    def _settle(self, incoming: Path, sha256: str) -> None:
        target = self.place(sha256)
        target.parent.mkdir(parents=True, exist_ok=True)
        incoming.chmod(0o444)
        incoming.replace(target)
        self._sound[sha256] = _state(target.stat())

    def _put_folder(self, place: Path, path: str, *, take: bool) -> Artifact:
        manifest, size = self._manifest(place, keep=True, take=take)
        self.keep(canonical(manifest))
        return _folder_artifact(path, manifest, size)

    def _manifest(self, place: Path, *, keep: bool, take: bool) -> tuple[FolderManifest, int]:
        members = tuple(self._walk(place, "", keep=keep, take=take))
        ordered = tuple(sorted(members, key=lambda member: member.path))
        return FolderManifest(members=ordered), sum(member.size for member in members)

    def _walk(self, folder: Path, below: str, *, keep: bool, take: bool) -> Iterator[FolderMember]:
        with os.scandir(folder) as found:
            entries = sorted(found, key=lambda entry: entry.name)
        entries = [entry for entry in entries if not _is_bytecode(entry)]
        if below and not entries:
            yield FolderMember(path=_as_text(below, folder), kind="folder")
        for entry in entries:
            path = f"{below}/{entry.name}" if below else entry.name
            place = Path(entry.path)
            if entry.is_symlink():
                target = _as_text(str(place.readlink()), place)
                yield FolderMember(path=_as_text(path, place), kind="link", target=target)
            elif entry.is_dir():
                yield from self._walk(place, path, keep=keep, take=take)
            else:
                status = entry.stat()
                _as_text(path, place)  # before it may move
                if keep:
                    sha256 = self._put_file(place, path, status, take=take).sha256
                else:
                    sha256 = self._sha256(place, status)
                yield FolderMember(
                    path=_as_text(path, place),
                    sha256=sha256,
                    size=status.st_size,
                    executable=bool(status.st_mode & 0o111),
                )

    def _give_member(self, member: FolderMember, target: Path) -> None:
        place = target / member.path
        place.parent.mkdir(parents=True, exist_ok=True)
        if member.kind == "folder":
            place.mkdir(exist_ok=True)
        elif member.kind == "link":
            place.unlink(missing_ok=True)
            place.symlink_to(member.target or "")
        else:
            self._give_file(member.sha256 or "", place, executable=member.executable)

    def _give_file(self, sha256: str, target: Path, *, executable: bool) -> None:
        """Copy an object out, checking on the way that it is what its name says.

        What this process wrote, or looked at, is not read for that once more as long as nobody
        touches it. It is a new file in every case: what was there may be a link to something else.
        """
        digest = hashlib.sha256()
        mode = 0o777 if executable else 0o666
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        with self._open(sha256) as source:
            state = _state(os.fstat(source.fileno()))
            known = self._sound.get(sha256) == state
            target.unlink(missing_ok=True)
            with os.fdopen(os.open(target, flags, mode), "wb") as file:
                while chunk := source.read(_CHUNK):
                    if not known:
                        digest.update(chunk)
                    file.write(chunk)
        if not known and digest.hexdigest() != sha256:
            target.unlink()
            raise self._damaged(sha256)
        self._sound[sha256] = state

    def _open(self, sha256: str) -> BinaryIO:
        try:
            return self.place(sha256).open("rb")
        except FileNotFoundError as error:
            raise self._gone(sha256) from error


def _reaching_out(members: Iterable[FolderMember]) -> str | None:
    """Return the path of a member that would stand outside of its folder, or behind a link."""
    links = {member.path for member in members if member.kind == "link"}
    for member in members:
        parts = member.path.split("/")
        parents = itertools.accumulate(parts[:-1], "{}/{}".format) if links else ()
        if not {"", ".", ".."}.isdisjoint(parts) or "\0" in member.path:
            return member.path
        if not links.isdisjoint(parents):
            return member.path
    return None


def _names(folder: Path) -> list[str]:
    try:
        return sorted(os.listdir(folder))  # noqa: PTH208 -- names are enough
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise StoreError(f"the store cannot be read: {reason}", where=str(folder)) from error


def _status(place: Path) -> os.stat_result | None:
    try:
        return place.stat()
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP):
            return None
        raise


def _refuse_unless_file(place: Path, status: os.stat_result) -> None:
    """Refuse pipes, sockets and devices: reading them may never end."""
    if not stat.S_ISREG(status.st_mode):
        raise UsageError("only files and folders can be kept", where=str(place))


def _is_bytecode(entry: os.DirEntry[str]) -> bool:
    return entry.name == "__pycache__" and entry.is_dir(follow_symlinks=False)


def _as_text(path: str, place: Path) -> str:
    """Return a path that can stand in a record."""
    if not path.isprintable():  # rare, and quick to ask
        try:
            path.encode()
        except UnicodeEncodeError as error:
            shown = os.fsencode(place).decode(errors="backslashreplace")
            raise UsageError(
                "a name that is not UTF-8 cannot be kept", where=shown, hint="rename it"
            ) from error
    return path


def _file_artifact(path: str, sha256: str, status: os.stat_result) -> Artifact:
    return Artifact(
        path=path, sha256=sha256, size=status.st_size, executable=bool(status.st_mode & 0o111)
    )


def _folder_artifact(path: str, manifest: FolderManifest, size: int) -> Artifact:
    sha256 = hashlib.sha256(canonical(manifest)).hexdigest()
    return Artifact(path=path, kind="folder", sha256=sha256, size=size)


@contextlib.contextmanager
def _translated(place: Path) -> Iterator[None]:
    """Turn what the operating system says into words."""
    try:
        yield
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        hint = "free some space, or use another --store" if full else None
        where = str(error.filename or place)
        raise StoreError(
            f"{(error.strerror or str(error)).lower()}", where=where, hint=hint
        ) from error


class _Remembered:
    """Digests of files by place, size, modification and change time and inode."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._connection: sqlite3.Connection | None = None

    def _open(self) -> sqlite3.Connection:
        if self._connection is None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            connection = sqlite3.connect(self.path, timeout=30, isolation_level=None)
            try:
                connection.execute("pragma journal_mode=wal")
                connection.execute("pragma synchronous=off")
                connection.execute(
                    "create table if not exists digest "
                    "(place blob primary key, state text, sha256 text)"
                )
            except sqlite3.DatabaseError as error:
                connection.close()
                if error.sqlite_errorcode == sqlite3.SQLITE_NOTADB:
                    self.path.unlink(missing_ok=True)  # the next one begins anew
                raise
            self._connection = connection
        return self._connection

    def get(self, place: Path, status: os.stat_result) -> str | None:
        if self._connection is None and not self.path.exists():
            return None
        try:
            row = (
                self._open()
                .execute(
                    "select sha256 from digest where place = ? and state = ?",
                    (os.fsencode(place), _state(status)),
                )
                .fetchone()
            )
        except sqlite3.Error:
            return None  # it only saves time
        return row[0] if row else None

    def put(self, place: Path, status: os.stat_result, sha256: str, now: int) -> None:
        """Remember a digest; ``now`` is the time at which the file began to be read."""
        if now - max(status.st_mtime_ns, status.st_ctime_ns) < _RACY_NS:
            return
        with contextlib.suppress(sqlite3.Error, OSError):  # it only saves time
            self._open().execute(
                "insert or replace into digest values (?, ?, ?)",
                (os.fsencode(place), _state(status), sha256),
            )


def _state(status: os.stat_result) -> str:
    return f"{status.st_size} {status.st_mtime_ns} {status.st_ctime_ns} {status.st_ino}"
