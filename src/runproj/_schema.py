"""The signature of a model: the schema of what goes in and comes out.

Standard library only, Python 3.8 and newer: this file is put beside steps with
:mod:`runproj._models`. Libraries are not imported: what an example is, it says itself.
"""

from __future__ import annotations

TYPE_CHECKING = False  # importing typing takes a while
if TYPE_CHECKING:
    from typing import Any


def infer_signature(inputs: Any, outputs: Any = None) -> dict[str, Any]:
    """Return the schema of what goes into a model and comes out, from examples of both.

    Args:
        inputs: a table of pandas or polars, an array, a mapping of names to arrays or lists, a
            list, or a single value.
        outputs: the same, of what the model returns.

    Returns:
        ``inputs`` and ``outputs`` as columns with name, type and shape; -1 is any length.
    """
    return {"inputs": _columns(inputs), "outputs": _columns(outputs)}


def _columns(data: Any) -> list[dict[str, Any]] | None:
    if data is None:
        return None
    if hasattr(data, "columns") and hasattr(data, "dtypes"):
        names = list(data.columns)
        return [_column(str(name), data[name]) for name in names]
    if isinstance(data, dict):
        return [_column(str(name), value) for name, value in data.items()]
    fields = getattr(getattr(data, "dtype", None), "names", None)
    if fields:
        return [_column(name, data[name]) for name in fields]
    return [_column(None, data)]


def _column(name: str | None, data: Any) -> dict[str, Any]:
    shape = list(getattr(data, "shape", ()))
    kind = getattr(data, "dtype", None)
    if kind is None:
        shape, data = _shape(data)
        kind = _type(data)
    else:
        kind = str(kind).rpartition("torch.")[2]
        if kind == "object":
            kind = _type(
                next((one for one in getattr(data, "flat", data) if one is not None), None)
            )
        kind = _TYPES.get(kind, kind)
    return {"name": name, "type": kind, "shape": [-1, *map(int, shape[1:])] if shape else []}


_TYPES = {"str": "string", "String": "string"}


def _shape(data: Any) -> tuple[list[int], Any]:
    """Return the shape of nested lists, and the first thing in them."""
    shape = []
    while isinstance(data, (list, tuple)):
        shape.append(len(data))
        if not data:
            return shape, None
        data = data[0]
    return shape, data


def _type(value: Any) -> str:
    """Return the name of the type of one value."""
    kind = getattr(value, "dtype", None)
    if kind is not None:
        return str(kind)
    names = {bool: "bool", int: "int64", float: "float64", str: "string", type(None): "null"}
    return names.get(type(value), type(value).__name__)


def signature(given: Any) -> dict[str, Any] | None:
    """Return a signature in its one form.

    Raises:
        ValueError: it is none.
    """
    if given is None:
        return None
    if not isinstance(given, dict) or not given.keys() <= {"inputs", "outputs"}:
        raise ValueError("a signature has 'inputs' and 'outputs': infer_signature makes one")
    return {side: _given_columns(given.get(side)) for side in ("inputs", "outputs")}


def _given_columns(columns: Any) -> list[dict[str, Any]] | None:
    if columns is None:
        return None
    if isinstance(columns, dict):
        return [{"name": str(key), "type": str(one), "shape": [-1]} for key, one in columns.items()]
    try:
        return [
            {
                "name": None if one.get("name") is None else str(one["name"]),
                "type": str(one["type"]),
                "shape": [int(length) for length in one.get("shape", [-1])],
            }
            for one in columns
        ]
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        text = "a column of a signature has a type, and perhaps a name and a shape"
        raise ValueError(text) from error
