from collections.abc import Mapping
from typing import Any

import pytest

from runproj.errors import ParameterError
from runproj.plan.binding import BoundValue, Folders, Given, bind, describe
from runproj.spec.fields import validated
from runproj.spec.parameter import Parameter, render

FOLDERS = Folders("/home/me/project", "/home/me/project/sub", "/home/me")


def past_output(text: str) -> str:
    """Return the path of the output that ``run:RUN/STEP:OUTPUT`` names."""
    return f"build/{text.rpartition(':')[2]}.bin"


def bound(
    parameters: Mapping[str, Any],
    given: Given | None = None,
    **named: Any,  # noqa: ANN401 -- raw YAML
) -> dict[str, BoundValue]:
    declared = {name: validated(Parameter, data) for name, data in parameters.items()}
    values = bind(declared, given or Given(), FOLDERS, past_output, **named)
    return {value.name: value for value in values}


def refused(parameters: Mapping[str, Any], given: Given, **named: Any) -> list[str]:  # noqa: ANN401 -- raw YAML
    """Return place, message and hint of all that is wrong."""
    with pytest.raises(ParameterError) as caught:
        bound(parameters, given, **named)
    return [f"{one.where}: {one.message} | {one.hint}" for one in caught.value.problems]


def path_of(text: str, declared: Mapping[str, Any] | None = None) -> tuple[object, object]:
    """Return place and sources of a path that is given with ``-P``."""
    value = bound({"d": declared or {"type": "path"}}, Given(texts=[("d", text)]))["d"]
    return value.value, value.sources


# Where values come from


def test_the_command_line_is_stronger_than_the_params_file_the_variables_and_the_default() -> None:
    strongest = Given(
        texts=[("x", "1")],
        file={"x": 2},
        variables={"RUNPROJ_PARAM_x": "3", "RUNPROJ_PARAM_X": "4"},
    )
    value = bound({"x": 5}, strongest)["x"]
    assert (value.value, value.raw, value.origin) == (1, "1", "command line")


def test_the_params_file_is_stronger_than_the_variables() -> None:
    value = bound({"x": 5}, Given(file={"x": 2}, variables={"RUNPROJ_PARAM_X": "4"}))["x"]
    assert (value.value, value.raw, value.origin) == (2, None, "params file")


def test_a_variable_is_stronger_than_the_default() -> None:
    value = bound({"x": 5}, Given(variables={"RUNPROJ_PARAM_X": "4"}))["x"]
    assert (value.value, value.raw, value.origin) == (4, "4", "environment")


def test_a_variable_with_the_exact_name_is_stronger_than_one_in_capitals() -> None:
    variables = {"RUNPROJ_PARAM_X": "4", "RUNPROJ_PARAM_x": "3"}
    assert bound({"x": 5}, Given(variables=variables))["x"].value == 3


def test_the_default_is_what_is_left() -> None:
    value = bound({"x": 5})["x"]
    assert (value.value, value.raw, value.origin) == (5, None, "default")


def test_values_are_in_the_order_of_their_declaration() -> None:
    given = Given(texts=[("b", "1"), ("a", "2")])
    assert list(bound({"a": 0, "c": 0, "b": 0}, given)) == ["a", "c", "b"]


def test_an_optional_parameter_is_null() -> None:
    assert bound({"x": {"type": "int", "default": None}})["x"].value is None


def test_null_in_the_params_file_unsets_an_optional_one() -> None:
    assert (
        bound({"x": {"type": "int", "default": None}}, Given(file={"x": None}))["x"].value is None
    )


# What is wrong with them


def test_a_required_parameter_needs_a_value() -> None:
    (only,) = refused({"lr": {"type": "float", "help": "Learning rate."}}, Given())
    assert only == "None: lr: a value is needed (Learning rate.) | give one: -P lr=…"


def test_a_required_parameter_without_help_needs_a_value() -> None:
    (only,) = refused({"lr": {"type": "float"}}, Given())
    assert only.startswith("None: lr: a value is needed | ")


def test_an_unknown_name_is_answered_with_the_nearest() -> None:
    given = Given(
        texts=[("lrr", "1")], file={"sed": 2}, file_name="p.yaml",
        variables={"RUNPROJ_PARAM_SEEED": "3", "OTHER": "4"},
    )  # fmt: skip
    assert refused({"lr": 0.1, "seed": 1}, given) == [
        "-P lrr=1: there is no parameter 'lrr' | did you mean 'lr'?",
        "p.yaml: there is no parameter 'sed' | did you mean 'seed'?",
        "RUNPROJ_PARAM_SEEED: there is no parameter 'SEEED' | did you mean 'seed'?",
    ]


