from typing import Any

import pytest
from tests.unit.planning import World, plan_of, planner_of, project

from runproj.errors import NotSupported, ParameterError, ProjectError, UsageError
from runproj.plan.command import RUN_ID, WORKSPACE
from runproj.plan.plan import PlannedInput, PlannedStep
from runproj.plan.planner import seen_from


def only(steps: str, *args: Any, **named: Any) -> PlannedStep:  # noqa: ANN401 -- as of plan_of
    """Plan a project with one step, called a."""
    return plan_of(project("a: {" + steps + "}", *args), **named)["a"]


def problems(text: str, *args: Any, **named: Any) -> list[str]:  # noqa: ANN401 -- as of plan_of
    """Return line, message and hint of all that is wrong with a plan."""
    with pytest.raises((ProjectError, ParameterError)) as caught:
        plan_of(text, *args, **named)
    return [
        f"{(problem.where or '').removeprefix('runproj.yaml:').partition(':')[0]} "
        f"{problem.message.removeprefix('entry_points.main.steps.')}"
        + (f" | {problem.hint}" if problem.hint else "")
        for problem in caught.value.problems
    ]


def inputs(step: PlannedStep) -> list[tuple[str, str, str | None]]:
    return [(one.path, one.kind, one.step or one.origin) for one in step.inputs]


# Edges


@pytest.mark.parametrize(
    ("made", "wanted"),
    [
        ("x.csv", "x.csv"), ("build/x.csv", "build/x.csv"), ("build/x.csv", "build"),
        ("build", "build/x.csv"), ("build", "build/*.csv"), ("build/x.csv", "build/*.csv"),
        ("build/x.csv", "**/*.csv"), ("build/a/x.csv", "build/*/x.csv"), ("build/",
         "./build/x.csv"),
        ("build/x.csv", "."),
    ],
)  # fmt: skip
def test_a_step_comes_after_the_one_that_makes_its_input(made: str, wanted: str) -> None:
    steps = plan_of(
        project(f"b: {{command: b, inputs: ['{wanted}']}}\na: {{command: a, outputs: ['{made}']}}")
    )
    assert list(steps) == ["a", "b"]
    assert steps["b"].after == ("a",)


@pytest.mark.parametrize(
    "fields",
    [
        "command: 'b {steps.a.outputs.m}'",
        "command: \"b '{steps.a.outputs.m}' | c\"",
        "command: [b, '{steps.a.outputs.m}']",
        "command: b, inputs: ['{steps.a.outputs.m}']",
        "command: b, inputs: {d: '{steps.a.outputs.m}/x'}",
        "command: b, env: {M: '{steps.a.outputs.m}'}",
        "command: b, stdin: '{steps.a.outputs.m}'",
        "command: b, working_directory: '{steps.a.outputs.m}'",
    ],
)
def test_a_reference_to_an_output_is_an_edge_and_an_input(fields: str) -> None:
    steps = plan_of(project(f"b: {{{fields}}}\na: {{command: a, outputs: {{m: build}}}}"))
    assert steps["b"].after == ("a",)
    assert [(one.kind, one.step, one.output) for one in steps["b"].inputs] == [
        ("step", "a", "build")
    ]


def test_needs_is_an_edge_and_no_input() -> None:
    steps = plan_of(project("b: {command: b, needs: a}\na: {command: a, outputs: [x]}"))
    assert list(steps) == ["a", "b"]
    assert steps["b"].inputs == ()


@pytest.mark.parametrize("field", ["metrics: [m.json]", "stdout: m.json"])
def test_metrics_and_standard_output_are_outputs_too(field: str) -> None:
    steps = plan_of(project(f"b: {{command: b, inputs: [m.json]}}\na: {{command: a, {field}}}"))
    assert steps["b"].after == ("a",)


def test_steps_that_do_not_depend_on_each_other_keep_their_order() -> None:
    steps = plan_of(project("c: {command: c}\na: {command: a}\nb: {command: b, needs: [c]}"))
    assert list(steps) == ["c", "a", "b"]


