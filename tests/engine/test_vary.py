"""A past run with other values, or with the code of today."""

import pytest
from tests.engine.world import HOME, PROJECT, World, statuses, told, training, writes

from runproj.engine.prepare import Request
from runproj.engine.vary import inputs_by_origin
from runproj.errors import CannotRerun, ParameterError, UsageError
from runproj.plan.plan import Plan
from runproj.record.run import Run
from runproj.record.source import SourceSnapshot

READING = """
    runproj: 1
    entry_points:
      main:
        parameters: {data: {type: path}, name: x}
        steps:
          read: {command: [go, "{data}", "{name}"], inputs: [x], outputs: [out]}
          aside: {command: [go], outputs: [aside]}
"""


@pytest.fixture
def w() -> World:
    return training()


def reading() -> World:
    """Return a project that reads a file of the user's and one that git ignores."""
    world = World(READING, {"read": writes(out="o"), "aside": writes(aside="a")})
    world.ignored("x", "ignored")
    world.disk.write(f"{HOME}/data.txt", b"then")
    return world


def values(run: Run | Plan) -> dict[str, object]:
    plan = run.plan if isinstance(run, Run) else run
    return {value.name: value.value for value in plan.values}


def venv(packages: str = "a", more: str = "") -> str:
    return f"""
    runproj: 1
    environments:
      default: {{kind: venv, packages: [{packages}]}}
      other: {{kind: venv, packages: [b]}}
    entry_points:
      main:
        parameters: {{which: one, n: 1}}
        steps:
          one: {{command: [go], outputs: [one]}}
          two: {{command: [go], outputs: [two], environment: other}}
          last: {{command: [go, "{{n}}"], inputs: ["{{which}}"], outputs: [last]}}
          {more}
"""


def two_environments() -> World:
    return World(venv(), {name: writes(**{name: name}) for name in ("one", "two", "last", "new")})


# other values


def test_only_what_a_value_touches_is_executed(w: World) -> None:
    run = w.run(seed=3)
    found = w.vary(run, lr=0.5)
    assert found.names == ("lr",)
    assert values(found.prepared.plan) == {"seed": 3, "lr": 0.5}
    assert [value.origin for value in found.prepared.plan.values] == ["command line"] * 2
    assert told(found.prepared) == {
        "prepare": "cached: unchanged since r1",
        "train": "run: parameter lr: 0.1 → 0.5",
        "report": "pending: after train",
    }
    again = w.execute(found.prepared)
    assert statuses(again)["report"] == "succeeded"
    assert w.rerun(again).steps[1].outputs == again.steps[1].outputs


def test_every_step_is_executed_when_that_is_wanted(w: World) -> None:
    run = w.run()
    assert {one.action for one in w.vary(run, force=True, lr=1).prepared.decisions} == {"run"}


def test_a_step_is_planned_with_those_before_it(w: World) -> None:
    run = w.run()
    assert list(told(w.vary(run, "train", lr=1).prepared)) == ["prepare", "train"]
    part = w.run("train")
    assert list(told(w.vary(part, lr=1).prepared)) == ["prepare", "train"]


def test_nothing_of_the_project_folder_is_needed(w: World) -> None:
    run = w.run()
    w.source.clear()
    w.disk.remove(PROJECT)
    w.yaml = "broken"
    found = w.vary(run, lr=0.5)
    assert found.prepared.snapshot == run.source
    assert w.execute(found.prepared).status == "succeeded"


def test_values_that_were_defaults_stay_defaults(w: World) -> None:
    found = w.vary(w.run(), lr=0.5)
    assert [value.origin for value in found.prepared.plan.values] == ["default", "command line"]
    assert w.vary(w.run(), lr=0.1).names == ()


def test_mistakes_are_told_at_once(w: World) -> None:
    with pytest.raises(ParameterError) as raised:
        w.vary(w.run(), lr="x", sed=1)
    assert [one.message for one in raised.value.problems] == [
        "there is no parameter 'sed'", "lr: 'x' is not a number",
    ]  # fmt: skip


def test_inputs_of_then_are_given_and_a_path_is_read_where_the_caller_is() -> None:
    w = reading()
    run = w.run(data="../data.txt")
    assert set(inputs_by_origin(run)) == {"x", f"{HOME}/data.txt"}
    w.ignored("x", "now")
    w.disk.write(f"{HOME}/data.txt", b"now")
    kept = w.vary(run, name="y")
    assert kept.names == ("name",)
    assert kept.prepared.files == {one.path: one for one in run.inputs}
    anew = w.vary(run, data="data.txt")
    assert anew.names == ("data",)  # its content is another one
    assert anew.prepared.files["x"] == kept.prepared.files["x"]
    assert anew.prepared.files["inputs/data/data.txt"] not in run.inputs
    assert w.vary(run, "aside", data="data.txt").names == ()


