"""Doing a run again with other values, or with the code of today."""

import shutil

import pytest
from tests.cli.commandline import Computer, Done, Project, digests
from tests.cli.projects import EVERY_STEP_CACHED, EVERY_STEP_RAN, FILES

CHOOSING = """\
runproj: 1
entry_points:
  main:
    parameters:
      which: {type: string, default: one}
      data: {type: path, default: mine.txt}
    steps:
      one: {command: echo 1, stdout: made/one.txt}
      two: {command: echo 2, stdout: made/two.txt}
      take:
        command: cat made/{which}.txt {data} ignored.txt
        inputs: ["made/{which}.txt", ignored.txt]
        stdout: taken.txt
"""
CHOOSING_FILES = {
    "runproj.yaml": CHOOSING,
    "mine.txt": "mine\n",
    "ignored.txt": "ignored\n",
    ".gitignore": "ignored.txt\n",
}
VENV = """\
runproj: 1
environments: {default: {kind: venv}}
entry_points:
  main:
    parameters: {n: 1}
    steps:
      a: {command: [python, a.py, "{n}"], outputs: [a.txt]}
"""
VENV_FILES = {
    "runproj.yaml": VENV,
    "a.py": "import sys\nopen('a.txt', 'w').write(sys.argv[1])\n",
}


@pytest.fixture
def project(computer: Computer) -> Project:
    return computer.project(FILES)


def first_of(project: Project, *options: str) -> str:
    """Run a project; return the run's id."""
    return str(project.run("run", ".", *options, "--json").ok().run["id"])


def text_of(project: Project, output: str, run: str = "latest") -> str:
    """Return what an output of a run holds."""
    project.run("get", run, output, "--to", "../got", "--force").ok()
    return (project.folder.parent / "got" / output).read_text()


def problems(done: Done) -> list[str]:
    error = done.json["error"]
    return [one["message"] for one in error.get("problems") or [error]]


def test_a_variation_changes_a_value_and_nothing_else(project: Project) -> None:
    first = first_of(project, "-P", "who=you", "--tag", "a=b")
    done = project.run("rerun", first, "-P", "lr=0.5", "--json").ok()
    assert done.steps() == {"prepare": "cached", "train": "succeeded", "report": "succeeded"}
    assert done.run["params"] == {"who": "you", "lr": 0.5}
    assert (done.run["rerun_of"], done.run["variation"]) == (first, ["lr"])
    assert done.run["tags"] == {"a": "b"}
    assert done.run["metrics"] == {"train.loss": 0.5}
    assert f"variation of {first}: lr 0.01 → 0.5" in done.err


def test_force_executes_every_step_of_a_variation(project: Project) -> None:
    first = first_of(project)
    assert (
        project.run("rerun", first, "-P", "lr=0.5", "-f", "--json").ok().steps() == EVERY_STEP_RAN
    )


def test_the_same_value_is_no_variation(project: Project) -> None:
    first = first_of(project)
    done = project.run("rerun", first, "-P", "lr=0.01", "--json").ok()
    assert done.steps() == EVERY_STEP_CACHED
    assert (done.run["rerun_of"], done.run["variation"]) == (first, [])
    assert f"rerun of {first}: with the same values" in done.err


def test_one_step_is_varied_with_those_before_it(project: Project) -> None:
    first = first_of(project)
    done = project.run("rerun", f"{first}/train", "-P", "lr=0.5", "--json").ok()
    assert done.steps() == {"prepare": "cached", "train": "succeeded"}


def test_values_come_from_a_file_too(project: Project) -> None:
    first = first_of(project)
    (project.folder / "values.yaml").write_text("lr: 0.25\nwho: file\n")
    done = project.run(
        "rerun", first, "--params-file", "values.yaml", "-P", "who=typed", "--json"
    ).ok()
    assert done.run["params"] == {"who": "typed", "lr": 0.25}
    assert done.run["variation"] == ["who", "lr"]


def test_variables_do_not_vary_a_run(project: Project) -> None:
    first = first_of(project)
    env = {"RUNPROJ_PARAM_WHO": "variable"}
    done = project.run("rerun", first, "-P", "lr=0.5", "--json", env=env).ok()
    assert done.run["params"]["who"] == "world"


def test_all_mistakes_in_values_are_told_at_once(project: Project) -> None:
    first = first_of(project)
    done = project.run("rerun", first, "-P", "lr=7", "-P", "whoo=x", "-P", "who", "--json").ok(2)
    assert problems(done) == [
        "there is no parameter 'whoo'",
        "a parameter is set as NAME=VALUE",
        "lr: 7.0 is larger than the maximum, 1",
    ]
    assert "did you mean 'who'?" in done.out
    assert len(project.run("list", "--json").ok().json["runs"]) == 1