def test_steps_before_one_are_in_declared_order_and_named_once() -> None:
    text = (
        project(
            "z: {command: z, outputs: [1]}\na: {command: a, outputs: [2]}\n"
            "c: {command: 'c {steps.z.outputs.o}', inputs: [2, 1], needs: [a, z]}"
        )
        .replace("outputs: [1]", "outputs: {o: '1'}")
        .replace("[2, 1]", "['2', '1']")
        .replace("[2]", "['2']")
    )
    assert plan_of(text)["c"].after == ("z", "a")


def test_an_edge_that_only_values_show_is_an_edge() -> None:
    text = project(
        "b: {command: b, inputs: ['{x}/a']}\na: {command: a, outputs: ['{y}/a']}",
        "{x: build, y: other}",
    )
    assert plan_of(text, {"x": "other"})["b"].after == ("a",)


def test_a_cycle_that_only_values_show_is_printed() -> None:
    text = project(
        "a: {command: a, inputs: ['{x}'], outputs: [p]}\nb: {command: b, inputs: [p], outputs: [q]}",
        "{x: train.py}",
    )
    (problem,) = problems(text, {"x": "q"})
    assert problem in (
        "6 a: the steps wait for each other: a → b → a",
        "6 a: the steps wait for each other: b → a → b",
        "7 b: the steps wait for each other: b → a → b",
    )  # fmt: skip


# Outputs


def test_two_steps_that_make_the_same_once_values_are_put_in_are_refused() -> None:
    text = project(
        "a: {command: a, outputs: ['{x}/m']}\nb: {command: b, outputs: ['{y}/m']}", "{x: p, y: q}"
    )
    assert problems(text, {"x": "q"}) == [
        "7 b.outputs: 'q/m' is made by the step 'a' too | each output has one maker"
    ]


def test_one_step_that_makes_the_same_twice_once_values_are_put_in_is_refused() -> None:
    text = project("a: {command: a, outputs: ['{x}', q]}", "{x: p}")
    assert problems(text, {"x": "q"}) == ["6 a.outputs: an output is listed twice"]


def test_an_output_in_a_folder_that_another_step_makes_is_refused() -> None:
    text = project(
        "a: {command: a, outputs: [m, m-b, m.b]}\nb: {command: b, outputs: [m/c]}\n"
        "c: {command: c, outputs: [m/c/d/e]}"
    )
    assert sorted(problems(text)) == [
        "7 b.outputs: 'm/c' stands in 'm', which the step 'a' makes",
        "8 c.outputs: 'm/c/d/e' stands in 'm', which the step 'a' makes",
        "8 c.outputs: 'm/c/d/e' stands in 'm/c', which the step 'b' makes",
    ]


@pytest.mark.parametrize(
    ("field", "place"),
    [("outputs: ['{x}']", "outputs"), ("metrics: ['{x}']", "metrics"), ("stdout: '{x}'", "stdout")],
)
@pytest.mark.parametrize("value", ["../x", "/etc/x", ".", "..", "a/../..", ""])
def test_an_output_that_leaves_the_project_once_values_are_put_in_is_refused(
    field: str, place: str, value: str
) -> None:
    text = project(f"a: {{command: a, {field}}}", "{x: p}")
    assert problems(text, {"x": value}) == [f"6 a.{place}: {value!r} is not inside the project"]


@pytest.mark.parametrize(
    "value", ["runproj.yaml", "./runproj.yml", ".runproj/x", ".git/config", ".GIT/x", "a/../.git"]
)
def test_an_output_that_would_be_the_projects_own_is_refused(value: str) -> None:
    text = project("a: {command: a, outputs: ['{x}']}", "{x: p}")
    said = f"6 a.outputs: no step may make {value!r}: it is the project's own"
    assert problems(text, {"x": value}) == [said]


def test_outputs_have_names_ways_to_compare_and_metrics() -> None:
    step = only(
        "command: a, outputs: {m: {path: b/m.json, compare: json, rtol: 0.1}, n: n}, metrics: [./n, o]"
    )
    assert [(one.name, one.path, one.compare, one.rtol, one.metrics) for one in step.outputs] == [
        ("m", "b/m.json", "json", 0.1, False), ("n", "n", "bytes", None, True),
        (None, "o", "bytes", None, True),
    ]  # fmt: skip


def test_metrics_are_listed_once() -> None:
    assert [one.path for one in only("command: a, metrics: [m, ./m], stdout: m").outputs] == ["m"]


# Inputs


