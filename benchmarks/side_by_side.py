"""A fan of trivial steps: CPU for each, above that of starting the bare command as often.

Usage: ``python benchmarks/side_by_side.py [STEPS]…`` (default: 100 1000). The steps are executed,
recorded in full and not cached, with ``-j 1`` and ``-j 2``. All is CPU time of whole process trees;
the first run of each project, which makes the store, does not count.
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

RUNPROJ = [sys.executable, "-c", "from runproj.cli.main import main; main()"]
HEAD = "runproj: 1\nentry_points:\n  main:\n    steps:\n"
BARE = "import subprocess\nfor _ in range({}): subprocess.run(['true'], check=True)"


def measured(command: list[str], folder: Path) -> tuple[float, float]:
    """Run a command in a folder; return CPU and wall time in seconds."""
    before, began = os.times(), time.perf_counter()
    done = subprocess.run(command, cwd=folder, check=False, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{command} failed:\n{done.stderr[-2000:]}")
    after = os.times()
    cpu = after.children_user + after.children_system
    return cpu - before.children_user - before.children_system, time.perf_counter() - began


def main() -> None:
    """Print the table."""
    print(f"{'steps':>6}{'':>8}{'CPU s':>9}{'wall s':>9}{'above bare, ms a step':>24}")
    for steps in [int(text) for text in sys.argv[1:]] or [100, 1000]:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            lines = (f"      s{n}: {{command: ['true'], cache: false}}\n" for n in range(steps))
            (folder / "runproj.yaml").write_text(HEAD + "".join(lines), encoding="utf-8")
            bare, wall = measured([sys.executable, "-c", BARE.format(steps)], folder)
            print(f"{steps:>6}{'bare':>8}{bare:9.2f}{wall:9.2f}")
            measured([*RUNPROJ, "run", ".", "-q"], folder)
            for jobs in ("1", "2"):
                cpu, wall = measured([*RUNPROJ, "run", ".", "-q", "-j", jobs], folder)
                above = (cpu - bare) / steps * 1000
                print(f"{steps:>6}{'-j ' + jobs:>8}{cpu:9.2f}{wall:9.2f}{above:24.2f}")


if __name__ == "__main__":
    main()
