import pytest
from tests.unit.planning import project

from runproj.errors import ProjectError
from runproj.spec.load import load


def found(text: str) -> list[str]:
    """Return line:column, message and hint of all that is wrong with a project file."""
    with pytest.raises(ProjectError) as caught:
        load(text)
    return [
        f"{(problem.where or '').removeprefix('runproj.yaml:')} "
        f"{problem.message.removeprefix('entry_points.main.steps.')}"
        + (f" | {problem.hint}" if problem.hint else "")
        for problem in caught.value.problems
    ]


def in_step(fields: str, parameters: str = "{}") -> list[str]:
    """Return what is wrong with a step called a, without places."""
    return [one.partition(" ")[2] for one in found(project(f"a: {{{fields}}}", parameters))]


def test_a_right_project_has_no_findings() -> None:
    load(
        project(
            "a: {command: 'a {x} {inputs.i} {outputs.o}', inputs: {i: d}, outputs: {o: '{x}/o'}}\n"
            "b: {command: b, inputs: ['{steps.a.outputs.o}'], needs: a, stdin: d, stdout: e,"
            " working_directory: w, matrix: {m: [1]}, env: {A: '{x} {matrix.m} {run.id}'}}",
            "{x: y}",
        )
    )


@pytest.mark.parametrize(
    "name", ["matrix", "item", "inputs", "outputs", "steps", "run", "workspace"]
)
def test_a_parameter_cannot_have_a_name_with_a_meaning(name: str) -> None:
    (only,) = found(project("a: {command: a}", f"{{{name}: 1}}"))
    assert f"a parameter cannot be called {name!r}" in only


@pytest.mark.parametrize(
    "field",
    ["command: 'a {lrr}'", "command: [a, '{lrr}']", "command: 'a \"{lrr}\" | b'",
    "command: a, env: {A: '{lrr}'}",
     "command: a, inputs: ['{lrr}']", "command: a, outputs: {o: '{lrr}'}",
     "command: a, stdin: '{lrr}'",
     "command: a, metrics: ['{lrr}']", "command: a, stdout: '{lrr}'",
     "command: a, working_directory: '{lrr}'"],
)  # fmt: skip
def test_an_unknown_reference_is_found_wherever_it_stands(field: str) -> None:
    (only,) = in_step(field, "{lr: x}")
    assert "{lrr} refers to nothing | did you mean {lr}? for plain text write {{lrr}}" in only


def test_a_parameter_of_another_entry_point_is_unknown() -> None:
    text = project("a: {command: 'a {x}'}") + "  other: {command: b, parameters: {x: 1}}\n"
    (only,) = found(text)
    assert "{x} refers to nothing" in only


def test_a_shared_parameter_is_known_in_every_entry_point() -> None:
    load(project("a: {command: 'a {x}'}", more="parameters: {x: 1}\n"))


@pytest.mark.parametrize(
    ("field", "message"),
    [
        ("inputs: ['{run.id}']", "inputs[0]: {run.id} cannot stand in an input path"),
        ("inputs: ['{outputs.o}'], outputs: {o: x}",
         "inputs[0]: {outputs.o} cannot stand in an input"),
        ("inputs: {i: x, j: '{inputs.i}'}", "inputs.j: {inputs.i} cannot stand in an input path"),
        ("outputs: ['{workspace}/x']", "outputs[0]: {workspace} cannot stand in an output path"),
        ("outputs: ['{inputs.i}'], inputs: {i: x}",
         "outputs[0]: {inputs.i} cannot stand in an output"),
        ("stdout: '{run.id}'", "stdout: {run.id} cannot stand in 'stdout'"),
        ("working_directory: '{workspace}'", "working_directory: {workspace} cannot stand in"),
    ],
)  # fmt: skip
def test_a_reference_cannot_stand_where_it_makes_no_sense(field: str, message: str) -> None:
    (only,) = in_step(f"command: a, {field}")
    assert only.startswith(f"a.{message}")


@pytest.mark.parametrize(
    ("field", "place"),
    [
        ("command: 'a --x={l}'", "command"), ("command: [a, 'x{l}']", "command"),
        ("command: 'a \"{l}\" | b'", "command"), ("command: \"a '{l}' | b\"", "command"),
        ("command: 'a --x={l} | b'", "command"), ("command: a, env: {A: '{l}'}", "env.A"),
        ("command: a, inputs: ['x/{l}']", "inputs[0]"), ("command: a, outputs: ['{l}']",
         "outputs[0]"),
        ("command: a, stdin: '{l}'", "stdin"), ("command: a, working_directory: '{l}'",
         "working_directory"),
    ],
)  # fmt: skip
def test_a_list_can_only_be_a_whole_argument(field: str, place: str) -> None:
    (only,) = in_step(field, "{l: [a, b]}")
    assert only.startswith(f"a.{place}: {{l}} is a list, which can only be a whole argument")


