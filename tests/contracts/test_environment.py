"""What every kind of environment promises, the fake one included."""

import hashlib
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.fakes.environment import FakeEnvironments
from tests.wheels import build_wheel

from runproj.adapters.environments.archives import FolderArchives
from runproj.adapters.environments.images import DockerBackend
from runproj.adapters.environments.system import SystemBackend
from runproj.adapters.environments.venv import VenvBackend
from runproj.errors import EnvironmentFailed
from runproj.lock.lock import Declaration, Lock
from runproj.ports import EnvironmentBackend, Say

WANTED = Declaration(
    kind="venv", requirements=("a.txt",), packages=("tiny",), files={"a.txt": "other\n"}
)
Make = Callable[[Path], EnvironmentBackend]


def fake(_: Path) -> EnvironmentBackend:
    return FakeEnvironments({"tiny": "2.0", "other": "1.0"})


def venv(folder: Path) -> EnvironmentBackend:
    for name, version in (("tiny", "1.0"), ("tiny", "2.0"), ("other", "1.0")):
        build_wheel(folder / "wheels", name, version)
    caller = {
        "PATH": os.environ["PATH"], "HOME": str(folder),
        "UV_DEFAULT_INDEX": folder.as_uri(), "UV_FIND_LINKS": str(folder / "wheels"),
        "UV_CACHE_DIR": str(folder / "uv"),
    }  # fmt: skip
    return VenvBackend(str(folder / "cache"), FolderArchives(str(folder / "data")), caller)


def system(_: Path) -> EnvironmentBackend:
    return SystemBackend({"PATH": os.environ["PATH"]})


class OfOneImage(DockerBackend):
    """Takes one image, whatever else is declared."""

    image = ""

    def lock(self, declaration: Declaration, previous: Lock | None, say: Say) -> Lock:
        wanted = declaration.replace(image=f'{{"image":"{self.image}"}}')
        made = (
            super().lock(wanted, previous, say).content.replace(wanted.digest, declaration.digest)
        )
        return Lock(kind="docker", content=made, declaration=declaration.digest)


@pytest.fixture(params=[fake, venv, system, None], ids=["fake", "venv", "system", "docker"])
def backend(request: pytest.FixtureRequest, tmp_path: Path) -> EnvironmentBackend:
    if request.param is None:
        engine = request.getfixturevalue("engine")
        contained = OfOneImage(str(tmp_path), None, {})
        contained.image = engine.busybox
        return contained
    make: Make = request.param
    return make(tmp_path)


def quiet(_: str) -> None:
    """Say nothing."""


def test_a_lock_fits_the_declaration_it_was_made_for(backend: EnvironmentBackend) -> None:
    lock = backend.lock(WANTED, None, quiet)

    assert lock.fits(WANTED)
    assert not lock.fits(Declaration(kind="venv", packages=("tiny<2",)))


def test_locking_twice_gives_equal_bytes(backend: EnvironmentBackend) -> None:
    first = backend.lock(WANTED, None, quiet)

    assert backend.lock(WANTED, None, quiet).content == first.content
    assert backend.lock(WANTED, first, quiet).content == first.content


def test_the_key_is_known_before_anything_is_built(backend: EnvironmentBackend) -> None:
    lock = backend.lock(WANTED, None, quiet)

    key = backend.key(WANTED, lock)

    assert key == backend.prepare(WANTED, lock, quiet).key
    assert len(key) == len("a" * 64)


def test_who_made_a_lock_for_what_is_not_in_the_key(backend: EnvironmentBackend) -> None:
    lock = backend.lock(WANTED, None, quiet)
    foreign = Lock(kind=lock.kind, content=lock.content)

    assert backend.key(WANTED, foreign) == backend.key(WANTED, lock)


def test_a_prepared_environment_is_intact_and_finds_programs(backend: EnvironmentBackend) -> None:
    ready = backend.prepare(WANTED, backend.lock(WANTED, None, quiet), quiet)

    assert ready.is_intact()
    assert ready.description
    variables = dict(ready.variables("/nowhere"))
    done = subprocess.run(["/usr/bin/env", "true"], env=variables, check=False)
    assert done.returncode == 0


def test_what_is_there_is_taken_as_it_is(backend: EnvironmentBackend) -> None:
    lock = backend.lock(WANTED, None, quiet)
    first = backend.prepare(WANTED, lock, quiet)
    lines: list[str] = []

    second = backend.prepare(WANTED, lock, lines.append)

    assert second.key == first.key
    assert lines == []


def test_archives_are_there_with_the_bytes_of_their_digests(backend: EnvironmentBackend) -> None:
    archives = backend.archives(WANTED, backend.lock(WANTED, None, quiet), quiet)

    for one in archives:
        assert one.place.endswith(one.path)
        assert hashlib.sha256(Path(one.place).read_bytes()).hexdigest() == one.sha256


@pytest.mark.parametrize("make", [fake, venv], ids=["fake", "venv"])
def test_an_unknown_package_fails_with_its_name(make: Make, tmp_path: Path) -> None:
    wanted = Declaration(kind="venv", packages=("nothing-of-this-name",))

    with pytest.raises(EnvironmentFailed, match="nothing-of-this-name") as raised:
        make(tmp_path).lock(wanted, None, quiet)

    assert raised.value.exit_code == 4


@pytest.mark.parametrize("make", [fake, venv], ids=["fake", "venv"])
def test_pins_of_the_previous_lock_stay(make: Make, tmp_path: Path) -> None:
    backend = make(tmp_path)
    lock = backend.lock(WANTED, None, quiet)
    older = Lock(kind="venv", content=lock.content.replace('"2.0"', '"1.0"'))

    assert '"2.0"' not in backend.lock(WANTED, older, quiet).content
