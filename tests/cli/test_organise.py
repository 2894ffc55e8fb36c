"""Notes, tags, names; what is put away and brought back; what is recorded by itself."""

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest
from tests.cli.commandline import Computer, Done, Project, argv

ROOT = Path(__file__).parents[2]
SCHEMA = json.loads((ROOT / "schemas/output.schema.json").read_text())
YAML = """\
runproj: 1
name: shop
retention: {keep_last: 2, experiments: {paper: {}}}
parameters: {lr: {type: float, default: 0.1}}
entry_points:
  main: {command: "echo {lr}", stdout: out.txt, outputs: [out.txt], sources: []}
  busy: {command: "python3 -c 'import time; time.sleep(3.6)'", outputs: []}
"""
NVIDIA_SMI = """\
#!/bin/sh
case "$*" in
  *driver_version*) echo "NVIDIA L4, 23034, 550.54.15" ;;
  *) while :; do echo "0, 40, 512"; sleep 0.2; done ;;
esac
"""


@pytest.fixture
def project(computer: Computer) -> Project:
    return computer.project({"runproj.yaml": YAML}, git=True)


def run(project: Project, lr: float, *arguments: str) -> str:
    done = project.run("run", ".", "-P", f"lr={lr}", "--json", *arguments).ok()
    return str(done.run["id"])


def ids(project: Project, *arguments: str) -> list[str]:
    return [str(one["id"]) for one in fitting(project.run("list", "--json", *arguments))["runs"]]


def fitting(done: Done) -> dict[str, list[dict[str, object]]]:
    jsonschema.validate(done.ok().json, SCHEMA)
    found: dict[str, list[dict[str, object]]] = done.json
    return found


def test_a_run_is_annotated_and_its_record_stays_as_it_was(project: Project) -> None:
    first, second = run(project, 0.1, "--tag", "team=x"), run(project, 0.2)
    record = project.folder / ".runproj" / "runs" / first / "run.json"
    before = record.read_bytes()
    project.run("note", first, "too \x1b[31mslow\nby far").ok()
    assert "  too \\x1b[31mslow\n  by far\n" in project.run("note", first).ok().out
    project.run("tag", first, "quality=good=1", "team=y").ok()
    assert project.run("tag", first, "--remove", "team").ok().out == "quality  good=1\n"
    assert project.run("name", first, "baseline").ok().out == f"{first} is called baseline\n"

    shown = fitting(project.run("show", "baseline", "--json"))["run"]
    assert isinstance(shown, dict)
    assert (shown["id"], shown["name"], shown["tags"]) == (first, "baseline", {"quality": "good=1"})
    [note] = shown["notes"]
    assert note["text"] == "too \x1b[31mslow\nby far"
    assert note["author"] == shown["author"] == "A Person <person@example.org>"
    text = project.run("show", "baseline").ok().out
    assert re.search(r"^tag +quality = good=1$", text, re.MULTILINE)
    assert "\nnotes\n  20" in text
    listed = project.run("list").ok().out
    assert "quality=good=1" in listed
    assert "baseline  too \\x1b[31mslow\n" in listed
    found = project.run("list", "--where", "tags.quality = 'good=1' and author ~ 'A P*'", "--json")
    assert [one["id"] for one in found.ok().json["runs"]] == [first]
    changed = project.run("diff", "baseline", second, "--json").ok().json["diff"]["annotations"]
    assert [(one["about"], one["name"]) for one in changed] == [
        (None, "name"), ("tag", "quality"), (None, "note"),
    ]  # fmt: skip
    assert "\nannotations\n" in project.run("diff", "baseline", second).ok().out
    assert record.read_bytes() == before
    project.run("fsck").ok()
    (project.folder / ".runproj" / "index.db").unlink()
    assert ids(project, "--where", "name = baseline") == [first]
    project.run("fsck").ok()


