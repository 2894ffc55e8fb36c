"""Environments where it is hard: full disks, other file systems, several at once, other Pythons."""

import contextlib
import os
import shutil
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.adapters.machine import Quiet, serving
from tests.cli.commandline import Computer, Project, until
from tests.wheels import build_index, build_sdist, build_wheel

TWO = """\
runproj: 1
environments:
  default: {kind: venv, packages: ["tiny<2"]}
  other: {kind: venv, packages: ["tiny>=2"]}
entry_points:
  main:
    steps:
      one: {command: 'python -c "import tiny; print(tiny.version)"', stdout: one.txt}
      two: {command: 'python -c "import tiny; print(tiny.version)"', stdout: two.txt,
            environment: other}
"""
ONE = """\
runproj: 1
environments: {default: {kind: venv, packages: [tiny]}}
entry_points: {main: {command: 'python -c "import tiny; print(tiny.version)"'}}
"""


@pytest.fixture
def project(computer: Computer, tmp_path: Path) -> Project:
    for version in ("1.0", "2.0"):
        much = {"tiny/data/much.bin": "x" * 200_000}
        build_wheel(tmp_path / "wheels", "tiny", version, files=much)
    computer.variables |= {
        "UV_DEFAULT_INDEX": tmp_path.as_uri(), "UV_FIND_LINKS": str(tmp_path / "wheels"),
        "UV_CACHE_DIR": str(tmp_path / "uv"),
    }  # fmt: skip
    return computer.project({"runproj.yaml": ONE}, git=True)


@contextlib.contextmanager
def small_disk(place: Path, size: str) -> Iterator[Path]:
    """Mount a file system in memory; only the superuser can."""
    place.mkdir(parents=True)
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(place)]
    if os.geteuid() != 0 or subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("file systems can be mounted by the superuser only")
    try:
        yield place
    finally:
        subprocess.run(["umount", "--lazy", str(place)], check=True)


def test_two_environments_of_a_project_have_their_own_packages(project: Project) -> None:
    project.write({"runproj.yaml": TWO})
    project.run("lock").ok()
    assert (project.folder / "locks/pylock.other.toml").exists()

    done = project.run("run", ".", "--locked", "--json").ok()

    assert done.steps() == {"one": "succeeded", "two": "succeeded"}
    project.run("get", "latest", "--to", "../got").ok()
    got = project.computer.root / "got"
    assert {path.read_text() for path in got.rglob("*.txt")} == {"1.0\n", "2.0\n"}
    assert len(project.run("env", "list", "--json").ok().json["environments"]) == 2


@pytest.mark.parametrize("variable", ["XDG_CACHE_HOME", "XDG_DATA_HOME"])
def test_a_full_disk_is_named_and_nothing_half_is_used(
    project: Project, tmp_path: Path, variable: str
) -> None:
    project.run("lock").ok()
    with small_disk(tmp_path / "small", "128k") as place:
        more = {variable: str(place)}
        done = project.run("run", ".", env=more).ok(4)

        assert "No space left on device" in done.err
        assert "make room" in done.err
        assert not list(place.rglob("ready.json"))
        assert not list(place.rglob("*.whl"))
        assert project.run("run", ".", env=more).code == 4  # no half of it is taken for whole
        subprocess.run(["mount", "-o", "remount,size=64m", str(place)], check=True)
        again = project.run("run", ".", env=more).ok()
        assert "2.0" in again.err


def test_a_home_on_another_file_system_works(project: Project, tmp_path: Path) -> None:
    with small_disk(tmp_path / "far", "64m") as place:
        more = {"HOME": str(place), "UV_CACHE_DIR": str(place / "uv")}
        assert "2.0" in project.run("run", ".", env=more).ok().err
        assert list(place.rglob("ready.json"))
        more["XDG_CACHE_HOME"] = str(tmp_path / "near")  # archives there, environments here
        assert "2.0" in project.run("run", ".", "--force", env=more).ok().err


def test_a_cache_that_can_only_be_read_is_named_and_serves_what_is_there(
    project: Project, tmp_path: Path
) -> None:
    project.run("run", ".").ok()
    with small_disk(tmp_path / "read-only", "64m") as place:
        more = {"HOME": str(place), "TMPDIR": str(tmp_path / "temporary")}
        (tmp_path / "temporary").mkdir()
        project.run("env", "build", env=more).ok()
        subprocess.run(["mount", "-o", "remount,ro", str(place)], check=True)

        there = project.run("env", "build", env=more).ok()
        assert "building" not in there.err
        assert "2.0" in project.run("run", ".", "--force", env=more).ok().err
        assert "2.0" in project.run("rerun", "latest", "--offline", env=more).ok().err
        assert "removed" in project.run("gc", env=more).ok().out
        project.write({"runproj.yaml": ONE.replace("[tiny]", '["tiny<2"]')})
        done = project.run("env", "build", env=more).ok(4)
        assert "Read-only file system" in done.err
        assert "XDG_CACHE_HOME" in done.err


def test_no_place_for_workspaces_is_an_error_that_names_it(
    project: Project, tmp_path: Path
) -> None:
    with small_disk(tmp_path / "read-only", "64m") as place:
        more = {"HOME": str(place), "TMPDIR": str(tmp_path / "temporary")}
        project.run("env", "build", env=more).ok()
        subprocess.run(["mount", "-o", "remount,ro", str(place)], check=True)
        (tmp_path / "temporary").mkdir()
        (tmp_path / "temporary" / f"runproj-{os.geteuid()}").write_text("")

        done = project.run("run", ".", "--force", env=more).ok(9)

        assert "there is no place for workspaces: File exists" in done.err
        assert "set XDG_CACHE_HOME, or TMPDIR, to a folder of yours" in done.err


