"""The example projects do what their first lines promise."""

import contextlib
import itertools
import math
import os
import random
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from tests.channels import Channel, python
from tests.cli.commandline import Computer, Digests, Project
from tests.containers import Engine

EXAMPLES = Path(__file__).parents[2] / "example_projects"


@pytest.fixture
def example(computer: Computer, request: pytest.FixtureRequest) -> Project:
    """A copy of an example."""
    name: str = request.param
    folder = computer.root / name
    shutil.copytree(EXAMPLES / name, folder, ignore=shutil.ignore_patterns(".runproj", "locks"))
    return Project(computer, folder)


@pytest.mark.parametrize("example", ["quickstart"], indirect=True)
def test_quickstart_estimates_pi(example: Project) -> None:
    done = example.run("run", ".", "-P", "samples=50000", "--json").ok()
    assert done.steps() == {"estimate": "succeeded"}
    assert 3 < done.run["metrics"]["estimate.pi"] < 3.3
    assert example.run("run", ".", "-P", "samples=50000", "--json").ok().steps() == {
        "estimate": "cached"
    }


@pytest.mark.parametrize("example", ["shell_only"], indirect=True)
def test_shell_only_counts_words_without_python(example: Project) -> None:
    done = example.run("run", ".", "-P", "top=3", "--json").ok()
    assert set(done.steps().values()) == {"succeeded"}
    again = example.run("run", ".", "-P", "top=4", "--json").ok()
    assert again.steps() == {"words": "cached", "count": "cached", "top": "succeeded"}
    assert again.step("top")["reason"] == "parameter top: 3 → 4"
    example.run("get", "latest", "build/top.txt", "--to", "got").ok()
    assert len((example.folder / "got/build/top.txt").read_text().splitlines()) == 4


