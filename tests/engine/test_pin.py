"""Pinning: which lock an environment gets."""

import pytest
from tests.engine.world import World, told, writes

from runproj.engine.pin import Policy, Read, check_lockfiles
from runproj.errors import EnvironmentFailed, LockStale, Problem
from runproj.lock.declaration import declare
from runproj.record.events import Progress, Warned
from runproj.spec.environment import Environment, SystemEnvironment, VenvEnvironment
from runproj.spec.fields import validated
from runproj.spec.place import Path, dotted

LOCKFILE = "locks/pylock.default.toml"
YAML = """
    runproj: 1
    environments:
      default: {kind: venv, packages: [a]}
    entry_points:
      main: {command: [go], outputs: [m]}
"""


STALE = "does not fit what is declared any more"


@pytest.fixture
def w() -> World:
    return World(YAML, {"main": writes(m="m")})


def write_lock(w: World, *packages: str, python: str | None = None) -> str:
    """Write a lockfile of these packages into the project, and return its text."""
    environment = VenvEnvironment(kind="venv", packages=packages, python=python)
    text = w.venv.lock_of(declare(environment, lambda _: None)).content
    w.source[LOCKFILE] = text.encode()
    return text


def lock_used(w: World) -> str:
    prepared = w.prepare()
    return w.objects.read(prepared.plan.environments[0].lock).decode()


@pytest.mark.parametrize("policy", ["auto", "locked", "frozen"])
def test_a_lock_of_the_project_that_fits_is_used(w: World, policy: Policy) -> None:
    w.policy = policy
    text = write_lock(w, "a")
    assert lock_used(w) == text
    assert w.venv.locked == []
    assert w.reporter.events == []


def test_without_a_lock_one_is_made_and_kept_in_the_store(w: World) -> None:
    text = lock_used(w)
    assert list(w.shelf.kept.values()) == [text]
    assert [one.packages for one in w.venv.locked] == [("a",)]
    assert w.reporter.of(Progress) == [
        Progress("default", "resolving"),
        Progress(
            "default", f"locked for this store; 'runproj lock' writes {LOCKFILE} into the project"
        ),
    ]
    assert LOCKFILE not in w.source


def test_one_declaration_is_never_resolved_twice(w: World) -> None:
    first = lock_used(w)
    w.venv.version = "2.0"
    assert lock_used(w) == first
    assert len(w.venv.locked) == 1


def test_another_declaration_is_resolved(w: World) -> None:
    lock_used(w)
    w.yaml = w.yaml.replace("[a]", "[a, b]")
    lock_used(w)
    assert [one.packages for one in w.venv.locked] == [("a",), ("a", "b")]


def test_a_lock_of_the_project_that_does_not_fit_is_a_warning(w: World) -> None:
    old = write_lock(w, "old")
    assert lock_used(w) != old
    assert w.reporter.of(Warned) == [
        Warned(
            f"{LOCKFILE} {STALE}; a lock in the store is used",
            hint="'runproj lock' brings it up to date",
        )
    ]


def test_what_an_old_lock_pins_is_kept_where_it_can_be(w: World) -> None:
    old = write_lock(w, "old")
    lock_used(w)
    assert [lock and lock.content for lock in w.venv.previous] == [old]


@pytest.mark.parametrize("policy", ["locked", "frozen"])
def test_a_missing_lock_is_refused_where_it_must_be_there(w: World, policy: Policy) -> None:
    w.policy = policy
    with pytest.raises(
        LockStale, match="the lock of the environment 'default' is missing"
    ) as raised:
        w.prepare()
    problem = raised.value.problems[0]
    assert (problem.where, problem.hint) == (LOCKFILE, "runproj lock")
    assert w.venv.locked == []


def test_a_stale_lock_is_refused_when_it_must_fit(w: World) -> None:
    w.policy = "locked"
    write_lock(w, "old")
    with pytest.raises(LockStale, match=f"the lock of the environment 'default' {STALE}"):
        w.prepare()