def test_a_file_of_the_source_is_an_input_by_its_path() -> None:
    assert inputs(only("command: a, inputs: [./train.py]")) == [("train.py", "source", None)]


def test_a_file_that_git_ignores_is_given() -> None:
    step = only("command: a, inputs: [data/x]", world=World(ignored=["data/x"]))
    assert step.inputs == (
        PlannedInput(path="data/x", kind="file", origin="data/x", sha256="sha256 of data/x"),
    )


def test_a_folder_of_the_source_is_one_input() -> None:
    world = World(source=["data/x", "data-2/y"])
    assert inputs(only("command: a, inputs: [data]", world=world)) == [("data", "source", None)]


def test_a_folder_brings_what_git_ignores_in_it() -> None:
    world = World(source=["data/x"], ignored=["data/y", "data/z/w", "data/__pycache__/a.pyc"])
    assert inputs(only("command: a, inputs: [data]", world=world)) == [
        ("data", "source", None), ("data/y", "file", "data/y"), ("data/z/w", "file", "data/z/w"),
    ]  # fmt: skip


def test_a_glob_takes_what_is_made_what_is_source_and_what_is_ignored() -> None:
    text = project("a: {command: a, outputs: [d/made]}\nb: {command: b, inputs: ['d/*']}")
    world = World(source=["d/source", "d/made", "x/y"], ignored=["d/ignored", "d/made"])
    assert inputs(plan_of(text, world=world)["b"]) == [
        ("d/made", "step", "a"), ("d/source", "source", None), ("d/ignored", "file", "d/ignored"),
    ]  # fmt: skip


def test_what_stands_in_a_made_folder_is_neither_source_nor_found() -> None:
    text = project("a: {command: a, outputs: [d]}\nb: {command: b, inputs: ['d/*', d/old]}")
    world = World(source=["d/old"], ignored=["d/older"])
    assert inputs(plan_of(text, world=world)["b"]) == [("d/*", "step", "a"), ("d/old", "step", "a")]


def test_a_member_of_a_made_folder_is_named_with_its_folder() -> None:
    text = project("a: {command: a, outputs: [d]}\nb: {command: b, inputs: [d/x]}")
    assert plan_of(text)["b"].inputs == (
        PlannedInput(path="d/x", kind="step", step="a", output="d"),
    )


def test_a_folder_in_which_steps_make_something_is_what_they_make_and_the_source() -> None:
    text = project("a: {command: a, outputs: [d/x]}\nb: {command: b, inputs: [d]}")
    world = World(source=["d/y", "d/x"])
    assert inputs(plan_of(text, world=world)["b"]) == [("d/x", "step", "a"), ("d", "source", None)]


def test_an_input_that_nobody_makes_is_refused_with_its_place() -> None:
    text = project("a: {command: a, inputs: [train.py,\n    trian.py], outputs: [x]}")
    assert problems(text) == [
        "7 a.inputs[1]: 'trian.py' is not there, and no step makes it | did you mean 'train.py'?"
    ]


@pytest.mark.parametrize("field", ["stdin: x", "inputs: ['*.x']", "inputs: {n: x}"])
def test_every_kind_of_input_must_be_there(field: str) -> None:
    (problem,) = problems(project(f"a: {{command: a, {field}}}"))
    assert "is not there, and no step makes it" in problem


def test_all_missing_inputs_are_said_at_once() -> None:
    text = project("a: {command: a, inputs: [q, r]}\nb: {command: b, stdin: s}")
    assert [one.split(":")[0] for one in problems(text)] == [
        "6 a.inputs[0]",
        "6 a.inputs[1]",
        "7 b.stdin",
    ]


def test_an_own_output_cannot_be_an_input() -> None:
    text = project("a: {command: a, inputs: [train.py], outputs: ['{o}']}", "{o: x}")
    (problem,) = problems(text, {"o": "train.py"})
    assert problem == "6 a.inputs[0]: 'train.py' is made by the step itself: it cannot be an input"


@pytest.mark.parametrize("value", ["/etc/passwd", "../x", "a/../../x"])
def test_an_input_that_leaves_the_project_is_refused_and_not_looked_at(value: str) -> None:
    world = World(elsewhere={"/etc/passwd": "0", "../x": "0"})
    text = project("a: {command: a, inputs: ['{p}']}", "{p: train.py}")
    (problem,) = problems(text, {"p": value}, world)
    assert "is not inside the project | a parameter of type path takes files" in problem
    assert world.looked_at == []


