"""Locks of other tools are taken over, as a user types it."""

import hashlib
import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from tests.channels import PLATFORM, Channel, Package, gpu, module, python, tool
from tests.cli.commandline import Computer, Project
from tests.wheels import build_wheel

PROJECT = """\
runproj: 1
environments: {default: {kind: conda, file: environment.yaml}}
entry_points:
  main: {command: %s, stdout: said.txt}
"""
OLD, NEW = module("tiny", "1.0"), module("tiny", "2.0")


@pytest.fixture
def channel(tmp_path: Path) -> Channel:
    return Channel(tmp_path / "channel").add(python(), tool(), OLD, NEW, gpu())


def made(computer: Computer, channel: Channel, dependencies: str, command: str = "tiny") -> Project:
    text = f"channels: [{channel.url}]\ndependencies: {dependencies}\n"
    return computer.project({"runproj.yaml": PROJECT % command, "environment.yaml": text})


def url(channel: Channel, package: Package) -> str:
    return channel.place(package).as_uri()


def digest(channel: Channel, package: Package, how: str) -> str:
    return hashlib.new(how, channel.place(package).read_bytes()).hexdigest()


def explicit(channel: Channel, *packages: Package, how: str = "md5") -> str:
    lines = [f"{url(channel, one)}#{digest(channel, one, how)}" for one in packages]
    return "\n".join(["# made by conda", f"# platform: {PLATFORM}", "@EXPLICIT", *lines, ""])


def locked(project: Project) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((project.folder / "locks/conda.default.json").read_text())
    return found


def said(project: Project) -> str:
    folder = project.computer.root / "got"
    shutil.rmtree(folder, ignore_errors=True)
    project.run("get", "latest", "--to", str(folder)).ok()
    return (folder / "said.txt").read_text()


def pixi(channel: Channel, *packages: Package, wheel: Mapping[str, str] | None = None) -> str:
    """Return a pixi.lock of version 6, as pixi writes it."""
    conda = [{"conda": url(channel, one)} for one in packages]
    pip = [] if wheel is None else [{"pypi": wheel["url"]}]
    known = [
        {
            "conda": url(channel, one), "md5": digest(channel, one, "md5"),
            "sha256": digest(channel, one, "sha256"), "depends": list(one.depends),
            "subdir": one.subdir,  # of a folder's
        }
        for one in packages
    ]  # fmt: skip
    pypi = [] if wheel is None else [
        {"pypi": wheel["url"], "name": "word", "version": "2.0", "sha256": wheel["sha256"]}
    ]  # fmt: skip
    return json.dumps({
        "version": 6,
        "environments": {
            "default": {
                "channels": [{"url": channel.url}],
                "indexes": ["https://index.example/simple"],
                "packages": {PLATFORM: conda + pip, "osx-arm64": []},
            }
        },
        "packages": [*known, *pypi],
    })  # fmt: skip


def conda_lock(
    channel: Channel, *packages: Package, wheel: Mapping[str, str] | None = None,
    platform: str = PLATFORM,
) -> str:  # fmt: skip
    """Return a conda-lock.yml of version 1, as conda-lock writes it."""
    usual = {"platform": platform, "dependencies": {}, "category": "main", "optional": False}
    known: list[dict[str, Any]] = [
        {
            "name": one.name, "version": one.version, "manager": "conda", "url": url(channel, one),
            "hash": {how: digest(channel, one, how) for how in ("md5", "sha256")}, **usual,
        }
        for one in packages
    ]  # fmt: skip
    if wheel is not None:
        known.append({
            "name": "word", "version": "2.0", "manager": "pip", "url": wheel["url"],
            "hash": {"sha256": wheel["sha256"]}, **usual,
        })  # fmt: skip
    return json.dumps({
        "version": 1,
        "metadata": {
            "content_hash": {platform: "0" * 64}, "platforms": [platform],
            "channels": [{"url": channel.url, "used_env_vars": []}], "sources": ["e.yml"],
        },
        "package": known,
    })  # fmt: skip


@pytest.fixture
def wheel(tmp_path: Path) -> dict[str, str]:
    build_wheel(tmp_path / "wheels", "word", "2.0")
    [file] = (tmp_path / "wheels").glob("word-*.whl")
    return {"url": file.as_uri(), "sha256": hashlib.sha256(file.read_bytes()).hexdigest()}


@pytest.mark.parametrize("how", ["md5", "sha256"])
def test_a_list_of_conda_is_taken(computer: Computer, channel: Channel, how: str) -> None:
    project = made(computer, channel, "[tiny]")
    project.write({"explicit.txt": explicit(channel, OLD, python(), how=how)})

    done = project.run("lock", "default", "--from", "explicit.txt").ok()

    assert "tiny" in done.out
    first, second = locked(project)["packages"]
    assert (first["name"], second["name"], second["version"]) == ("python", "tiny", "1.0")
    assert second["sha256"] == digest(channel, OLD, "sha256")
    assert second["depends"] == ["python >=3.8"]
    project.run("lock", "--check").ok()
    project.run("run", ".", "--locked").ok()
    assert said(project) == "tiny 1.0\n"


