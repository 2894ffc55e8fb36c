"""What a step used over time: samples of it, and the metrics of the system that they make."""

from array import array
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

from runproj.model import Model, field
from runproj.record.points import Points, thinned

CPU, MEMORY, READ, WRITTEN = "system/cpu", "system/memory", "system/read", "system/written"
GPU, GPU_MEMORY = "system/gpu", "system/gpu_memory"


class Sample(NamedTuple):
    """What the processes of a step had used ``at_s`` seconds after its start.

    ``cpu_s`` is CPU time in seconds, ``memory`` what they have now, ``read`` and ``written`` what
    reached a block device, all in bytes.
    """

    at_s: float
    cpu_s: float
    memory: int
    read: int
    written: int


class GpuSample(NamedTuple):
    """How busy a GPU of the machine is, in percent, and how many bytes of its memory are taken.

    ``gpu`` is its number, as the driver counts.
    """

    at_s: float
    gpu: str
    busy: float
    memory: int


class Level(Model):
    """The greatest value of a metric of the system, and its mean over time."""

    peak: float
    mean: float


class Usage(Model):
    """What a step used over time.

    ``points`` is the digest of all points in the store (see :mod:`runproj.record.points`), with
    these metrics: ``system/cpu`` in percent of one CPU, ``system/memory`` in bytes, ``system/read``
    and ``system/written`` in bytes a second; of each GPU ``system/gpu/N`` in percent and
    ``system/gpu_memory/N`` in bytes. They are no metrics of the user's.
    """

    points: str
    levels: dict[str, Level] = field(default_factory=dict)


def metrics_of(
    samples: Sequence[Sample], gpus: Sequence[GpuSample], began: float
) -> dict[str, Points]:
    """Return the metrics of the system; ``began`` is the step's start, in seconds since 1970."""
    found: dict[str, list[tuple[float, float]]] = {}
    before = Sample(0.0, 0.0, 0, 0, 0)
    for one in samples:
        took = one.at_s - before.at_s
        if took <= 0:
            continue
        for name, value in (
            (CPU, 100 * (one.cpu_s - before.cpu_s) / took),
            (MEMORY, one.memory),
            (READ, (one.read - before.read) / took),
            (WRITTEN, (one.written - before.written) / took),
        ):  # what counted for a process that ended unseen is missing from then on
            found.setdefault(name, []).append((began + one.at_s, max(0.0, value)))
        before = one
    for gpu in gpus:
        at = began + gpu.at_s
        found.setdefault(f"{GPU}/{gpu.gpu}", []).append((at, gpu.busy))
        found.setdefault(f"{GPU_MEMORY}/{gpu.gpu}", []).append((at, gpu.memory))
    return {name: thinned(_points(values)) for name, values in found.items()}


def _points(values: Iterable[tuple[float, float]]) -> Points:
    times, numbers = zip(*values, strict=True)
    return Points(array("q", range(len(times))), array("d", numbers), array("d", times))


def levels_of(metrics: Mapping[str, Points], began: float) -> dict[str, Level]:
    """Return peak and mean of metrics; each value counts for the time since the one before it."""
    return {name: _level(points, began) for name, points in metrics.items()}


def _level(points: Points, began: float) -> Level:
    spans = [after - before for before, after in pairwise((began, *points.times))]
    area = sum(value * span for value, span in zip(points.values, spans, strict=True))
    return Level(peak=round(max(points.values), 3), mean=round(area / sum(spans), 3))