def test_a_variable_that_would_set_nothing_is_unknown() -> None:
    (only,) = refused({"learningRate": 1}, Given(variables={"RUNPROJ_PARAM_LearningRate": "2"}))
    assert "did you mean 'learningRate'?" in only


def test_a_variable_for_another_entry_point_is_no_mistake() -> None:
    variables = {"RUNPROJ_PARAM_OTHER": "1", "RUNPROJ_PARAM_other": "1"}
    assert bound({"x": 1}, Given(variables=variables), known_elsewhere=["other"])["x"].value == 1


def test_a_value_for_another_entry_point_on_the_command_line_is_a_mistake() -> None:
    (only,) = refused({"x": 1}, Given(texts=[("other", "1")]), known_elsewhere=["other"])
    assert "there is no parameter 'other'" in only


def test_a_value_given_twice_is_a_mistake() -> None:
    (only,) = refused({"x": 1}, Given(texts=[("x", "1"), ("x", "1")]))
    assert only.startswith("-P x=1: x: given twice")


@pytest.mark.parametrize(
    ("given", "where"),
    [
        (Given(texts=[("x", "a")]), "-P x=a"),
        (Given(file={"x": "a"}, file_name="p.yaml"), "p.yaml"),
        (Given(file={"x": "a"}, file_name="p", file_places={"x": "p:3:4"}), "p:3:4"),
        (Given(variables={"RUNPROJ_PARAM_X": "a"}), "RUNPROJ_PARAM_X"),
    ],
)
def test_a_value_that_does_not_fit_is_a_mistake_with_its_place(given: Given, where: str) -> None:
    (only,) = refused({"x": 1}, given)
    assert only.startswith(f"{where}: x: 'a' is not a whole number")


def test_a_name_without_a_value_hides_no_other_mistake() -> None:
    declared = {"x": 1, "lr": {"type": "float"}}
    given = Given(texts=[("lrr", None), ("x", "a"), ("lr", None), ("", None)])
    said = "a parameter is set as NAME=VALUE"
    assert refused(declared, given) == [
        f"-P lrr: {said} | -P lr=…", f"-P lr: {said} | -P lr=…", f"-P : {said} | -P NAME=…",
        "-P x=a: x: 'a' is not a whole number | x is an int",
    ]  # fmt: skip


def test_a_long_option_is_cut() -> None:
    (only,) = refused({"x": 1}, Given(texts=[("x", "a" * 100)]))
    assert only.startswith(f"-P x={'a' * 54}…: x: ")


def test_a_mistyped_choice_is_answered_with_the_nearest() -> None:
    declared = {"type": "choice", "choices": ["sgd", "adam"]}
    (only,) = refused({"o": declared}, Given(texts=[("o", "adm")]))
    assert only == "-P o=adm: o: 'adm' is not one of the choices: sgd, adam | did you mean 'adam'?"


def test_all_mistakes_are_said_at_once() -> None:
    parameters = {
        "i": 1, "f": {"type": "float", "max": 1}, "c": {"type": "choice", "choices": ["a"]},
        "p": {"type": "string", "pattern": "[a-z]+"}, "l": {"type": "list", "items": "int"},
        "r": {"type": "int"}, "n": {"type": "path"}, "ok": 1,
    }  # fmt: skip
    texts = {"i": "x", "f": "2", "c": "b", "p": "A", "l": "1,x", "n": "", "ok": "2", "zz": "1"}
    found = refused(parameters, Given(texts=list(texts.items())))
    assert [one.split(":")[1].strip() for one in found] == [
        "there is no parameter 'zz' | known", "i", "f", "c", "p", "l", "r", "n"
    ]  # fmt: skip


# Paths


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("x.csv", "sub/x.csv"), ("./x.csv", "sub/x.csv"), ("../x.csv", "x.csv"), ("d/", "sub/d"),
        ("/home/me/project/a/b", "a/b"), ("~/project/c", "c"), ("/home/me/./project//d", "d"),
    ],
)  # fmt: skip
def test_a_path_inside_the_project_keeps_its_place(text: str, place: str) -> None:
    assert path_of(text) == (place, (None,))


