"""Projects with what must come of them: each folder has a ``runproj.yaml`` and an ``expected.json``.

``expected.json`` lists runs, one after the other: ``arguments`` and ``env`` (what is typed),
``statuses`` (of the steps), and, where it matters, ``code``, ``params``, ``metrics``, ``outputs``
(path → text) and ``reasons``. ``folder`` is the project within the copied folder, ``beside`` are
files that stand next to it.
"""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from tests.cli.commandline import Computer, Project

HERE = Path(__file__).parent
PROJECTS = sorted(file.parent.name for file in HERE.glob("*/expected.json"))


@pytest.mark.parametrize("name", PROJECTS)
def test_a_project_gives_what_is_expected(computer: Computer, name: str) -> None:
    expected = json.loads((HERE / name / "expected.json").read_text(encoding="utf-8"))
    whole = computer.root / name
    shutil.copytree(HERE / name, whole, ignore=shutil.ignore_patterns("expected.json"))
    for path, text in expected.get("beside", {}).items():
        (computer.root / path).write_text(text, encoding="utf-8")
    project = Project(computer, whole / expected.get("folder", "."))
    assert expected["runs"]
    for number, one in enumerate(expected["runs"]):
        check(project, one, str(computer.root / f"got{number}"))


def check(project: Project, expected: Mapping[str, Any], place: str) -> None:
    """Run a project once and compare."""
    typed = expected.get("arguments", [])
    done = project.run("run", ".", *typed, "--json", env=expected.get("env")).ok(
        expected.get("code", 0)
    )
    assert done.steps() == expected["statuses"], done.err
    for key in ("params", "metrics"):
        if key in expected:
            assert done.run[key] == expected[key]
    for step, reason in expected.get("reasons", {}).items():
        assert done.step(step)["reason"] == reason
    if "outputs" in expected:
        project.run("get", done.run["id"], "--to", place).ok()
        made = {
            file.relative_to(place).as_posix(): file.read_text(encoding="utf-8")
            for file in Path(place).rglob("*")
            if file.is_file()
        }
        assert made == expected["outputs"]


def test_every_folder_is_a_golden_project() -> None:
    folders = {place.name for place in HERE.iterdir() if place.is_dir()} - {"__pycache__"}
    assert folders == set(PROJECTS)
