"""Which combinations a matrix has, how their steps are called, and what is wrong with some."""

import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.planning import World, plan_of, project
from tests.unit.test_planner import problems

from runproj.errors import UsageError
from runproj.plan.plan import PlannedStep
from runproj.spec.fields import validated
from runproj.spec.matrix import MOST, Combination, Matrix, WrongMatrix, escaped, label
from runproj.spec.parameter import render


def matrix(**data: Any) -> Matrix:  # noqa: ANN401 -- raw YAML
    return validated(Matrix, data)


def values(made: Matrix, **lists: Any) -> list[dict[str, Any]]:  # noqa: ANN401 -- typed values
    return [dict(one.values) for one in made.combinations(lists)]


SCALARS = st.one_of(st.integers(0, 3), st.booleans(), st.sampled_from("abc/,=[]%"))
AXES = st.dictionaries(
    st.sampled_from(["f", "g", "h"]),
    st.lists(SCALARS, min_size=1, max_size=4, unique_by=render),
    min_size=1,
)


@given(AXES, st.data())
def test_a_matrix_has_each_combination_of_its_axes_but_those_excluded(
    axes: dict[str, list[Any]], data: st.DataObject
) -> None:
    out = data.draw(
        st.lists(
            st.fixed_dictionaries(
                {}, optional={key: st.sampled_from(of) for key, of in axes.items()}
            ).filter(bool),
            max_size=3,
        )
    )
    every = [dict(zip(axes, one, strict=True)) for one in itertools.product(*axes.values())]
    left = [
        one
        for one in every
        if not any(all(render(one[key]) == render(was[key]) for key in was) for was in out)
    ]
    made = matrix(**axes, exclude=out)
    if not left:
        with pytest.raises(WrongMatrix, match="no combination is left"):
            made.combinations({})
        return
    found = made.combinations({})
    assert [dict(one.values) for one in found] == left
    names = [label(one) for one in found]
    assert len({*names}) == len(names)
    assert all(len(name.split(",")) == len(axes) for name in names)


@given(AXES, st.dictionaries(st.sampled_from(["f", "g", "h", "i"]), SCALARS, min_size=1))
def test_an_included_entry_adds_to_what_it_fits_or_is_one_of_its_own(
    axes: dict[str, list[Any]], entry: dict[str, Any]
) -> None:
    plain = values(matrix(**axes))
    shared = [key for key in entry if key in axes]
    fits = [all(render(one[key]) == render(entry[key]) for key in shared) for one in plain]
    found = values(matrix(**axes, include=[entry]))
    assert found[: len(plain)] == [
        {**entry, **one} if fitting else one for one, fitting in zip(plain, fits, strict=True)
    ]
    assert found[len(plain) :] == ([] if any(fits) else [entry])


def test_later_entries_win_and_do_not_fit_those_that_were_included() -> None:
    made = matrix(
        os=["a", "b"], include=[{"v": 1}, {"os": "b", "v": 2}, {"os": "c", "w": 1}, {"os": "d"}]
    )
    assert values(made) == [
        {"os": "a", "v": 1}, {"os": "b", "v": 2}, {"os": "c", "w": 1}, {"os": "d"},
    ]  # fmt: skip
    assert made.keys == ("os", "v", "w")
    # what follows from the axes does not make a name longer
    assert [label(one) for one in made.combinations({})] == ["os=a", "os=b", "os=c,w=1", "os=d"]


def test_a_matrix_may_have_included_entries_alone() -> None:
    assert values(matrix(include=[{"a": 1}, {"a": 2, "b": 3}])) == [{"a": 1}, {"a": 2, "b": 3}]


def test_an_axis_may_be_a_list_parameter() -> None:
    assert values(matrix(f="{folds}"), f=[1, 2]) == [{"f": 1}, {"f": 2}]