@pytest.mark.parametrize(
    ("text", "place", "source"),
    [
        ("/data/x.csv", "inputs/d/x.csv", "/data/x.csv"), ("~/x", "inputs/d/x", "/home/me/x"),
        ("~", "inputs/d/me", "/home/me"), ("../../y", "inputs/d/y", "/home/me/y"),
        ("/data/folder/", "inputs/d/folder", "/data/folder"), ("/", "inputs/d/root", "/"),
        ("/home/me/project-2/x", "inputs/d/x", "/home/me/project-2/x"),
        ("run:latest/train:model", "inputs/d/model.bin", "run:latest/train:model"),
        ("run:abc:m", "inputs/d/m.bin", "run:abc:m"),
    ],
)  # fmt: skip
def test_a_path_from_outside_lands_in_inputs(text: str, place: str, source: str) -> None:
    assert path_of(text) == (place, (source,))


def test_a_name_that_starts_with_a_tilde_is_a_name() -> None:
    assert path_of("~other/x") == ("sub/~other/x", (None,))


@pytest.mark.parametrize("text", ["..", "/home/me/project", "/home/me/project/", "~/project"])
def test_the_project_itself_is_no_path_value(text: str) -> None:
    (only,) = refused({"d": {"type": "path"}}, Given(texts=[("d", text)]))
    assert "the project folder itself cannot be a path value" in only


def test_a_path_by_default_or_in_the_params_file_is_relative_to_the_project() -> None:
    assert bound({"d": {"type": "path", "default": "data/x"}})["d"].value == "data/x"
    assert bound({"d": {"type": "path"}}, Given(file={"d": "data/x"}))["d"].value == "data/x"


def test_a_list_of_paths_is_placed_one_by_one() -> None:
    value = bound({"d": {"type": "list", "items": "path"}}, Given(texts=[("d", "a,/b/a,run:r:m")]))[
        "d"
    ]
    assert value.value == ["sub/a", "inputs/d/1/a", "inputs/d/2/m.bin"]
    assert value.sources == (None, "/b/a", "run:r:m")
    assert value.paths == ("sub/a", "inputs/d/1/a", "inputs/d/2/m.bin")


def test_a_list_of_one_path_needs_no_number() -> None:
    assert path_of("/b/a", {"type": "list", "items": "path"}) == (["inputs/d/a"], ("/b/a",))


@pytest.mark.parametrize(
    "declared",
    [{"type": "path", "default": None}, {"type": "list", "items": "path", "default": []}],
)
def test_no_path_is_no_place(declared: dict[str, Any]) -> None:
    value = bound({"d": declared})["d"]
    assert (value.paths, value.sources) == ((), ())
    assert value.is_path


def test_text_that_looks_like_a_path_is_text() -> None:
    value = bound({"s": {"type": "string"}}, Given(texts=[("s", "/data/x")]))["s"]
    assert (value.value, value.paths, value.is_path) == ("/data/x", (), False)


# Texts


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.1, "0.1"), (1e-5, "1e-05"), (1e22, "1e+22"), (1.0, "1.0"), (0.1 + 0.2,
    "0.30000000000000004"),
     (True, "true"), (False, "false"), (3, "3"), (-0.0, "-0.0"), ("x y", "x y"), ("", "")],
)  # fmt: skip
def test_a_value_is_rendered_in_its_shortest_exact_form(value: object, text: str) -> None:
    assert render(value) == text


@pytest.mark.parametrize(
    ("declared", "text", "texts"),
    [
        ({"type": "float"}, "0.10", "0.1"), ({"type": "bool"}, "yes", "true"),
        ({"type": "int"}, "007", "7"), ({"type": "string"}, "0.10", "0.10"),
        ({"type": "list", "items": "float"}, "1,0.50", ("1.0", "0.5")),
        ({"type": "list"}, "", ()), ({"type": "json"}, '{"b": [1, "é"]}', '{"b":[1,"é"]}'),
        ({"type": "json"}, "[]", "[]"), ({"type": "json"}, '"x"', '"x"'), ({"type": "json"},
         "null", None),
    ],
)  # fmt: skip
def test_a_value_is_given_as_text(declared: dict[str, Any], text: str, texts: object) -> None:
    assert bound({"x": declared}, Given(texts=[("x", text)]))["x"].texts == texts


# What a parameter takes


@pytest.mark.parametrize(
    ("declared", "text"),
    [
        ({"type": "int"}, "x is an int"), ({"type": "float", "min": 0, "max": 1},
         "x is a float from 0 to 1"),
        ({"type": "float", "min": 0}, "x is a float of at least 0"),
        ({"type": "int", "max": 9, "help": "H."}, "x is an int of at most 9: H."),
        ({"type": "list", "items": "int"}, "x is a list of int"),
    ],
)  # fmt: skip
def test_what_a_parameter_takes_is_said_in_words(declared: dict[str, Any], text: str) -> None:
    assert describe("x", validated(Parameter, declared)).startswith(text)
