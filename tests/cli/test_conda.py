"""Projects with conda environments, as a user types their commands."""

import json
import os
import shutil
import threading
import time
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import NamedTuple

import pytest
from tests.channels import Channel, gpu, module, python, tool
from tests.cli.commandline import Computer, Project
from tests.wheels import build_wheel

PROJECT = """\
runproj: 1
environments: {default: {kind: conda, file: environment.yaml}}
entry_points:
  main:
    command: sh -c 'tiny && python -c "import word; print(word.version)" && echo $TOOL_SET'
    stdout: said.txt
"""


@pytest.fixture
def channel(tmp_path: Path) -> Channel:
    channel = Channel(tmp_path / "channel")
    return channel.add(python(), tool(), module("tiny", "1.0"), module("tiny", "2.0"))


@pytest.fixture
def conda(computer: Computer, channel: Channel, tmp_path: Path) -> Project:
    build_wheel(tmp_path / "wheels", "word", "2.0")
    computer.variables |= {
        "UV_DEFAULT_INDEX": tmp_path.as_uri(), "UV_FIND_LINKS": str(tmp_path / "wheels"),
        "UV_CACHE_DIR": str(tmp_path / "uv"),
    }  # fmt: skip
    wanted = f"channels: [{channel.url}]\ndependencies: [python, tiny, tool, {{pip: [word]}}]\n"
    return computer.project({"runproj.yaml": PROJECT, "environment.yaml": f"name: mine\n{wanted}"})


def said(project: Project) -> str:
    folder = project.computer.root / "got"
    shutil.rmtree(folder, ignore_errors=True)
    project.run("get", "latest", "--to", str(folder)).ok()
    return (folder / "said.txt").read_text()


def forget(project: Project, channel: Channel) -> None:
    """Let everything be gone but the project, its store and the user's data."""
    shutil.rmtree(channel.folder)
    shutil.rmtree(project.computer.root / "wheels")
    shutil.rmtree(project.computer.root / "uv")
    shutil.rmtree(project.computer.home / ".cache")


def test_a_run_is_cached_and_verified_when_its_channel_is_gone(
    conda: Project, channel: Channel
) -> None:
    conda.run("run", ".").ok()
    assert said(conda) == "tiny 2.0\n2.0\nby a file\n"
    assert conda.run("run", ".", "--json").ok().steps() == {"main": "cached"}
    forget(conda, channel)

    verdict = conda.run("verify", "latest", "--json").ok()

    assert verdict.json["verify"]["verdict"] == "identical"
    assert "packages    4 archives" in conda.run("show", "latest").ok().out


def test_a_run_that_keeps_its_packages_needs_nothing_but_its_store(
    conda: Project, channel: Channel
) -> None:
    conda.run("run", ".", "--keep-packages").ok()
    forget(conda, channel)
    shutil.rmtree(conda.computer.home / ".local")

    conda.run("rerun", "latest").ok()


def test_an_archive_that_is_nowhere_is_named(conda: Project, channel: Channel) -> None:
    conda.run("run", ".").ok()
    forget(conda, channel)
    shutil.rmtree(conda.computer.home / ".local/share/runproj/archives")

    done = conda.run("rerun", "latest").ok(7)

    assert "is gone: tiny=2.0=0 (tiny-2.0-0.conda)" in done.err
    assert "is gone: word==2.0 (word-2.0-py3-none-any.whl)" in done.err


def test_the_lockfile_keeps_what_it_pins(conda: Project, channel: Channel) -> None:
    made = conda.run("lock").ok()
    assert "+  tiny    2.0" in made.out
    channel.add(module("tiny", "3.0"))

    assert "is current" in conda.run("lock").ok().out
    environment = (conda.folder / "environment.yaml").read_text()
    conda.write({"environment.yaml": environment.replace("name: mine", "name: yours # mine")})
    assert conda.run("lock", "--check").ok().out.split() == [
        "default", "current", "locks/conda.default.json",
    ]  # fmt: skip
    conda.write({"environment.yaml": environment.replace("tool,", 'tool, "tiny>=1",')})
    conda.run("lock", "--check").ok(5)
    conda.run("run", ".", "--locked").ok(4)
    conda.run("lock").ok()
    conda.run("run", ".", "--locked").ok()
    assert said(conda).startswith("tiny 2.0\n")
    upgraded = conda.run("lock", "--upgrade", "tiny").ok()
    assert "~  tiny  2.0 → 3.0" in upgraded.out
    again = conda.run("run", ".", "--dry-run").ok()
    assert "tiny 2.0 → 3.0" in again.out + again.err


