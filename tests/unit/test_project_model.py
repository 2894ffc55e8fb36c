from typing import Any

import pytest
from pydantic import ValidationError

from runproj.spec.environment import VenvEnvironment
from runproj.spec.fields import adapter, validated
from runproj.spec.project import EntryPoint, Input, Output, Project, Resources, Step


def step(**fields: Any) -> Step:  # noqa: ANN401 -- raw YAML
    return validated(Step, {"command": "x", **fields})


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90", 90), (90, 90), (0.5, 0.5), ("30s", 30), ("5m", 300), ("5min", 300), ("2h", 7200),
    ("1d", 86400),
     ("1h30m", 5400), ("1h 30m", 5400), (" 2 h ", 7200), ("1.5h", 5400), ("250ms", 0.25)],
)  # fmt: skip
def test_a_timeout_is_a_duration(text: object, seconds: float) -> None:
    assert step(timeout=text).timeout == seconds


@pytest.mark.parametrize(
    "text",
    ["", " ", "h", "2 hours", "2H", "1.5.2h", "-1", "1e3", "0", "0s", 0, -1, True, "soon", "1h-"],
)
def test_what_is_no_duration_is_refused(text: object) -> None:
    with pytest.raises(ValidationError):
        step(timeout=text)


@pytest.mark.parametrize(
    ("text", "size"),
    [("512MB", 512 * 10**6), ("4GB", 4 * 10**9), ("4GiB", 4 * 2**30), ("4G", 4 * 10**9), ("1.5 kb",
    1500),
     ("100", 100), (100, 100), ("2KiB", 2048), ("1TB", 10**12), ("10B", 10), ("1gi", 2**30)],
)  # fmt: skip
def test_memory_is_a_size(text: object, size: int) -> None:
    assert validated(Resources, {"memory": text}).memory == size


@pytest.mark.parametrize("text", ["", "GB", "4XB", "-1GB", "4 G B", 0, 1.5, True, "0"])
def test_what_is_no_size_is_refused(text: object) -> None:
    with pytest.raises(ValidationError):
        validated(Resources, {"memory": text})


def test_resources_have_pools_with_numbers() -> None:
    found = validated(Resources, {"cpus": 1.5, "gpus": 0, "licenses": 2})
    assert (found.cpus, found.gpus, found.pools) == (1.5, 0, {"licenses": 2})


@pytest.mark.parametrize("given", ["x", ["x"], {"path": "x"}, [{"path": "x"}]])
def test_one_input_or_output_may_stand_alone(given: object) -> None:
    found = step(inputs=given, outputs=given)
    assert found.all_inputs == (Input(path="x"),)
    assert found.all_outputs == ((None, Output(path="x")),)
    assert found.inputs_by_name == {}
    assert found.outputs_by_name == {}


def test_inputs_and_outputs_may_have_names() -> None:
    given = {"a": "x", "b": {"path": "y"}}
    found = step(inputs=given, outputs=given)
    assert found.inputs_by_name == {"a": Input(path="x"), "b": Input(path="y")}
    assert found.all_inputs == (Input(path="x"), Input(path="y"))
    assert found.all_outputs == (("a", Output(path="x")), ("b", Output(path="y")))
    assert found.outputs_by_name["b"].path == "y"


def test_an_input_can_be_made_of_an_input() -> None:
    assert validated(Input, Input(path="x")) == Input(path="x")
    assert validated(Output, Output(path="x")) == Output(path="x")


@pytest.mark.parametrize(
    ("path", "remote"), [("https://x/y", True), ("s3://b/k", True), ("a:b", False)]
)
def test_a_url_is_remote(path: str, *, remote: bool) -> None:
    assert Input(path=path).remote is remote


def test_a_step_needs_a_command() -> None:
    with pytest.raises(ValidationError, match="a step needs a 'command'"):
        validated(Step, {})


def test_an_entry_point_with_a_command_is_one_step_of_its_name() -> None:
    entry = validated(
        EntryPoint, {"command": "x", "outputs": ["y"], "parameters": {"p": 1}, "description": "D"}
    )
    assert entry.all_steps("main") == {"main": step(outputs=["y"], description="D")}


def test_an_entry_point_with_steps_has_those() -> None:
    entry = validated(EntryPoint, {"steps": {"a": {"command": "x"}, "b": {"command": "y"}}})
    assert list(entry.all_steps("main")) == ["a", "b"]


def test_an_entry_point_has_its_own_and_the_shared_parameters() -> None:
    project = validated(
        Project,
        {
            "runproj": 1,
            "parameters": {"a": 1, "b": 1},
            "entry_points": {"main": {"command": "x", "parameters": {"b": 2, "c": 2}}},
        },
    )
    defaults = {name: one.default for name, one in project.parameters_of("main").items()}
    assert defaults == {"a": 1, "b": 2, "c": 2}


def test_a_matrix_keeps_the_types_of_its_values() -> None:
    matrix = step(matrix={"m": [1, 1.0, "1", True]}).matrix
    assert matrix is not None
    assert [type(value) for value in matrix.axes["m"]] == [int, float, str, bool]


def test_a_project_cannot_be_changed() -> None:
    with pytest.raises(AttributeError, match="frozen"):
        setattr(step(), "command", "y")  # noqa: B010 -- mypy refuses it as well


def test_the_published_schema_has_what_a_field_means() -> None:
    made = adapter(VenvEnvironment).json_schema()["properties"]["python"]
    assert made["description"].startswith("The Python version")
    assert made["examples"] == ["3.12", ">=3.10,<3.14"]
