"""Conda environments where it is hard: full disks, several at once, killed, archives that change."""

import random
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from tests.adapters.machine import Quiet, serving
from tests.channels import Channel, File, Package, module, python, tool
from tests.cli.commandline import Computer, Project, until
from tests.cli.test_hard_places import small_disk
from tests.wheels import build_index, build_wheel

PROJECT = """\
runproj: 1
environments:
  default: {{kind: conda, channels: ["{channel}"], dependencies: [{dependencies}]}}
entry_points: {{main: {{command: tool}}}}
"""


def much() -> Package:
    """Return a package that cannot be packed small."""
    package = Package("much", "1.0")
    package.files["share/much.bin"] = File(
        random.Random(0).randbytes(400_000)  # noqa: S311 -- the same each time, no secret
    )
    return package


def slow(begun: Path, allowed: Path) -> Package:
    """Return a package whose environment is not built before it is ``allowed``."""
    package = Package("slow", "1.0")
    package.add(
        "etc/conda/activate.d/slow.sh",
        f"echo x >> '{begun}'\nwhile [ ! -e '{allowed}' ]; do /bin/sleep 0.05; done\n",
    )
    return package


def made(computer: Computer, channel: str, dependencies: str) -> Project:
    text = PROJECT.format(channel=channel, dependencies=dependencies)
    return computer.project({"runproj.yaml": text})


@pytest.fixture
def channel(tmp_path: Path) -> Channel:
    return Channel(tmp_path / "channel").add(tool(), much())


@pytest.mark.parametrize("variable", ["XDG_CACHE_HOME", "XDG_DATA_HOME"])
def test_a_full_disk_is_named_and_nothing_half_is_used(
    computer: Computer, channel: Channel, tmp_path: Path, variable: str
) -> None:
    project = made(computer, channel.url, "tool, much")
    project.run("lock").ok()
    shutil.rmtree(project.computer.home / ".local", ignore_errors=True)
    with small_disk(tmp_path / "small", "128k") as place:
        more = {variable: str(place)}
        for _ in range(2):  # no half of it is taken for whole
            done = project.run("run", ".", env=more).ok(4)
            assert "No space left on device" in done.err
            assert "make room" in done.err
            assert not list(place.rglob("ready.json"))
            assert not list(place.rglob("much-*"))
        subprocess.run(["mount", "-o", "remount,size=64m", str(place)], check=True)
        project.run("run", ".", env=more).ok()


def test_a_cache_that_can_only_be_read_is_named_and_serves_what_is_there(
    computer: Computer, channel: Channel, tmp_path: Path
) -> None:
    project = made(computer, channel.url, "tool")
    project.run("lock").ok()
    with small_disk(tmp_path / "read-only", "64m") as place:
        more = {"XDG_CACHE_HOME": str(place)}
        project.run("env", "build", env=more).ok()
        project.write({"runproj.yaml": PROJECT.format(channel=channel.url, dependencies="much")})
        project.run("lock").ok()
        subprocess.run(["mount", "-o", "remount,ro", str(place)], check=True)

        done = project.run("env", "build", env=more).ok(4)
        assert "Read-only file system" in done.err
        assert "XDG_CACHE_HOME" in done.err
        project.write({"runproj.yaml": PROJECT.format(channel=channel.url, dependencies="tool")})
        project.run("lock").ok()
        there = project.run("env", "build", env=more).ok()
        assert "building" not in there.err


@pytest.fixture
def waiting(computer: Computer, channel: Channel, tmp_path: Path) -> Project:
    """A project whose environment is being built until a file ``allowed`` is there."""
    channel.add(slow(tmp_path / "begun", tmp_path / "allowed"))
    project = made(computer, channel.url, "tool, slow")
    project.run("lock").ok()
    return project