def test_a_step_that_writes_into_its_environment_spoils_no_other_run(
    conda: Project, channel: Channel
) -> None:
    del channel
    text = PROJECT.replace(
        "sh -c 'tiny", "sh -c 'echo 1/0 | tee -a $CONDA_PREFIX/lib/python*/site-packages/tiny/__init__.py; tiny"
    )  # fmt: skip
    conda.write({"runproj.yaml": text})
    done = conda.run("run", ".").ok(1)
    assert "changed" in done.err
    conda.write({"runproj.yaml": PROJECT})

    conda.run("run", ".").ok()

    assert said(conda).startswith("tiny 2.0\n")


def test_what_the_machine_lacks_is_said_before_anything_runs(
    computer: Computer, channel: Channel
) -> None:
    channel.add(gpu())
    project = computer.project({
        "runproj.yaml": "runproj: 1\nenvironments:\n  default:\n    kind: conda\n"
        f"    channels: [{channel.url}]\n    dependencies: [gpu]\n"
        '    virtual_packages: {__cuda: "12.4"}\n'
        "entry_points:\n  main: {command: touch it-ran, outputs: [it-ran]}\n"
    })  # fmt: skip

    done = project.run("run", ".").ok(4)

    assert "gpu needs __cuda >=12, and this machine has none" in done.err


def test_todays_code_runs_in_the_environment_of_then(conda: Project, channel: Channel) -> None:
    conda.run("run", ".").ok()
    channel.add(module("tiny", "3.0"))

    done = conda.run("rerun", "latest", "--with-current-code").ok()

    assert "is new" not in done.out + done.err


def test_a_lock_is_exported_for_other_tools(conda: Project, channel: Channel) -> None:
    conda.run("lock").ok()

    listed = conda.run("env", "export").ok().out
    assert "@EXPLICIT" in listed
    assert f"{channel.url}/noarch/tiny-2.0-0.conda#" in listed
    assert "# pip: word==2.0 --hash=sha256:" in listed

    pinned = conda.run("env", "export", "--format", "environment").ok().out
    assert "  - tiny=2.0=0\n" in pinned
    assert "      - word==2.0\n" in pinned
    bill = json.loads(conda.run("env", "export", "--format", "cyclonedx").ok().out)
    assert {one["purl"].partition("@")[0] for one in bill["components"]} == {
        "pkg:conda/python", "pkg:conda/tiny", "pkg:conda/tool", "pkg:pypi/word"
    }  # fmt: skip

    refused = conda.run("env", "export", "--format", "pixi").ok(3)
    assert "packages of pip cannot be exported" in refused.err
    conda.write({"environment.yaml": f"channels: [{channel.url}]\ndependencies: [tiny]\n"})
    pixi = conda.run("env", "export", "default", "--format", "pixi").ok().out
    assert pixi.startswith("version: ")
    assert f"conda: {channel.folder}/noarch/tiny-2.0-0.conda" in pixi


def test_room_is_made_of_what_comes_again(conda: Project) -> None:
    conda.run("run", ".").ok()
    [used] = (conda.computer.home / ".cache/runproj/environments").glob("*/used")
    then = time.time() - 31 * 24 * 3600
    os.utime(used, (then, then))
    for archive in (conda.computer.home / ".local/share/runproj/archives").glob("??/*"):
        os.utime(archive, (then, then))

    kept = conda.run("gc", "--archives", "--json").ok().json["gc"]["holdings"]
    assert {one["kind"]: one["removed"] for one in kept}["archives"] == 0
    assert {one["kind"]: one["removed"] for one in kept}["environments"] == 1

    assert conda.run("verify", "latest", "--json").ok().json["verify"]["verdict"] == "identical"


