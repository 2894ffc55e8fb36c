"""Constraints, packages without wheels, and locks for several platforms."""

import hashlib
import os
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from packaging.pylock import Pylock
from tests.adapters.machine import Machine, Quiet, run, serving
from tests.wheels import build_sdist, build_wheel

from runproj.adapters.environments import indexes
from runproj.errors import EnvironmentFailed
from runproj.lock import pylock
from runproj.lock.declaration import declare
from runproj.lock.lock import Declaration, Lock
from runproj.spec.environment import VenvEnvironment
from runproj.spec.fields import validated


def declared(files: dict[str, str], **fields: object) -> Declaration:
    return declare(validated(VenvEnvironment, {"kind": "venv", **fields}), files.get)


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    for version in ("1.0", "2.0", "3.0"):
        build_wheel(tmp_path / "wheels", "tiny", version)
    build_wheel(tmp_path / "wheels", "top", "1.0", requires=["tiny"])
    return Machine(tmp_path)


# Constraints


def test_constraints_limit_what_is_locked_and_install_nothing(machine: Machine) -> None:
    files = {"limits.txt": "tiny<3\nunheard-of<2\n"}

    both = machine.lock(declared(files, packages="top", constraints=["limits.txt", "tiny!=2.0"]))

    assert pylock.packages(both.content) == {"tiny": "1.0", "top": "1.0"}


def test_constraints_that_contradict_are_explained(machine: Machine) -> None:
    with pytest.raises(EnvironmentFailed, match="cannot be resolved"):
        machine.lock(declared({}, packages="tiny>2", constraints="tiny<2"))


# Packages without wheels


@pytest.fixture
def rocky(machine: Machine) -> Machine:
    build_wheel(machine.wheels, "rocky", "1.0", files={"rocky/__init__.py": "made = 'elsewhere'"})
    build_sdist(machine.wheels, "rocky", "1.0")
    return machine


def test_a_package_without_a_wheel_is_built_from_its_source(rocky: Machine) -> None:
    declaration = declared({}, packages=["rocky", "tiny"], no_binary="Rocky")
    lock = rocky.lock(declaration)
    [table] = [one for one in pylock.tables(lock.content) if one["name"] == "rocky"]
    assert "wheels" not in table

    ready = rocky.prepare(declaration, lock)

    assert run(ready, "python", "-c", "import rocky; print(rocky.version)") == "1.0"
    assert any("building rocky" in text for text in rocky.said)
    assert rocky.backend.key(declaration, lock) != rocky.backend.key(
        declaration, rocky.lock(declared({}, packages=["rocky", "tiny"]))
    )


def test_a_package_that_has_no_source_says_so(machine: Machine) -> None:
    with pytest.raises(EnvironmentFailed, match="cannot be resolved"):
        machine.lock(declared({}, packages="tiny", no_binary="tiny"))


@pytest.fixture
def needy(machine: Machine) -> Iterator[str]:
    """An index with a source archive whose build needs another package of the index."""
    build_wheel(machine.folder / "plain", "helper", "1.0")
    build_sdist(machine.folder / "plain", "needy", "1.0", meanwhile="import helper")
    source = next((machine.folder / "plain").glob("needy*"))
    folder = machine.folder / "unpacked"
    subprocess.run(["tar", "-xzf", source, "--one-top-level=" + str(folder)], check=True)
    project = folder / "needy-1.0" / "pyproject.toml"
    project.write_text(project.read_text().replace("requires = []", 'requires = ["helper"]'))
    machine.wheels.mkdir(exist_ok=True)
    target = machine.wheels / source.name
    subprocess.run(["tar", "-czf", target, "-C", folder, "needy-1.0"], check=True)
    (machine.wheels / "helper-1.0-py3-none-any.whl").write_bytes(
        next((machine.folder / "plain").glob("helper*")).read_bytes()
    )
    with serving(machine.fill_index(), Quiet) as address:
        yield f"{address}/simple"


def test_what_a_build_needs_comes_from_the_index_that_the_project_names(
    machine: Machine, needy: str
) -> None:
    machine.more = {"UV_DEFAULT_INDEX": "", "UV_FIND_LINKS": "", "NO_PROXY": "*"}
    files = {"a.txt": f"--index-url {needy}\nneedy\n"}
    declaration = declared(files, requirements="a.txt", no_binary="needy")
    lock = machine.lock(declaration)
    machine.more["UV_CACHE_DIR"] = str(machine.folder / "empty")

    ready = machine.prepare(declaration, lock)

    assert run(ready, "python", "-c", "import needy; print(needy.version)") == "1.0"


