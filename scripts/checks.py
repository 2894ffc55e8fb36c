"""All checks and tests, the same for people and for CI: format, lint, types, imports, tests."""

import os
import subprocess
import sys
import time

CHECKS = {
    "format": ["ruff", "format", "--check", "."],
    "lint": ["ruff", "check", "."],
    "types": ["mypy"],
    "imports": ["lint-imports", "--no-cache"],
}
AT_ONCE = (os.cpu_count() or 1) + 1  # tests wait for processes: another may use the core meanwhile
TESTS = ["python", "-m", "pytest", "-n", str(AT_ONCE), "--dist", "worksteal"]
COVERED = ["--cov=runproj", "--cov-report=term"]  # see [tool.coverage.report]


def main() -> int:
    """Run every check, say what failed, and return 1 when something did."""
    failed = []
    chosen = sys.argv[1:]
    tests = [*TESTS, *(chosen or COVERED)]  # some tests alone do not cover everything
    for name, command in {**CHECKS, "tests": tests}.items():
        print(f"── {name}: {' '.join(command)}", flush=True)
        start = time.monotonic()
        if subprocess.run(command, check=False).returncode:
            failed.append(name)
        print(f"   {time.monotonic() - start:.1f} s", flush=True)
    print(f"failed: {', '.join(failed)}" if failed else "all checks passed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
