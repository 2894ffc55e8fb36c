"""Environments: one that is there, and one that is built with everything at hand, beside bare uv.

The floor: with hard links uv writes no file, and is done in a tenth of a second; a copy of the
same 6,000 files and 250 MB takes 1.3 to 2 s on ext4, whoever makes it (uv, cp, copy_file_range in
one thread or eight). runproj copies, see docs/decisions/0008, so it stays within 1.3 times uv's own
copy, and far from its hard links; where the file system clones files, it costs nearly nothing.

Usage: ``python benchmarks/environments.py [RUNS [PACKAGE…]]``. It locks the packages (default:
numpy, pandas, scikit-learn) from the package index that uv's settings name, builds the
environment once, so that archives and caches are warm, and then measures in turn, RUNS times
(default 7): ``runproj env build`` after ``env remove``, and ``uv venv`` with ``uv pip sync`` of
the same lock, with hard links (its default here) and with copies.

Medians of wall time and of CPU time of whole processes, children included.
"""

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

RUNPROJ = [sys.executable, "-c", "from runproj.cli.main import main; main()"]
PACKAGES = ("numpy", "pandas", "scikit-learn")
INSIDE = """
import os, statistics, sys, time
from runproj.app import projects
from runproj.cli.render.live import LiveReporter
project = projects.open_project(".", None)
preparer = project.preparer(dict(os.environ), LiveReporter(quiet=True), "auto")
environment = project.project.environments["default"]
times = []
for _ in range(20):
    pinned = preparer.pin("default", environment)
    start = time.perf_counter()
    ready = preparer.pinner.backends["venv"].prepare(pinned.declaration, pinned.lock, print)
    times.append(time.perf_counter() - start)
print(statistics.median(times) * 1000)
"""


class Cost(NamedTuple):
    """What something cost, in seconds."""

    wall: float
    cpu: float


def cost(commands: Sequence[Sequence[str]], folder: Path, variables: dict[str, str]) -> Cost:
    """Run commands in a folder, one after the other; return what they cost together."""
    start, before = time.perf_counter(), os.times()
    for command in commands:
        subprocess.run(command, cwd=folder, env=variables, check=True, capture_output=True)
    after = os.times()
    cpu = after.children_user + after.children_system
    return Cost(time.perf_counter() - start, cpu - before.children_user - before.children_system)


def main() -> None:
    """Print the table."""
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 7
    packages = sys.argv[2:] or PACKAGES
    uv = str(Path(sys.executable).with_name("uv"))
    with tempfile.TemporaryDirectory(dir=os.environ.get("BENCHMARK_DIR")) as name:
        folder = Path(name)
        variables = {
            **os.environ, "XDG_CACHE_HOME": f"{name}/cache", "XDG_DATA_HOME": f"{name}/data",
            "UV_CACHE_DIR": f"{name}/uv",
        }  # fmt: skip
        listed = json.dumps(list(packages))
        (folder / "runproj.yaml").write_text(
            f"runproj: 1\nenvironments: {{default: {{kind: venv, packages: {listed}}}}}\n"
            "entry_points: {main: {command: [python, -c, pass]}}\n",
            encoding="utf-8",
        )
        (folder / "uv.toml").touch()
        cost([[*RUNPROJ, "lock"], [*RUNPROJ, "env", "build"]], folder, variables)
        lock = folder / "pylock.toml"
        shutil.copy(folder / "locks/pylock.default.toml", lock)

        def ours() -> Cost:
            cost([[*RUNPROJ, "env", "remove", "--all"]], folder, variables)
            return cost([[*RUNPROJ, "env", "build"]], folder, variables)

        def theirs(mode: str) -> Callable[[], Cost]:
            install = [uv, "pip", "sync", "--python", "bare", "--preview-features", "pylock",
                       "--link-mode", mode, "pylock.toml"]  # fmt: skip

            def measured() -> Cost:
                shutil.rmtree(folder / "bare", ignore_errors=True)
                made = [uv, "venv", "--python", sys.executable, "bare"]
                return cost([made, install], folder, variables)

            return measured

        rows = {"runproj env build": ours, "uv, hard links": theirs("hardlink"),
                "uv, copies": theirs("copy")}  # fmt: skip
        for measure in rows.values():
            measure()  # uv has unpacked what it links from
        found: dict[str, list[Cost]] = {row: [] for row in rows}
        for _ in range(runs):
            for row, measure in rows.items():
                found[row].append(measure())
        print(f"{'everything at hand, median':<28}{'wall':>10}{'CPU':>10}{'ratio':>10}")
        base = statistics.median(one.wall for one in found["uv, hard links"])
        for row, costs in found.items():
            wall = statistics.median(one.wall for one in costs)
            cpu = statistics.median(one.cpu for one in costs)
            print(f"{row:<28}{wall * 1000:7.0f} ms{cpu * 1000:7.0f} ms{wall / base:8.2f} x")
        inside = subprocess.run(
            [sys.executable, "-c", INSIDE], cwd=folder, env=variables, check=True,
            capture_output=True, text=True,
        )  # fmt: skip
        print(f"{'an environment that is there':<28}{float(inside.stdout):7.1f} ms")


if __name__ == "__main__":
    main()