def test_a_path_where_the_caller_has_nothing_is_one_of_the_record() -> None:
    w = reading()
    run = w.run(data="../data.txt")
    assert values(w.vary(run, data="x").prepared.plan)["data"] == "x"
    assert values(w.vary(run, data=".").prepared.plan)["data"] == "inputs/data/user"
    with pytest.raises(ParameterError, match="'y' is not there, and no step makes it"):
        w.vary(run, data="y")
    with pytest.raises(ParameterError, match="data: '/elsewhere/y' is not there"):
        w.vary(run, data="/elsewhere/y")


def test_globs_find_the_files_of_then() -> None:
    w = World(
        "runproj: 1\nentry_points:\n  main:\n    parameters: {n: 1}\n    steps:\n"
        '      a: {command: [go, "{n}"], inputs: ["d/*.txt"], outputs: [o]}\n',
        {"a": writes(o="")},
    )
    w.ignored("d/1.txt", "1")
    w.ignored("d/2.txt", "2")
    run = w.run()
    w.ignored("d/3.txt", "3")
    assert set(w.vary(run, n=2).prepared.files) == {"d/1.txt", "d/2.txt"}
    assert set(w.today(run).files) == {"d/1.txt", "d/2.txt"}


def test_variables_that_were_passed_on_are_those_of_then() -> None:
    w = World(
        "runproj: 1\nentry_points:\n  main:\n    parameters: {n: 1}\n"
        '    command: [go, "{n}"]\n    pass_env: [SET, UNSET]\n    outputs: [o]\n',
        {"main": writes(o="")},
        caller={"SET": "then", "PATH": "/bin"},
    )
    run = w.run()
    w.caller.update({"SET": "now", "UNSET": "now"})
    (step,) = w.vary(run, n=2).prepared.plan.steps
    assert step.pass_env == {"SET": "then", "UNSET": None}


def test_locks_are_those_of_then_with_the_key_of_this_machine() -> None:
    w = two_environments()
    run = w.run()
    w.shelf.kept.clear()
    w.venv.version, w.venv.python = "2.0", "3.1"
    found = w.vary(run, n=2)
    assert len(w.venv.locked) == 2
    old, new = run.plan.environments, found.prepared.plan.environments
    assert [one.lock for one in new] == [one.lock for one in old]
    assert new[0].facts == {"python": "3.1"}


def test_an_environment_without_a_recorded_lock_is_named() -> None:
    w = two_environments()
    run = w.run("last")
    with pytest.raises(CannotRerun, match="no lock of the environment 'other'"):
        w.vary(run, which="two")
    assert set(told(w.vary(w.run(), which="two").prepared)) == {"one", "two", "last"}
    w.venv.keyless = "no interpreter"
    with pytest.raises(CannotRerun, match="no interpreter"):
        w.vary(run, n=2)


def test_a_run_on_the_system_is_varied_there() -> None:
    w = two_environments()
    run = w.execute(w.prepare(system=True))
    found = w.vary(run, n=2)
    assert [one.kind for one in found.prepared.plan.environments] == ["system"]


def test_all_that_is_gone_is_told_at_once() -> None:
    w = reading()
    run = w.run(data="../data.txt")
    project, point = w.recorded(run)
    w.control.trees.clear()
    w.objects.contents.clear()
    with pytest.raises(CannotRerun) as raised:
        w.varier.vary(run, project, point, Request())
    assert len(raised.value.problems) == 4
    with pytest.raises(CannotRerun, match="the project file of the run cannot be read"):
        w.varier.project_file(run)


def test_a_project_file_that_is_not_in_the_record_is_told(w: World) -> None:
    run = w.run()
    with pytest.raises(CannotRerun, match="is not in the recorded source"):
        w.varier.project_file(run.replace(project_file="gone.yaml"))
    w.control.trees["odd"] = {"a/runproj.yaml": w.control.trees[run.source.tree]["train.py"]}
    within = run.replace(source=SourceSnapshot(tree="odd", project_path="a"))
    assert w.varier.project_file(within) == "print(1)"
    w.source["train.py"] = b"\xff"
    broken = w.run().replace(project_file="train.py")
    with pytest.raises(CannotRerun, match="not UTF-8"):
        w.varier.project_file(broken)


