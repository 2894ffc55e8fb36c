"""What ``model.json`` says of a model that was logged, see :mod:`runproj._models`."""

from collections.abc import Iterator
from typing import Any, Literal

from runproj.model import Model, field
from runproj.record.difference import Change, Difference

_PICKLES = ("joblib", "pickle", "torch", "torchscript")


class Column(Model):
    """A column of what goes in or comes out; -1 in a shape is any length."""

    type: str
    name: str | None = None
    shape: tuple[int, ...] = (-1,)

    @property
    def text(self) -> str:
        """Type and shape.

        >>> Column(type="float32", shape=(-1, 28, 28)).text, Column(type="int64").text
        ('float32 [-1, 28, 28]', 'int64')
        """
        return self.type if self.shape == (-1,) else f"{self.type} {list(self.shape)}"


class Signature(Model):
    """The schema of what goes into a model and comes out; None: it is not known."""

    inputs: tuple[Column, ...] | None = None
    outputs: tuple[Column, ...] | None = None

    @property
    def columns(self) -> dict[str, str]:
        """Names of all columns, ``inputs.alcohol``, with type and shape."""
        return {
            f"{side}.{index if one.name is None else one.name}": one.text
            for side, columns in (("inputs", self.inputs), ("outputs", self.outputs))
            for index, one in enumerate(columns or (), start=1)
        }


class SavedModel(Model):
    """A model in a folder."""

    format: Literal[1]
    name: str
    flavor: str
    form: str
    files: tuple[str, ...]
    safe: bool
    created: str
    rebuild: dict[str, Any] | None = None
    signature: Signature | None = None
    metadata: dict[str, Any] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    run: str | None = None
    step: str | None = None

    @property
    def needs_trust(self) -> bool:
        """Whether loading it executes what its maker wished."""
        return not self.safe or self.form in _PICKLES or "structure" in (self.rebuild or {})


class ModelDifference(Model):
    """What differs between the models ``a`` and ``b``; ``runs`` is None where one made both."""

    a: str
    b: str
    model: tuple[Change, ...] = ()
    signature: tuple[Change, ...] = ()
    runs: Difference | None = None


def changes(a: SavedModel | None, b: SavedModel | None) -> Iterator[tuple[str, Change]]:
    """Yield what differs between two models, each with ``model`` or ``signature`` before it."""
    for group in ("model", "signature"):
        old, new = (_facts(one, group) for one in (a, b))
        for name in dict.fromkeys([*old, *new]):
            if old.get(name) != new.get(name):
                yield group, Change(name=name, before=old.get(name), after=new.get(name))


def _facts(model: SavedModel | None, group: str) -> dict[str, str]:
    if model is None:
        return {}
    if group == "signature":
        return model.signature.columns if model.signature is not None else {}
    facts = {"flavor": model.flavor, "form": model.form}
    return facts | {f"{name} version": text for name, text in model.versions.items()}
