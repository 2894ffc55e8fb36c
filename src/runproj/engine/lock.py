"""Making the lockfiles of a project."""

from collections.abc import Callable, Collection, Mapping
from typing import Literal, NamedTuple, TypeAlias

from runproj.engine.pin import as_lock
from runproj.errors import EnvironmentFailed, LockStale
from runproj.lock.container import NO_CODE, Code
from runproj.lock.declaration import UV_LOCK, declare
from runproj.lock.formats import LockFormat, format_of
from runproj.lock.lock import Kind, Lock, lockfile_path
from runproj.lock.pyproject import normalized
from runproj.ports import EnvironmentBackend, Say
from runproj.spec.environment import (
    CondaEnvironment,
    DockerEnvironment,
    Environment,
    SystemEnvironment,
    VenvEnvironment,
)

Lockable: TypeAlias = VenvEnvironment | CondaEnvironment | DockerEnvironment
State: TypeAlias = Literal["current", "missing", "stale", "damaged"]


class LockChange(NamedTuple):
    """What a lockfile is to become; ``packages`` are name, old and new version of what changes."""

    environment: str
    path: str
    content: str
    state: State
    packages: tuple[tuple[str, str | None, str | None], ...]


def lockable(environments: Mapping[str, Environment]) -> dict[str, Lockable]:
    """Return the environments that have a lockfile that can be made here."""
    return {
        name: environment
        for name, environment in environments.items()
        if not isinstance(environment, SystemEnvironment)
    }


def _format(kind: Kind) -> LockFormat:
    known = format_of(kind)
    assert known is not None, kind  # noqa: S101 -- what is lockable has a format
    return known


def _own(
    name: str, environment: Lockable, read: Callable[[str], str | None], code: Code = NO_CODE
) -> tuple[State, Lock | None]:
    """Return whether the lockfile of an environment fits what is declared, and the lock."""
    content = read(lockfile_path(name, environment.kind) or "")
    if content is None:
        return "missing", None
    own = as_lock(environment.kind, content)
    try:
        _format(own.kind).packages(own.content)
    except EnvironmentFailed:
        return "damaged", None
    return ("current" if own.fits(declare(environment, read, code)) else "stale"), own


def is_locked(
    package: str, environments: Mapping[str, Lockable], read: Callable[[str], str | None]
) -> bool:
    """Tell whether a lockfile of some environments has a package."""
    locks = [_own(name, environment, read)[1] for name, environment in environments.items()]
    return any(
        normalized(package) in map(normalized, _format(own.kind).packages(own.content))
        for own in locks
        if own
    )


def check_lock(
    name: str, environment: Lockable, read: Callable[[str], str | None],
    backends: Mapping[Kind, EnvironmentBackend], code: Code = NO_CODE,
) -> LockChange:  # fmt: skip
    """Tell whether ``run --locked`` would be content; nothing is to be written.

    A lockfile in ``locks/`` counts when it fits; else the project's own uv.lock, if that is its
    lock (see :func:`runproj.lock.declaration.declare`).

    Raises:
        ProjectError: the declaration itself is wrong.
    """
    state, _ = _own(name, environment, read, code)
    path = lockfile_path(name, environment.kind) or ""
    declaration = declare(environment, read, code)
    if state in ("missing", "stale") and UV_LOCK in declaration.files:
        path = UV_LOCK
        try:
            backends[environment.kind].lock(declaration, None, lambda _: None)
            state = "current"
        except LockStale:
            state = "stale"
    return LockChange(name, path, "", state, ())


def lock_environment(
    name: str, environment: Lockable, read: Callable[[str], str | None],
    backends: Mapping[Kind, EnvironmentBackend], upgrade: Collection[str] | None, say: Say,
    code: Code = NO_CODE,
) -> LockChange:  # fmt: skip
    """Resolve an environment; what its lockfile pins stays unless it is to be upgraded.

    Args:
        name: the environment's name.
        environment: as the project file has it.
        read: returns the text of a file of the project.
        backends: the kinds of environment.
        upgrade: packages to upgrade; None means all of them.
        say: told about progress.
        code: what images and packages of the project may be built from.

    Raises:
        EnvironmentFailed: it cannot be resolved.
    """
    known = _format(environment.kind)
    state, own = _own(name, environment, read, code)
    path = lockfile_path(name, environment.kind) or ""
    contained = isinstance(environment, DockerEnvironment)  # has no packages to choose from
    if (
        own is not None
        and state == "current"
        and upgrade is not None
        and (contained or not upgrade)
    ):
        return LockChange(name, path, own.content, state, ())
    previous = None
    if own is not None and upgrade is not None:
        kept = known.without(own.content, upgrade)
        previous = Lock(kind=own.kind, content=kept, declaration=own.declaration)
    made = backends[environment.kind].lock(declare(environment, read, code), previous, say)
    changed = known.difference(own.content if own else known.NOTHING, made.content)
    return LockChange(name, path, made.content, state, tuple(changed))