def test_a_killed_build_is_followed_by_a_clean_one(waiting: Project, tmp_path: Path) -> None:
    process = waiting.start("run", ".")
    until((tmp_path / "begun").exists, "the build begins")
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert list(waiting.computer.home.rglob("conda-meta/tool-*.json"))  # it looks like one
    assert not list(waiting.computer.home.rglob("ready.json"))
    second = waiting.start("run", ".")
    (tmp_path / "allowed").touch()

    _, said = second.communicate(timeout=60)

    assert second.returncode == 0, said
    assert b"built: 2 packages" in said
    assert len(list(waiting.computer.home.rglob("ready.json"))) == 1
    process.communicate()


def test_two_runs_at_once_build_once_and_one_says_that_it_waits(
    waiting: Project, tmp_path: Path
) -> None:
    first = waiting.start("run", ".")
    until((tmp_path / "begun").exists, "the build begins")
    second = waiting.start("run", ".")
    assert second.stderr is not None
    said = b""
    while b"waiting for another runproj" not in said:
        line = second.stderr.readline()
        assert line, said
        said += line
    (tmp_path / "allowed").touch()

    both = [process.communicate(timeout=60)[1] for process in (first, second)]

    assert [process.returncode for process in (first, second)] == [0, 0], both
    assert [b"built: 2 packages" in text for text in both] == [True, False]


class Remote(NamedTuple):
    """A project whose packages come from a server; ``files`` are what it serves."""

    project: Project
    package: Path
    wheel: Path
    channel: Channel


@pytest.fixture
def remote(computer: Computer, tmp_path: Path) -> Iterator[Remote]:
    served = tmp_path / "served"
    channel = Channel(served / "channel").add(python(), tool(), module("tiny", "1.0"))
    build_wheel(tmp_path / "wheels", "word", "2.0")
    build_index(served / "simple", sorted((tmp_path / "wheels").iterdir()))
    with serving(served, Quiet) as address:
        computer.variables |= {
            "UV_DEFAULT_INDEX": f"{address}/simple", "UV_HTTP_RETRIES": "0",
            "UV_CACHE_DIR": str(tmp_path / "uv"), "NO_PROXY": "127.0.0.1",
        }  # fmt: skip
        project = made(computer, f"{address}/channel", "python, tool, tiny, {pip: [word]}")
        project.run("lock").ok()
        wheel = next((served / "simple").rglob("word-*.whl"))
        yield Remote(project, channel.place(module("tiny", "1.0")), wheel, channel)


def lose_archives(project: Project) -> None:
    for folder in (".local", ".cache"):
        shutil.rmtree(project.computer.home / folder, ignore_errors=True)
    shutil.rmtree(project.computer.root / "uv", ignore_errors=True)


@pytest.mark.parametrize("which", ["package", "wheel"])
def test_an_archive_that_vanishes_or_changes_is_named_and_the_next_try_is_clean(
    remote: Remote, which: str
) -> None:
    project = remote.project
    file: Path = getattr(remote, which)
    name = {"package": "tiny=1.0=0", "wheel": "word==2.0"}[which]
    good = file.read_bytes()
    lose_archives(project)

    file.unlink()
    assert f"a file that the lock names is gone: {name}" in project.run("run", ".").ok(4).err
    file.write_bytes(good + b"?")
    assert f"a package is not what the lock says: {name}" in project.run("run", ".").ok(4).err

    assert not list(project.computer.home.rglob("ready.json"))
    assert not list(project.computer.home.rglob("conda-meta"))
    file.write_bytes(good)
    project.run("run", ".").ok()
    assert len(list(project.computer.home.rglob("ready.json"))) == 1


def test_without_the_network_all_that_is_missing_is_named(remote: Remote) -> None:
    project = remote.project
    project.run("run", ".").ok()
    shutil.rmtree(project.computer.home / ".cache")
    shutil.rmtree(project.computer.root / "uv", ignore_errors=True)
    shutil.rmtree(remote.channel.folder.parent)
    project.run("run", ".", "--offline", "--force").ok()
    lose_archives(project)

    done = project.run("run", ".", "--offline", "--force").ok(4)

    for name in ("python=", "tool=2.0=0", "tiny=1.0=0", "word==2.0"):
        assert name in done.err
    assert "do it once without --offline" in done.err