def test_a_killed_build_is_followed_by_a_clean_one(project: Project, tmp_path: Path) -> None:
    begun, allowed = tmp_path / "begun", tmp_path / "allowed"
    build_sdist(
        tmp_path / "wheels", "rocky", "1.0",
        meanwhile=f"import time; open({str(begun)!r}, 'w').close()\n"
        f"    while not pathlib.Path({str(allowed)!r}).exists(): time.sleep(0.01)",
    )  # fmt: skip
    project.write({"runproj.yaml": ONE.replace("[tiny]", "[tiny, rocky]")})
    project.run("lock").ok()
    process = project.start("run", ".")
    until(begun.exists, "the build begins")
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert not list(project.computer.home.rglob("ready.json"))
    second = project.start("run", ".")
    allowed.touch()

    _, said = second.communicate(timeout=60)

    assert second.returncode == 0, said
    assert len(list(project.computer.home.rglob("ready.json"))) == 1


def test_two_runs_at_once_build_once_and_one_says_that_it_waits(
    project: Project, tmp_path: Path
) -> None:
    begun, allowed = tmp_path / "begun", tmp_path / "allowed"
    build_sdist(
        tmp_path / "wheels", "rocky", "1.0",
        meanwhile=f"import time; open({str(begun)!r}, 'a').write('x')\n"
        f"    while not pathlib.Path({str(allowed)!r}).exists(): time.sleep(0.01)",
    )  # fmt: skip
    project.write({"runproj.yaml": ONE.replace("[tiny]", "[tiny, rocky]")})
    project.run("lock").ok()
    first = project.start("run", ".")
    until(begun.exists, "the build begins")
    second = project.start("run", ".")
    assert second.stderr is not None
    said = b""
    while b"waiting for another runproj" not in said:
        line = second.stderr.readline()
        assert line, said
        said += line
    allowed.touch()

    for process in (first, second):
        process.communicate(timeout=60)
        assert process.returncode == 0
    assert begun.read_text() == "x"


class TestThePackagesOfAnIndex:
    @pytest.fixture
    def index(self, project: Project, tmp_path: Path) -> Iterator[Path]:
        folder = tmp_path / "index"
        build_index(folder / "simple", sorted((tmp_path / "wheels").iterdir()))
        with serving(folder, Quiet) as address:
            project.computer.variables |= {
                "UV_FIND_LINKS": "", "UV_DEFAULT_INDEX": f"{address}/simple",
                "UV_HTTP_RETRIES": "0", "NO_PROXY": "127.0.0.1",
            }  # fmt: skip
            project.run("lock").ok()
            yield next(folder.rglob("tiny-2.0*.whl"))

    def test_a_wheel_that_vanishes_is_named_and_the_next_try_is_clean(
        self, project: Project, index: Path
    ) -> None:
        aside = index.rename(index.with_suffix(".aside"))
        done = project.run("run", ".").ok(4)
        assert "a file that the lock names is gone: tiny==2.0" in done.err
        aside.rename(index)
        project.run("run", ".").ok()

    def test_a_wheel_that_changed_is_named_and_the_next_try_is_clean(
        self, project: Project, index: Path
    ) -> None:
        good = index.read_bytes()
        index.write_bytes(good + b"?")
        done = project.run("run", ".").ok(4)
        assert "a package is not what the lock says: tiny==2.0" in done.err
        index.write_bytes(good)
        project.run("run", ".").ok()


class TestInterpreters:
    def test_a_python_that_is_not_there_is_told_with_those_that_are(self, project: Project) -> None:
        project.write({"runproj.yaml": ONE.replace("kind: venv,", 'kind: venv, python: "3.99",')})

        for command in (("run", "."), ("lock",), ("env", "build")):
            done = project.run(*command).ok(4)
            assert "no Python 3.99 on this machine; found: 3." in done.err
            assert "/python" in done.err
            assert "uv python install" in done.err

    def test_environments_may_have_different_pythons(self, project: Project) -> None:
        path = project.computer.variables["PATH"]
        others = [
            found
            for minor in range(9, 15)
            if minor != sys.version_info[1] and (found := _python(minor, path)) is not None
        ]
        if not others:
            pytest.skip("there is one Python only")
        python, folder = others[0]
        text = TWO.replace("other: {kind: venv,", f'other: {{kind: venv, python: "{python}",')
        minor = "import sys; print(sys.version_info[1])"
        project.write({"runproj.yaml": text.replace("import tiny; print(tiny.version)", minor)})
        project.run("run", ".", env={"PATH": f"{folder}:{path}"}).ok()

        project.run("get", "latest", "--to", "../got").ok()
        got = {path.read_text() for path in (project.computer.root / "got").rglob("*.txt")}
        assert len(got) == 2
        assert f"{python.partition('.')[2]}\n" in got


def _python(minor: int, path: str) -> tuple[str, Path] | None:
    """Return version and folder of an interpreter that works, if there is one."""
    homes = [Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv") / "versions"]
    places = [place for home in homes for place in home.glob(f"3.{minor}.*/bin/python3.{minor}")]
    found = shutil.which(f"python3.{minor}", path=path)
    if found is not None and "shims" not in found:
        places.append(Path(found))
    for place in places:
        if place.stat().st_mode & stat.S_IXUSR:
            return f"3.{minor}", place.parent
    return None