@pytest.mark.parametrize(
    ("data", "lists", "key", "message"),
    [
        ({"f": "{x}"}, {"f": []}, "f", "the axis 'f' has no value"),
        ({"f": [1, "1"]}, {}, None, r"the combination \[f=1\] is there twice"),
        ({"f": [1], "include": [{"f": 2, "g": 1}, {"f": 2, "g": 1}]}, {}, None, "twice"),
        ({"f": "{x}", "g": "{x}"}, {"f": range(1000), "g": range(1000)}, None, f"{MOST:,}"),
    ],
)
def test_what_makes_no_sense_is_told(
    data: dict[str, Any], lists: dict[str, Any], key: str | None, message: str
) -> None:
    with pytest.raises(WrongMatrix, match=message) as caught:
        matrix(**data).combinations(lists)
    assert caught.value.key == key
    assert caught.value.hint


def test_a_name_has_no_character_that_means_something_in_it() -> None:
    one = Combination({"a": "x/y:z%,=[]", "b": "\n\u202e", "c": "ä b"}, ("a", "b", "c"))
    assert label(one) == "a=x%2Fy%3Az%25%2C%3D%5B%5D,b=%0A%E2%80%AE,c=ä b"
    long = escaped("x" * 200)
    assert len(long) < 64
    assert long != escaped("x" * 201)


# In a plan

CV = """
prepare: {command: a, outputs: [d.csv]}
cv:
  matrix: {fold: [0, 1], model: [a, b]}
  command: "cv {matrix.fold} {matrix.model} {inputs.d} {outputs.s}"
  inputs: {d: d.csv}
  outputs: {s: "cv/{matrix.fold}-{matrix.model}.json"}
  env: {FOLD: "{matrix.fold}"}
  working_directory: "sub"
"""
INSTANCES = ["cv[fold=0,model=a]", "cv[fold=0,model=b]", "cv[fold=1,model=a]", "cv[fold=1,model=b]"]
PATHS = ["cv/0-a.json", "cv/0-b.json", "cv/1-a.json", "cv/1-b.json"]


def given_by(step: PlannedStep) -> list[tuple[str | None, str | None]]:
    return [(one.step, one.output) for one in step.inputs]


def test_a_step_with_a_matrix_is_planned_for_each_combination() -> None:
    steps = plan_of(project(CV))
    assert list(steps) == ["prepare", *INSTANCES]
    last = steps["cv[fold=1,model=b]"]
    assert last.argv == ("cv", "1", "b", "../d.csv", "../cv/1-b.json")
    assert last.env == {"FOLD": "1"}
    assert last.instance == {"fold": 1, "model": "b"}
    assert last.parameters == {"matrix.fold": "1", "matrix.model": "b"}
    assert last.after == ("prepare",)


@pytest.mark.parametrize(
    "fields",
    ["inputs: ['cv/*.json']", "inputs: [cv]", "inputs: ['{steps.cv.outputs.s}']",
     "command: [r, '{steps.cv.outputs.s}']"],
)  # fmt: skip
def test_a_step_may_take_what_all_instances_make(fields: str) -> None:
    text = "command: r, " * ("command" not in fields) + fields
    steps = plan_of(project(f"{CV}\nr: {{{text}}}"))
    assert steps["r"].after == tuple(INSTANCES)
    assert given_by(steps["r"]) == list(zip(INSTANCES, PATHS, strict=True))


def test_all_paths_are_as_many_arguments_in_a_list_and_in_a_script() -> None:
    steps = plan_of(
        project(
            f"{CV}\nr: {{command: [r, '{{steps.cv.outputs.s}}', x], needs: cv}}\n"
            "t: {command: 'cat {steps.cv.outputs.s} | sort'}"
        )
    )
    assert steps["r"].argv == ("r", *PATHS, "x")
    assert list(steps["t"].env.values()) == PATHS
    assert steps["t"].argv[-1].count("RUNPROJ_VALUE_") == 4


def test_a_step_may_need_all_instances() -> None:
    assert plan_of(project(f"{CV}\nr: {{command: r, needs: [cv]}}"))["r"].after == tuple(INSTANCES)