@pytest.mark.parametrize("fate", ["changed", "moved", "deleted"])
def test_a_variation_needs_nothing_of_the_project_folder(computer: Computer, fate: str) -> None:
    store = str(computer.root / "store")
    project = computer.project(CHOOSING_FILES, git=True)
    project.write({"ignored.txt": "ignored\n"})
    first = str(project.run("run", ".", "--store", store, "--json").ok().run["id"])
    if fate == "changed":
        project.write({"runproj.yaml": "broken: [", "mine.txt": "changed\n"})
        (project.folder / "ignored.txt").write_text("changed\n")
    elif fate == "moved":
        project.folder.rename(computer.root / "moved")
    else:
        shutil.rmtree(project.folder)
    shutil.rmtree(computer.home)
    other = computer.elsewhere("another computer")
    done = other.run("rerun", first, "-P", "which=two", "--store", store, "--json").ok()
    assert done.step("take")["status"] == "succeeded"
    other.run("get", "latest", "taken.txt", "--to", "got", "--store", store).ok()
    assert (other.root / "got/taken.txt").read_text() == "2\nmine\nignored\n"


def test_other_values_make_another_graph(computer: Computer) -> None:
    project = computer.project(CHOOSING_FILES)
    first = first_of(project, "take")
    done = project.run("rerun", first, "-P", "which=two", "--json").ok()
    assert set(done.steps()) == {"one", "two", "take"}
    assert text_of(project, "taken.txt") == "2\nmine\nignored\n"
    only = project.run("rerun", f"{first}/take", "-P", "which=two", "--json").ok()
    assert only.steps() == {"two": "cached", "take": "cached"}


def test_a_file_that_other_values_need_and_nobody_recorded_is_missed(computer: Computer) -> None:
    project = computer.project(CHOOSING_FILES)
    first = first_of(project)
    project.write({"made/three.txt": "3\n"})
    done = project.run("rerun", first, "-P", "which=three", "--json").ok(3)
    assert "'made/three.txt' is not there, and no step makes it" in problems(done)[0]
    assert f"{first}:runproj.yaml" in done.json["error"]["where"]


def test_a_path_that_is_given_anew_is_read_from_where_you_are(computer: Computer) -> None:
    project = computer.project(CHOOSING_FILES)
    first = first_of(project)
    here = computer.root / "here"
    here.mkdir()
    (here / "mine.txt").write_text("another\n")
    store = str(project.folder / ".runproj")
    place = ("--store", store, "--json")
    done = computer.run("rerun", first, "-P", "data=mine.txt", *place, cwd=here).ok()
    assert done.run["variation"] == ["data"]
    assert text_of(project, "taken.txt") == "1\nanother\nignored\n"

    varied = done.run["id"]
    (here / "mine.txt").write_text("other content\n")
    again = computer.run("rerun", varied, "-P", "data=mine.txt", *place, cwd=here).ok()
    assert (again.run["rerun_of"], again.run["variation"]) == (varied, ["data"])
    assert text_of(project, "taken.txt") == "1\nother content\nignored\n"
    assert "it holds something else" in project.run("show", "latest").ok().out

    (here / "mine.txt").unlink()
    kept = computer.run("rerun", varied, "-P", "which=two", *place, cwd=here).ok()
    assert text_of(project, "taken.txt", kept.run["id"]) == "2\nanother\nignored\n"
    missing = computer.run("rerun", varied, "-P", "data=none.txt", *place, cwd=here).ok(2)
    assert problems(missing) == ["data: 'none.txt' is not there, and no step makes it"]


def test_a_path_where_nothing_is_here_is_one_of_the_recorded_project(computer: Computer) -> None:
    project = computer.project({**CHOOSING_FILES, "sub/yours.txt": "yours\n"})
    first = first_of(project)
    place = ("--store", str(project.folder / ".runproj"), "--json")
    done = computer.run("rerun", first, "-P", "data=sub/yours.txt", *place).ok()
    assert done.run["params"]["data"] == "sub/yours.txt"
    assert text_of(project, "taken.txt") == "1\nyours\nignored\n"
    done = computer.run("rerun", first, "-P", "data=made/two.txt", *place).ok()
    assert text_of(project, "taken.txt") == "1\n2\nignored\n"