@pytest.mark.parametrize("kind", [pixi, conda_lock])
def test_locks_of_others_are_taken_with_their_part_of_pip(
    computer: Computer,
    channel: Channel,
    wheel: dict[str, str],
    kind: Any,  # noqa: ANN401 -- one of two functions
) -> None:
    command = "python -c 'import word; print(word.version)'"
    project = made(computer, channel, "[tiny, {pip: [word>=1]}]", f'"{command}"')
    project.write({"other.lock": kind(channel, OLD, python(), wheel=wheel)})

    project.run("lock", "default", "--from", "other.lock").ok()

    [taken] = locked(project)["pip"]
    assert (taken["name"], taken["version"], taken["sha256"]) == ("word", "2.0", wheel["sha256"])
    project.run("run", ".", "--locked").ok()
    assert said(project) == "2.0\n"


def test_what_is_exported_comes_back(computer: Computer, channel: Channel) -> None:
    project = made(computer, channel, "[tool]", "tool")
    project.run("lock").ok()
    before = locked(project)["packages"]
    for form in ("explicit", "pixi"):
        text = project.run("env", "export", "--format", form).ok().out
        project.write({"exported": text})
        (project.folder / "locks/conda.default.json").unlink()

        project.run("lock", "default", "--from", "exported").ok()

        after = locked(project)["packages"]
        keys = ("name", "version", "build", "url", "sha256", "depends")
        assert [[one[key] for key in keys] for one in after] == [
            [one[key] for key in keys] for one in before
        ]


def test_what_does_not_fit_is_named(
    computer: Computer, channel: Channel, wheel: dict[str, str]
) -> None:
    other = Channel(computer.root / "other").add(tool())
    project = made(computer, channel, "['tiny>=2', {pip: [word>=3, more]}]")
    project.write({"list": explicit(channel, OLD, gpu()) + explicit(other, tool())})

    said = project.run("lock", "default", "--from", "list").ok(4).err

    assert "the dependency 'tiny>=2' is not met by any package" in said
    assert f"tool-2.0-0.conda comes from no channel that is declared: {url(other, tool())}" in said
    assert "gpu needs __cuda >=12: declare it in virtual_packages" in said
    assert "the requirement 'more' of pip is not met: it is not there" in said
    assert "python" in said
    assert not (project.folder / "locks").exists()
    project.write({"pixi.lock": pixi(channel, NEW, python(), wheel=wheel)})
    said = project.run("lock", "default", "--from", "pixi.lock").ok(4).err
    assert "the requirement 'word>=3' of pip is not met by 2.0" in said
    project.write({"environment.yaml": f"channels: [{channel.url}]\ndependencies: [tiny]\n"})
    said = project.run("lock", "default", "--from", "pixi.lock").ok(4).err
    assert "it has packages of pip, and none is declared: word" in said


@pytest.mark.parametrize("how", ["md5", "sha256"])
def test_an_archive_is_what_the_list_says_or_nothing_is_written(
    computer: Computer, channel: Channel, how: str
) -> None:
    project = made(computer, channel, "[tool]", "tool")
    project.write({"list": explicit(channel, tool(), how=how)})
    channel.place(tool()).write_bytes(b"something else")

    done = project.run("lock", "default", "--from", "list").ok(4)

    assert "a package is not what the l" in done.err
    assert "tool-2.0-0.conda" in done.err
    assert not (project.folder / "locks").exists()


def test_a_list_that_is_none_is_said_to_be(computer: Computer, channel: Channel) -> None:
    project = made(computer, channel, "[tool]", "tool")
    bad = {
        "nonsense": "it is no @EXPLICIT list",
        "@EXPLICIT\nhttps://host/c/noarch/a-1-0.conda": "a-1-0.conda has no digest",
        "@EXPLICIT\na-1-0.conda": "a package must have a URL",
        f"@EXPLICIT\nhttps://me:{'s3cret'}@host/c/noarch/a-1-0.conda#{'a' * 64}": "token stands",
        conda_lock(channel, tool(), platform="osx-64"): "it has no packages for this machine",
    }
    for text, message in bad.items():
        project.write({"list": text})
        done = project.run("lock", "default", "--from", "list").ok(4)
        assert message in done.err
        assert "s3cret" not in done.err
    assert "cannot be read" in project.run("lock", "default", "--from", "none").ok(2).err
    done = project.run("lock", "--from", "list").ok(2)
    assert "runproj lock ENV --from FILE" in done.err
    done = project.run("lock", "default", "--from", "list", "--check").ok(2)
    assert "neither with --check nor with --upgrade" in done.err