@pytest.mark.parametrize(
    "field", ["command: 'a {l}'", "command: 'a {l} | b'", "command: a, inputs: ['{l}']"]
)
def test_a_list_can_be_a_whole_argument(field: str) -> None:
    load(project(f"a: {{{field}}}", "{l: [a, b]}"))


@pytest.mark.parametrize("path", ["/x", "~/x", "~"])
@pytest.mark.parametrize(
    ("field", "what"),
    [("inputs: ['@']", "an input path"), ("outputs: ['@']", "an output path"), ("stdin: '@'",
    "'stdin'"),
     ("metrics: ['@']", "an output path"), ("stdout: '@'", "'stdout'"),
     ("working_directory: '@'", "'working_directory'")],
)  # fmt: skip
def test_a_path_is_relative_to_the_project(field: str, what: str, path: str) -> None:
    (only,) = in_step(f"command: a, {field.replace('@', path)}")
    assert f"{what} is relative to the project, {path!r} is not" in only


@pytest.mark.parametrize("path", ["..", "../x", "a/../../x", "."])
def test_an_output_stands_inside_the_project(path: str) -> None:
    (only,) = in_step(f"command: a, outputs: ['{path}']")
    assert only == f"a.outputs[0]: the output {path!r} is not inside the project"


def test_an_output_cannot_be_a_url() -> None:
    (only,) = in_step("command: a, outputs: ['https://x/y']")
    assert "an output path is a path of the project, 'https://x/y' is a URL" in only


def test_folders_are_divided_by_slashes() -> None:
    (only,) = in_step(r"command: a, outputs: ['a\b']")
    assert only == "a.outputs[0]: an output path uses '/' between folders"


def test_an_input_may_have_a_backslash_in_its_name() -> None:
    load(project(r"a: {command: a, inputs: ['a\b']}"))


def test_two_steps_cannot_make_the_same_output() -> None:
    text = project("a: {command: a, outputs: [x/y]}\nb: {command: b, outputs: {o: x/./y}}")
    assert found(text) == [
        "7:36 b.outputs.o: 'x/./y' is made by the step 'a' too | each output has one maker"
    ]


def test_two_steps_cannot_make_the_same_metrics() -> None:
    (only,) = found(project("a: {command: a, metrics: m}\nb: {command: b, outputs: [m]}"))
    assert "'m' is made by the step 'a' too" in only


def test_an_output_cannot_be_listed_twice() -> None:
    (only,) = in_step("command: a, outputs: {o: x, p: ./x}")
    assert only == "a.outputs.p: the output './x' is listed twice"


def test_metrics_may_be_an_output_as_well() -> None:
    load(project("a: {command: a, outputs: [m], metrics: [m]}"))


def test_two_entry_points_may_make_the_same_output() -> None:
    load(project("a: {command: a, outputs: [x]}") + "  other: {command: b, outputs: [x]}\n")


@pytest.mark.parametrize(
    ("field", "found_"),
    [("needs: [bb]", "a.needs[0]: there is no step 'bb' | did you mean 'b'?"),
     ("needs: [b, a]", "a.needs[1]: the step needs itself | known: b"),
     ("environment: gpuu", "a.environment: there is no environment 'gpuu' | did you mean 'gpu'?")],
)  # fmt: skip
def test_a_name_must_be_there(field: str, found_: str) -> None:
    text = project(
        f"a: {{command: a, {field}}}\nb: {{command: b}}",
        more="environments: {gpu: {kind: venv}, default: {kind: venv}}\n",
    )
    assert [one.partition(" ")[2] for one in found(text)] == [found_]


def test_an_environment_must_be_declared() -> None:
    assert in_step("command: a, environment: gpu") == [
        "a.environment: there is no environment 'gpu' | declare it under 'environments'"
    ]


def test_a_step_names_an_environment_when_none_is_the_default() -> None:
    text = project("a: {command: a}", more="environments: {gpu: {kind: venv}}\n")
    (only,) = found(text)
    assert "the step 'a' names no environment, and there is none called 'default'" in only
    assert "add 'environment: gpu'" in only


@pytest.mark.parametrize(
    "steps",
    [
        "a: {command: a, inputs: [y], outputs: [x]}\nb: {command: b, inputs: [x], outputs: [y]}",
        "a: {command: a, stdin: y/z, outputs: [x]}\nb: {command: b, inputs: ['*'], outputs: [y]}",
        "a: {command: a, needs: b}\nb: {command: b, needs: a}",
        "a: {command: 'a {steps.b.outputs.o}', outputs: [x]}\nb: {command: b, inputs: [x], outputs: {o: y}}",
        "a: {command: a, env: {A: '{steps.b.outputs.o}'}, metrics: x}\nb: {command: b, inputs: x, outputs: {o: y}}",
    ],
)  # fmt: skip
def test_a_cycle_is_printed(steps: str) -> None:
    (only,) = found(project(steps))
    assert "the steps wait for each other: " in only
    assert "a → b" in only
    assert "b → a" in only


