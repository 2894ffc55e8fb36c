"""A matrix of trivial steps: CPU time and memory of planning it, executing it, and asking again.

Usage: ``python benchmarks/instances.py [INSTANCES]…`` (default: 1000 10000). Memory is the largest
that the process itself had.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

RUNPROJ = [sys.executable, "-c", "from runproj.cli.main import main; main()"]
PROJECT = """\
runproj: 1
entry_points:
  main:
    parameters:
      numbers: {{type: list, items: int, default: [{}]}}
    steps:
      one:
        matrix: {{number: "{{numbers}}"}}
        command: ["true"]
        stdout: "one/{{matrix.number}}"
      all: {{command: ["true"], inputs: ["one/*"], stdout: all.txt}}
"""


def measured(command: list[str], folder: Path) -> tuple[float, float]:
    """Run a command in a folder; return CPU time in seconds, and the largest memory in MB."""
    with subprocess.Popen([*RUNPROJ, *command], cwd=folder, stdout=subprocess.DEVNULL) as process:
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"{command} failed")
    return used.ru_utime + used.ru_stime, used.ru_maxrss / 1000


def main() -> None:
    """Print the table."""
    print(f"{'instances':>10}{'':>16}{'CPU s':>9}{'MB':>7}")
    for count in [int(text) for text in sys.argv[1:]] or [1000, 10000]:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            text = PROJECT.format(", ".join(map(str, range(count))))
            (folder / "runproj.yaml").write_text(text, encoding="utf-8")
            for what, command in {
                "status, new": ["status"],
                "run": ["run", ".", "-q"],
                "status, current": ["status"],
            }.items():
                cpu, memory = measured(command, folder)
                print(f"{count:>10}{what:>16}{cpu:9.2f}{memory:7.0f}")


if __name__ == "__main__":
    main()