def test_a_wider_source_allows_inputs_above_the_project() -> None:
    text = project("a: {command: 'a {inputs.x}', inputs: {x: ../lib/x}, working_directory: ../lib}",
                   more="source: {root: ..}\n")  # fmt: skip
    step = plan_of(text, world=World(source=["../lib/x"]))["a"]
    assert inputs(step) == [("../lib/x", "source", None)]
    assert step.argv == ("a", "x")


def test_a_digest_that_is_declared_must_be_what_is_there() -> None:
    text = project(f"a: {{command: a, inputs: [{{path: x, sha256: {'a' * 64}}}]}}")
    (problem,) = problems(text, world=World(ignored=["x"]))
    assert "the input 'x' is not what its sha256 says" in problem


def test_an_input_wanted_twice_is_given_once() -> None:
    step = only("command: 'a {inputs.p}', inputs: {p: train.py, q: ./train.py}, stdin: train.py")
    assert inputs(step) == [("train.py", "source", None)]


# Values


def test_a_path_value_is_an_input_of_each_step_that_refers_to_it() -> None:
    text = project(
        "a: {command: 'a {d}'}\nb: {command: b, env: {D: '{d}'}}\nc: {command: c}\n"
        "d: {command: d, working_directory: '{d}'}\ne: {command: \"e '{d}' | e\"}",
        "{d: {type: path, default: data}}",
    )
    steps = plan_of(text, world=World(source=["data/x"]))
    assert {name: inputs(step) for name, step in steps.items()} == {
        "a": [("data", "source", None)], "b": [("data", "source", None)], "c": [],
        "d": [("data", "source", None)], "e": [("data", "source", None)],
    }  # fmt: skip


def test_a_path_value_from_outside_lands_in_inputs() -> None:
    text = project("a: {command: 'a {d}', working_directory: sub}", "{d: {type: path}}")
    step = plan_of(text, {"d": "/data/x.csv"}, World(elsewhere={"/data/x.csv": "9"}))["a"]
    assert step.argv == ("a", "../inputs/d/x.csv")
    assert step.inputs == (
        PlannedInput(path="inputs/d/x.csv", kind="file", origin="/data/x.csv", sha256="9"),
    )


def test_a_part_of_a_folder_from_outside_brings_the_folder() -> None:
    text = project("a: {command: a, inputs: ['{d}/x.csv']}", "{d: {type: path}}")
    step = plan_of(text, {"d": "/data"}, World(elsewhere={"/data": "9"}))["a"]
    assert inputs(step) == [("inputs/d/data", "file", "/data")]


def test_a_path_value_that_is_not_there_is_refused() -> None:
    text = project("a: {command: 'a {d}'}", "{d: {type: path}}")
    assert problems(text, {"d": "/data/x"}) == ["-P d d: '/data/x' is not there"]
    (said,) = problems(text, {"d": "https://x/y"})
    assert said.endswith(" | a parameter of type 'uri' takes an address")
    text = project("a: {command: 'a {d}', inputs: [nope]}", "{d: {type: path}}")
    with pytest.raises(ProjectError) as caught:  # the file is wrong as well
        plan_of(text, {"d": "/data/x"})
    assert len(caught.value.problems) == 2


def test_a_list_of_paths_is_a_list_of_inputs_and_of_arguments() -> None:
    text = project(
        "a: {command: 'a {d}', working_directory: sub, inputs: ['{d}']}",
        "{d: {type: list, items: path}}",
    )
    world = World(source=["p", "sub/x"], elsewhere={"/data/q": "9"})
    step = plan_of(text, {"d": "../p,/data/q"}, world)["a"]
    assert step.argv == ("a", "../p", "../inputs/d/1/q")
    assert inputs(step) == [("p", "source", None), ("inputs/d/1/q", "file", "/data/q")]


def test_a_path_value_that_names_an_output_is_no_input() -> None:
    text = project("a: {command: 'a {o}', outputs: ['{o}']}", "{o: {type: path, default: out/x}}")
    step = plan_of(text)["a"]
    assert step.inputs == ()
    assert [one.path for one in step.outputs] == ["out/x"]