# the code of today


def test_the_code_is_that_of_today_and_the_rest_that_of_then(w: World) -> None:
    run = w.run(lr=0.5)
    w.yaml = w.yaml.replace("default: 1", "default: 2")
    w.source["train.py"] = b"print(2)"
    notes: list[str] = []
    prepared = w.today(run, notes)
    assert prepared.snapshot.tree != run.source.tree
    assert values(prepared.plan) == {"seed": 1, "lr": 0.5}
    assert {one.action for one in prepared.decisions} == {"run"}
    assert notes == []


def test_that_the_code_is_the_same_is_noted(w: World) -> None:
    run, notes = w.run(), list[str]()
    w.today(run, notes)
    assert notes == ["the code is the same as then"]


def test_inputs_are_those_of_then_and_what_is_new_is_that_of_today() -> None:
    w = reading()
    run = w.run(data="../data.txt")
    w.ignored("x", "now")
    w.ignored("y", "new")
    w.disk.write(f"{HOME}/data.txt", b"now")
    w.yaml = w.yaml.replace("inputs: [x]", "inputs: [x, y]")
    files = w.today(run).files
    assert [files[one.path] for one in run.inputs] == list(run.inputs)
    assert set(files) == {"x", "y", "inputs/data/data.txt"}


def test_parameters_may_come_and_go(w: World) -> None:
    run, notes = w.run(lr=0.5), list[str]()
    w.yaml = w.yaml.replace("seed: {type: int, default: 1}", "new: 7").replace("{seed}", "{new}")
    assert values(w.today(run, notes).plan) == {"new": 7, "lr": 0.5}
    assert notes == ["today's project has no parameter 'seed': its value is not used"]


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("type: float", "type: path", "it was a float in the run, and is a path now"),
        ("type: float", "type: bool", "the value of the run does not fit: 0.5 is not true or"),
    ],
)
def test_a_value_that_does_not_fit_today_is_told(
    w: World, before: str, after: str, said: str
) -> None:
    run = w.run(lr=0.5)
    w.yaml = w.yaml.replace(f"{before}, default: 0.1", f"{after}, default: null")
    with pytest.raises(ParameterError, match=said):
        w.today(run)


def test_a_whole_run_has_the_steps_of_today_and_a_part_its_own() -> None:
    w = two_environments()
    whole, part = w.run(), w.run("one")
    w.yaml = venv(more="new: {command: [go], outputs: [new]}")
    assert set(told(w.today(whole))) == {"one", "two", "last", "new"}
    assert set(told(w.today(part))) == {"one"}
    unknown = w.varier.with_current_code(part, None, w.preparer(), [])
    assert set(told(unknown)) == {"one", "two", "last", "new"}
    w.yaml = w.yaml.replace("main:", "renamed: {command: [go]}\n      other:")
    with pytest.raises(UsageError, match="no entry point 'main'"):
        w.today(part)


def test_an_environment_keeps_its_lock_as_long_as_it_is_declared_so() -> None:
    w = two_environments()
    run = w.run()
    w.venv.version = "2.0"
    w.shelf.kept.clear()
    w.source["locks/pylock.default.toml"] = b'lock-version = "1.0"\ncreated-by = "x"\n'
    notes: list[str] = []
    pins = {one.name: one for one in w.today(run, notes).plan.environments}
    assert pins["default"].lock == run.plan.environments[0].lock
    assert notes == ["locks/pylock.default.toml is another one today: the lock of the run is used"]
    w.yaml = venv(packages="a, c")
    notes.clear()
    del w.source["locks/pylock.default.toml"]
    w.disk.remove(f"{PROJECT}/locks/pylock.default.toml")
    pins = {one.name: one for one in w.today(run, notes).plan.environments}
    assert pins["default"].lock != run.plan.environments[0].lock
    assert notes == ["the environment 'default' is declared otherwise: its lock of today is used"]


def test_a_new_environment_has_its_lock_of_today() -> None:
    w = two_environments()
    run, notes = w.run("one"), list[str]()
    w.yaml = w.yaml.replace("one: {command: [go], outputs: [one]}",
                            "one: {command: [go], outputs: [one], environment: other}")  # fmt: skip
    w.today(run, notes)
    assert notes == ["the environment 'other' is new: its lock of today is used"]


def test_inputs_that_are_gone_cannot_be_given_today() -> None:
    w = reading()
    run = w.run(data="../data.txt")
    w.objects.contents.clear()
    with pytest.raises(CannotRerun):
        w.today(run)
