"""Runs as frames of pandas or polars, and as files that other programs read."""

import os
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from runproj.app import stores
from runproj.errors import UsageError
from runproj.record.columns import Column, columns
from runproj.record.query import ALL, parse

if TYPE_CHECKING:
    from collections.abc import Sequence

Backend = Literal["pandas", "polars"]
_PANDAS = {
    "text": "object", "number": "float64", "integer": "Int64", "boolean": "boolean",
}  # fmt: skip


def runs(
    where: str | None = None,
    *,
    experiment: str | None = None,
    store: str | None = None,
    backend: Backend = "pandas",
) -> Any:  # noqa: ANN401 -- a frame of either library
    """Return past runs as a frame, the latest first: a row for each, typed columns.

    Columns are those of a query (docs/tracking.md): ``id``, ``status``, ``params.lr``,
    ``metrics.train.rmse``, ``metrics.train.loss.min``, ``tags.team``; times are in UTC.

    Args:
        where: only runs that fit: ``"metrics.rmse < 0.8"``.
        experiment: only runs of this experiment.
        store: the folder of the store; without one, the nearest ``.runproj`` upwards from here.
        backend: whose frame: ``pandas`` or ``polars``, which must be installed.

    Raises:
        UsageError: there is no store, the query cannot be read, or the library is missing.
    """
    found = found_columns(stores.find_store(str(Path.cwd()), store or _given()), where, experiment)
    if backend == "polars":
        return _polars(found)
    if backend != "pandas":
        raise UsageError(f"backend={backend!r}: it is pandas or polars")
    return _pandas(found)


def _given() -> str | None:
    return os.environ.get("RUNPROJ_STORE") or None


def found_columns(
    store: stores.Store, where: str | None, experiment: str | None
) -> "Sequence[Column]":
    """Return the runs that are asked for as columns."""
    condition = "perturbed = '[]' and archived_at is null"
    condition += " and experiment = ?" if experiment else ""
    values = [experiment] if experiment else []
    return columns(store.runs.search(condition, values, parse(where) if where else ALL, (), None))


def _moments(column: Column) -> "list[datetime | None]":
    return [None if one is None else datetime.fromisoformat(one) for one in column.values]


def _pandas(found: "Sequence[Column]") -> Any:  # noqa: ANN401 -- a frame
    pandas = _library("pandas")
    made = {
        one.name: pandas.Series(pandas.to_datetime(_moments(one), utc=True))
        if one.kind == "time"
        else pandas.Series(one.values, dtype=_PANDAS[one.kind])
        for one in found
    }
    return pandas.DataFrame(made)


def _polars(found: "Sequence[Column]") -> Any:  # noqa: ANN401 -- a frame
    polars = _library("polars")
    kinds = {
        "text": polars.String, "number": polars.Float64, "integer": polars.Int64,
        "boolean": polars.Boolean, "time": polars.Datetime("ms", "UTC"),
    }  # fmt: skip
    return polars.DataFrame(
        [
            polars.Series(
                one.name, _moments(one) if one.kind == "time" else one.values,
                dtype=kinds[one.kind],
            )
            for one in found
        ]
    )  # fmt: skip


def write_parquet(found: "Sequence[Column]", file: str) -> None:
    """Write runs to a Parquet file.

    Raises:
        UsageError: pyarrow is missing, or the file cannot be written.
    """
    arrow = _library("pyarrow")
    parquet = _library("pyarrow.parquet")
    kinds = {
        "text": arrow.string(), "number": arrow.float64(), "integer": arrow.int64(),
        "boolean": arrow.bool_(), "time": arrow.timestamp("ms", tz="UTC"),
    }  # fmt: skip
    arrays = [
        arrow.array(_moments(one) if one.kind == "time" else one.values, type=kinds[one.kind])
        for one in found
    ]
    table = arrow.Table.from_arrays(arrays, names=[one.name for one in found])
    try:
        parquet.write_table(table, file)
    except OSError as error:
        raise UsageError(f"the file cannot be written: {error}", where=file) from error


def _library(name: str) -> Any:  # noqa: ANN401 -- a module
    from importlib import import_module  # noqa: PLC0415 -- few ask for frames

    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        package = name.partition(".")[0]
        raise UsageError(f"this needs {package}", hint=f"pip install {package}") from error