def test_a_path_value_that_is_an_own_output_is_no_input() -> None:
    text = project("a: {command: 'a {o}', outputs: [out/x]}", "{o: {type: path, default: out/x}}")
    assert plan_of(text)["a"].inputs == ()


def test_values_that_a_step_refers_to_are_kept_with_it() -> None:
    text = project(
        "a: {command: 'a {x} {n}', env: {Y: '{y}'}, outputs: ['{o}'], stdout: '{s}'}\nb: {command: b}",
        "{x: 1, y: 0.10, n: {default: null}, o: p, s: q, l: [1, 2], unused: 5}",
    )
    steps = plan_of(text)
    assert steps["a"].parameters == {"x": "1", "n": "null", "y": "0.1", "o": "p", "s": "q"}
    assert steps["b"].parameters == {}


def test_a_list_value_is_kept_as_text() -> None:
    assert only("command: 'a {l}'", "{l: [1, 2]}").parameters == {"l": "1,2"}


@pytest.mark.parametrize(
    ("declared", "text"),
    [
        ("[a, 'b,c']", '["a", "b,c"]'), ("[a, b, c]", "a,b,c"), ("[a, '']", '["a", ""]'),
        ("{type: list, default: []}", "[]"), ("''", '""'), ("'null'", '"null"'), ("' x'", '" x"'),
        ("{type: string, default: null}", "null"), ("x y", "x y"),
    ],
)  # fmt: skip
def test_no_two_values_are_kept_as_the_same_text(declared: str, text: str) -> None:
    assert only("command: 'a {l}'", f"{{l: {declared}}}").parameters == {"l": text}


@pytest.mark.parametrize(
    ("declared", "argv"),
    [
        ("0.10", ("a", "0.1", "--x=0.1")), ("1.0e-5", ("a", "1e-05", "--x=1e-05")),
        ("{type: float, default: 1}", ("a", "1.0", "--x=1.0")), ("true", ("a", "true", "--x=true")),
        ("{type: json, default: {b: [1, é]}}", ("a", '{"b":[1,"é"]}', '--x={"b":[1,"é"]}')),
        ("{default: null}", ("a",)), ("''", ("a", "", "--x=")), ("'a b'", ("a", "a b", "--x=a b")),
        ("{type: json, default: null}", ("a",)),
    ],
)  # fmt: skip
def test_values_are_rendered_into_arguments(declared: str, argv: tuple[str, ...]) -> None:
    assert only("command: 'a {x} --x={x}'", f"{{x: {declared}}}").argv == argv
    assert only("command: [a, '{x}', '--x={x}']", f"{{x: {declared}}}").argv == argv


@pytest.mark.parametrize(("declared", "argv"), [("[1, 2]", ("a", "1", "2")), ("[x]", ("a", "x"))])
def test_a_list_is_one_argument_per_item(declared: str, argv: tuple[str, ...]) -> None:
    assert only("command: 'a {x}'", f"{{x: {declared}}}").argv == argv


def test_an_empty_list_is_no_argument() -> None:
    assert only("command: 'a {x}'", "{x: {type: list, default: []}}").argv == ("a",)


def test_a_command_of_which_nothing_is_left_is_refused() -> None:
    text = project("a: {command: '{x}'}", "{x: {default: null}}")
    assert problems(text) == ["6 a.command: no argument is left, all values are null"]


def test_a_variable_whose_value_is_null_is_not_set() -> None:
    assert only("command: a, env: {X: '{x}', Y: 'y{x}', Z: z}", "{x: {default: null}}").env == {
        "Z": "z"
    }


def test_what_is_known_only_when_it_executes_is_symbolic() -> None:
    step = only("command: 'a {run.id} {workspace}/x', env: {R: 'r-{run.id}'}")
    assert step.argv == ("a", RUN_ID, f"{WORKSPACE}/x")
    assert step.env == {"R": f"r-{RUN_ID}"}


def test_values_reach_a_script_as_variables() -> None:
    step = only("command: 'a {x} | b', env: {E: f}", "{x: 'p q'}")
    assert step.argv == ("bash", "-euo", "pipefail", "-c", 'a "${RUNPROJ_VALUE_1}" | b')
    assert step.env == {"E": "f", "RUNPROJ_VALUE_1": "p q"}


