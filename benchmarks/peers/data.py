"""One large file in, and many files out: the first time, and with nothing changed."""

import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.peers import projects
from benchmarks.peers.case import OURS, Bench, Case, Entry, Found, Goal
from benchmarks.peers.works import DATA, Step, Work

_MAKER = """\
import os, sys
os.makedirs("many", exist_ok=True)
for number in range(int(sys.argv[1])):
    with open(f"many/{number}.bin", "wb") as file:
        file.write(number.to_bytes(8, "big") * 2560)
"""
_LIMIT = """\
import hashlib, os, shutil, subprocess, sys
command, where = sys.argv[1:]
subprocess.run(command, shell=True, check=True)
os.makedirs("kept")
for name in os.listdir(where):
    with open(os.path.join(where, name), "rb") as file:
        hashlib.file_digest(file, "sha256")
    shutil.copyfile(os.path.join(where, name), f"kept/{name}")
"""
_LIMITED = "bare"
_TINY = "runproj, one byte"


def cases(bench: Bench, peers: Sequence[str], *, small: bool) -> list[Case]:
    """Return the cases."""
    megabytes, count = (20, 100) if small else (2000, 10_000)
    large = f"{DATA}/large.bin"
    read = Step("one", f"head -c 1 {large} > head.txt", (large,), ("head.txt",))
    make = Step("one", f"{bench.tools.python} make.py {count}", ("make.py",), ("many/",))
    tools = [OURS, *(peer for peer in peers if peer in ("dvc", "snakemake"))]
    shown = f"{megabytes / 1000:g} GB in, one file", f"{count:,} files of 20 KB out"
    return [
        *_pair("large", shown[0], _Data(bench, "large", read, megabytes, tools)),
        *_pair("many", shown[1], _Data(bench, "many", make, 0, tools)),
    ]


def _pair(kind: str, shown: str, work: "_Data") -> list[Case]:
    return [
        Case(f"{kind}-first", f"{shown}, first time", work.first,
             goals=[Goal("at most 1.2 x hash and one copy",
                         lambda found: found.cpu() / found.cpu(_LIMITED), 1.2)]),
        Case(f"{kind}-again", f"{shown}, nothing changed", work.again,
             goals=[Goal("only looked at: at most 50 ms above one byte", _above_tiny, 50, "ms")]),
    ]  # fmt: skip


def _above_tiny(found: Found) -> float:
    return (found.cpu() - found.cpu(_TINY)) * 1000


@dataclass(frozen=True)
class _Data:
    """A step with much data, in a folder for each tool."""

    bench: Bench
    kind: str
    step: Step
    megabytes: int
    tools: Sequence[str]

    def first(self) -> list[Entry]:
        """Return what the tools do the first time, and the limit: the step, a hash, one copy."""
        entries = []
        for tool in (*self.tools, _LIMITED):
            folder = self.bench.fresh(self.kind, tool)
            self._fill(folder, self.megabytes)
            entries.append(Entry(tool, self._command(tool), folder, self._anew(tool, folder)))
        return entries

    def again(self) -> list[Entry]:
        """Return what the tools do when nothing changed since, and runproj with hardly any data."""
        entries = []
        for tool in self.tools:
            folder = self.bench.folder / self.kind / tool
            command = projects.command(self.bench.tools, tool)
            entries.append(Entry(tool, command, folder))
        tiny = self.bench.fresh(self.kind, "tiny")
        self._fill(tiny, 0)
        self._anew(OURS, tiny, count="1")()
        command = projects.command(self.bench.tools, OURS)
        self.bench.do(command, tiny)
        return [*entries, Entry(_TINY, command, tiny)]

    def _command(self, tool: str) -> Sequence[str]:
        tools = self.bench.tools
        where = DATA if self.megabytes else "many"
        if tool == _LIMITED:
            return [tools.python, "-c", _LIMIT, self.step.command, where]
        command = projects.command(tools, tool)
        if tool == "dvc" and self.megabytes:  # otherwise it would keep no copy
            program = tools.program("dvc")
            return ["sh", "-c", f"{program} add -q {DATA}/large.bin && {program} repro -q"]
        return command

    def _fill(self, folder: Path, megabytes: int) -> None:
        (folder / DATA).mkdir()
        piece = os.urandom(1_000_000)
        with (folder / DATA / "large.bin").open("wb") as file:
            file.write(b"x")
            for number in range(megabytes):
                file.write(number.to_bytes(8, "big") + piece[8:])
        self.bench.do(["git", "init", "--quiet"], folder)

    def _anew(self, tool: str, folder: Path, *, count: str | None = None) -> Callable[[], None]:
        step = self.step
        if count and not self.megabytes:
            step = step._replace(command=f"{step.command.rpartition(' ')[0]} {count}")
        files = {} if tool == _LIMITED else projects.WRITERS[tool](Work((step,)))

        def anew() -> None:
            for place in folder.iterdir():
                if place.name not in (DATA, ".git"):
                    shutil.rmtree(place) if place.is_dir() else place.unlink()
            projects.write({**files, "make.py": _MAKER}, folder)

        return anew
