"""Start-up and one trivial step, beside the bare command: CPU seconds of whole processes.

Usage: ``python benchmarks/start_up.py [RUNS]``. Each line is the median over RUNS (default
15) runs, children included, beside the bare command, measured in turn.
"""

import os
import statistics
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

RUNPROJ = [sys.executable, "-c", "from runproj.cli.main import main; main()"]
BARE = [sys.executable, "-c", "pass"]
PROJECT = """\
runproj: 1
environments: {default: {kind: venv}}
entry_points: {main: {command: [python, -c, pass], cache: false}}
"""
CACHED = PROJECT.replace(", cache: false", "")


def cpu_seconds(command: Sequence[str], folder: Path) -> float:
    """Run a command in a folder; return its CPU time with that of its children, in seconds."""
    pid = os.fork()
    if pid == 0:
        os.chdir(folder)
        null = os.open(os.devnull, os.O_RDWR)
        for stream in range(3):
            os.dup2(null, stream)
        os.execv(command[0], list(command))  # noqa: S606 -- this is the measured command
    _, status, usage = os.wait4(pid, 0)
    if status:
        sys.exit(f"{' '.join(command)} failed: {status}")
    return usage.ru_utime + usage.ru_stime


def compare(name: str, ours: Sequence[str], theirs: Sequence[str], folder: Path, runs: int) -> None:
    """Measure two commands in turn, and print a row."""
    cpu_seconds(ours, folder)
    pairs = [(cpu_seconds(ours, folder), cpu_seconds(theirs, folder)) for _ in range(runs)]
    mine, other = (statistics.median(column) for column in zip(*pairs, strict=True))
    above, ratio = (mine - other) * 1000, mine / other
    print(f"{name:<34}{mine * 1000:8.0f} ms{other * 1000:8.0f} ms{above:8.0f} ms{ratio:8.1f} x")


def main() -> None:
    """Print the table."""
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 15
    with tempfile.TemporaryDirectory() as name:
        step, cached = Path(name, "step"), Path(name, "cached")
        for folder, text in ((step, PROJECT), (cached, CACHED)):
            folder.mkdir()
            (folder / "runproj.yaml").write_text(text, encoding="utf-8")
        print(f"{'CPU time, median':<34}{'runproj':>11}{'bare':>11}{'above':>11}{'ratio':>10}")
        compare("--version", [*RUNPROJ, "--version"], BARE, step, runs)
        compare("--help", [*RUNPROJ, "--help"], BARE, step, runs)
        compare("one step, environment there", [*RUNPROJ, "run", "."], BARE, step, runs)
        compare("one step, nothing changed", [*RUNPROJ, "run", "."], BARE, cached, runs)
        compare("list", [*RUNPROJ, "list"], BARE, cached, runs)


if __name__ == "__main__":
    main()