# Places


def test_paths_are_seen_from_the_working_directory() -> None:
    text = project(
        "a: {command: a, outputs: {m: build/m}}\n"
        "b:\n  command: 'b {inputs.i} {outputs.o} {steps.a.outputs.m} {d} {s}'\n"
        "  inputs: {i: sub/x}\n  outputs: {o: sub/deep/y}\n  working_directory: ./sub/deep\n"
        "  env: {D: '{d}'}",
        "{d: {type: path, default: data/z}, s: data/z}",
    )
    step = plan_of(text, world=World(source=["sub/x", "data/z"]))["b"]
    assert step.argv == ("b", "../x", "y", "../../build/m", "../../data/z", "data/z")
    assert step.env == {"D": "../../data/z"}
    assert step.working_directory == "sub/deep"


def test_a_glob_takes_a_folder_of_the_source_as_one_input() -> None:
    world = World(source=["data/raw/a", "data/b", "data/deep/x/c"], ignored=["data/raw/new"])
    found = plan_of(project("a: {command: a, inputs: ['data/*']}"), world=world)["a"]
    assert inputs(found) == [
        ("data/b", "source", None), ("data/deep", "source", None), ("data/raw", "source", None),
        ("data/raw/new", "file", "data/raw/new"),
    ]  # fmt: skip
    every = plan_of(project("a: {command: a, inputs: ['data/**']}"), world=world)["a"]
    assert sorted(path for path, _, _ in inputs(every)) == [
        "data/b", "data/deep/x/c", "data/raw/a", "data/raw/new",
    ]  # fmt: skip


OWN = World(source=["a.txt", "runproj.yaml", "locks/pylock.default.toml", "locks/x"])


def test_a_glob_takes_neither_the_project_file_nor_lockfiles() -> None:
    text = project(
        "a: {command: a, inputs: ['**']}", more="environments: {default: {kind: venv}}\n"
    )
    assert [path for path, _, _ in inputs(plan_of(text, world=OWN)["a"])] == ["a.txt", "locks/x"]


@pytest.mark.parametrize(
    "field", ["inputs: [{0}]", "stdin: {0}", "inputs: [./{0}]", "inputs: {{x: {0}}}"]
)
@pytest.mark.parametrize("path", ["runproj.yaml", "locks/pylock.default.toml"])
def test_the_project_file_and_lockfiles_are_no_inputs(field: str, path: str) -> None:
    step = f"a: {{command: a, {field.format(path)}}}"
    (said,) = problems(project(step, more="environments: {default: {kind: venv}}\n"), {}, OWN)
    assert f"{path!r} cannot be an input: no step sees it" in said


@pytest.mark.parametrize(
    ("fields", "there"),
    [
        ("outputs: [new/x]", True), ("outputs: [new/a/b]", True), ("outputs: [newer/x]", False),
        ("inputs: [sub/x.py]", False), ("inputs: [ignored/x]", False),
    ],
)  # fmt: skip
def test_a_working_directory_must_be_there_when_the_step_starts(
    fields: str, *, there: bool
) -> None:
    text = project(f"a: {{command: a, working_directory: new, {fields}}}")
    world = World(ignored=["ignored/x"])
    if there:
        assert plan_of(text, world=world)["a"].working_directory == "new"
    else:
        (said,) = problems(text, {}, world)
        assert said.startswith("6 a.working_directory: there is no folder 'new' | ")


def test_a_working_directory_may_stand_in_an_input() -> None:
    text = project("a: {command: a, working_directory: new/deep, inputs: [new]}")
    assert plan_of(text, world=World(ignored=["new/x"]))["a"].working_directory == "new/deep"


def test_sources_that_match_nothing_are_refused_with_their_place() -> None:
    text = project(
        "a: {command: a, sources: [train.py, 'src/**', sub, x.py]}\nb: {command: b, sources: [x.py]}"
    )
    assert problems(text, {}) == [
        "6 a.sources[1]: 'src/**' matches no file of the source",
        "6 a.sources[3]: 'x.py' matches no file of the source",
        "7 b.sources[0]: 'x.py' matches no file of the source",
    ]