@pytest.mark.parametrize("example", ["digits"], indirect=True)
def test_digits_trains_and_runs_only_what_a_change_asks_for(example: Project) -> None:
    """Installs scikit-learn from the package index, which takes most of the time."""
    first = example.run("run", ".", "-P", "lr=0.01", "--json").ok()
    assert first.steps() == dict.fromkeys(("prepare", "train", "evaluate", "report"), "succeeded")
    assert first.run["metrics"]["evaluate.accuracy"] > 0.9

    second = example.run("run", ".", "-P", "lr=0.01", "--json").ok()
    assert set(second.steps().values()) == {"cached"}
    assert second.run["duration_s"] < 1

    changed = example.run("run", ".", "-P", "lr=0.02", "--json").ok()
    assert changed.steps()["prepare"] == "cached"
    assert changed.steps()["train"] == "succeeded"
    assert changed.step("train")["reason"] == "parameter lr: 0.01 → 0.02"

    again = example.run("rerun", first.run["id"], "--json").ok()
    assert example.outputs(again.run["id"]) == example.outputs(first.run["id"])
    example.run("get", "latest", "plot", "--to", "got").ok()
    assert (example.folder / "got/build/confusion.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("example", ["crossvalidation"], indirect=True)
def test_crossvalidation_compares_models_and_fits_the_good_ones(example: Project) -> None:
    """Installs scikit-learn from the package index, and executes 17 steps that import it."""
    first = example.run("run", ".", "-j", "2", "--json").ok()
    names = list(first.steps())
    assert set(first.steps().values()) == {"succeeded"}
    assert sum(name.startswith("crossvalidate[") for name in names) == 11
    assert [name for name in names if name.startswith("fit[")]
    assert first.run["metrics"]["compare.best"] > 0.9
    again = example.run("run", ".", "--json").ok()
    assert again.steps() == dict.fromkeys(names, "cached")
    one = f"{first.run['id']}/crossvalidate[fold=0,model=forest]"
    assert example.run("rerun", one, "--json").ok().steps() == {
        "prepare": "cached", "crossvalidate[fold=0,model=forest]": "succeeded",
    }  # fmt: skip
    example.run("get", first.run["id"], "build/report.md", "--to", "got").ok()
    assert "| forest | 4 | 0.9" in (example.folder / "got/build/report.md").read_text()
    killed_often(example, 6, example.outputs(first.run["id"]))


def killed_often(project: Project, kills: int, outputs: Digests) -> None:
    """Kill runs at random moments and resume them, in stores where nothing is known yet."""
    chance = random.Random(kills)  # noqa: S311 -- no secret
    names = map("killed-{}".format, itertools.count())
    store = ("--store", next(names))
    runs: list[dict[str, str]] = []
    while True:
        again = ("resume", runs[0]["id"]) if runs else ("run", ".")
        process = project.start(*again, "-j", "2", "-q", *store)
        with contextlib.suppress(subprocess.TimeoutExpired):
            # early, there is no run yet; late, there is little left to do
            process.wait(chance.uniform(0.1, 1.4) if kills else None)
        process.kill()
        out, err = process.communicate()
        kills -= process.returncode == -signal.SIGKILL
        assert process.returncode in (0, -signal.SIGKILL), out + err
        if process.returncode == 0:
            assert project.outputs("latest", store=store[1]) == outputs
            if not kills:
                break
            store = ("--store", next(names))  # a quick machine: once more
        runs = project.run("list", "--json", *store).ok().json["runs"]
    verdict = project.run("verify", "latest", "--json", "-j", "2", *store).ok().json["verify"]
    assert verdict["verdict"] == "identical"
    project.run("fsck", *store).ok()


@pytest.fixture
def mixed(computer: Computer, engine: Engine, tmp_path: Path) -> Iterator[Project]:
    """The example of all kinds, with a channel and a base image that are made here."""
    folder = computer.root / "mixed"
    shutil.copytree(EXAMPLES / "mixed_environments", folder)
    channel = Channel(tmp_path / "channel").add(python())
    base = f"runproj-test-{os.getpid()}/base:1"
    engine.named(base, {})
    for name, old, new in (
        ("environment.yaml", "conda-forge", channel.url),
        ("container/Dockerfile", "busybox:1.37", base),
    ):
        text = (folder / name).read_text()
        assert old in text
        (folder / name).write_text(text.replace(old, new))
    yield Project(computer, folder)
    engine.forget(base)


def test_steps_of_all_kinds_hand_files_to_each_other(mixed: Project) -> None:
    """Installs numpy from the package index, which takes most of the time."""
    first = mixed.run("run", ".", "--json").ok()
    assert first.steps() == dict.fromkeys(("measure", "fit", "residuals", "report"), "succeeded")
    kinds = [step["environment"]["kind"] for step in first.run["steps"]]
    assert kinds == ["system", "venv", "conda", "docker"]
    assert first.run["metrics"]["fit.slope"] == pytest.approx(3, abs=0.05)
    mixed.run("get", "latest", "build/report.txt", "--to", "got").ok()
    report = mixed.folder / "got/build/report.txt"
    assert "points: 200\n" in report.read_text()
    assert report.stat().st_uid == os.getuid()
    assert set(mixed.run("run", ".", "--json").ok().steps().values()) == {"cached"}

    again = mixed.run("rerun", first.run["id"], "--json").ok()
    assert mixed.outputs(again.run["id"]) == mixed.outputs(first.run["id"])
    verdict = mixed.run("verify", first.run["id"], "--json").ok()
    assert verdict.json["verify"]["verdict"] == "identical"


WORKFLOWS = {
    "github": ".github/workflows/runproj.yml",
    "gitlab": ".gitlab-ci.yml",
    "jenkins": "Jenkinsfile",
}


def commands_of(system: str, text: str) -> list[str]:
    """Return the commands of a workflow file, in order."""
    if system == "jenkins":
        return re.findall(r"\bsh '([^']+)'", text)
    data = yaml.safe_load(text)
    job = data["jobs"]["pipeline"] if system == "github" else data["pipeline"]
    if system == "github":
        return [step["run"] for step in job["steps"] if "run" in step]
    return [*job["before_script"], *job["script"]]


@pytest.mark.parametrize("system", WORKFLOWS)
def test_the_workflows_of_ci_do_what_they_say(computer: Computer, system: str) -> None:
    folder = computer.root / "ci"
    shutil.copytree(EXAMPLES / "ci", folder, ignore=shutil.ignore_patterns(".runproj"))
    text = (folder / WORKFLOWS[system]).read_text()
    if system != "jenkins":
        schema = f"vendor.{'github-workflows' if system == 'github' else 'gitlab-ci'}"
        check = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", schema]
        subprocess.run([*check, str(folder / WORKFLOWS[system])], check=True, capture_output=True)
    programs = computer.root / "bin"
    programs.mkdir()
    (programs / "runproj").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m runproj "$@"\n')
    (programs / "runproj").chmod(0o755)
    env = {**computer.variables, "PATH": f"{programs}:{computer.variables['PATH']}", "CI": "true"}
    summary = computer.root / "summary.md"
    if system == "github":
        env |= {
            "GITHUB_ACTIONS": "true", "GITHUB_STEP_SUMMARY": str(summary),
            "GITHUB_WORKSPACE": str(folder),
        }  # fmt: skip
    install, *commands = commands_of(system, text)
    assert install == "pip install runproj"  # it is here already
    assert commands == [
        "runproj check", "runproj lock --check",
        "runproj run . --locked --keep-going --junit report.xml",
    ]  # fmt: skip
    for status in ("succeeded", "cached"):
        for command in commands:
            done = subprocess.run(
                ["bash", "-ec", command], cwd=folder, env=env, check=False, capture_output=True,
                text=True,
            )  # fmt: skip
            assert done.returncode == 0, done.stdout + done.stderr
        assert (folder / "report.xml").read_text().count(f'value="{status}"') == 3
    if system == "github":
        assert "| estimate.pi | 3.14" in summary.read_text()
    (folder / "judge.py").write_text("import sys; sys.exit(1)")
    last = subprocess.run(["bash", "-ec", commands[-1]], cwd=folder, env=env, check=False)
    assert last.returncode == 1
    assert "<failure" in (folder / "report.xml").read_text()


@pytest.mark.parametrize("example", ["tracking"], indirect=True)
def test_tracking_finds_what_a_computation_by_hand_finds(example: Project) -> None:
    """Thirty runs over real data: best, compare, plot and report agree with the same in one loop."""
    values = ("-P", "k=1..15", "-P", "weights=uniform,distance")
    example.run("sweep", ".", *values, "--experiment", "iris").ok()
    by_hand = iris_by_hand(example.folder / "iris.csv")
    top = max(by_hand.values())

    runs = example.run("list", "--all", "--experiment", "iris", "--json").ok().json["runs"]
    found = {
        (one["params"]["k"], one["params"]["weights"]): one["metrics"]["validate.accuracy"]
        for one in runs
    }
    assert found == pytest.approx(by_hand)

    best = example.run("best", "--maximize", "accuracy", "--experiment", "iris", "--json").ok()
    [winner] = best.json["best"]
    params = winner["run"]["params"]
    assert winner["value"] == pytest.approx(top)
    assert by_hand[params["k"], params["weights"]] == pytest.approx(top)

    compared = example.run(
        "compare", "--experiment", "iris", "--maximize", "accuracy", "--json"
    ).ok().json["compare"]  # fmt: skip
    [row] = [one for one in compared["rows"] if one["name"] == "validate.accuracy"]
    assert len(row["values"]) == 30
    winners = {one["id"] for one in runs if one["metrics"]["validate.accuracy"] == top}
    assert set(row["best"]) == winners

    drawn = example.run(
        "plot", "--experiment", "iris", "--parallel", "--metric", "accuracy", "--maximize",
        "accuracy", "-o", "iris.svg", "--json",
    ).ok().json["plot"]["charts"][0]  # fmt: skip
    assert len(drawn["runs"]) == 30
    example.run("report", "iris", "--maximize", "accuracy", "-o", "iris.html").ok()
    page = (example.folder / "iris.html").read_text()
    assert re.search(rf"best</[^>]+>.{{0,200}}({'|'.join(winners)})", page, re.DOTALL)


def iris_by_hand(path: Path) -> dict[tuple[int, str], float]:
    """Return the accuracy for each number of neighbours and kind of weights, in five folds."""
    lines = [line.split(",") for line in path.read_text().splitlines()[1:]]
    points = [[float(text) for text in line[:4]] for line in lines]
    names = [line[4] for line in lines]
    right: dict[tuple[int, str], int] = {}
    for asked, point in enumerate(points):
        others = sorted(
            (math.dist(point, points[at]), names[at])
            for at in range(len(points))
            if at % 5 != asked % 5
        )
        for k, kind in itertools.product(range(1, 16), ("uniform", "distance")):
            score: dict[str, float] = {}
            for far, name in others[:k]:
                score[name] = score.get(name, 0) + (1 if kind == "uniform" else 1 / (far + 1e-9))
            said = min(score, key=lambda name: (-score[name], name))
            right[k, kind] = right.get((k, kind), 0) + (said == names[asked])
    return {key: hits / len(points) for key, hits in right.items()}
