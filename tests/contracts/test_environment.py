"""What every kind of environment promises, the fake one included."""

import hashlib
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
from tests.channels import Channel, module, python
from tests.containers import Engine
from tests.fakes.environment import FakeEnvironments
from tests.wheels import build_wheel

from runproj.adapters.environments.archives import FolderArchives
from runproj.adapters.environments.conda import CondaBackend
from runproj.adapters.environments.images import DockerBackend
from runproj.adapters.environments.system import SystemBackend
from runproj.adapters.environments.venv import VenvBackend
from runproj.errors import EnvironmentFailed
from runproj.lock.conda import CondaSpec
from runproj.lock.formats import format_of
from runproj.lock.lock import Declaration, Lock
from runproj.model import canonical
from runproj.ports import EnvironmentBackend

WANTED = Declaration(
    kind="venv", requirements=("a.txt",), packages=("tiny",), files={"a.txt": "other\n"}
)


class Subject(NamedTuple):
    """A backend, with what is asked of it: a declaration of some packages."""

    backend: EnvironmentBackend
    declare: Callable[..., Declaration]

    @property
    def wanted(self) -> Declaration:
        """The declaration of two packages."""
        return self.declare("tiny", "other")


Make = Callable[[Path], Subject]


def of_venv(*packages: str) -> Declaration:
    return WANTED if packages == ("tiny", "other") else WANTED.replace(packages=packages)


def fake(_: Path) -> Subject:
    return Subject(FakeEnvironments({"tiny": "2.0", "other": "1.0"}), of_venv)


def conda(folder: Path) -> Subject:
    channel = Channel(folder / "channel").add(
        python(), module("tiny", "1.0"), module("tiny", "2.0"), module("other", "1.0")
    )

    def declare(*packages: str) -> Declaration:
        wanted = CondaSpec(channels=(channel.url,), dependencies=packages, virtual_packages={})
        return Declaration(kind="conda", conda=canonical(wanted).decode())

    caller = {"PATH": os.environ["PATH"], "HOME": str(folder)}
    archives = FolderArchives(str(folder / "data"))
    return Subject(CondaBackend(str(folder / "cache"), archives, caller), declare)


def venv(folder: Path) -> Subject:
    for name, version in (("tiny", "1.0"), ("tiny", "2.0"), ("other", "1.0")):
        build_wheel(folder / "wheels", name, version)
    caller = {
        "PATH": os.environ["PATH"], "HOME": str(folder),
        "UV_DEFAULT_INDEX": folder.as_uri(), "UV_FIND_LINKS": str(folder / "wheels"),
        "UV_CACHE_DIR": str(folder / "uv"),
    }  # fmt: skip
    archives = FolderArchives(str(folder / "data"))
    return Subject(VenvBackend(str(folder / "cache"), archives, caller), of_venv)


def system(_: Path) -> Subject:
    return Subject(SystemBackend({"PATH": os.environ["PATH"]}), of_venv)


LOCKING: list[Make] = [fake, venv, conda]


def image(engine: Engine, folder: Path) -> Subject:
    def declare(*packages: str) -> Declaration:
        name = engine.busybox if packages == ("tiny", "other") else "another"
        return Declaration(kind="docker", image=canonical({"image": name}).decode())

    return Subject(DockerBackend(str(folder), None, {}), declare)


@pytest.fixture(params=[*LOCKING, system, None], ids=["fake", "venv", "conda", "system", "docker"])
def subject(request: pytest.FixtureRequest, tmp_path: Path) -> Subject:
    if request.param is None:
        return image(request.getfixturevalue("engine"), tmp_path)
    make: Make = request.param
    return make(tmp_path)


@pytest.fixture
def backend(subject: Subject) -> EnvironmentBackend:
    return subject.backend


@pytest.fixture
def wanted(subject: Subject) -> Declaration:
    return subject.wanted


def quiet(_: str) -> None:
    """Say nothing."""


def test_a_lock_fits_the_declaration_it_was_made_for(
    subject: Subject, backend: EnvironmentBackend, wanted: Declaration
) -> None:
    lock = backend.lock(wanted, None, quiet)

    assert lock.fits(wanted)
    assert not lock.fits(subject.declare("tiny<2"))


def test_locking_twice_gives_equal_bytes(backend: EnvironmentBackend, wanted: Declaration) -> None:
    first = backend.lock(wanted, None, quiet)

    assert backend.lock(wanted, None, quiet).content == first.content
    assert backend.lock(wanted, first, quiet).content == first.content


def test_the_key_is_known_before_anything_is_built(
    backend: EnvironmentBackend, wanted: Declaration
) -> None:
    lock = backend.lock(wanted, None, quiet)

    key = backend.key(wanted, lock)

    assert key == backend.prepare(wanted, lock, quiet).key
    assert len(key) == len("a" * 64)


def test_who_made_a_lock_for_what_is_not_in_the_key(
    backend: EnvironmentBackend, wanted: Declaration
) -> None:
    lock = backend.lock(wanted, None, quiet)
    foreign = Lock(kind=lock.kind, content=lock.content)

    assert backend.key(wanted, foreign) == backend.key(wanted, lock)


def test_a_prepared_environment_is_intact_and_finds_programs(
    backend: EnvironmentBackend, wanted: Declaration
) -> None:
    ready = backend.prepare(wanted, backend.lock(wanted, None, quiet), quiet)

    assert ready.is_intact()
    assert ready.description
    variables = dict(ready.variables("/nowhere"))
    done = subprocess.run(["/usr/bin/env", "true"], env=variables, check=False)
    assert done.returncode == 0


def test_what_is_there_is_taken_as_it_is(backend: EnvironmentBackend, wanted: Declaration) -> None:
    lock = backend.lock(wanted, None, quiet)
    first = backend.prepare(wanted, lock, quiet)
    lines: list[str] = []

    second = backend.prepare(wanted, lock, lines.append)

    assert second.key == first.key
    assert lines == []


def test_archives_are_there_with_the_bytes_of_their_digests(
    backend: EnvironmentBackend, wanted: Declaration
) -> None:
    archives = backend.archives(wanted, backend.lock(wanted, None, quiet), quiet)

    for one in archives:
        assert one.place.endswith(one.path)
        assert hashlib.sha256(Path(one.place).read_bytes()).hexdigest() == one.sha256


@pytest.mark.parametrize("make", LOCKING, ids=["fake", "venv", "conda"])
def test_an_unknown_package_fails_with_its_name(make: Make, tmp_path: Path) -> None:
    subject = make(tmp_path)

    with pytest.raises(EnvironmentFailed, match="nothing-of-this-name") as raised:
        subject.backend.lock(subject.declare("nothing-of-this-name"), None, quiet)

    assert raised.value.exit_code == 4


@pytest.mark.parametrize("make", LOCKING, ids=["fake", "venv", "conda"])
def test_pins_of_the_previous_lock_stay(make: Make, tmp_path: Path) -> None:
    subject = make(tmp_path)
    older = subject.backend.lock(subject.declare("tiny==1.0", "other"), None, quiet)
    newest = subject.backend.lock(subject.wanted, None, quiet)

    lock = subject.backend.lock(subject.wanted, older, quiet)

    assert versions(newest)["tiny"] == "2.0"
    assert versions(lock)["tiny"] == "1.0"


def versions(lock: Lock) -> dict[str, str]:
    """Return name → version of what is locked."""
    known = format_of(lock.kind)
    assert known is not None
    return known.packages(lock.content)
