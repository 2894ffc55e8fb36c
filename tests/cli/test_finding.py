"""Finding and comparing runs, as a user does it."""

import csv
import io
import re
import sys

import pytest
from tests.cli.commandline import Computer, Project

import runproj
from runproj.errors import UsageError

YAML = """\
runproj: 1
environments: {default: {kind: system}}
parameters: {lr: {type: float}, model: {default: tree}}
entry_points:
  main:
    command: python3 train.py {lr} {model}
    outputs: []
  fails:
    command: python3 train.py -1 none
"""
SCRIPT = """\
import sys
import runproj
lr = float(sys.argv[1])
for epoch in range(10):
    runproj.log_metric("loss", abs(lr - 0.3) + 1 / (epoch + 1), epoch)
runproj.log_metric("rmse", abs(lr - 0.3))
runproj.set_tag("=cmd|'/C calc'!A0", "<script>alert(1)</script>\\x1b[31m|\\n=1+1")
sys.exit(lr < 0)
"""
VALUES = ("0.1", "0.2", "0.3", "0.4")


@pytest.fixture
def project(computer: Computer) -> Project:
    made = computer.project({"runproj.yaml": YAML, "train.py": SCRIPT}, git=True)
    made.run("sweep", ".", "-P", f"lr={','.join(VALUES)}", "-P", "model=tree,net").ok()
    made.run("run", ".", "-e", "fails", "-P", "lr=0.3", "--experiment", "other").ok(1)
    return made


def found(project: Project, *arguments: str) -> list[dict[str, object]]:
    runs: list[dict[str, object]] = project.run("list", "--json", *arguments).ok().json["runs"]
    return runs


def test_runs_are_found_sorted_and_grouped(project: Project) -> None:
    where = "metrics.rmse < 0.15 and params.model = tree and status = succeeded"
    runs = found(project, "--where", where, "--sort-by", "metrics.rmse:desc")
    assert sorted(run["params"]["lr"] for run in runs) == [0.2, 0.3, 0.4]  # type: ignore[index] # any JSON
    assert runs[-1]["params"]["lr"] == 0.3  # type: ignore[index] # any JSON
    assert len(found(project, "--where", "metrics.loss.max > 1.05", "--limit", "1")) == 1
    assert len(found(project, "--where", "experiment = other")) == 1

    said = project.run("list", "--columns", "params.lr, metrics.rmse,status", "--all").ok().out
    head, *lines = said.splitlines()
    assert head.split() == ["params.lr", "metrics.rmse", "status"]
    assert len(lines) == 9

    groups = project.run("list", "--group-by", "params.model", "--json").ok().json["groups"]
    assert [(one["by"]["params.model"], len(one["runs"])) for one in groups] == [
        ("net", 4),
        ("tree", 5),
    ]
    said = project.run("list", "--group-by", "params.lr", "--columns", "metrics.rmse").ok().out
    assert re.search(r"^0\.3 +3 +0\.4", said, re.MULTILINE)
    assert project.run("list", "--where", "id = x", "--group-by", "id").ok().out == "no runs\n"
    assert project.run("list", "--where", "id = x", "--columns", "id").ok().out == "no runs\n"


def test_slips_are_told(project: Project) -> None:
    done = project.run("list", "--where", "metrics.rmes < 1").ok()
    assert (done.out, done.err) == (
        "no runs\n",
        "note: no run has metrics.rmes; did you mean 'rmse'?\n",
    )
    assert (
        "\n    status succeeded\n           ^"
        in project.run("list", "--where", "status succeeded").ok(2).err
    )
    assert "no field of a run" in project.run("list", "--sort-by", "rmse").ok(2).err
    assert "did you mean 'rmse'?" in project.run("best", "--minimize", "rmes").ok(2).err
    assert "say one metric" in project.run("best").ok(2).err
    assert "there is one run to compare" in project.run("compare", "latest").ok(2).err
    assert "there are no runs" in project.run("compare", "--where", "id = x").ok(2).err
    done = project.run("compare", "latest", "latest~1", "--minimize", "rmes").ok(2)
    assert "no run has the metric 'rmes'" in done.err


