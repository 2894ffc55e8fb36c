"""The archives of packages, by digest; shared by all projects of a user.

::

    archives/
      ab/cdef…/                the archive with the sha256 abcdef…; its time: used last
        NAME                   its bytes; wheels have to keep their names
        built/TAG.json         of a source archive: which wheel was built from it, for whom
        built/source.json      of a commit, which has no NAME: which archive has its files
        incoming-…             of somebody who fetches it and holds the folder's lock
        damaged-NAME           set aside: its bytes were not what its digest says

What is in it is checked again each time that something is installed from it.
"""

import contextlib
import errno
import fcntl
import hashlib
import json
import os
import re
import shutil
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO, NamedTuple, TypeAlias

from runproj.adapters.disk import write_atomically
from runproj.adapters.holdings import size_of
from runproj.errors import EnvironmentFailed, Problem, StoreError
from runproj.model import from_json
from runproj.ports import Archive, Held, ObjectStore, Say
from runproj.record.artifact import Artifact, FolderManifest

Fetch: TypeAlias = "Callable[[Wanted, Incoming], None]"
_AT_ONCE = 8
_SILENT_S = 0.2
_TELL_EVERY_S = 5.0


class Wanted(NamedTuple):
    """An archive that is needed.

    ``package`` is for messages (``numpy==2.0``), ``name`` that of the file. ``url`` is where it can
    be fetched; None: nowhere, it was made here.
    """

    package: str
    name: str
    sha256: str
    url: str | None

    @property
    def path(self) -> str:
        """Where it stands in the folder of archives."""
        return f"{folder_of(self.sha256)}/{self.name}"


def folder_of(sha256: str) -> str:
    """Return the folder of an archive, relative to that of all archives."""
    return f"{sha256[:2]}/{sha256[2:]}"


