"""Making lockfiles: what changes in them, and what stays."""

import pytest
from tests.engine.world import FakeBackend

from runproj.engine.lock import LockChange, check_lock, is_locked, lock_environment, lockable
from runproj.errors import EnvironmentFailed
from runproj.lock import pylock
from runproj.lock.declaration import declare
from runproj.spec.environment import (
    Environment,
    PyprojectSource,
    SystemEnvironment,
    VenvEnvironment,
)

PATH = "locks/pylock.default.toml"
A = VenvEnvironment(kind="venv", packages=("a",))
AB = VenvEnvironment(kind="venv", packages=("a", "b"))


class Project:
    """Files, and a backend that locks."""

    def __init__(self) -> None:
        self.files: dict[str, str] = {}
        self.backend = FakeBackend("venv")

    def read(self, path: str) -> str | None:
        return self.files.get(path)

    def write(self, environment: VenvEnvironment, version: str = "1.0") -> str:
        backend = FakeBackend("venv", version)
        self.files[PATH] = backend.lock_of(declare(environment, self.read)).content
        return self.files[PATH]

    def lock(self, environment: VenvEnvironment, upgrade: list[str] | None) -> LockChange:
        backends = {"venv": self.backend}
        return lock_environment("default", environment, self.read, backends, upgrade, print)  # type: ignore[arg-type] # a dict of one kind

    def check(self, environment: VenvEnvironment) -> tuple[str, str]:
        backends = {"venv": self.backend}
        found = check_lock("default", environment, self.read, backends)  # type: ignore[arg-type] # a dict of one kind
        return found.state, found.path


@pytest.fixture
def project() -> Project:
    return Project()


def test_only_what_has_a_lockfile_can_be_locked() -> None:
    environments: dict[str, Environment] = {"default": A, "plain": SystemEnvironment(kind="system")}
    assert lockable(environments) == {"default": A}


def test_a_lockfile_is_missing_current_stale_or_damaged(project: Project) -> None:
    assert project.check(A) == ("missing", PATH)
    project.write(A)
    assert project.check(A) == ("current", PATH)
    assert project.check(AB) == ("stale", PATH)
    project.files[PATH] = "<<<<<<< HEAD"
    assert project.check(A) == ("damaged", PATH)
    assert project.backend.locked == []


def test_the_lock_of_uv_counts_where_none_of_ours_fits(project: Project) -> None:
    project.files |= {"pyproject.toml": "[project]\nname = 'a'\n", "uv.lock": "version = 1\n"}
    own = VenvEnvironment(kind="venv", pyproject=PyprojectSource())
    assert project.check(own) == ("current", "uv.lock")
    project.backend.outdated = "uv.lock does not fit"
    assert project.check(own) == ("stale", "uv.lock")
    project.write(own)
    assert project.check(own) == ("current", PATH)


def test_the_first_lock_tells_all_packages_as_new(project: Project) -> None:
    change = project.lock(AB, [])
    assert (change.environment, change.path, change.state) == ("default", PATH, "missing")
    assert change.packages == (("a", None, "1.0"), ("b", None, "1.0"))
    assert pylock.packages(change.content) == {"a": "1.0", "b": "1.0"}


def test_a_lock_that_fits_is_not_resolved_again(project: Project) -> None:
    content = project.write(A)
    assert project.lock(A, []) == LockChange("default", PATH, content, "current", ())
    assert project.backend.locked == []


def test_a_lock_that_does_not_fit_is_the_base_of_the_next(project: Project) -> None:
    content = project.write(A)
    change = project.lock(AB, [])
    assert (change.state, change.packages) == ("stale", (("b", None, "1.0"),))
    (previous,) = project.backend.previous
    assert previous is not None
    assert pylock.packages(previous.content) == pylock.packages(content)


def test_a_package_that_is_to_be_upgraded_is_not_pinned(project: Project) -> None:
    project.write(AB)
    project.backend.version = "2.0"
    change = project.lock(AB, ["a"])
    (previous,) = project.backend.previous
    assert previous is not None
    assert pylock.packages(previous.content) == {"b": "1.0"}
    assert ("a", "1.0", "2.0") in change.packages


def test_a_package_is_locked_where_a_lockfile_has_it(project: Project) -> None:
    assert not is_locked("a", {"default": A}, project.read)
    project.write(A)
    assert is_locked("A", {"default": A}, project.read)
    assert not is_locked("b", {"default": A}, project.read)


def test_all_packages_can_be_upgraded(project: Project) -> None:
    project.write(AB)
    project.backend.version = "2.0"
    change = project.lock(AB, None)
    assert project.backend.previous == [None]
    assert change.packages == (("a", "1.0", "2.0"), ("b", "1.0", "2.0"))


def test_a_damaged_lockfile_is_made_anew(project: Project) -> None:
    project.files[PATH] = "<<<<<<< HEAD"
    change = project.lock(A, [])
    assert (change.state, change.packages) == ("damaged", (("a", None, "1.0"),))


def test_what_cannot_be_resolved_is_said_to_be(project: Project) -> None:
    project.backend.unlockable = "no version of a fits"
    with pytest.raises(EnvironmentFailed, match="no version of a fits"):
        project.lock(A, [])