def test_the_best_run_is_that_of_a_computation_by_hand(project: Project) -> None:
    [best] = project.run("best", "--minimize", "rmse", "--json").ok().json["best"]
    assert (best["metric"], best["value"], best["run"]["params"]["lr"]) == ("rmse", 0.0, 0.3)
    top = (
        project.run("best", "--maximize", "metrics.main.rmse", "--top", "3", "--json")
        .ok()
        .json["best"]
    )
    assert [round(one["value"], 6) for one in top] == [0.2, 0.2, 0.1]
    said = project.run("best", "--minimize", "rmse", "--where", "params.lr < 0.25").ok().out
    assert re.search(r"^\w{8} +0\.1 +0\.2", said, re.MULTILINE)


def test_runs_are_shown_beside_each_other(project: Project) -> None:
    project.run("run", ".", "-P", "lr=0.3", "--force", "--name", "mine").ok()
    said = project.run("compare", "mine", "latest~2", "--minimize", "rmse").ok().out
    assert "0 *" in said
    assert "entry_point" not in said
    assert "entry_point" in project.run("compare", "mine", "latest~2", "--all").ok().out
    document = project.run("compare", "mine", "latest~2", "--minimize", "rmse", "--json").ok().json
    rows = {one["name"]: one for one in document["compare"]["rows"]}
    assert rows["main.rmse"]["best"] == [document["compare"]["runs"][0]["id"]]
    assert "main.loss.min" in rows
    everything = project.run("compare", "--where", "status = succeeded", "--json").ok().json
    assert len(everything["compare"]["runs"]) == 9


def test_hostile_text_does_no_harm(project: Project) -> None:
    compare = ("compare", "--where", "status = succeeded", "--all")
    said = project.run(*compare).ok().out
    assert "\x1b" not in said
    for row in csv.reader(io.StringIO(project.run(*compare, "--csv").ok().out)):
        assert not [cell for cell in row if cell.lstrip().startswith(("=", "@", "+"))]
    page = project.run(*compare, "--html").ok().out
    assert "<script" not in page
    assert "&lt;script&gt;" in page
    assert "\x1b" not in page
    table = project.run(*compare, "--md").ok().out
    assert "\\<script\\>" in table
    assert all(line.startswith("| ") for line in table.splitlines())
    for command in (
        ["list", "--columns", "tags.\"=cmd|'/C calc'!A0\""],
        ["show"],
        ["best", "--minimize", "rmse"],
    ):
        assert "\x1b" not in project.run(*command).ok().out


def test_runs_are_handed_to_other_programs(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert (
        project.run("export", "--csv", "runs.csv", "--parquet", "runs.parquet").ok().out
        == "9 runs written\n"
    )
    rows = list(csv.DictReader(io.StringIO((project.folder / "runs.csv").read_text())))
    assert {row["params.lr"] for row in rows} == set(VALUES)
    assert sorted(float(row["metrics.main.rmse"] or 9) for row in rows)[:2] == [0.0, 0.0]
    parquet = pytest.importorskip("pyarrow.parquet")
    table = parquet.read_table(project.folder / "runs.parquet")
    assert table.num_rows == 9
    assert str(table.schema.field("started_at").type) == "timestamp[ms, tz=UTC]"

    monkeypatch.chdir(project.folder)
    frame = runproj.runs("params.lr < 0.25", backend="pandas")
    assert (len(frame), str(frame["metrics.main.rmse"].dtype)) == (4, "float64")
    assert frame["metrics.main.rmse"].min() == pytest.approx(0.1)
    other = runproj.runs(experiment="other", backend="polars")
    assert (other.height, other["status"][0], other["exit_code"][0]) == (1, "failed", 1)

    assert "say where to" in project.run("export").ok(2).err
    assert "the file cannot be written" in project.run("export", "--csv", "no/x.csv").ok(2).err
    assert "the file cannot be written" in project.run("export", "--parquet", "no/x").ok(2).err
    with pytest.raises(UsageError, match="it is pandas or polars"):
        runproj.runs(backend="what")  # type: ignore[arg-type] # a slip
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(UsageError, match="this needs pandas"):
        runproj.runs()
