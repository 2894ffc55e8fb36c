"""What watching a step costs: ``--trace`` and ``--hermetic`` beside the plain command, as ratios.

Usage: ``python benchmarks/observing.py [RUNS] [PYTHON]``. Each command is executed as the local
executor executes it, in turn with the plain one; a figure is the median over RUNS (default 5) of
the wall time. PYTHON (default: this one) executes them; what it cannot import is left out. The
last columns are the lines that the tracer wrote, and the time to read them.
"""

import contextlib
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from runproj.adapters.executors.local import LocalExecutor
from runproj.adapters.executors.tracing import read
from runproj.engine.observe import DEVICES, SHARED_MEMORY, SYSTEM
from runproj.ports import Confinement, Execution

PYTHON = [*sys.argv[2:], sys.executable][0]
PREFIXES = "import sys; print(sys.prefix, sys.base_prefix, sep='\\n')"
FILES = 400
OPENS = "import os\nfor i in range(20000): os.close(os.open(f'{i % 400}', 0))"
STATS = "import os\nfor i in range(20000): os.stat(f'{i % 400}')"
WORK = "sum(i * i for i in range(10_000_000))"
COMMANDS = {
    "python -c pass": "pass",
    "python -c 'import numpy'": "import numpy",
    "ten million products": WORK,
    "20,000 files opened": OPENS,
    "20,000 files looked at": STATS,
}


class Way(NamedTuple):
    """A way to execute a command."""

    trace: bool
    confinement: Confinement


def seconds(executor: LocalExecutor, way: Way, code: str, folder: Path) -> float:
    """Execute a Python script in a folder; return its wall time in seconds.

    Raises:
        ValueError: it fails.
    """
    began = time.perf_counter()
    executor.start(
        Execution(
            name="step", argv=(PYTHON, "-c", code), directory=str(folder / "own"),
            variables={"PATH": "/usr/bin:/bin"}, on_output=lambda *_: None,
            trace=str(folder / "log") if way.trace else None, confinement=way.confinement,
        )
    )  # fmt: skip
    _, outcome = executor.wait()
    if not outcome.succeeded:
        raise ValueError(f"{code!r} failed: {outcome}")
    return time.perf_counter() - began


def row(executor: LocalExecutor, ways: list[Way], code: str, folder: Path, runs: int) -> str:
    """Measure a script in every way, in turn; return the cells of a row."""
    for way in ways:
        seconds(executor, way, code, folder)
    rounds = [[seconds(executor, way, code, folder) for way in ways] for _ in range(runs)]
    plain, *watched = (statistics.median(column) for column in zip(*rounds, strict=True))
    began = time.perf_counter()
    read(str(folder / "log"), str(folder / "own"))
    reading = time.perf_counter() - began
    with (folder / "log").open("rb") as log:
        lines = sum(1 for _ in log)
    ratios = " | ".join(f"{one * 1000:.0f} ms ({one / plain:.1f} x)" for one in watched)
    return f"{plain * 1000:.0f} ms | {ratios} | {lines:,} | {reading * 1000:.0f} ms"


def main() -> None:
    """Print the table."""
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    executor = LocalExecutor()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "own").mkdir()
        for number in range(FILES):
            (folder / "own" / str(number)).touch()
        said = subprocess.run([PYTHON, "-c", PREFIXES], capture_output=True, text=True, check=True)
        python = said.stdout.split("\n")
        limits = Confinement(
            (*SYSTEM, *filter(None, python)), (str(folder), *DEVICES, SHARED_MEMORY), network=False
        )
        ways = [
            Way(trace=False, confinement=Confinement()),
            Way(trace=True, confinement=Confinement()),
            Way(trace=True, confinement=limits),
        ]
        print("| command | plain | --trace | --hermetic | lines of the log | reading them |")
        print("|---|---|---|---|---|---|")
        for shown, code in COMMANDS.items():
            with contextlib.suppress(ValueError):
                print(f"| {shown} | {row(executor, ways, code, folder, runs)} |", flush=True)
    executor.close()


if __name__ == "__main__":
    main()
