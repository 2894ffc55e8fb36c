from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runproj.model import from_json, to_json
from runproj.plan.fingerprint import Fingerprint, fingerprint, source_digest, visible
from runproj.plan.plan import PlannedInput, PlannedOutput, PlannedStep

STEP: dict[str, Any] = {
    "name": "train", "argv": ("python", "train.py"), "environment": "default", "env": {"A": "1"},
    "pass_env": {"P": "p", "Q": None}, "inputs": (PlannedInput(path="i", kind="source"),),
    "outputs": (PlannedOutput(path="o"), PlannedOutput(path="m", name="m")),
    "working_directory": "sub",
    "stdin": "in", "stdout": "out",
}  # fmt: skip
WORLD: dict[str, Any] = {
    "environment": "key", "source": "digest", "inputs": {"i": "1"}, "platform": "linux-x86_64",
    "tree": "t1",
}  # fmt: skip


def of(step: dict[str, Any] | None = None, **world: Any) -> Fingerprint:  # noqa: ANN401 -- any part
    planned = PlannedStep(**STEP | (step or {}))
    return fingerprint(planned, **(WORLD | world))


@pytest.mark.parametrize(
    "changed",
    [
        {"argv": ("python", "train.py", "")}, {"argv": ("python train.py",)}, {"argv": ("train.py",
        "python")},
        {"env": {"A": "2"}}, {"env": {"B": "1"}}, {"env": {}}, {"env": {"A": "1", "B": ""}},
        {"pass_env": {"P": "x", "Q": None}}, {"pass_env": {"P": "p", "Q": ""}},
        {"pass_env": {"P": "p"}},
        {"outputs": ()}, {"outputs": (PlannedOutput(path="o"), PlannedOutput(path="m2", name="m"))},
        {"outputs": (PlannedOutput(path="o"), PlannedOutput(path="m", name="n"))},
        {"outputs": (PlannedOutput(path="o", metrics=True), PlannedOutput(path="m", name="m"))},
        {"working_directory": "."}, {"stdin": None}, {"stdout": None}, {"stdin": "out",
        "stdout": "in"},
    ],
)  # fmt: skip
def test_what_the_step_says_counts(changed: dict[str, Any]) -> None:
    assert of(changed).digest != of().digest


@pytest.mark.parametrize(
    "changed",
    [{"environment": "key2"}, {"source": "digest2"}, {"inputs": {"i": "2"}}, {"inputs": {"j": "1"}},
     {"inputs": {}}, {"inputs": {"i": "1", "j": "1"}}, {"platform": "linux-aarch64"}],
)  # fmt: skip
def test_what_is_around_the_step_counts(changed: dict[str, Any]) -> None:
    assert of(**changed).digest != of().digest


@pytest.mark.parametrize(
    "changed",
    [
        {"name": "other"}, {"description": "D"}, {"timeout_s": 5.0}, {"cache": False},
        {"after": ("x",)},
        {"environment": "renamed"}, {"sources": ("src",)}, {"parameters": {"lr": "1"}},
        {"inputs": ()},
        {"outputs": (PlannedOutput(path="m", name="m"), PlannedOutput(path="o"))},
        {"outputs": (PlannedOutput(path="o", compare="json", rtol=1.0), PlannedOutput(path="m",
        name="m"))},
        {"env": {"A": "1"}, "pass_env": {"Q": None, "P": "p"}},
    ],
)  # fmt: skip
def test_what_does_not_decide_about_the_result_does_not_count(changed: dict[str, Any]) -> None:
    assert of(changed).digest == of().digest


def test_the_tree_as_such_does_not_count() -> None:
    assert of(tree="t2").digest == of().digest


def test_the_order_of_inputs_does_not_count() -> None:
    assert of(inputs={"a": "1", "b": "2"}).digest == of(inputs={"b": "2", "a": "1"}).digest


def test_a_variable_that_is_set_hides_the_callers() -> None:
    both = {"env": {"A": "1"}, "pass_env": {"A": "2"}}
    assert of(both).env == {"A": "1"}
    assert of(both).digest == of({**both, "pass_env": {"A": "3"}}).digest


def test_its_parts_are_kept() -> None:
    found = of({"parameters": {"lr": "1"}})
    assert found.argv == ("python", "train.py")
    assert found.env == {"A": "1", "P": "p", "Q": None}
    assert found.outputs == ("m=m", "o")
    assert (found.directory, found.streams) == ("sub", ("in", "out"))
    assert (found.tree, found.parameters, found.platform) == ("t1", {"lr": "1"}, "linux-x86_64")
    assert from_json(Fingerprint, to_json(found)) == found


@given(st.lists(st.text(max_size=4), max_size=4), st.lists(st.text(max_size=4), max_size=4))
def test_arguments_are_told_apart_wherever_they_are_divided(one: list[str], two: list[str]) -> None:
    same = of({"argv": tuple(one)}).digest == of({"argv": tuple(two)}).digest
    assert same == (one == two)


@given(
    st.dictionaries(st.text(max_size=3), st.text(max_size=3), max_size=3),
    st.dictionaries(st.text(max_size=3), st.text(max_size=3), max_size=3),
)
def test_inputs_are_told_apart(one: dict[str, str], two: dict[str, str]) -> None:
    assert (of(inputs=one).digest == of(inputs=two).digest) == (one == two)


MANIFEST = {"train.py": "1", "src/a.py": "2", "src/deep/b.py": "3", "data/x": "4", "../lib/c": "5"}


@pytest.mark.parametrize(
    ("sources", "hidden", "inputs", "seen"),
    [
        (None, [], [], ["train.py", "src/a.py", "src/deep/b.py", "data/x", "../lib/c"]),
        (None, ["train.py", "src"], [], ["data/x", "../lib/c"]),
        (None, ["src/deep", "nothing"], [], ["train.py", "src/a.py", "data/x", "../lib/c"]),
        (["src"], [], [], ["src/a.py", "src/deep/b.py"]),
        (["src/*.py", "train.py"], [], [], ["train.py", "src/a.py"]),
        (["src/**"], ["src/a.py"], [], ["src/deep/b.py"]),
        (["train.py"], [], ["data"], ["train.py", "data/x"]),
        (["train.py"], ["data/x"], ["data"], ["train.py"]),
        ([], [], [], []),
        (["."], [], [], ["train.py", "src/a.py", "src/deep/b.py", "data/x", "../lib/c"]),
    ],
)  # fmt: skip
def test_a_step_sees_its_part_of_the_source(
    sources: list[str] | None, hidden: list[str], inputs: list[str], seen: list[str]
) -> None:
    assert list(visible(MANIFEST, sources, hidden, inputs)) == seen


def test_the_digest_of_the_source_knows_paths_modes_and_content_and_no_order() -> None:
    digest = source_digest({"a": "100644 1", "b": "100644 2"})
    assert digest == source_digest({"b": "100644 2", "a": "100644 1"})
    assert digest != source_digest({"a": "100755 1", "b": "100644 2"})
    assert digest != source_digest({"a": "100644 2", "b": "100644 1"})
    assert digest != source_digest({"a": "100644 1"})