def test_a_stale_lock_is_used_unchecked_when_it_is_frozen(w: World) -> None:
    w.policy = "frozen"
    old = write_lock(w, "old")
    assert lock_used(w) == old


def test_a_lock_is_no_code(w: World) -> None:
    w.run()
    write_lock(w, "a")
    assert told(w.run()) == {"main": "cached: unchanged since r1"}


def test_a_damaged_lock_is_named(w: World) -> None:
    w.policy = "frozen"
    write_lock(w, "a")
    w.venv.keyless = "the lockfile is damaged"
    with pytest.raises(EnvironmentFailed) as raised:
        w.prepare()
    assert [problem.where for problem in raised.value.problems] == [LOCKFILE]


def test_a_listed_package_that_is_none_is_pointed_at() -> None:
    wanted: dict[str, Environment] = {
        "default": VenvEnvironment(kind="venv", packages=("a", "b c", "./d")),
        "own": VenvEnvironment(kind="venv", packages=("b c",)),
    }
    found = check_lockfiles(wanted, lambda _: None, pointed)
    assert [problem.where for problem in found] == [
        "environments.default.packages[2]", "environments.own.packages[0]",
    ]  # fmt: skip


def test_a_lock_that_content_decides_is_not_judged_without_a_snapshot() -> None:
    lock = 'lock-version = "1.0"\npackages = []\n[tool.runproj]\ndeclaration = "0"\n'
    for requirement, files in (("./a.whl", {}), ("./libs/a", {"libs/a/setup.py": "setup()"})):
        environment = validated(VenvEnvironment, {"kind": "venv", "packages": [requirement]})
        read = {LOCKFILE: lock, **files}.get

        assert check_lockfiles({"default": environment}, read, pointed) == []


def pointed(path: Path, message: str, hint: str | None) -> Problem:
    return Problem(message, where=dotted(path), hint=hint)


def test_the_system_has_no_lock(w: World) -> None:
    w.yaml = "runproj: 1\nentry_points:\n  main: {command: [go], outputs: [m]}\n"
    w.policy = "locked"
    assert lock_used(w) == ""
    assert w.system.locked == []


def test_an_environment_that_cannot_be_locked_ends_before_there_is_a_run(w: World) -> None:
    w.venv.unlockable = "no version of a fits"
    with pytest.raises(EnvironmentFailed, match="no version of a fits"):
        w.prepare()
    assert w.runs.journals == {}
    assert w.shelf.kept == {}


def point(path: Path, message: str, hint: str | None) -> Problem:
    return Problem(message, dotted(path), hint=hint)


def reading(files: dict[str, str]) -> Read:
    def read(path: str) -> str | None:
        return files.get(path)

    return read


def test_checking_finds_lockfiles_that_do_not_fit(w: World) -> None:
    environment = VenvEnvironment(kind="venv", packages=("a",))
    checked: dict[str, Environment] = {
        "default": environment,
        "other": environment,
        "plain": SystemEnvironment(kind="system"),
    }
    assert check_lockfiles(checked, reading({}), point) == []
    good, bad = write_lock(w, "a"), write_lock(w, "b")
    read = reading({LOCKFILE: bad, "locks/pylock.other.toml": good})
    (problem,) = check_lockfiles(checked, read, point)
    assert problem.message == f"the lock of 'default' {STALE}"
    assert (problem.where, problem.hint) == (LOCKFILE, "runproj lock")


def test_checking_finds_declarations_that_are_wrong() -> None:
    environment = VenvEnvironment(kind="venv", requirements=("gone.txt",))
    (problem,) = check_lockfiles({"default": environment}, reading({}), point)
    assert "gone.txt" in problem.message or problem.where == "gone.txt"


def test_checking_finds_lockfiles_that_are_damaged() -> None:
    environment = VenvEnvironment(kind="venv", packages=("a",))
    read = reading({LOCKFILE: "<<<<<<< HEAD"})
    (problem,) = check_lockfiles({"default": environment}, read, point)
    assert problem.where == LOCKFILE