def test_a_step_that_reads_what_it_makes_is_a_cycle() -> None:
    (only,) = found(project("a: {command: a, inputs: [x], outputs: [x]}"))
    assert "the steps wait for each other: a → a" in only


def test_a_broken_command_is_said_once() -> None:
    steps = "a: {command: 'a \"', inputs: [x], outputs: [y]}\nb: {command: b, inputs: [y], outputs: [x]}"
    cycle, command = found(project(steps))
    assert "is opened and not closed" in command
    assert "wait for each other" in cycle


def test_a_command_in_which_a_value_would_be_code_is_refused_with_a_hint() -> None:
    (only,) = in_step("command: 'python -c {x}'", "{x: 1}")
    assert "stands in the code of another interpreter | pass the value as an argument" in only


@pytest.mark.parametrize("path", ["runproj.yaml", "./runproj.yml", ".runproj/x", ".git/config"])
def test_no_step_makes_what_is_the_projects_own(path: str) -> None:
    text = f"runproj: 1\nentry_points: {{main: {{command: x, outputs: [{path}]}}}}\n"
    with pytest.raises(ProjectError, match="it is the project's own"):
        load(text)


@pytest.mark.parametrize("root", ["/lib", "lib", "../lib", "../lib/.."])
def test_the_root_of_the_source_is_above_the_project(root: str) -> None:
    text = f"runproj: 1\nsource: {{root: {root}}}\nentry_points: {{main: {{command: x}}}}\n"
    if root == "../lib/..":
        load(text)
        return
    with pytest.raises(ProjectError, match="is not the project's folder or one above it") as caught:
        load(text)
    assert (caught.value.problems[0].where or "").endswith(":2:16")


def test_pools_are_checked_against_those_of_the_project() -> None:
    text = project(
        "a: {command: a, resources: {licnce: 1}}\nb: {command: b}", more="resources: {licence: 1}\n"
    )
    assert [one.partition(" ")[2] for one in found(text)] == [
        "a.resources.licnce: there is no pool 'licnce' | did you mean 'licence'?"
    ]
    for name, words in (
        ("cpus", "how many cpus there are is"),
        ("memory", "how much memory there is, is"),
    ):
        said = found(project("a: {command: a}", more=f"resources: {{{name}: 1}}\n"))
        assert f"{words} the machine's to say" in said[0]


@pytest.mark.parametrize(("name", "meant"), [("cpu", "cpus"), ("mem", "memory"), ("gpu", "gpus")])
def test_a_resource_that_is_nearly_right_is_no_pool(name: str, meant: str) -> None:
    (only,) = in_step(f"command: a, resources: {{{name}: 1}}")
    assert f"{name!r} is no resource: did you mean {meant!r}?" in only


def test_a_path_of_each_instance_is_a_list() -> None:
    many = project(
        "a: {matrix: {m: [1, 2]}, command: a, outputs: {o: '{matrix.m}'}}\n"
        "b: {command: 'b {steps.a.outputs.o}', inputs: ['{steps.a.outputs.o}']}"
    )
    load(many)
    for field in (
        "command: 'b -x={steps.a.outputs.o}'",
        "command: b, stdin: '{steps.a.outputs.o}'",
    ):
        text = many.replace("command: 'b {steps.a.outputs.o}'", field)
        (only,) = found(text)
        assert "{steps.a.outputs.o} is a list, which can only be a whole argument" in only


def test_an_axis_is_a_list_parameter() -> None:
    step = "a: {matrix: {m: '{fold}'}, command: a}"
    (only,) = found(project(step, "{folds: [1]}"))
    assert "matrix.m: {fold} is no list parameter | did you mean 'folds'?" in only
    (only,) = found(project(step, "{fold: 1}"))
    assert "{fold} is no list parameter | declare one: {type: list, items: int, default" in only


def test_paths_that_vary_are_compared_once_values_are_put_in() -> None:
    load(
        project(
            "a: {matrix: {m: [1]}, command: a, inputs: ['q/{matrix.m}'],"
            " outputs: ['p/{matrix.m}', 'p/{matrix.m}']}\n"
            "b: {matrix: {m: [2]}, command: b, inputs: ['p/{matrix.m}'], outputs: ['q/{matrix.m}']}"
        )
    )


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("'{x}/c'", "a.persist[0]: '{x}/c' is no plain path | write the name of the folder: "),
        ("'c/*'", "a.persist[0]: 'c/*' is no plain path"),
        ("../c", "a.persist[0]: '../c' is not inside the project"),
        (".", "a.persist[0]: '.' is not inside the project"),
        (".git/x", "a.persist[0]: '.git/x' cannot persist: it is the project's own"),
        ("/c", "a.persist[0]: a folder that persists is relative to the project, '/c' is not"),
    ],
)
def test_a_folder_that_persists_is_one_of_the_project(path: str, message: str) -> None:
    (only,) = in_step(f"command: a, persist: [{path}]")
    assert only.startswith(message)