def test_what_a_build_needs_is_not_fetched_when_the_network_is_not_wanted(
    machine: Machine, needy: str
) -> None:
    machine.more = {"UV_DEFAULT_INDEX": needy, "UV_FIND_LINKS": "", "NO_PROXY": "*"}
    declaration = declared({}, packages="needy", no_binary="needy")
    lock = machine.lock(declaration)
    machine.more |= {"UV_CACHE_DIR": str(machine.folder / "empty"), "UV_OFFLINE": "1"}
    source = next(machine.wheels.glob("needy*"))
    digest = hashlib.sha256(source.read_bytes()).hexdigest()
    place = machine.archives / digest[:2] / digest[2:] / source.name
    place.parent.mkdir(parents=True)
    place.write_bytes(source.read_bytes())

    with pytest.raises(EnvironmentFailed, match=r"needy==1\.0 cannot be built") as raised:
        machine.prepare(declaration, lock)

    assert "nothing asks the network" in str(raised.value)


@pytest.mark.parametrize(
    ("text", "made"),
    [
        ("-i https://a/simple\n-f https://l\n", {"UV_DEFAULT_INDEX": "https://a/simple",
                                                 "UV_FIND_LINKS": "https://l"}),
        ("x\n--extra-index-url=https://b\n --no-index\n", {"UV_INDEX": "https://b"}),
        ('index-url = "https://a"\nfind-links = ["/l"]\n', {"UV_DEFAULT_INDEX": "https://a",
                                                            "UV_FIND_LINKS": "/l"}),
        ('[tool.uv]\nindex = [{name = "m", url = "https://a", default = true}, {url = "https://b"},'
         ' {url = "https://c", explicit = true}]\nextra-index-url = ["https://d"]',
         {"UV_DEFAULT_INDEX": "m=https://a", "UV_INDEX": "https://b https://d"}),
        ("[tool]\nuv = 1\n", {}),
        ("numpy\n", {}),
    ],
)  # fmt: skip
def test_indexes_of_the_project_are_those_of_its_builds(text: str, made: dict[str, str]) -> None:
    assert indexes.variables([text], {}) == made
    assert indexes.closed([text]) == ("no-index" in text)


def test_indexes_of_the_caller_come_first() -> None:
    caller = {"UV_DEFAULT_INDEX": "https://mine", "UV_INDEX": "https://more"}

    made = indexes.variables(["-i https://a\n--extra-index-url https://b\n"], caller)

    assert made == {"UV_DEFAULT_INDEX": "https://mine", "UV_INDEX": "https://more https://b"}


# Platforms


def test_a_lock_covers_the_platforms_that_are_named(machine: Machine) -> None:
    for name in ("win", "mac", "lin", "old"):
        build_wheel(machine.wheels, name, "1.0")
    packages = [
        "tiny<2 ; sys_platform == 'linux'", "tiny>2 ; sys_platform != 'linux'",
        "win ; os_name == 'nt'", "mac ; platform_system == 'Darwin'",
        "lin ; platform_machine == 'aarch64' and sys_platform == 'linux'",
        "old ; python_version < '3.10'",
    ]  # fmt: skip
    declaration = declared({}, packages=packages, platforms=["linux", "macos"])

    lock = machine.lock(declaration)

    assert pylock.packages(lock.content) == {
        "lin": "1.0", "mac": "1.0", "tiny": "1.0 | 3.0"
    }  # fmt: skip
    assert machine.said[-1].endswith("for linux, macos")
    read = Pylock.from_dict(tomllib.loads(pylock.body_of(lock.content)))
    assert [str(one) for one in read.environments or ()] == [
        'sys_platform == "linux"', 'sys_platform == "darwin"'
    ]  # fmt: skip


@pytest.mark.skipif(os.uname().sysname != "Linux", reason="it is about Linux")
def test_of_a_lock_for_several_platforms_this_one_is_installed(machine: Machine) -> None:
    build_wheel(machine.wheels, "win", "1.0")
    packages = ["tiny<2 ; sys_platform == 'linux'", "tiny>2 ; sys_platform != 'linux'",
                "win ; sys_platform == 'win32'"]  # fmt: skip
    declaration = declared({}, packages=packages, platforms=["windows", "linux"])

    ready = machine.prepare(declaration)

    assert run(ready, "python", "-c", "import tiny; print(tiny.version)") == "1.0"
    assert machine.built.all()[0].packages == 1


@pytest.mark.skipif(os.uname().sysname != "Linux", reason="it is about Linux")
def test_a_lock_for_other_platforms_says_so(machine: Machine) -> None:
    declaration = declared({}, packages="tiny", platforms=["windows", "macos"])
    lock = machine.lock(declaration)

    with pytest.raises(EnvironmentFailed, match="the lock does not serve") as raised:
        machine.prepare(declaration, lock)

    assert "'platforms'" in (raised.value.problems[0].hint or "")
    assert machine.built.all() == []


def test_pins_for_several_platforms_stay(machine: Machine) -> None:
    first = declared({}, packages="tiny<2", platforms=["linux", "macos", "windows"])
    second = declared({}, packages="tiny", platforms=["linux", "macos", "windows"])
    old = machine.lock(first)

    assert pylock.packages(machine.lock(second, old).content) == {"tiny": "1.0"}
    assert isinstance(old, Lock)