def test_a_default_path_that_is_not_there_is_refused_where_it_stands() -> None:
    text = project(
        "a: {command: 'a {d}'}\nb: {command: 'b {d}'}", "{d: {type: path, default: nope}}"
    )
    said = "'nope' is not there, and no step makes it"
    assert problems(text, {}) == [f"4 entry_points.main.parameters.d.default: {said}"]
    assert problems(text, {"d": "../nope"}) == [f"-P d d: {said}"]


def test_a_working_directory_may_be_a_value() -> None:
    step = only("command: 'a {d}', working_directory: '{d}'", "{d: {type: path, default: data}}",
                world=World(source=["data/x"]))  # fmt: skip
    assert (step.working_directory, step.argv) == ("data", ("a", "."))


@pytest.mark.parametrize("value", ["..", "/etc", "a/../../b"])
def test_a_working_directory_that_leaves_the_project_is_refused(value: str) -> None:
    text = project("a: {command: a, working_directory: '{w}'}", "{w: sub}")
    (problem,) = problems(text, {"w": value})
    assert "working_directory" in problem
    assert "is not inside the project" in problem


def test_standard_streams_are_relative_to_the_project_wherever_the_step_runs() -> None:
    step = only(
        "command: a, working_directory: sub, stdin: '{inputs.i}', stdout: '{outputs.o}',"
        " inputs: {i: data/x}, outputs: {o: build/y}",
        world=World(source=["data/x", "sub/x"]),
    )
    assert (step.stdin, step.stdout) == ("data/x", "build/y")
    assert inputs(step) == [("data/x", "source", None)]
    assert [one.path for one in step.outputs] == ["build/y"]


def test_a_path_value_as_standard_input_is_relative_to_the_project() -> None:
    step = only("command: a, working_directory: sub, stdin: '{d}'",
                "{d: {type: path, default: data/x}}", world=World(source=["data/x", "sub/x"]))  # fmt: skip
    assert step.stdin == "data/x"


def test_a_standard_stream_whose_value_is_null_is_none() -> None:
    step = only("command: a, stdin: '{x}'", "{x: {default: null}}")
    assert step.stdin is None
    assert step.inputs == ()


def test_named_inputs_that_are_lists_are_several_arguments() -> None:
    step = only("command: 'a {inputs.f}', inputs: {f: '{l}'}", "{l: {type: list, items: path,"
                " default: [p, q]}}", world=World(source=["p", "q"]))  # fmt: skip
    assert step.argv == ("a", "p", "q")


def test_a_named_input_that_is_null_is_no_argument() -> None:
    step = only("command: 'a {inputs.f}', inputs: {f: '{x}'}", "{x: {type: path, default: null}}")
    assert step.argv == ("a",)
    assert step.inputs == ()


@pytest.mark.parametrize(
    ("directory", "path", "seen"),
    [(".", "a/b", "a/b"), ("a", "a/b", "b"), ("a/b", "c", "../../c"), ("a", "a", "."),
     ("a", "../x", "../../x"), ("../l", "../l/x", "x")],
)  # fmt: skip
def test_a_path_is_seen_from_a_folder(directory: str, path: str, seen: str) -> None:
    assert seen_from(directory, path) == seen


# Everything else that a step says


def test_a_planned_step_has_all_that_was_declared() -> None:
    text = project(
        "a: {command: a, description: D, environment: e, pass_env: [P, Q], sources: [src/, ./b],"
        " timeout: 1m, cache: false, env: {A: '1'}}",
        more="environments: {e: {kind: system}}\n",
    )
    step = plan_of(text, world=World(["src/x", "b"], caller={"P": "p", "R": "r"}))["a"]
    assert step == PlannedStep(
        name="a", description="D", argv=("a",), environment="e", env={"A": "1"},
        pass_env={"P": "p", "Q": None}, sources=("src", "b"), timeout_s=60.0, cache=False,
    )  # fmt: skip


def test_a_step_without_environment_has_the_default_one() -> None:
    text = project("a: {command: a}", more="environments: {default: {kind: venv}}\n")
    assert plan_of(text)["a"].environment == "default"


def test_a_project_without_environments_runs_on_the_system() -> None:
    assert only("command: a").environment == "system"


def test_an_entry_point_with_a_command_is_one_step() -> None:
    steps = plan_of("runproj: 1\nentry_points: {main: {command: a, outputs: [x]}}")
    assert list(steps) == ["main"]


