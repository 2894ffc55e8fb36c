"""The environment comes back: past runs are done again although their packages vanished."""

import contextlib
import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import jsonschema
import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from tests.adapters.machine import serving
from tests.cli.commandline import Computer, Done, Project
from tests.wheels import build_index, build_sdist, build_wheel

SCHEMA = Path(__file__).parents[2] / "schemas/output.schema.json"
PROJECT = """\
runproj: 1
environments: {default: {kind: venv, packages: [tiny, rocky]}}
entry_points:
  main:
    command: python -c "import rocky, tiny; print(rocky.version, tiny.version)"
    stdout: versions.txt
"""


@dataclass
class Past:
    """A project whose packages come from an index that may go away; ``more`` are variables."""

    project: Project
    folder: Path
    stop: Callable[[], None]
    more: dict[str, str] = field(default_factory=dict)

    def type(self, *arguments: str) -> Done:
        return self.project.run(*arguments, env=self.more)

    def let_the_index_vanish(self) -> None:
        """Let the index be gone, and what is cached of it."""
        self.stop()
        shutil.rmtree(self.folder)
        self.empty("XDG_CACHE_HOME", "UV_CACHE_DIR")

    def empty(self, *names: str) -> None:
        """Let folders of the user be new ones, which are empty."""
        for name in names:
            self.more[name] = str(self.folder.parent / f"empty-{name}")


@pytest.fixture
def past(computer: Computer, tmp_path: Path) -> Iterator[Past]:
    files = [
        build_wheel(tmp_path / "made", "tiny", "2.0"),
        build_sdist(tmp_path / "made", "rocky", "1.0"),
    ]
    build_index(tmp_path / "index" / "simple", files)
    with contextlib.ExitStack() as stack:
        address = stack.enter_context(serving(tmp_path / "index"))
        project = computer.project({"runproj.yaml": PROJECT}, git=True)
        more = {
            "UV_DEFAULT_INDEX": f"{address}/simple", "UV_HTTP_RETRIES": "0",
            "UV_CACHE_DIR": str(tmp_path / "uv"), "NO_PROXY": "127.0.0.1",
        }  # fmt: skip
        folder = tmp_path / "index"
        yield Past(project, folder, stack.close, more)


def test_a_run_is_verified_when_its_packages_vanished_and_all_caches_are_empty(past: Past) -> None:
    past.type("run", ".").ok()
    past.let_the_index_vanish()

    done = past.type("verify", "latest", "--json").ok()

    assert done.json["verify"]["verdict"] == "identical"
    assert "fetch" not in done.err


def test_a_run_that_keeps_its_packages_needs_nothing_but_its_store(past: Past) -> None:
    past.type("run", ".", "--keep-packages").ok()
    past.let_the_index_vanish()
    past.empty("XDG_DATA_HOME")

    done = past.type("verify", "latest", "--json").ok()

    assert done.json["verify"]["verdict"] == "identical"
    assert "from source" not in done.err
    again = past.type("show", done.json["verify"]["rerun"], "--json").ok().run["packages"]
    assert (again["archives"], again["in_store"]) == (3, True)


def test_somebody_else_verifies_a_copy_of_the_store(past: Past, tmp_path: Path) -> None:
    run = past.type("run", ".", "--keep-packages", "--json").ok().run["id"]
    shutil.copytree(past.project.folder / ".runproj", tmp_path / "copy")
    shutil.rmtree(past.project.folder)
    shutil.rmtree(past.project.computer.home)
    past.let_the_index_vanish()

    other = Computer(tmp_path / "other")
    done = other.run("verify", run, "--store", str(tmp_path / "copy"), "--json").ok()

    assert done.json["verify"]["verdict"] == "identical"


def test_packages_that_are_kept_nowhere_are_named(past: Past) -> None:
    past.type("run", ".").ok()
    past.let_the_index_vanish()
    past.empty("XDG_DATA_HOME")

    done = past.type("verify", "latest").ok(7)

    assert "cannot rerun" in done.out
    assert "rocky==1.0" in done.out
    assert "tiny==2.0" in done.out
    assert "tiny==2.0" in past.type("rerun", "latest").ok(7).err