def test_a_note_comes_from_standard_input_and_what_two_say_at_once_is_heard(
    project: Project,
) -> None:
    first = run(project, 0.1)
    project.run("tag", first, "seen=no").ok()
    start = [
        subprocess.Popen(
            argv(("tag", first, f"t{number}=1")), cwd=project.folder,
            env=project.computer.variables_for(project.folder),
        )
        for number in range(6)
    ]  # fmt: skip
    told = subprocess.run(
        argv(("note", first, "-", "--json")), cwd=project.folder, input=b"one\n\ntwo\n",
        env=project.computer.variables_for(project.folder), capture_output=True, check=True,
    )  # fmt: skip
    [said] = json.loads(told.stdout)["organised"]
    assert [note["text"] for note in said["notes"]] == ["one\n\ntwo"]
    assert [process.wait() for process in start] == [0] * 6
    [listed] = fitting(project.run("list", "--json"))["runs"]
    assert listed["tags"] == {"seen": "no", **{f"t{number}": "1" for number in range(6)}}
    assert listed["notes"] == said["notes"]


def test_what_is_put_away_is_out_of_sight_until_it_is_brought_back(project: Project) -> None:
    first, second, third = (run(project, lr) for lr in (0.1, 0.2, 0.3))
    project.run("name", second, "mine").ok()
    said = project.run("archive", "mine", "--json").ok()
    assert fitting(said)["organised"][0]["archived_at"]
    assert project.run("delete", "latest").ok().out.endswith(f"runproj delete --undo {third}\n")
    assert ids(project) == [first]
    assert ids(project, "--archived") == [second, first]
    assert ids(project, "--deleted") == [third, first]
    assert ids(project, "--archived", "--deleted") == [third, second, first]
    assert project.run("show", "--json").ok().run["id"] == first
    assert "archived    20" in project.run("show", "mine").ok().out
    assert project.run("show", third[:6]).ok(2).err.startswith("error: there is no run")
    assert "deleted     20" in project.run("show", third).ok().out
    both = project.run("compare", first, third, "--json").ok().json["compare"]["runs"]
    assert [one["id"] for one in both] == [first, third]

    again = project.run("run", ".", "-P", "lr=0.3", "--json").ok()
    assert again.steps() == {"main": "succeeded"}  # nobody takes what was deleted
    assert again.step("main")["reason"] == "parameter lr: 0.2 → 0.3"
    project.run("delete", str(again.run["id"])).ok()
    project.run("delete", "--undo", third).ok()
    assert project.run("archive", "--undo", "mine").ok().out.startswith("listed again  ")
    assert ids(project) == [third, second, first]
    assert project.run("run", ".", "-P", "lr=0.3", "--json").ok().steps() == {"main": "cached"}
    project.run("fsck").ok()


def test_gc_lets_runs_go_by_the_rules_of_the_project_and_says_which(project: Project) -> None:
    made = [run(project, lr / 10) for lr in range(4)]
    paper = [run(project, lr / 10, "--experiment", "paper") for lr in (4, 5, 6)]
    project.run("archive", "--experiment", "paper").ok()
    assert ids(project) == made[::-1]
    project.run("archive", "--experiment", "paper", "--undo").ok()
    project.run("delete", "--experiment", "paper", made[0]).ok()
    assert ids(project, "--archived") == made[:0:-1]
    project.run("delete", "--undo", "--experiment", "paper", made[0]).ok()
    assert ids(project) == [*paper[::-1], *made[::-1]]
    project.run("archive", made[0]).ok()
    project.run("delete", paper[0]).ok()

    def gone(*arguments: str) -> dict[str, str]:
        found = fitting(project.run("gc", "--json", *arguments))["gc"]
        assert isinstance(found, dict)
        return {one["id"]: one["why"] for one in found["gone"]}

    assert gone("-n") == {made[1]: "retention: keep_last: 2"}
    assert gone("-n", "--no-retention") == {}
    [(run_id, why)] = gone("-n", "--no-retention", "--deleted").items()
    assert (run_id, why[:10]) == (paper[0], "deleted 20")
    assert set(gone("-n", "--keep-last", "1")) == {made[1], made[2], paper[1]}
    asked = project.run("gc", "-n").ok().out
    assert re.search(rf"^  {made[1]}  .*  retention: keep_last: 2$", asked, re.MULTILINE)

    project.write({"runproj.yaml": YAML.replace("keep_last: 2", "keep_lats: 2")})
    told = project.run("check").ok(3).err
    assert "retention.keep_lats: unknown key" in told
    assert "did you mean 'keep_last'?" in told
    assert "note: what 'retention' may say is not known" in project.run("gc", "-n").ok().out
    project.write({"runproj.yaml": YAML.replace("keep_last: 2", "keep: 1d, deleted: 0")})
    assert list(gone()) == [paper[0]]
    assert project.run("delete", "--undo", paper[0]).ok(2).err.startswith("error: there is no run")
    assert set(ids(project, "--archived", "--deleted")) == {*made, *paper[1:]}
    project.run("fsck").ok()


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("note latest ''", "the note is empty"),
        ("note none x", "there is no run 'none'"),
        ("tag latest quality", "a tag is set as KEY=VALUE"),
        ("tag latest =x", "a tag is set as KEY=VALUE"),
        ("tag latest --remove a", "has no tag 'a'"),
        ("name latest", "a name, or --remove"),
        ("name latest x --remove", "a name is given or removed, not both"),
        ("name latest a/b", "'a/b' cannot be the name of a run"),
        ("name latest~1 first", "means the run"),
        ("archive --undo latest", "is not archived"),
        ("delete --undo latest", "is not deleted"),
        ("delete", "which runs?"),
        ("archive --experiment defalut", "did you mean 'default'?"),
        ("delete --undo --experiment default", "the experiment 'default' has no such run"),
    ],
)
def test_a_mistake_is_told_and_nothing_is_said_of_the_run(
    typed: str, said: str, past: Project
) -> None:
    done = past.run(*shlex.split(typed)).ok(2)
    assert said in done.err
    assert not list(past.folder.glob(".runproj/runs/*/annotations.jsonl"))


