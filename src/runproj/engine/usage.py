"""Keeping what a step used over time."""

from collections.abc import Sequence
from datetime import datetime

from runproj.ports import ObjectStore
from runproj.record.points import write_points
from runproj.record.usage import GpuSample, Sample, Usage, levels_of, metrics_of


def kept_usage(
    samples: Sequence[Sample | GpuSample], started_at: str, objects: ObjectStore
) -> Usage | None:
    """Keep the metrics that samples make; None: there are no samples.

    ``started_at`` is when the step began, ISO 8601 in UTC.
    """
    if not samples:
        return None
    began = datetime.fromisoformat(started_at).timestamp()
    metrics = metrics_of(
        [one for one in samples if isinstance(one, Sample)],
        [one for one in samples if isinstance(one, GpuSample)], began,
    )  # fmt: skip
    kept = objects.keep(b"".join(write_points(metrics)))
    return Usage(points=kept, levels=levels_of(metrics, began))
