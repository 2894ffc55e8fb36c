"""Another judge of conda environments: conda itself, which shares no code with py-rattler.

Conda is on PyPI only inside of another wheel, which has its sources whole.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import pytest
import yaml
from tests.channels import Channel, module, python, tool

from runproj.adapters.environments.archives import FolderArchives
from runproj.adapters.environments.conda import CondaBackend
from runproj.adapters.environments.conda_importing import ImportingConda
from runproj.errors import EnvironmentFailed
from runproj.lock import conda
from runproj.lock.conda import CondaLock, CondaSpec
from runproj.lock.lock import Declaration
from runproj.model import canonical

_PINS = (
    "conda-lock==4.0.3", "pluggy", "tqdm", "conda-package-handling", "pycosat", "archspec",
)  # fmt: skip
_FOREIGN = ("CONDA", "PYTHON", "MAMBA", "RATTLER", "VIRTUAL_ENV")


class Judge(NamedTuple):
    """A conda with its own folders; ``sources`` are where its code is."""

    python: Path
    sources: str
    folder: Path

    def run(self, *arguments: str) -> str:
        """Run a command of conda; return what it prints."""
        kept = {
            name: text for name, text in os.environ.items() if not name.startswith(_FOREIGN)
        } | {
            "PYTHONPATH": self.sources, "CONDARC": os.devnull, "HOME": str(self.folder),
            "CONDA_PKGS_DIRS": str(self.folder / "packages"), "CONDA_REPORT_ERRORS": "false",
            "CONDA_ENVS_DIRS": str(self.folder / "environments"), "CONDA_SOLVER": "classic",
            "CONDA_CHANNEL_PRIORITY": "strict", "CONDA_ADD_PIP_AS_PYTHON_DEPENDENCY": "false",
            "CONDA_OVERRIDE_GLIBC": "2.17",
        }  # fmt: skip
        done = subprocess.run(
            [str(self.python), "-m", "conda", *arguments],
            env=kept, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, f"conda {arguments[0]}: {done.stderr}{done.stdout}"
        return done.stdout

    def solved(self, channels: Sequence[str], specs: Sequence[str]) -> set[str]:
        """Return what conda would install, as name-version-build."""
        chosen = [option for one in channels for option in ("--channel", one)]
        answer = json.loads(self.run(
            "create", "--dry-run", "--json", "--yes", "--override-channels", *chosen,
            "--prefix", str(self.folder / "never"), *specs,
        ))  # fmt: skip
        return {one["dist_name"] for one in answer["actions"]["LINK"]}


@pytest.fixture(scope="session")
def judge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Judge]:
    """Conda in its own environment; without an index of packages the test is skipped."""
    folder = tmp_path_factory.mktemp("judge")
    interpreter = folder / "venv/bin/python"
    uv = shutil.which("uv") or "uv"
    for command in (
        [uv, "venv", "--quiet", "--python", sys.executable, str(folder / "venv")],
        [uv, "pip", "install", "--quiet", "--python", str(interpreter), *_PINS],
    ):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            assert "RUNPROJ_CI" not in os.environ, done.stderr
            pytest.skip(f"conda is not to be had: {done.stderr[-300:]}")
    code = "import importlib.util as u; print(u.find_spec('conda_lock').origin)"
    found = subprocess.run([interpreter, "-c", code], capture_output=True, text=True, check=True)
    yield Judge(interpreter, str(Path(found.stdout.strip()).parent / "_vendor"), folder)
    shutil.rmtree(folder, ignore_errors=True)  # a hundred megabytes


@pytest.fixture
def channel(tmp_path: Path) -> Channel:
    return Channel(tmp_path / "channel").add(
        python(), tool(), module("tiny", "1.0"), module("tiny", "1.1"), module("tiny", "2.0"),
        module("old", "1.0", depends=["tiny <2"], extension=".tar.bz2"),
        module("both", "0.9"), module("both", "1.0", depends=["old", "tiny >=1.1"]),
    )  # fmt: skip


def locked(
    root: Path, channels: Sequence[str], specs: Sequence[str], file: str | None = None
) -> CondaLock:
    """Solve, or take the lock from a file."""
    spec = CondaSpec(channels=tuple(channels), dependencies=tuple(specs), virtual_packages={})
    declaration = Declaration(kind="conda", conda=canonical(spec).decode())
    caller = {"PATH": os.environ["PATH"], "HOME": str(root)}
    cache, archives = str(root / "cache"), FolderArchives(str(root / "data"))
    backend = (
        CondaBackend(cache, archives, caller)
        if file is None
        else ImportingConda(cache, archives, caller, file)
    )
    return conda.read(backend.lock(declaration, None, print).content)


def names(lock: CondaLock) -> set[str]:
    return {f"{one['name']}-{one['version']}-{one['build']}" for one in lock.packages}


def test_conda_picks_the_same_packages(judge: Judge, channel: Channel, tmp_path: Path) -> None:
    second = Channel(tmp_path / "second").add(module("tiny", "9.9"), module("alone", "1.0"))
    one, two = [channel.url], [channel.url, second.url]
    cases = [
        (one, ["tiny"]), (one, ["tiny=1"]), (one, ["tiny>=1,<2", "tool"]), (one, ["tiny=1.0=0"]),
        (one, ["old"]), (one, ["both"]), (two, ["tiny", "alone"]),
    ]  # fmt: skip

    for channels, specs in cases:
        assert names(locked(tmp_path, channels, specs)) == judge.solved(channels, specs), specs


def test_conda_refuses_what_a_weaker_channel_has(
    judge: Judge, channel: Channel, tmp_path: Path
) -> None:
    second = Channel(tmp_path / "second").add(module("tiny", "9.9"))

    for specs in (["tiny=9.9"], ["tiny>=3"]):
        with pytest.raises(AssertionError, match="UnsatisfiableError"):
            judge.solved([channel.url, second.url], specs)
        with pytest.raises(EnvironmentFailed, match="strict channel priority"):
            locked(tmp_path, [channel.url, second.url], specs)


def test_conda_takes_the_exported_environment_file(
    judge: Judge, channel: Channel, tmp_path: Path
) -> None:
    lock = locked(tmp_path, [channel.url], ["old", "tool"])
    wanted = yaml.safe_load(conda.environment_file(lock))

    assert judge.solved(wanted["channels"], wanted["dependencies"]) == names(lock)


def test_conda_installs_what_is_exported(judge: Judge, channel: Channel, tmp_path: Path) -> None:
    lock = locked(tmp_path, [channel.url], ["both", "tool"])
    listed = tmp_path / "explicit.txt"
    listed.write_text(conda.explicit(lock), encoding="utf-8")
    prefix = tmp_path / "made"

    judge.run("create", "--yes", "--quiet", "--prefix", str(prefix), "--file", str(listed))

    there = json.loads(judge.run("list", "--json", "--prefix", str(prefix)))
    assert {one["dist_name"] for one in there} == names(lock)
    told = subprocess.run([prefix / "bin/tiny"], capture_output=True, text=True, check=True)
    assert told.stdout == "tiny 1.1\n"
    listed.write_text(judge.run("list", "--explicit", "--md5", "--prefix", str(prefix)))
    again = locked(tmp_path, [channel.url], ["both", "tool"], str(listed))
    assert conda.identity(again) == conda.identity(lock)
