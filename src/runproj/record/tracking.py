"""What a step tells of itself while it executes: parameters, tags, metrics, artifacts, models."""

from typing import Any, Literal, TypeAlias

from runproj.model import Model, field
from runproj.record.artifact import Artifact

NotFinite: TypeAlias = Literal["NaN", "Infinity", "-Infinity"]


class Summary(Model):
    """The points of a metric: how many, and the least and the greatest number among them.

    Both are None where no point is a finite number.
    """

    points: int
    min: float | None = None
    max: float | None = None


class LoggedModel(Artifact):
    """A model that a step logged: a folder with ``model.json``, which says what is in it."""

    name: str
    flavor: str


class Tracked(Model):
    """What a step told.

    ``params`` are values that it reported of itself, as JSON. Of each metric whose last value is no
    finite number, ``not_finite`` has it. ``summaries`` has all metrics of which points were logged.
    ``points`` is the digest of all points in the store, ``curves`` of so few of them that they can
    be drawn (see :mod:`runproj.record.points`). Paths of ``artifacts`` are their names.
    """

    params: dict[str, Any] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    not_finite: dict[str, NotFinite] = field(default_factory=dict)
    summaries: dict[str, Summary] = field(default_factory=dict)
    points: str | None = None
    curves: str | None = None
    artifacts: tuple[Artifact, ...] = ()
    models: tuple[LoggedModel, ...] = ()
