"""Logging the points of a metric: beside lines of a file, and beside MLflow's client on SQLite."""

from collections.abc import Sequence
from pathlib import Path

from benchmarks.peers.case import OURS, Bench, Case, Entry, Found, Goal

_FEW = 1000
"""So many points are logged by MLflow, which needs milliseconds for each."""

_NONE = "runproj, no points"
_MLFLOW_NONE = "mlflow, no points"
_LINES_NONE = "lines, none"
_LINES = "lines"
_TRAIN = """\
import sys
import runproj
for step in range(int(sys.argv[1])):
    runproj.log_metric("loss", step * 0.5, step)
"""
_WRITE = """\
import sys
with open("lines", "w") as file:
    for step in range(int(sys.argv[1])):
        file.write("loss %d %r\\n" % (step, step * 0.5))
"""
_MLFLOW = """\
import sys
import mlflow
with mlflow.start_run():
    for step in range(int(sys.argv[1])):
        mlflow.log_metric("loss", step * 0.5, step)
"""
_PROJECT = """\
runproj: 1
entry_points:
  main:
    parameters: {points: {type: int}}
    command: python3 train.py {points}
    outputs: []
"""


def cases(bench: Bench, peers: Sequence[str], points: int) -> list[Case]:
    """Return the cases: writing so many points, and looking at the run that has them."""
    folder = bench.folder / "points"

    def write() -> list[Entry]:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in {
            "train.py": _TRAIN, "lines.py": _WRITE, "theirs.py": _MLFLOW, "runproj.yaml": _PROJECT,
        }.items():  # fmt: skip
            (folder / name).write_text(text, encoding="utf-8")
        python, ours = bench.tools.python, bench.tools.program(OURS)
        run = [ours, "run", ".", "--force"]
        made = [
            Entry(OURS, [*run, "-P", f"points={points}"], folder),
            Entry(_NONE, [*run, "-P", "points=0"], folder),
            Entry(_LINES, [python, "lines.py", str(points)], folder),
            Entry(_LINES_NONE, [python, "lines.py", "0"], folder),
        ]
        if "mlflow" in peers:
            theirs = bench.tools.program("mlflow", "python")
            made += [
                Entry("mlflow", [theirs, "theirs.py", str(_FEW)], folder),
                Entry(_MLFLOW_NONE, [theirs, "theirs.py", "0"], folder),
            ]
        return made

    def each(found: Found, tool: str, none: str, count: int) -> float:
        """Return what a point costs, in microseconds of CPU, with keeping it at the end."""
        return (found.cpu(tool) - found.cpu(none)) / count * 1e6

    def above_lines(found: Found) -> float:
        return each(found, OURS, _NONE, points) - each(found, _LINES, _LINES_NONE, points)

    def beside_mlflow(found: Found) -> float:
        theirs = each(found, "mlflow", _MLFLOW_NONE, _FEW)
        return theirs / each(found, OURS, _NONE, points)

    def look(*arguments: str) -> "list[Entry]":
        return [Entry(OURS, [bench.tools.program(OURS), *arguments], folder)]

    return [
        Case("points", f"{points:,} points of a metric (MLflow: {_FEW:,})", write, goals=[
            Goal("a point: at most 2 µs above a line", above_lines, 2, "µs"),
            Goal("a point: at least 100 x less than mlflow", beside_mlflow, 100, at_least=True),
        ], once=True),
        Case("points-show", f"show a run of {points:,} points",
             lambda: look("show", _with_points(folder)), goals=[_quick()]),
    ]  # fmt: skip


def _quick() -> Goal:
    return Goal("under 1 s", lambda found: found.cpu(), 1, "s")


def _with_points(folder: Path) -> str:
    """Return the id of the run with points: that with the largest object was the first."""
    runs = sorted((folder / ".runproj" / "runs").iterdir(), key=lambda one: one.stat().st_mtime)
    return runs[0].name