def test_steps_with_the_same_matrix_are_connected_one_to_one_by_their_paths() -> None:
    steps = plan_of(
        project(
            f"{CV}\nscore:\n  matrix: {{fold: [0, 1], model: [a, b]}}\n  command: s\n"
            "  stdin: 'cv/{matrix.fold}-{matrix.model}.json'\n"
            "  stdout: 's/{matrix.fold}-{matrix.model}'"
        )
    )
    assert steps["score[fold=1,model=a]"].after == ("cv[fold=1,model=a]",)
    assert steps["score[fold=1,model=a]"].stdin == "cv/1-a.json"


def test_a_key_that_a_combination_does_not_have_is_null() -> None:
    steps = plan_of(
        project(
            "a: {matrix: {m: [x, y], include: [{m: y, d: 5}]}, command: [a, '-d={matrix.d}'],"
            " env: {D: '{matrix.d}'}}"
        )
    )
    assert [(one.argv, one.env) for one in steps.values()] == [
        (("a",), {}), (("a", "-d=5"), {"D": "5"}),
    ]  # fmt: skip


def test_values_from_a_parameter_make_as_many_instances() -> None:
    text = project(
        "a: {matrix: {fold: '{folds}'}, command: 'a {matrix.fold}'}",
        "{folds: {type: list, items: int, default: [0]}}",
    )
    assert list(plan_of(text)) == ["a[fold=0]"]
    assert [one.argv for one in plan_of(text, {"folds": "3,4"}).values()] == [
        ("a", "3"), ("a", "4"),
    ]  # fmt: skip
    assert problems(text, {"folds": "[]"}) == [
        "-P folds folds: the axis 'fold' has no value in entry_points.main.steps.a.matrix.fold"
        " | give its list an item"
    ]


def test_a_path_of_a_matrix_is_an_input_and_seen_from_the_working_directory() -> None:
    text = project(
        "a: {matrix: {file: '{files}'}, command: 'a {matrix.file}', working_directory: sub}",
        "{files: {type: list, items: path, default: [data/x, data/y]}}",
    )
    steps = plan_of(text, world=World(ignored=["data/x", "data/y"]))
    assert list(steps) == ["a[file=data%2Fx]", "a[file=data%2Fy]"]
    (one,) = steps["a[file=data%2Fy]"].inputs
    assert (one.path, one.kind) == ("data/y", "file")
    assert steps["a[file=data%2Fy]"].argv == ("a", "../data/y")


@pytest.mark.parametrize(
    ("steps", "message"),
    [
        ("a: {matrix: {m: [1, 2, 3]}, command: a, outputs: [x]}",
         "6 a.outputs: 'x' is made by 'a[m=1]' and by 'a[m=2]' | put what differs into its path:"
         " {matrix.m}"),
        ("a: {matrix: {m: [1, 1]}, command: a}",
         "6 a.matrix: the combination [m=1] is there twice | values that are the same as text make"
         " the same step"),
        ("a: {matrix: {m: [1, 2], include: [{m: 1, k: x}]}, command: a, outputs: ['{matrix.k}']}",
         "6 a.outputs: a value in '{matrix.k}' is null for the step 'a[m=2]' | a path needs all of"
         " its values"),
        ("a: {matrix: {m: [1], exclude: [{m: 1}]}, command: a}",
         "6 a.matrix.exclude: no combination is left | exclude fewer of them"),
        ("a: {matrix: {m: [1, 2]}, command: a, outputs: ['{matrix.m}']}\n"
         "b: {matrix: {m: [2, 3]}, command: b, outputs: ['{matrix.m}']}",
         "7 b.outputs: '2' is made by the step 'a[m=2]' too | each output has one maker"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_matrix_is_said_once(steps: str, message: str) -> None:
    assert problems(project(steps)) == [message]


def test_instances_are_chosen_by_their_step_or_by_values() -> None:
    assert list(plan_of(project(CV), chosen=["cv"])) == ["prepare", *INSTANCES]
    assert list(plan_of(project(CV), chosen=["cv[fold=1]"])) == ["prepare", *INSTANCES[2:]]
    assert list(plan_of(project(CV), chosen=[INSTANCES[0]])) == ["prepare", INSTANCES[0]]
    for name in ("cv[fold=7]", "cv[fold=1", "prepare[x=1]"):
        with pytest.raises(UsageError, match="has no step"):
            plan_of(project(CV), chosen=[name])