class FolderArchives:
    """Archives in a folder; many processes may use it at once.

    What is not there is looked for in ``objects``, a store in which it may be kept; ``packages``
    are the folders of archives that a run kept there.
    """

    def __init__(
        self, root: str, objects: ObjectStore | None = None, packages: Sequence[Artifact] = ()
    ) -> None:
        """Use the folder ``root``; it is made when something is kept."""
        self.root = Path(root)
        self._objects = objects
        self._packages = packages

    def provide(self, wanted: Sequence[Wanted], fetch: Fetch, say: Say) -> list[Archive]:
        """Return these archives, each with the right bytes; what is missing is fetched.

        ``fetch`` writes the bytes of an archive into a file.

        Raises:
            EnvironmentFailed: some are to be had nowhere; all are named.
        """
        from concurrent.futures import ThreadPoolExecutor, wait  # noqa: PLC0415 -- lazy: hot path

        visit = _Visit(self, fetch)
        threads = ThreadPoolExecutor(_AT_ONCE)
        try:
            jobs = [threads.submit(visit.provide, one) for one in dict.fromkeys(wanted)]
            patience_s = _SILENT_S
            while wait(jobs, patience_s).not_done:
                if visit.fetching:
                    megabytes = f": {visit.received / 1e6:.0f} MB" * (patience_s > _SILENT_S)
                    say(f"fetching packages{megabytes}")
                    patience_s = _TELL_EVERY_S
        except BaseException:
            visit.stop.set()
            raise
        finally:
            threads.shutdown(wait=False, cancel_futures=True)
        for text in visit.said:
            say(text)
        if visit.fetched:
            say(f"fetched {_count(len(visit.fetched))}, {sum(visit.fetched) / 1e6:.1f} MB")
        problems: list[Problem] = []
        for job in jobs:
            error = job.exception()
            if isinstance(error, EnvironmentFailed):
                problems += error.problems
            elif error is not None:
                raise error
        if problems:
            raise EnvironmentFailed.of(problems)
        return [self._archive(one) for one in wanted]

    def built(self, sdist: Wanted, tags: Sequence[str]) -> Wanted | None:
        """Return the wheel that was built from a source archive, for an interpreter of these tags.

        The best of several; None when there is none. What has no bytes of its own (a commit of a
        repository) has a digest and such notes all the same.
        """
        _note_use(self.root / folder_of(sdist.sha256))
        notes = self._notes(sdist)
        for tag in tags:
            if tag in notes:
                try:
                    note = json.loads(notes[tag])
                    name = os.path.basename(note["name"])  # noqa: PTH119 -- a name, no path
                    return Wanted(sdist.package, name, note["sha256"], None)
                except (ValueError, KeyError, TypeError):
                    return None  # damaged: it is built again
        return None

    def note_of(self, sdist: Wanted, wheel: Wanted) -> Archive | None:
        """Return the note that says which wheel was built from a source archive."""
        for place in (self.root / folder_of(sdist.sha256) / "built").glob("*.json"):
            data = place.read_bytes()
            if wheel.sha256.encode() in data:
                path = place.relative_to(self.root).as_posix()
                return Archive(path, str(place), hashlib.sha256(data).hexdigest())
        return None

    def keep_built(self, sdist: Wanted, tag: str, wheel: Path) -> Archive:
        """Keep the wheel that was built from a source archive."""
        with wheel.open("rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        made = Wanted(sdist.package, wheel.name, sha256, None)
        place = self.root / made.path
        if not place.exists():
            with _alone(place.parent), wheel.open("rb") as source, _incoming(place) as target:
                while chunk := source.read(1 << 20):
                    target.write(chunk)
        self._write_note(sdist, tag, json.dumps({"name": wheel.name, "sha256": sha256}).encode())
        return self._archive(made)

    def _write_note(self, sdist: Wanted, tag: str, data: bytes) -> None:
        folder = self.root / folder_of(sdist.sha256) / "built"
        folder.mkdir(parents=True, exist_ok=True)
        write_atomically(folder / f"{tag}.json", data)

    def _notes(self, sdist: Wanted) -> dict[str, bytes]:
        """Return tag → note of the wheels that were built from a source archive.

        What the run itself kept comes first, and serves this run only: others trust what was built
        here.
        """
        folder = f"{folder_of(sdist.sha256)}/built/"
        found = {place.stem: place.read_bytes() for place in (self.root / folder).glob("*.json")}
        for artifact in self._kept():
            if artifact.path.startswith(folder) and self._objects is not None:
                with contextlib.suppress(StoreError):
                    tag = artifact.path.removeprefix(folder).removesuffix(".json")
                    found[tag] = self._objects.read(artifact.sha256)
        return found

    def _kept(self) -> Iterator[Artifact]:
        """Yield the archives that the run kept in the store."""
        for folder in self._packages:
            with contextlib.suppress(StoreError):
                manifest = from_json(
                    FolderManifest, self._objects.read(folder.sha256) if self._objects else b"{}"
                )
                for member in manifest.members:
                    yield Artifact(path=member.path, sha256=member.sha256 or "", size=member.size)

    def _archive(self, wanted: Wanted) -> Archive:
        return Archive(wanted.path, str(self.root / wanted.path), wanted.sha256)

    def from_store(self, wanted: Wanted, place: Path) -> bool:
        """Take an archive out of the store; tell whether it was there."""
        if self._objects is None:
            return False
        name = f"incoming-{os.getpid()}"
        artifact = Artifact(path=name, sha256=wanted.sha256, size=0)
        try:
            if not self._objects.has(artifact):
                return False
            self._objects.give(artifact, str(place.parent))
        except StoreError:
            return False  # it is damaged, and was set aside there
        (place.parent / name).replace(place)
        return True


class _Visit:
    """What goes on while archives are provided, in several threads."""

    def __init__(self, archives: FolderArchives, fetch: Fetch) -> None:
        self.archives = archives
        self.fetch = fetch
        self.stop = threading.Event()
        self.fetching = False
        self.fetched: list[int] = []  # bytes of each
        self.said: list[str] = []
        self.received = 0

    def provide(self, wanted: Wanted) -> None:
        """Make sure that an archive is there, with the right bytes."""
        place = self.archives.root / wanted.path
        try:
            _note_use(place.parent)
            if _digest(place) == wanted.sha256:
                return
            with _alone(place.parent):
                found = _digest(place)
                if found == wanted.sha256:  # somebody else was quicker
                    return
                if found is not None:
                    place.replace(place.with_name(f"damaged-{place.name}"))
                    self.said.append(f"{wanted.name} was damaged, and is replaced")
                if not self.archives.from_store(wanted, place):
                    self._fetch(wanted, place)
        except OSError as error:
            raise _not_kept(wanted.package, error, str(place)) from error

    def _fetch(self, wanted: Wanted, place: Path) -> None:
        self.fetching = True
        with _incoming(place) as file:
            incoming = Incoming(wanted.package, file, self)
            self.fetch(wanted, incoming)
            got = incoming.digest.hexdigest()
            if got != wanted.sha256:
                raise EnvironmentFailed(
                    f"a package is not what the lock says: {wanted.package} ({wanted.name})\n"
                    f"  expected sha256 {wanted.sha256}\n  got      sha256 {got}",
                    hint="the lockfile was changed by hand, or a published file was replaced: "
                    "'runproj lock --upgrade' takes what is there",
                )
        self.fetched.append(incoming.written)


class Incoming:
    """Takes the bytes of an archive as they come."""

    def __init__(self, package: str, file: BinaryIO, visit: _Visit) -> None:
        """Write into ``file``; ``visit`` is told how much."""
        self._package = package
        self.written = 0
        self.digest = hashlib.sha256()
        self._file = file
        self._visit = visit

    def write(self, data: bytes) -> int:
        """Take some bytes.

        Raises:
            InterruptedError: nobody waits for them any more.
        """
        if self._visit.stop.is_set():
            raise InterruptedError(errno.EINTR, "interrupted")
        self.digest.update(data)
        self.written += len(data)
        self._visit.received += len(data)
        try:
            return self._file.write(data)
        except OSError as error:  # no trouble of the network
            raise _not_kept(self._package, error, self._file.name) from error

    def restart(self) -> None:
        """Forget what came."""
        self._visit.received -= self.written
        self.written = 0
        self.digest = hashlib.sha256()
        self._file.seek(0)
        self._file.truncate()

    def pause(self, seconds: float) -> None:
        """Wait, unless nobody waits for us any more."""
        self._visit.stop.wait(seconds)


def _not_kept(package: str, error: OSError, place: str) -> EnvironmentFailed:
    return EnvironmentFailed(
        f"the archive of {package} cannot be kept: {error.strerror or error}",
        where=str(error.filename or place),
        hint="make room, or set XDG_DATA_HOME to a folder that can be written",
    )


def _digest(place: Path) -> str | None:
    try:
        with place.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError:
        return None


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Be the only one who writes an archive; the kernel frees the lock of one who was killed."""
    while True:
        folder.mkdir(parents=True, exist_ok=True)
        handle = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
        with contextlib.suppress(OSError):  # without locks, two may fetch the same: no harm
            fcntl.flock(handle, fcntl.LOCK_EX)
        if _is_that(folder, handle):
            break
        os.close(handle)  # it was removed while we waited
    try:
        for left in folder.glob("incoming-*"):
            left.unlink(missing_ok=True)
        yield
    finally:
        os.close(handle)


def _is_that(folder: Path, handle: int) -> bool:
    try:
        return os.path.samestat(folder.stat(), os.fstat(handle))
    except FileNotFoundError:
        return False


def _note_use(folder: Path) -> None:
    """Note in the time of its folder that an archive is used now."""
    with contextlib.suppress(OSError):  # it is not there yet, or belongs to somebody else
        os.utime(folder)


class HeldArchives:
    """The archives below a folder as what takes room, see :class:`~runproj.ports.Holdings`."""

    def __init__(self, root: str) -> None:
        """Look at the folder ``root``."""
        self.place = root

    def all(self) -> Sequence[Held]:
        """Return what is there by sha256; a source archive needs what was built from it."""
        found = []
        for folder in sorted(Path(self.place).glob("??/*")):
            name = folder.parent.name + folder.name
            try:
                if re.fullmatch("[0-9a-f]{64}", name):
                    used_at = folder.stat().st_mtime
                    found.append(Held(name, size_of(folder), used_at, tuple(_built(folder))))
            except FileNotFoundError:
                continue  # it went in this moment
            except OSError as error:
                raise _unusable("read", error, folder) from error
        return found

    def remove(self, one: Held) -> bool:
        """Remove an archive, unless it was used since, or somebody fetches it."""
        folder = Path(self.place) / folder_of(one.name)
        try:
            handle = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return True
        except OSError as error:
            raise _unusable("removed", error, folder) from error
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.fstat(handle).st_mtime != one.used_at:
                return False
            shutil.rmtree(folder)
        except BlockingIOError:
            return False
        except OSError as error:
            raise _unusable("removed", error, folder) from error
        finally:
            os.close(handle)
        return True


def _built(folder: Path) -> Iterator[str]:
    """Yield the sha256 of the wheels that were built from a source archive."""
    for note in folder.glob("built/*.json"):
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            yield json.loads(note.read_bytes())["sha256"]


def _unusable(done: str, error: OSError, folder: Path) -> StoreError:
    reason = (error.strerror or str(error)).lower()
    return StoreError(f"it cannot be {done}: {reason}", where=str(error.filename or folder))


@contextlib.contextmanager
def _incoming(place: Path) -> Iterator[BinaryIO]:
    """Write a file beside its place; it goes there when all went well, and away when not."""
    new = place.with_name(f"incoming-{os.getpid()}")
    try:
        with new.open("xb") as file:
            yield file
        new.chmod(0o444)
        new.replace(place)
    except BaseException:
        new.unlink(missing_ok=True)
        raise


def _count(number: int) -> str:
    return f"{number} archive{'s' * (number != 1)}"


def kept(root: str, digests: Sequence[frozenset[str]]) -> tuple[int, int]:
    """Return how many packages have an archive in a folder, and the size of these in bytes.

    ``digests`` are, for each package, those of its files.
    """
    count = size = 0
    for several in digests:
        sizes = [_size(place) for one in several for place in _places(Path(root), one)]
        count += any(sizes)
        size += sum(sizes)
    return count, size


def _places(root: Path, sha256: str) -> Iterator[Path]:
    """Yield the folder of an archive, and of that which has the files of a commit."""
    yield root / folder_of(sha256)
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        note = root / folder_of(sha256) / "built" / "source.json"
        yield root / folder_of(json.loads(note.read_bytes())["sha256"])


def _size(folder: Path) -> int:
    try:
        with os.scandir(folder) as entries:
            return sum(
                entry.stat().st_size
                for entry in entries
                if entry.is_file() and not entry.name.startswith(("incoming-", "damaged-"))
            )
    except (FileNotFoundError, NotADirectoryError):
        return 0