def test_an_output_of_a_past_run_can_be_given_and_stays(computer: Computer) -> None:
    project = computer.project(CHOOSING_FILES)
    first = first_of(project)
    varied = project.run("rerun", first, "-P", "data=run:latest:made/two.txt", "--json").ok()
    project.run("rerun", varied.run["id"], "-P", "which=two").ok()
    assert text_of(project, "taken.txt") == "2\n2\nignored\n"


def test_a_variation_is_varied_rerun_and_verified_as_any_run(project: Project) -> None:
    first = first_of(project)
    one = project.run("rerun", first, "-P", "lr=0.5", "--json").ok().run["id"]
    two = project.run("rerun", one, "-P", "who=you", "--json").ok().run
    assert (two["rerun_of"], two["variation"]) == (one, ["who"])
    assert two["params"] == {"who": "you", "lr": 0.5}
    shutil.move(project.folder / "runproj.yaml", project.folder / "gone")
    again = project.run("rerun", two["id"], "--json").ok()
    assert again.steps() == EVERY_STEP_RAN
    assert (again.run["rerun_of"], again.run["variation"]) == (two["id"], [])
    assert project.outputs(again.run["id"]) == project.outputs(one)
    assert project.run("verify", two["id"], "--json").ok().json["verify"]["verdict"] == "identical"


def test_a_variation_is_shown_as_one(project: Project) -> None:
    first = first_of(project)
    varied = project.run("rerun", first, "-P", "lr=0.5", "--json").ok().run["id"]
    text = project.run("rerun", first, "-P", "lr=0.25", "-q").ok().out
    assert f"variation of  {first}: lr 0.01 → 0.25" in text
    assert f"variation of  {first}: lr 0.01 → 0.5" in project.run("show", varied).ok().out
    assert f"variation of {first}: lr" in project.run("list").ok().out
    listed = project.run("list", "--json").ok().json["runs"][1]
    assert (listed["rerun_of"], listed["variation"], listed["current_code"]) == (
        first, ["lr"], False,
    )  # fmt: skip
    sentence = f"{varied} is a variation of {first}: lr"
    assert sentence in project.run("diff", first, varied).ok().out
    assert project.run("diff", varied, first, "--json").ok().json["diff"]["relation"] == sentence
    shutil.rmtree(project.folder / ".runproj/runs" / first)
    assert f"variation of  {first}: lr\n" in project.run("show", varied).ok().out


def test_the_lock_of_then_is_built_when_the_cache_is_empty(computer: Computer) -> None:
    project = computer.project(VENV_FILES)
    first = first_of(project)
    shutil.rmtree(project.folder / ".runproj/locks")
    shutil.rmtree(computer.home)
    computer.home.mkdir()
    done = project.run("rerun", first, "-P", "n=2", "--json").ok()
    assert "locked" not in done.err
    assert text_of(project, "a.txt") == "2"
    lock = project.run("show", first, "--json").ok().step("a")["environment"]["lock_sha256"]
    assert done.step("a")["environment"]["lock_sha256"] == lock


def test_what_was_never_recorded_is_named(computer: Computer) -> None:
    text = CHOOSING.replace(
        "entry_points:",
        "environments: {default: {kind: system}, other: {kind: venv}}\nentry_points:",
    ).replace("two: {", "two: {environment: other, ")
    project = computer.project({**CHOOSING_FILES, "runproj.yaml": text})
    first = first_of(project, "take")
    done = project.run("rerun", f"{first}/take", "-P", "which=two", "--json").ok(7)
    assert "no lock of the environment 'other'" in problems(done)[0]
    shutil.rmtree(project.folder / ".runproj/objects")
    gone = problems(project.run("rerun", first, "-P", "which=two", "--json").ok(7))
    assert any("ignored.txt" in one for one in gone)
    assert any("'default'" in one for one in gone)
    shutil.rmtree(project.folder / ".runproj/source.git")
    assert (
        "project file"
        in problems(project.run("rerun", first, "-P", "which=two", "--json").ok(7))[0]
    )


def test_todays_code_is_compared_with_the_recorded_result(computer: Computer) -> None:
    project = computer.project(FILES, git=True)
    first = first_of(project, "-P", "lr=0.3")
    project.write({"notes.txt": "another note\n"})
    same = project.run("rerun", first, "--with-current-code").ok()
    assert "today's code gives the same result" in same.out
    project.write({"data.csv": "c\na\n"})
    before, status = digests(project.folder), project.git("status", "--porcelain")
    done = project.run("rerun", first, "--with-current-code", "--json").ok(6)
    assert (digests(project.folder), project.git("status", "--porcelain")) == (before, status)
    verdict = done.json["verify"]
    assert (verdict["verdict"], verdict["current_code"]) == ("different", True)
    assert verdict["first_different"] == "prepare"
    assert verdict["run"] == first
    run = project.run("show", verdict["rerun"], "--json").ok()
    assert run.steps() == EVERY_STEP_RAN
    assert run.run["params"] == {"who": "world", "lr": 0.3}
    assert (run.run["rerun_of"], run.run["current_code"]) == (first, True)
    assert run.run["source"]["dirty"] is True
    assert project.run("show", first, "--json").ok().run["verdict"] is None
    assert f"rerun of {first}: with current code" in project.run("list").ok().out
    assert f"rerun of    {first}, with current code" in project.run("show").ok().out