def test_its_interpreter_is_no_undeclared_input(conda: Project) -> None:
    done = conda.run("run", ".", "--trace").ok()

    assert "does not declare" not in done.err


def test_environments_of_conda_are_listed_and_removed(conda: Project) -> None:
    conda.run("env", "build").ok()

    (listed,) = json.loads(conda.run("env", "list", "--json").ok().out)["environments"]
    assert (listed["kind"], listed["packages"]) == ("conda", 4)
    assert Path(listed["path"], "bin/tiny").exists()
    conda.run("env", "remove", "--all").ok()
    assert not Path(listed["path"]).exists()
    conda.run("run", ".").ok()


# ------------------------------------------------------------------ without the network


class Handler(SimpleHTTPRequestHandler):
    """Serves a channel, and notes who asked for what."""

    asked: list[str]

    def do_GET(self) -> None:
        self.asked.append(self.path)
        super().do_GET()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


class Served(NamedTuple):
    """A project with packages of a channel on the network; ``asked`` is what is asked there."""

    project: Project
    asked: list[str]
    url: str

    def lose_archives(self) -> None:
        shutil.rmtree(self.project.computer.home / ".local/share/runproj/archives")
        shutil.rmtree(self.project.computer.home / ".cache")
        self.asked.clear()


@pytest.fixture
def served(computer: Computer, channel: Channel) -> Iterator[Served]:
    Handler.asked = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(channel.folder)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    url = f"http://127.0.0.1:{server.server_port}"
    project = computer.project({
        "runproj.yaml": "runproj: 1\nenvironments:\n  default:\n    kind: conda\n"
        f"    channels: [{url}]\n    dependencies: [tool]\n"
        "entry_points:\n  main: {command: tool, stdout: said.txt}\n"
    })  # fmt: skip
    yield Served(project, Handler.asked, url)
    server.shutdown()
    thread.join()
    server.server_close()


def test_without_the_network_what_was_fetched_once_is_enough(served: Served) -> None:
    served.project.run("lock").ok()
    served.project.run("run", ".").ok()
    shutil.rmtree(served.project.computer.home / ".cache")
    served.asked.clear()

    served.project.run("run", ".", "--offline", "--force").ok()
    assert served.asked == []

    served.lose_archives()
    done = served.project.run("run", ".", "--offline", "--force").ok(4)
    assert "the channel cannot be reached for tool=2.0=0" in done.err
    assert "do it once without --offline" in done.err
    assert served.asked == []


def test_without_the_network_nothing_is_locked(served: Served) -> None:
    for command in (["run", "."], ["lock"]):
        done = served.project.run(*command, "--offline").ok(4)
        assert f"locking asks the channels {served.url}, and nothing asks the network" in done.err
        assert "lock it once without --offline" in done.err
    assert served.asked == []


def test_without_the_network_a_lock_of_others_is_taken_when_its_packages_are_here(
    served: Served,
) -> None:
    project = served.project
    project.run("lock").ok()
    project.run("run", ".").ok()
    [record] = json.loads((project.folder / "locks/conda.default.json").read_text())["packages"]
    project.write({"list": f"@EXPLICIT\n{record['url']}#sha256:{record['sha256']}\n"})
    (project.folder / "locks/conda.default.json").unlink()
    served.asked.clear()

    project.run("lock", "default", "--from", "list", "--offline").ok()

    project.run("run", ".", "--offline", "--locked").ok()
    project.write({"list": f"@EXPLICIT\n{record['url']}#{record['md5']}\n"})
    done = project.run("lock", "default", "--from", "list", "--offline").ok(4)
    assert "the channel cannot be reached for tool-2.0-0.conda" in done.err
    assert "do it once without --offline" in done.err
    assert served.asked == []
