"""Installing what a lock says from archives: chosen for the interpreter, checked, never looked up.

uv takes the packages from files of this machine. The network is for fetching them before, and for
what building from source needs.
"""

import hashlib
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Self

from runproj.adapters.environments import uv as installer
from runproj.adapters.environments.archives import FolderArchives, Incoming, Wanted
from runproj.adapters.environments.choosing import Choice, choose, local_lockfile, tags_of
from runproj.adapters.environments.interpreters import Interpreter
from runproj.errors import EnvironmentFailed
from runproj.lock.libraries import NO_LIBRARIES, Libraries
from runproj.lock.pylock import Repository, archive_of, folder_of, repository
from runproj.ports import Archive, SourceControl

if TYPE_CHECKING:
    from runproj.adapters.environments.fetching import Fetcher

_FROM_ARCHIVES = "pylock.archives.toml"
_SOURCE = "source"
"""The note about the archive of a commit; the other notes are called by tags."""


class Provided(NamedTuple):
    """A package, and what is installed for it; None stands for what has no archive.

    ``sources`` are the archives from which that was built.
    """

    choice: Choice
    wanted: Wanted | None
    place: str
    sources: tuple[Archive, ...] = ()


class Installer(NamedTuple):
    """Installs into the environments of one interpreter.

    ``declared`` is path → text of the declared files: they may name indexes. ``libraries`` are
    packages of the project, which are built from trees of ``source``.
    """

    uv: installer.Uv
    archives: FolderArchives
    interpreter: Interpreter
    declared: Mapping[str, str]
    say: Callable[[str], None]
    libraries: Libraries = NO_LIBRARIES
    source: SourceControl | None = None

    def install(self, content: str, folder: Path, python: str) -> None:
        """Install the packages of a lockfile.

        Args:
            content: the lockfile.
            folder: for what is needed on the way.
            python: the interpreter of the environment.

        Raises:
            EnvironmentFailed: a package is to be had nowhere, or cannot be installed.
        """
        provided = self.provide(content, folder)
        if not provided:
            return
        local = local_lockfile(content, [one[:3] for one in provided])
        (folder / _FROM_ARCHIVES).write_text(local, encoding="utf-8")
        whole = all(one.place.endswith(".whl") for one in provided)
        done = installer.installed(self.uv, python, folder, _FROM_ARCHIVES, offline=True, own=whole)
        if done.returncode != 0 and not whole:
            self.say("fetching packages")
            done = installer.installed(
                self.uv, python, folder, _FROM_ARCHIVES, offline=False, own=False
            )
        if done.returncode != 0:
            installer.fail(done, "the environment cannot be installed")

    def provide(self, content: str, folder: Path) -> list[Provided]:
        """Let everything that is installed be there, wheels of source archives included.

        Raises:
            EnvironmentFailed: an archive is to be had nowhere; all are named.
        """
        tags = tags_of(self.interpreter)
        choices = choose(content, self.interpreter, tags)
        kept = [one.wanted for one in choices if one.wanted is not None]
        own = {
            one.wanted.sha256: path
            for one in choices
            if one.wanted is not None and (path := archive_of(one.table)) is not None
        }
        published = LazyFetch.of(self.uv.variables, self.declared)

        def fetch(wanted: Wanted, incoming: Incoming) -> None:
            if wanted.sha256 in own:
                self._take(own[wanted.sha256], wanted, incoming)
            else:
                published(wanted, incoming)

        there = {one.sha256: one for one in self.archives.provide(kept, fetch, self.say)}
        editable = {one.path for one in self.libraries.editable}
        return [
            self._provided(one, there, tags, folder)
            for one in choices
            if folder_of(one.table) not in editable
        ]

    def all_archives(self, content: str, folder: Path) -> list[Archive]:
        """Return all that a lockfile is installed from, and what was built from it.

        Raises:
            EnvironmentFailed: an archive is to be had nowhere; all are named.
        """
        found: dict[str, Archive] = {}
        for one in self.provide(content, folder):
            archives = list(one.sources)
            if one.wanted is not None:
                archives.append(Archive(one.wanted.path, one.place, one.wanted.sha256))
            found |= {archive.path: archive for archive in archives}
        return [found[path] for path in sorted(found)]

    def _provided(
        self, choice: Choice, there: Mapping[str, Archive], tags: list[str], folder: Path
    ) -> Provided:
        if choice.wanted is None:
            commit, library = repository(choice.table), folder_of(choice.table)
            if library is not None:
                return self._from_library(choice, library, tags, folder)
            if commit is None:
                return Provided(choice, None, "")
            return self._from_commit(choice, commit, tags, folder)
        archive = there[choice.wanted.sha256]
        if not choice.is_buildable:
            return Provided(choice, choice.wanted, archive.place)
        wheel = self._built_before(choice.wanted, tags)
        if wheel is None:
            wheel = self._built(choice.wanted, Path(archive.place), tags[0], folder)
        name = Path(wheel.place).name
        wanted = Wanted(choice.wanted.package, name, wheel.sha256, None)
        note = self.archives.note_of(choice.wanted, wanted)
        return Provided(choice, wanted, wheel.place, (archive, *((note,) if note else ())))

    def _from_commit(
        self, choice: Choice, commit: Repository, tags: list[str], folder: Path
    ) -> Provided:
        """Provide the wheel of a commit: one that was built before, else from its archive."""
        package = str(choice.table["name"])
        source = Wanted(package, "", commit.digest, None)
        archive = self._built_before(source, [_SOURCE]) or self._fetched(source, commit, folder)
        wheel = self._built_before(source, tags)
        if wheel is None:
            wheel = self._built_from(source, commit, archive, tags[0], folder)
        wanted = Wanted(package, Path(wheel.place).name, wheel.sha256, None)
        made = (wanted, Wanted(package, Path(archive.place).name, archive.sha256, None))
        notes = [note for one in made if (note := self.archives.note_of(source, one))]
        return Provided(choice, wanted, wheel.place, (archive, *notes))

    def _from_library(self, choice: Choice, path: str, tags: list[str], folder: Path) -> Provided:
        """Provide the wheel of a package of the project: built before, else from the snapshot."""
        from runproj.adapters.environments.library_files import lay_out  # noqa: PLC0415 -- lazy

        package = str(choice.table["name"])
        library = next(one for one in self.libraries.built if one.path == path)
        source = Wanted(package, "", library.digest, None)
        wheel = self._built_before(source, tags)
        if wheel is None:
            self.say(f"building {package} from {path}")
            target = folder / "built" / source.sha256[:20]
            lay_out(self.source, self.libraries, self.libraries.built, target / "source")
            place = target / "source" / path
            made = self._wheel(package, place, target)
            wheel = self.archives.keep_built(source, tags[0], made)
        wanted = Wanted(package, Path(wheel.place).name, wheel.sha256, None)
        note = self.archives.note_of(source, wanted)
        return Provided(choice, wanted, wheel.place, (note,) if note else ())

    def _take(self, path: str, wanted: Wanted, incoming: Incoming) -> None:
        """Take an archive of the project out of the snapshot."""
        from runproj.adapters.environments.library_files import archive  # noqa: PLC0415 -- lazy

        data = archive(self.source, self.libraries, path)
        got = hashlib.sha256(data).hexdigest()
        if got != wanted.sha256:
            raise EnvironmentFailed(
                f"{path} is not what the lock says: {wanted.package}\n"
                f"  expected sha256 {wanted.sha256}\n  got      sha256 {got}",
                where=path, hint="'runproj lock' takes the file that is there",
            )  # fmt: skip
        incoming.write(data)

    def _fetched(self, source: Wanted, commit: Repository, folder: Path) -> Archive:
        from runproj.adapters.environments.fetching import Fetcher  # noqa: PLC0415 -- lazy
        from runproj.adapters.environments.repositories import Fetched  # noqa: PLC0415 -- lazy

        self.say(f"fetching {source.package} from its repository")
        headers = Fetcher(self.uv.variables, self.declared).headers(commit.url)
        target = folder / "fetched" / commit.digest[:20]
        made = Fetched(self.uv.variables, headers).archive(commit, source.package, target)
        return self.archives.keep_built(source, _SOURCE, made)

    def _built_from(
        self, source: Wanted, commit: Repository, archive: Archive, tag: str, folder: Path
    ) -> Archive:
        from runproj.adapters.environments.repositories import unpacked  # noqa: PLC0415 -- lazy

        self.say(f"building {source.package} from source")
        target = folder / "built" / source.sha256[:20]
        place = unpacked(Path(archive.place), target / "source") / commit.below
        wheel = self._wheel(source.package, place, target)
        return self.archives.keep_built(source, tag, wheel)

    def _built_before(self, sdist: Wanted, tags: list[str]) -> Archive | None:
        wheel = self.archives.built(sdist, tags)
        if wheel is None:
            return None
        try:
            return self.archives.provide([wheel], _never, self.say)[0]
        except EnvironmentFailed:
            return None  # it is gone or damaged: it is built again

    def _built(self, sdist: Wanted, place: Path, tag: str, folder: Path) -> Archive:
        self.say(f"building {sdist.package} from source")
        target = folder / "built" / sdist.sha256[:20]
        wheel = self._wheel(sdist.package, place, target)
        return self.archives.keep_built(sdist, tag, wheel)

    def _wheel(self, package: str, source: Path, target: Path) -> Path:
        """Build a wheel; what that needs comes from where the project's packages come from."""
        from runproj.adapters.environments.fetching import expanded  # noqa: PLC0415 -- lazy
        from runproj.adapters.environments.indexes import closed, variables  # noqa: PLC0415 -- lazy

        texts = [expanded(text, self.uv.variables) for text in self.declared.values()]
        uv = self.uv._replace(variables=variables(texts, self.uv.variables))
        python = self.interpreter.executable
        return installer.built(uv, package, source, python, target, closed=closed(texts))


class LazyFetch:
    """Fetches; reads certificates and settings when the first archive is missing."""

    def __init__(self, make: "Callable[[], Fetcher]") -> None:
        """``make`` is called once, when it is first needed."""
        self._make = make
        self._alone = threading.Lock()
        self._fetcher: Fetcher | None = None

    @classmethod
    def of(cls, caller: Mapping[str, str], declared: Mapping[str, str]) -> Self:
        """Return what fetches from package indexes, see :class:`Fetcher`."""

        def make() -> "Fetcher":
            from runproj.adapters.environments.fetching import Fetcher  # noqa: PLC0415 -- lazy

            return Fetcher(caller, declared)

        return cls(make)

    def __call__(self, wanted: Wanted, incoming: Incoming) -> None:
        """Fetch an archive, see :meth:`Fetcher.fetch`."""
        with self._alone:
            if self._fetcher is None:
                self._fetcher = self._make()
        self._fetcher.fetch(wanted, incoming)


def _never(wanted: Wanted, _: Incoming) -> None:
    """Fetch nothing: what was built here is nowhere else."""
    raise EnvironmentFailed(f"a wheel that was built here is gone: {wanted.name}")