def test_todays_code_gets_the_inputs_of_then(computer: Computer) -> None:
    project = computer.project(CHOOSING_FILES)
    (computer.root / "given.txt").write_text("given\n")
    first = first_of(project, "-P", "data=../given.txt")
    (computer.root / "given.txt").unlink()
    (project.folder / "ignored.txt").write_text("changed\n")
    project.run("rerun", first, "--with-current-code").ok()
    assert text_of(project, "taken.txt") == "1\ngiven\nignored\n"


def test_the_project_of_today_is_found_or_named(computer: Computer) -> None:
    project = computer.project(FILES)
    first = first_of(project)
    store = project.folder / ".runproj"
    sub = project.folder / "sub"
    sub.mkdir()
    project.run("rerun", first, "--with-current-code", cwd=sub).ok()
    away = computer.root / "away"
    away.mkdir()
    computer.project({"runproj.yaml": "runproj: 1\nentry_points: {main: {command: ls}}\n"}, "away")
    store = store.rename(computer.root / "store")
    arguments = ("rerun", first, "--with-current-code", "--store", str(store))
    missing = computer.run(*arguments, "--json", cwd=away).ok(2)
    assert problems(missing) == ["the project 'demo' is not there: no runproj.yaml"]
    assert "--project DIR" in missing.out
    computer.run(*arguments, "--project", "../project", cwd=away).ok()
    computer.run(*arguments, "-C", str(project.folder), cwd=away).ok()
    computer.run(*arguments, "--project", "nowhere", cwd=away).ok(2)


def test_an_environment_that_is_declared_otherwise_today_is_said(computer: Computer) -> None:
    project = computer.project(VENV_FILES)
    first = first_of(project)
    project.run("lock").ok()
    lock = project.folder / "locks/pylock.default.toml"
    lock.write_text(lock.read_text() + "# by hand\n")
    done = project.run("rerun", first, "--with-current-code").ok()
    assert "locks/pylock.default.toml is another one today: the lock of the run is used" in done.out
    project.write({"runproj.yaml": VENV.replace("{kind: venv}", '{kind: venv, python: ">=3.8"}')})
    done = project.run("rerun", first, "--with-current-code", "--json").ok()
    notes = done.json["verify"]["notes"]
    assert "the environment 'default' is declared otherwise: its lock of today is used" in notes


def test_values_that_do_not_fit_today_are_told(project: Project) -> None:
    first = first_of(project, "-P", "lr=0.5")
    text = FILES["runproj.yaml"]
    project.write({"runproj.yaml": text.replace("max: 1", "max: 0.1")})
    done = project.run("rerun", first, "--with-current-code", "--json").ok(2)
    assert problems(done) == [
        "lr: the value of the run does not fit: 0.5 is larger than the maximum, 0.1"
    ]
    project.write({"runproj.yaml": text.replace("main:", "other:")})
    assert "no entry point 'main'" in project.run("rerun", first, "--with-current-code").ok(2).err
    project.write({"runproj.yaml": "broken: ["})
    project.run("rerun", first, "--with-current-code").ok(3)


def test_the_forms_of_rerun_do_not_mix(project: Project) -> None:
    first = first_of(project)
    done = project.run("rerun", first, "-P", "lr=1", "--with-current-code").ok(2)
    assert "exclude each other" in done.err
    assert "--with-current-code" in project.run("rerun", first, "--project", ".").ok(2).err
    step = project.run("rerun", f"{first}/train", "--with-current-code").ok(2)
    assert "a whole run is needed" in step.err


def test_what_cannot_be_done_again_today_is_a_verdict(computer: Computer) -> None:
    project = computer.project(CHOOSING_FILES)
    first = first_of(project)
    shutil.rmtree(project.folder / ".runproj/objects")
    done = project.run("rerun", first, "--with-current-code", "--json").ok(7)
    assert done.json["verify"]["verdict"] == "cannot rerun"
    assert any("ignored.txt" in note for note in done.json["verify"]["notes"])
