"""Which lock an environment of a plan has."""

import contextlib
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Literal, NamedTuple, TypeAlias

from runproj.errors import EnvironmentFailed, LockStale, Problem, ProjectError
from runproj.lock.container import NO_CODE, Code
from runproj.lock.declaration import UV_LOCK, check_packages, declare
from runproj.lock.formats import format_of
from runproj.lock.libraries import UNKNOWN
from runproj.lock.lock import Declaration, Kind, Lock, lockfile_path
from runproj.model import canonical
from runproj.plan.plan import EnvironmentPin
from runproj.ports import EnvironmentBackend, LockShelf, ObjectStore, Reporter
from runproj.record.events import Progress, Warned
from runproj.record.source import SourceSnapshot
from runproj.spec.environment import DockerEnvironment, Environment
from runproj.spec.place import Path, Point, dotted
from runproj.spec.project import Project

Policy: TypeAlias = Literal["auto", "locked", "frozen"]
Read: TypeAlias = Callable[[str], str | None]


class Pinned(NamedTuple):
    """A pin, with the values that its digests stand for."""

    pin: EnvironmentPin
    declaration: Declaration
    lock: Lock


class Pinner(NamedTuple):
    """Finds the lock of an environment, and makes one where there is none."""

    backends: Mapping[Kind, EnvironmentBackend]
    shelf: LockShelf
    objects: ObjectStore
    reporter: Reporter
    policy: Policy = "auto"

    def pin(self, name: str, environment: Environment, read: Read, code: Code = NO_CODE) -> Pinned:
        """Pin an environment; ``read`` returns the text of a file of the project.

        Images and packages may be built from ``code``.

        Raises:
            LockStale: ``--locked`` or ``--frozen``, and the project's lock does not serve.
            EnvironmentFailed: it cannot be locked.
        """
        declaration = declare(environment, read, code)
        backend = self.backends[environment.kind]
        lock, place = self._lock(name, declaration, backend, read)
        try:
            key = backend.key(declaration, lock)
        except EnvironmentFailed as error:
            problems = [one._replace(where=one.where or place) for one in error.problems]
            raise type(error).of(problems) from None
        pin = EnvironmentPin(
            name=name,
            kind=environment.kind,
            key=key,
            declaration=self.objects.keep(canonical(declaration)),
            lock=self.objects.keep(lock.content.encode()),
            facts=dict(backend.facts(declaration)),
        )
        return Pinned(pin, declaration, lock)

    def _lock(
        self, name: str, declaration: Declaration, backend: EnvironmentBackend, read: Read
    ) -> tuple[Lock, str | None]:
        """Return the lock, and the lockfile of the project that it is from."""
        path = lockfile_path(name, declaration.kind)
        if path is None:
            return Lock(kind=declaration.kind, content="", declaration=declaration.digest), None
        content = read(path)
        own = None if content is None else as_lock(declaration.kind, content)
        if own is not None and (self.policy == "frozen" or own.fits(declaration)):
            return own, path
        own_uv_lock = UV_LOCK in declaration.files
        if self.policy != "auto" and not own_uv_lock:
            what = "is missing" if own is None else "does not fit what is declared any more"
            raise LockStale(
                f"the lock of the environment {name!r} {what}", where=path, hint="runproj lock"
            )
        return self._made(name, declaration, backend, own, path, quiet=own_uv_lock), None

    def _made(
        self, name: str, declaration: Declaration, backend: EnvironmentBackend,
        own: Lock | None, path: str, *, quiet: bool,
    ) -> Lock:  # fmt: skip
        """Return the lock that was made for this declaration before, or make it now."""
        if own is not None and not quiet:
            self.reporter.report(
                Warned(
                    f"{path} does not fit what is declared any more; a lock in the store is used",
                    hint="'runproj lock' brings it up to date",
                )
            )
        kept = self.shelf.get(declaration.digest)
        if kept is not None:
            return as_lock(declaration.kind, kept)
        lock = backend.lock(declaration, own, lambda text: self._say(name, text))
        self.shelf.put(declaration.digest, lock.content)
        if own is None and not quiet:
            self.reporter.report(
                Progress(
                    name, f"locked for this store; 'runproj lock' writes {path} into the project"
                )
            )
        return lock

    def _say(self, name: str, text: str) -> None:
        self.reporter.report(Progress(name, text))


_FIELD = re.compile(
    r"(packages|pyproject|requirements|constraints|no_binary|platforms|file|channels|dependencies|image|build|volumes|shm_size)"
    r"(?:\[(\d+)\])?"
)


@contextlib.contextmanager
def pointing_at(name: str, point: Point) -> Iterator[None]:
    """Let what is wrong with an environment show its place in the file."""
    try:
        yield
    except (ProjectError, EnvironmentFailed) as error:
        raise type(error).of(
            [_pointed(name, problem, point) for problem in error.problems]
        ) from None


def _pointed(name: str, problem: Problem, point: Point) -> Problem:
    if problem.where is None:
        place = point(("environments", name), "", None).where
        return problem._replace(where=place)
    field = _FIELD.fullmatch(problem.where)
    if field is None:
        return problem
    item = () if field[2] is None else (int(field[2]),)
    path: Path = ("environments", name, field[1], *item)
    return point(path, f"{dotted(path)}: {problem.message}", problem.hint)


def code_of(
    project: Project, project_file: str, snapshot: SourceSnapshot, manifest: Mapping[str, str]
) -> Code:
    """Return what images and packages may be built from; ``manifest`` has the project's files."""
    locks = {lockfile_path(name, one.kind) for name, one in project.environments.items()}
    files = {
        path: entry
        for path, entry in manifest.items()
        if path != project_file and path not in locks
    }
    return Code(snapshot.tree, snapshot.project_path, files)


def as_lock(kind: Kind, content: str) -> Lock:
    """Return the lock that a lockfile's text is."""
    known = format_of(kind)
    declaration = None if known is None else known.declaration_of(content)
    return Lock(kind=kind, content=content, declaration=declaration)


def check_lockfiles(
    environments: Mapping[str, Environment], read: Read, point: Point
) -> list[Problem]:
    """Return what is wrong with declarations and lockfiles; a lockfile that is missing is not."""
    problems: list[Problem] = []
    for name, environment in environments.items():
        known = format_of(environment.kind)
        if known is None or (isinstance(environment, DockerEnvironment) and environment.build):
            continue  # what an image is built from is known once there is a snapshot
        path = lockfile_path(name, environment.kind) or ""
        try:
            with pointing_at(name, point):
                declaration = declare(environment, read)
                check_packages(declaration)
            content = read(path)
            if content is not None:
                known.packages(content)
            if UNKNOWN in declaration.libraries.values():
                continue  # content decides, and there is no snapshot here
            if content is not None and not as_lock(environment.kind, content).fits(declaration):
                problems.append(
                    Problem(
                        f"the lock of {name!r} does not fit what is declared any more",
                        where=path,
                        hint="runproj lock",
                    )
                )
        except EnvironmentFailed as error:
            problems += [problem._replace(where=path) for problem in error.problems]
        except ProjectError as error:
            problems += error.problems
    return problems
