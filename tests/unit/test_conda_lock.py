"""What a conda environment is declared to be, and what its lockfile says."""

import json
from collections.abc import Mapping
from typing import Any

import pytest

from runproj.errors import EnvironmentFailed, ProjectError
from runproj.lock import conda
from runproj.lock.conda import CondaLock, CondaSpec, Wheel
from runproj.lock.declaration import declare
from runproj.lock.formats import format_of
from runproj.lock.lock import Declaration
from runproj.spec.environment import CondaEnvironment
from runproj.spec.fields import validated

SHA = "ab" * 32
FILE = "channels: [conda-forge]\ndependencies: [python, {pip: [six]}]\n"


def environment(**fields: object) -> CondaEnvironment:
    if "file" not in fields:
        fields = {"channels": ["conda-forge"], "dependencies": ["python"], **fields}
    return validated(CondaEnvironment, {"kind": "conda", **fields})


def declared(files: Mapping[str, str] | None = None, **fields: object) -> Declaration:
    return declare(environment(**fields), (files or {}).get)


def spec(files: Mapping[str, str] | None = None, **fields: object) -> CondaSpec:
    return conda.spec_of(declared(files, **fields).conda or "")


def wrong(files: Mapping[str, str] | None = None, **fields: object) -> ProjectError:
    with pytest.raises(ProjectError) as raised:
        declared(files, **fields)
    return raised.value


def in_file(text: str) -> ProjectError:
    return wrong({"e.yaml": text}, file="e.yaml")


# ------------------------------------------------------------------ what is declared


def test_what_is_written_here_is_what_a_file_says() -> None:
    there = declared({"environment.yaml": f"name: x\nprefix: /y\n{FILE}"}, file="environment.yaml")
    here = declared(dependencies=["python", {"pip": ["six"]}])

    assert there == here
    assert there.digest == here.digest


def test_a_comment_in_the_file_changes_nothing() -> None:
    a = declared({"e.yaml": FILE}, file="./e.yaml")

    assert a.digest == declared({"e.yaml": f"# more\n{FILE}"}, file="e.yaml").digest
    assert a.digest != declared({"e.yaml": FILE.replace("six", "toml")}, file="e.yaml").digest


def test_each_part_decides_the_lock() -> None:
    parts: list[dict[str, Any]] = [
        {}, {"channels": ["bioconda"]}, {"channels": ["conda-forge", "bioconda"]},
        {"channels": ["bioconda", "conda-forge"]}, {"dependencies": ["python=3.12"]},
        {"dependencies": ["python", {"pip": ["six"]}]}, {"virtual_packages": {"__cuda": "12.4"}},
    ]  # fmt: skip

    assert len({declared(**one).digest for one in parts}) == len(parts)


def test_a_venv_has_the_declaration_that_it_always_had() -> None:
    assert Declaration(kind="venv").digest == Declaration(kind="venv", conda=None).digest
    assert Declaration(kind="venv").digest == (
        "62f648ef8bfb1221b856ac125ad002b04b1aa87b8e6b90b2c9ec312a055f7c42"
    )


def test_nodefaults_is_what_is_done_anyway() -> None:
    assert spec(channels=["conda-forge", "nodefaults"]).channels == ("conda-forge",)


def test_pip_may_include_files_of_the_project() -> None:
    files = {
        "envs/e.yaml": "channels: [c]\ndependencies: [python, {pip: [-r needs.txt, six]}]",
        "envs/needs.txt": "toml  # why\n",
    }
    declaration = declared(files, file="envs/e.yaml")

    assert conda.spec_of(declaration.conda or "").pip == ("-r envs/needs.txt", "six")
    assert declaration.files == {"envs/needs.txt": "toml\n"}