@pytest.fixture(scope="module")
def past(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project with two runs, the latest of which has the name 'first'."""
    made = Computer(tmp_path_factory.mktemp("past")).project({"runproj.yaml": YAML})
    run(made, 0.1)
    run(made, 0.2, "--name", "first")
    return made


def test_the_commands_of_the_documentation_do_what_it_says(project: Project) -> None:
    text = (ROOT / "docs/tracking.md").read_text().partition("\n## Organising\n")[2]
    lines = text.partition("```bash\n")[2].partition("```")[0].splitlines()
    made = [run(project, lr) for lr in (0.1, 0.2, 0.3)]
    out = ""
    for line in lines:
        program, *words = shlex.split(line, comments=True)
        assert program == "runproj"
        out = project.run(*words).ok().out
    assert all(one in out for one in ("archived", "deleted", "baseline", "quality=good"))
    assert ids(project) == [made[2]]


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")
def test_what_a_run_uses_and_what_it_runs_on_is_recorded_by_itself(project: Project) -> None:
    program = project.computer.root / "bin" / "nvidia-smi"
    program.parent.mkdir()
    program.write_text(NVIDIA_SMI)
    program.chmod(0o755)
    path = f"{program.parent}:{project.computer.variables['PATH']}"
    env = {"PATH": path, "GIT_AUTHOR_NAME": "Somebody Else"}
    done = project.run("run", ".", "-e", "busy", "--json", env=env).ok()
    host = done.run["host"]
    assert (host["gpus"], host["gpu_driver"]) == (["NVIDIA L4"], "550.54.15")
    assert host["gpu_memory"] == [23034 * 1024 * 1024]
    assert done.run["author"] == "Somebody Else <person@example.org>"
    assert done.run["command"][1:] == ["run", ".", "-e", "busy", "--json"]
    assert done.run["metrics"] == {}
    levels = done.step("busy")["usage"]["levels"]
    assert set(levels) == {
        *(f"system/{name}" for name in ("cpu", "memory", "read", "written")),
        "system/gpu/0", "system/gpu_memory/0",
    }  # fmt: skip
    assert levels["system/gpu/0"] == {"peak": 40.0, "mean": 40.0}
    assert 0 < levels["system/memory"]["mean"] <= levels["system/memory"]["peak"]
    shown = project.run("show").ok().out
    assert re.search(r"^hardware .*1 x NVIDIA L4 \(driver 550\.54\.15\)$", shown, re.MULTILINE)
    assert re.search(r"^started by +runproj run \. -e busy --json$", shown, re.MULTILINE)
    step = project.run("show", "latest/busy").ok().out
    assert re.search(r"^system/gpu/0 +40 %, at most 40 %$", step, re.MULTILINE)
    assert "system/" not in project.run("list").ok().out + shown
    drawn = project.run("plot", "latest", "--metric", "system/gpu/0").ok().out
    assert "seconds since the first point" in drawn
    project.run("fsck").ok()
    project.run("gc").ok()
    assert project.run("show", "latest/busy").ok().out == step