CHAIN = project(
    "a: {command: a, outputs: [x]}\nb: {command: b, inputs: [x], outputs: [y]}\n"
    "c: {command: c, inputs: [y]}\nd: {command: d, inputs: [gone]}"
)


def test_chosen_steps_come_with_what_they_need_and_nothing_else() -> None:
    assert list(plan_of(CHAIN, chosen=["b"])) == ["a", "b"]
    assert list(plan_of(CHAIN, chosen=["c", "a"])) == ["a", "b", "c"]


def test_a_step_that_is_not_there_cannot_be_chosen() -> None:
    with pytest.raises(UsageError, match="has no step 'bb'") as caught:
        plan_of(CHAIN, chosen=["bb"])
    assert caught.value.problems[0].hint == "did you mean 'b'?"


@pytest.mark.parametrize(
    ("field", "what"),
    [
        ("inputs: ['https://x/y']", "inputs: an input from a URL"),
        ("inputs: [{path: train.py, link: true}]", "inputs: a linked input"),
        ("inputs: [{path: train.py, keep: reference}]",
         "inputs: an input that is kept by reference"),
    ],
)  # fmt: skip
def test_what_cannot_be_executed_yet_is_refused_before_anything_runs(field: str, what: str) -> None:
    text = project(
        f"a: {{command: a, {field}}}\nb: {{command: b, environment: c}}",
        more="environments: {default: {kind: venv}, c: {kind: conda, file: x}}\n",
    )
    with pytest.raises(NotSupported) as caught:
        plan_of(text, chosen=["a"])
    assert f"a.{what}" in caught.value.problems[0].message


def test_what_is_not_asked_for_may_be_unsupported() -> None:
    text = project("a: {command: a}\nb: {command: b, inputs: ['https://x/y']}")
    assert list(plan_of(text, chosen=["a"])) == ["a"]


def test_folders_that_persist_are_planned() -> None:
    text = project("a: {command: a, persist: [c/, ./c, d/e]}\nb: {command: b, persist: c}")
    planned = plan_of(text)
    assert (planned["a"].persist, planned["b"].persist) == (("c", "d/e"), ("c",))


@pytest.mark.parametrize(
    ("step", "message"),
    [
        ("persist: [src]", "a.persist[0]: 'src/a.py' is in the source, and 'src' persists"),
        ("persist: [x, train.py]", "a.persist[1]: 'train.py' is in the source, and"),
        ("inputs: [made/x], persist: [made]", "the input 'made/x' and 'made', which persists"),
        ("inputs: [made/x], persist: [made/x/y]", "the input 'made/x' and 'made/x/y', which"),
    ],
)
def test_nothing_else_stands_in_a_folder_that_persists(step: str, message: str) -> None:
    text = project(f"a: {{command: a, {step}}}\nb: {{command: b, outputs: [made/x]}}")
    with pytest.raises(ProjectError) as caught:
        plan_of(text, world=World(source=["train.py", "src/a.py"]))
    assert message in caught.value.problems[0].message


def test_hidden_are_the_project_file_locks_and_all_that_steps_make() -> None:
    text = project(
        "a: {command: a, outputs: [x, d/], metrics: [m]}\nb: {command: b, stdout: o}",
        more="environments: {default: {kind: venv}, s: {kind: system}}\n",
    )
    planner = planner_of(text)
    planner.plan(["a"])
    assert planner.hidden() == ("d", "locks/pylock.default.toml", "m", "o", "runproj.yaml", "x")


def test_a_chain_of_ten_thousand_steps_is_planned() -> None:
    count = 10_000
    steps = "s0: {command: a, outputs: {o: b/0}}\n" + "\n".join(
        f"s{i}: {{command: 'a {{steps.s{i - 1}.outputs.o}}', inputs: [b/{i - 1}], outputs: {{o: b/{i}}}}}"
        for i in range(1, count)
    )
    world = World(source=[f"src/{i}.py" for i in range(count)])
    planned = plan_of(project(steps), world=world, chosen=[f"s{count - 1}"])
    assert list(planned) == [f"s{i}" for i in range(count)]
    assert planned[f"s{count - 1}"].after == (f"s{count - 2}",)