def test_a_run_tells_where_its_packages_are(past: Past) -> None:
    plain = past.type("run", ".", "--json").ok()
    kept = past.type("run", ".", "--keep-packages", "--json").ok()

    assert kept.steps() == {"main": "cached"}
    assert not plain.run["packages"]["in_store"]
    assert plain.run["packages"]["archives"] == 2
    assert kept.run["packages"]["archives"] == 3  # with the wheel that was built
    assert kept.run["packages"]["folder"] == str(past.project.folder / ".runproj")
    jsonschema.validate(kept.json, json.loads(SCHEMA.read_text()))
    said = past.type("show", kept.run["id"]).ok().out
    assert "packages    3 archives, " in said
    assert f"in {past.project.folder}/.runproj" in said
    said = past.type("show", plain.run["id"]).ok().out
    assert "packages    2 archives, " in said
    assert "runproj/archives" in said


def test_keeping_packages_fetches_those_of_an_environment_that_is_there(past: Past) -> None:
    past.type("run", ".").ok()
    past.empty("XDG_DATA_HOME")

    run = past.type("run", ".", "--force", "--keep-packages", "--json").ok()

    assert run.run["packages"]["archives"] == 3


def test_a_run_without_packages_keeps_none(computer: Computer) -> None:
    project = computer.project(
        {"runproj.yaml": "runproj: 1\nentry_points: {main: {command: ls}}\n"}
    )

    run = project.run("run", ".", "--keep-packages", "--json").ok().run

    assert run["packages"] is None


class TestOffline:
    def test_what_is_here_is_enough(self, past: Past) -> None:
        past.type("run", ".").ok()
        past.stop()
        past.empty("XDG_CACHE_HOME", "UV_CACHE_DIR")
        done = past.type("run", ".", "--offline", "--force", "--json").ok()
        assert set(done.steps().values()) == {"succeeded"}

    def test_what_is_missing_is_said(self, past: Past) -> None:
        past.type("lock").ok()
        past.empty("UV_CACHE_DIR")
        done = past.type("run", ".", "--offline").ok(4)
        assert "tiny" in done.err
        assert "offline" in done.err

    def test_what_was_never_locked_cannot_be_resolved(self, past: Past) -> None:
        past.empty("UV_CACHE_DIR")
        done = past.type("run", ".", "--offline").ok(4)
        assert "it would have to ask the package index, and nothing asks the network" in done.err
        assert "do it once without --offline" in done.err

    def test_a_repository_that_was_never_fetched_is_named(self, past: Past) -> None:
        done = past.type("run", "https://127.0.0.1:9/x.git", "--offline").ok(2)
        assert "the repository was never fetched, and --offline asks no network" in done.err


class TestExport:
    def test_a_requirements_file_installs_the_same(self, past: Past, tmp_path: Path) -> None:
        past.type("lock").ok()
        past.type("env", "export", "-o", "../requirements.txt").ok()
        target = tmp_path / "target"
        uv = Path(sys.executable).with_name("uv")
        subprocess.run(
            [uv, "pip", "install", "--require-hashes", "--target", target, "-r",
             past.project.folder.parent / "requirements.txt"],
            check=True, env={**past.project.computer.variables_for(tmp_path), **past.more},
        )  # fmt: skip
        assert (target / "tiny").exists()

    def test_a_bill_of_materials_is_valid(self, past: Past) -> None:
        text = past.type("env", "export", "default", "--format", "cyclonedx").ok().out
        assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
        assert {one["name"] for one in json.loads(text)["components"]} == {"tiny", "rocky"}

    def test_a_past_run_gives_its_lock(self, past: Past) -> None:
        past.type("run", ".").ok()
        past.project.write({"runproj.yaml": PROJECT.replace("tiny, rocky", "tiny")})
        then = past.type("env", "export", "--run", "latest", "--format", "pylock").ok().out
        assert 'name = "rocky"' in then

    def test_mistakes(self, past: Past) -> None:
        assert "there is no environment 'x'" in past.type("env", "export", "x").ok(2).err
        past.type("run", ".", "--environment", "system").ok(1)
        done = past.type("env", "export", "--run", "latest").ok(2)
        assert "has no environment 'default' with a lock" in done.err
        done = past.type("env", "export", "-o", "nowhere/x").ok(2)
        assert "it cannot be written" in done.err
