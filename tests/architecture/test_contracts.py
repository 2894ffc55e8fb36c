"""Each import contract catches what it forbids: one line that breaks it is found."""

import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CONTRACTS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"][
    "contracts"
]
SABOTAGE = {
    "Imports go one way": ("spec/suggest.py", "import runproj.plan.plan"),
    "The pure part knows nothing": ("plan/reasons.py", "import subprocess"),
    "Adapters do not know each other": (
        "adapters/store/log.py", "import runproj.adapters.source.git",
    ),
    "Commands do not know each other": ("cli/runs.py", "import runproj.cli.run"),
    "Only the composition root": ("cli/table.py", "import runproj.adapters.disk"),
    "No cycles": ("plan/fingerprint.py", "import runproj.plan.reasons"),
    "YAML has one home": ("record/metrics.py", "import yaml"),
    "pydantic stands at the gate": ("record/run.py", "import pydantic"),
    "networkx has one home": ("engine/schedule.py", "import networkx"),
    "SQLite has one home": ("adapters/workspaces.py", "import sqlite3"),
}  # fmt: skip
"""The beginning of each contract's name → a file, and an import that breaks the contract in it."""


def lint(folder: Path) -> subprocess.CompletedProcess[str]:
    """Check the contracts in a tree."""
    return subprocess.run(
        [sys.executable, "-c", "from importlinter.cli import lint_imports_command as l; l()",
         "--no-cache"],
        cwd=folder, capture_output=True, text=True, check=False,
        env={"PYTHONPATH": str(folder / "src"), "PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"},
    )  # fmt: skip


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A copy of the sources with the configuration of the contracts."""
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "src", tmp_path / "src", ignore=ignored)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def test_every_contract_has_its_sabotage() -> None:
    names = [contract["name"] for contract in CONTRACTS]
    assert len(names) == len(SABOTAGE)
    for beginning in SABOTAGE:
        assert sum(name.startswith(beginning) for name in names) == 1, beginning


def test_the_code_keeps_all_contracts(tree: Path) -> None:
    done = lint(tree)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("beginning", SABOTAGE)
def test_a_forbidden_import_breaks_its_contract(tree: Path, beginning: str) -> None:
    path, line = SABOTAGE[beginning]
    file = tree / "src/runproj" / path
    text = file.read_text()
    file.write_text(f"{text}\n{line}\n")
    name = next(one["name"] for one in CONTRACTS if one["name"].startswith(beginning))

    done = lint(tree)

    assert done.returncode == 1, done.stdout + done.stderr
    assert f"{name} BROKEN" in " ".join(done.stdout.split()), done.stdout