@pytest.mark.parametrize(
    ("fields", "message", "where"),
    [
        ({"channels": ["./channel"]}, "'./channel' is a path", "channels[0]"),
        ({"channels": []}, "no channel is named", "channels"),
        ({"dependencies": ["python", " "]}, "must be text", "dependencies[1]"),
        ({"dependencies": [{"pip": ["--pre"]}]}, "--pre is an option", "dependencies[0]"),
        ({"dependencies": [{"pip": ["--index-url=https://u:pw@h"]}]}, "--index-url is an option",
         "dependencies[0]"),
        ({"dependencies": [{"pip": ["./lib"]}]}, "local path", "dependencies[0]"),
        ({"dependencies": [{"pip": ["-r no.txt"]}]}, "no requirement file", "requirements"),
        ({"file": "../e.yaml"}, "outside of the project", "file"),
        ({"file": "no.yaml"}, "there is no environment file 'no.yaml'", "file"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_where(fields: dict[str, Any], message: str, where: str) -> None:
    (problem,) = wrong(**fields).problems

    assert message in problem.message
    assert problem.where == where


@pytest.mark.parametrize(
    ("text", "message", "where"),
    [
        ("a: [", "not valid YAML", "e.yaml:1:5"),
        ("- a", "an environment file has keys", "e.yaml:1:1"),
        (f"{FILE}variables: {{A: b}}", "the key 'variables' is not supported", "e.yaml:3:12"),
        (f"{FILE}platforms: []", "the key 'platforms' is not supported", "e.yaml:3:12"),
        ("channels: x\ndependencies: [a]", "channels must be a list", "e.yaml:1:11"),
        ("channels: [x]\ndependencies: {a: b}", "dependencies must be a list", "e.yaml:2:15"),
        ("channels: [1]\ndependencies: [a]", "a channel must be text", "e.yaml:1:12"),
        ("channels: [x]", "no dependency is named", "e.yaml:1:1"),
        ("channels: [x]\ndependencies: [{pip: six}]", "'pip' must be a list", "e.yaml:2:16"),
        ("channels: [x]\ndependencies: [{pop: six}]", "a dependency must be text", "e.yaml:2:16"),
    ],
)
def test_what_is_wrong_in_a_file_is_said_where(text: str, message: str, where: str) -> None:
    problems = in_file(text).problems

    assert message in problems[0].message
    assert problems[0].where == where


@pytest.mark.parametrize(
    "fields",
    [
        {"channels": ["https://user:hunter22@host/c"]},
        {"channels": ["https://hunter22@host/c"]},
        {"channels": ["https://host/t/hunter22/c"]},
        {"dependencies": ["https://user:hunter22@host/c::python"]},
        {"dependencies": [{"pip": ["six @ https://user:hunter22@host/six.whl"]}]},
    ],
)
def test_credentials_in_a_url_are_refused_and_not_shown(fields: dict[str, Any]) -> None:
    (problem,) = wrong(**fields).problems

    assert "stands in the URL" in problem.message
    assert problem.message.startswith(("channels[0]: ", "dependencies[0]: "))
    assert "RATTLER_AUTH_FILE" in (problem.hint or "")
    assert "hunter22" not in repr(problem)


def test_credentials_in_a_file_are_not_shown_either() -> None:
    (problem,) = in_file("channels: ['https://u:hunter22@h/c']\ndependencies: [a]").problems

    assert "hunter22" not in repr(problem)


# ------------------------------------------------------------------ the lockfile


def record(name: str, version: str = "1.0", **more: object) -> dict[str, Any]:
    return {
        "name": name, "version": version, "build": "0", "fn": f"{name}-{version}-0.conda",
        "url": f"https://host/c/noarch/{name}-{version}-0.conda", "sha256": SHA, **more,
    }  # fmt: skip


def made(*records: Mapping[str, Any], pip: tuple[Wheel, ...] = ()) -> CondaLock:
    wanted = CondaSpec(channels=("c",), dependencies=("a",), virtual_packages={})
    lock = conda.made("d" * 64, "linux-64", wanted, {"__unix": "0"}, "a solver", records)
    return lock.replace(pip=pip)


WHEEL = Wheel(name="six", version="1", file="six-1.whl", url="https://h/six-1.whl", sha256=SHA)
LOCK = made(record("python", "3.11.1"), record("my_tool"), pip=(WHEEL,))


def test_a_lockfile_is_read_as_it_was_written() -> None:
    assert conda.read(LOCK.text) == LOCK
    assert conda.read(made().text) == made()
    assert json.loads(LOCK.text)["packages"][1]["name"] == "my_tool"


def test_each_package_has_a_line() -> None:
    assert sum('"name":' in line for line in LOCK.text.splitlines()) == 3


def test_it_lists_what_it_installs() -> None:
    assert conda.packages(LOCK.text) == {"my_tool": "1.0", "python": "3.11.1", "six": "1"}
    assert conda.archives(LOCK.text) == [frozenset({SHA})] * 3
    assert LOCK.version("python") == "3.11.1"
    assert LOCK.version("six") is None


def test_what_conda_and_pip_both_have_is_told_twice() -> None:
    lock = made(record("six", "2"), pip=(WHEEL,))

    assert conda.packages(lock.text) == {"six": "2 | 1"}


def test_when_a_channel_was_indexed_is_left_out() -> None:
    a, b = (made(record("a", indexed_timestamp=when)).text for when in (1, 2))

    assert a == b


def test_where_files_come_from_is_not_in_its_identity() -> None:
    moved = made(record("a", url="https://mirror/a"))

    assert conda.identity(moved) == conda.identity(made(record("a")))
    assert conda.identity(moved) != conda.identity(made(record("a", sha256="cd" * 32)))


def test_what_packages_need_of_the_machine_is_told() -> None:
    lock = made(record("gpu", depends=["python", "__cuda >=12"]), record("a", depends=["gpu"]))

    assert lock.needs == (("gpu", "__cuda >=12"),)


def test_differences_are_versions_or_builds() -> None:
    old = made(record("a"), record("b"), record("c"))
    new = made(record("a", "2"), record("b", build="1"), record("c"), pip=(WHEEL,))

    assert conda.difference(old.text, new.text) == [
        ("a", "1.0", "2"), ("b", "1.0 0", "1.0 1"), ("six", None, "1"),
    ]  # fmt: skip
    assert conda.difference(conda.NOTHING, old.text)[0] == ("a", None, "1.0")


def test_conda_can_install_what_is_locked() -> None:
    lock = made(record("a", md5="cd" * 16), record("b"), pip=(WHEEL,))

    assert conda.explicit(lock).splitlines() == [
        "# platform: linux-64", "@EXPLICIT",
        f"https://host/c/noarch/a-1.0-0.conda#{'cd' * 16}",
        f"https://host/c/noarch/b-1.0-0.conda#sha256:{SHA}",
        f"# pip: six==1 --hash=sha256:{SHA}",
    ]  # fmt: skip


def test_an_environment_file_pins_what_is_locked() -> None:
    wheel = Wheel(name="w", version="2", file="w.whl", url="https://p/w.whl", sha256="a" * 64)
    lock = made(record("b"), record("a", "1!2.0"), pip=(wheel,)).replace(
        channels=("conda-forge", "https://host/%7Eme")
    )

    text = conda.environment_file(lock)

    assert text.splitlines() == [
        "# platform: linux-64", "channels:", "  - conda-forge", '  - "https://host/%7Eme"',
        "dependencies:", "  - a=1!2.0=0", "  - b=1.0=0", "  - pip:", "      - w==2",
    ]  # fmt: skip
    again = spec({"e.yaml": text}, file="e.yaml")
    assert again.channels == lock.channels
    assert (again.dependencies, again.pip) == (("a=1!2.0=0", "b=1.0=0"), ("w==2",))


def test_an_environment_file_may_pin_nothing() -> None:
    assert conda.environment_file(made()).endswith("dependencies: []\n")


def test_packages_can_be_let_go() -> None:
    assert conda.packages(conda.without(LOCK.text, ["my-tool", "six"])) == {"python": "3.11.1"}


def test_it_tells_for_which_declaration_it_was_made() -> None:
    foreign = json.dumps(json.loads(LOCK.text))

    assert conda.declaration_of(LOCK.text) == "d" * 64
    assert conda.declaration_of(foreign) == "d" * 64
    assert conda.declaration_of("nothing") is None
    assert conda.declaration_of(conda.NOTHING) is None


def test_a_package_without_a_digest_is_not_locked() -> None:
    with pytest.raises(EnvironmentFailed, match=r"no sha256 of a 1\.0"):
        made(record("a", sha256=None))


def test_a_channel_that_hands_out_credentials_is_not_locked() -> None:
    with pytest.raises(EnvironmentFailed, match="in its URLs") as raised:
        made(record("a", url="https://host/t/hunter22/c/a.conda"))

    assert "hunter22" not in str(raised.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "not JSON"),
        (LOCK.text.replace('"format": 1', '"format": 2'), "its format is 2"),
        (LOCK.text.replace('"fn":', '"gn":'), "a package has no fn"),
        (LOCK.text.replace(f'"sha256":"{SHA}"', '"sha256":"ab"'), "a sha256 of python is not one"),
        (LOCK.text.replace('"file":"six-1.whl"', '"file":"../six-1.whl"'), "no file's name"),
        (LOCK.text.replace('"fn":"python-3.11.1-0.conda"', '"fn":""'), "no file's name"),
    ],
)
def test_a_damaged_lockfile_is_said_to_be(text: str, message: str) -> None:
    with pytest.raises(EnvironmentFailed, match=message):
        conda.packages(text)


def test_kinds_that_list_packages_have_a_format() -> None:
    assert format_of("venv") is not None
    assert format_of("conda") is conda
    assert format_of("system") is None
