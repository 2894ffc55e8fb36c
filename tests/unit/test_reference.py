import pytest
from tests.unit.planning import project

from runproj.spec.load import load
from runproj.spec.reference import Scope, UnknownReference, scope
from runproj.spec.template import Reference

TEXT = project(
    "train: {command: a, inputs: {data: d}, outputs: {model: m}, matrix: {fold: [1]}}\n"
    "report: {command: b, inputs: [x], outputs: [y]}",
    "{lr: 1}",
    "parameters: {seed: 1}\n",
)


def of(step: str) -> Scope:
    return scope(load(TEXT)[0], "main", step)


@pytest.mark.parametrize(
    ("name", "meaning"),
    [
        ("lr", "parameter"), ("seed", "parameter"), ("matrix.fold", "matrix"), ("inputs.data",
         "input"),
        ("outputs.model", "output"), ("steps.train.outputs.model", "step_output"), ("run.id",
         "run"),
        ("workspace", "run"),
    ],
)  # fmt: skip
def test_a_reference_means_what_the_step_sees(name: str, meaning: str) -> None:
    assert of("train").meaning(Reference(name)) == meaning


@pytest.mark.parametrize(
    "name",
    ["x", "matrix.fold", "inputs.data", "outputs.model", "steps.report.outputs.y", "run",
    "run.name",
     "workspace.x", "lr.x", "steps.train", "steps.train.model", "steps.trian.outputs.model",
     "inputs",
     "steps.train.inputs.data"],
)  # fmt: skip
def test_what_the_step_does_not_see_means_nothing(name: str) -> None:
    with pytest.raises(UnknownReference, match="refers to nothing"):
        of("report").meaning(Reference(name))


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("lrr", "did you mean {lr}? for plain text write {{lrr}}"),
        ("zzz", "for plain text write {{zzz}}"),
        ("steps.trian.outputs.model", "did you mean 'train'?; for plain text"),
        ("steps.train.outputs.modell", "did you mean {steps.train.outputs.model}?"),
        ("inputs.x", "only inputs with a name can be referred to"),
        ("outputs.x", "only outputs with a name can be referred to"),
        ("runid", "did you mean {run.id}?"),
    ],
)
def test_the_hint_has_the_nearest_name_and_the_escape(name: str, hint: str) -> None:
    with pytest.raises(UnknownReference) as caught:
        of("report").meaning(Reference(name))
    assert hint in (caught.value.hint or "")
    assert f"{{{{{name}}}}}" in (caught.value.hint or "")
    assert caught.value.about == frozenset(name.split("."))


def test_without_steps_there_is_none_to_suggest() -> None:
    step = of("report").step
    with pytest.raises(UnknownReference) as caught:
        Scope({}, step, {}).meaning(Reference("steps.x.outputs.y"))
    assert "there is no such step" in (caught.value.hint or "")
