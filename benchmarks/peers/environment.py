"""An environment of numpy, pandas and scikit-learn: one that is there, and one that is built."""

import platform
import re
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks.peers import projects
from benchmarks.peers.case import OURS, Bench, Case, Entry, Goal
from benchmarks.peers.works import Step, Work

_PACKAGES = ("numpy", "pandas", "scikit-learn")
_SYSTEM, _UV, _COPIES = "runproj, no environment", "uv", "uv, copies"


def cases(bench: Bench, peers: Sequence[str], *, small: bool) -> list[Case]:
    """Return the cases; the same exact versions everywhere, and all packages at hand."""
    work = _Environment(bench, ("six",) if small else _PACKAGES, with_mlflow="mlflow" in peers)
    there = Goal("at most 20 ms above no environment",
                 lambda found: (found.cpu() - found.cpu(_SYSTEM)) * 1000, 20, "ms")  # fmt: skip
    beside = [_beside(_UV), _beside(_COPIES)]
    shown = f"environment of {', '.join(work.packages)}"
    return [
        Case("environment-there", f"{shown}, there already, and a step", work.there, goals=[there]),
        Case("environment-warm", f"{shown}, built from packages at hand", work.warm, goals=beside),
    ]


def _beside(peer: str) -> Goal:
    return Goal(f"at most 1.3 x {peer}", lambda found: found.cpu() / found.cpu(peer), 1.3)


class _Environment:
    """A project with an environment, the same for MLflow, and its lock for bare uv."""

    def __init__(self, bench: Bench, packages: Sequence[str], *, with_mlflow: bool) -> None:
        self.bench = bench
        self.packages = packages
        self.with_mlflow = with_mlflow
        self.program = bench.tools.program(OURS)

    def there(self) -> list[Entry]:
        """Return a trivial step in the environment, and how uv finds that nothing is to do."""
        folder, none = self._ready(), self.bench.fresh("environment", "none")
        step = Work((Step("one", "true"),))
        projects.write(projects.runproj(step, more=", cache: false"), none)
        run = [self.program, "run", ".", "-q"]
        entries = [
            Entry(OURS, run, folder),
            Entry(_SYSTEM, run, none),
            Entry(_UV, self._sync("hardlink"), folder, self._built("hardlink")),
        ]
        if self.with_mlflow:
            entries.append(Entry("mlflow", self._mlflow(), folder))
        return entries

    def warm(self) -> list[Entry]:
        """Return what builds the environment."""
        folder = self._ready()
        remove = [self.program, "env", "remove", "--all"]
        entries = [
            Entry(OURS, [self.program, "env", "build"], folder,
                  lambda: self.bench.do(remove, folder)),
            Entry(_UV, self._built_by("hardlink"), folder, self._gone),
            Entry(_COPIES, self._built_by("copy"), folder, self._gone),
        ]  # fmt: skip
        if self.with_mlflow:
            entries.append(Entry("mlflow", self._mlflow(), folder, self._mlflow_gone))
        return entries

    def _ready(self) -> Path:
        """Return the folder, with a lock, and every package fetched and unpacked."""
        folder = self.bench.folder / "environment" / "project"
        if folder.exists():
            return folder
        folder.mkdir(parents=True)
        python = self.bench.tools.minor
        listed = ", ".join(self.packages)
        head = (
            f"environments: {{default: {{kind: venv, python: '{python}', packages: [{listed}]}}}}"
        )
        work = Work((Step("one", "true"),))
        files = projects.runproj(work, head=head, more=", cache: false")
        projects.write(files, folder)
        for command in (["lock"], ["env", "build"]):
            self.bench.do([self.program, *command], folder)
        lock = (folder / "locks" / "pylock.default.toml").read_text(encoding="utf-8")
        (folder / "pylock.toml").write_text(lock, encoding="utf-8")
        pins = re.findall(r'^name = "(.+)"\nversion = "(.+)"', lock, re.MULTILINE)
        (folder / "requirements.txt").write_text(
            "".join(f"{name}=={version}\n" for name, version in pins), encoding="utf-8"
        )
        needs = "- -r requirements.txt\n"
        full = platform.python_version()
        mlproject = projects.mlflow(work)["MLproject"]
        projects.write(
            {"MLproject": f"python_env: python_env.yaml\n{mlproject}",
             "python_env.yaml": f"python: '{full}'\ndependencies:\n{needs}"}, folder,
        )  # fmt: skip
        return folder

    def _sync(self, mode: str) -> list[str]:
        return [self.bench.tools.uv, "pip", "sync", "--python", "bare", "--preview-features",
                "pylock", "--link-mode", mode, "pylock.toml"]  # fmt: skip

    def _built_by(self, mode: str) -> list[str]:
        tools = self.bench.tools
        made = f"{tools.uv} venv --quiet --python {tools.base} bare"
        return ["sh", "-c", f"{made} && {' '.join(self._sync(mode))}"]

    def _built(self, mode: str) -> Callable[[], None]:
        def build() -> None:
            folder = self._ready()
            if not (folder / "bare").exists():
                self.bench.do(self._built_by(mode), folder)

        return build

    def _gone(self) -> None:
        shutil.rmtree(self._ready() / "bare", ignore_errors=True)

    def _mlflow(self) -> list[str]:
        return [self.bench.tools.program("mlflow"), "run", ".", "--env-manager", "uv"]

    def _mlflow_gone(self) -> None:
        shutil.rmtree(self.bench.tools.scratch / "home" / ".mlflow" / "envs", ignore_errors=True)
