"""What a model in a folder says of itself, and how two differ."""

from typing import Any

import pytest

from runproj.record.saved_model import Column, SavedModel, Signature, changes


def saved(**fields: Any) -> SavedModel:  # noqa: ANN401 -- of any type
    given: dict[str, Any] = {
        "format": 1, "name": "m", "flavor": "sklearn", "form": "skops", "files": ("model.skops",),
        "safe": True, "created": "2026-01-01T00:00:00.000Z", "versions": {"skops": "0.11"},
    }  # fmt: skip
    return SavedModel(**given | fields)


@pytest.mark.parametrize(
    ("fields", "needs"),
    [
        ({}, False),
        ({"safe": False}, True),
        ({"form": "joblib"}, True),
        ({"form": "safetensors", "rebuild": {"structure": "structure.pkl"}}, True),
        ({"form": "safetensors", "rebuild": {"weights": True}}, False),
    ],
)
def test_what_executes_something_needs_trust_whatever_it_says(
    fields: dict[str, Any], *, needs: bool
) -> None:
    assert saved(**fields).needs_trust is needs


def test_what_differs_is_told() -> None:
    signature = Signature(
        inputs=(Column(name="a", type="int64"), Column(type="float32", shape=(-1, 2))),
        outputs=None,
    )
    old = saved(signature=signature)
    new = saved(
        form="joblib", versions={"joblib": "1"},
        signature=signature.replace(outputs=(Column(type="int64"),)),
    )  # fmt: skip
    found = [(group, one.name, one.before, one.after) for group, one in changes(old, new)]
    assert found == [
        ("model", "form", "skops", "joblib"),
        ("model", "skops version", "0.11", None),
        ("model", "joblib version", None, "1"),
        ("signature", "outputs.1", None, "int64"),
    ]
    assert [one.name for _, one in changes(None, old)] == [
        "flavor", "form", "skops version", "inputs.a", "inputs.2",
    ]  # fmt: skip
    assert list(changes(saved(), saved())) == []
