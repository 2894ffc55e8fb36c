"""Where the time of a run went: when each step executed, what it used, and what decided the end."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, NamedTuple

from runproj.model import Model
from runproj.record.outcome import Outcome
from runproj.record.run import Run, StepRun


class Span(Model):
    """When a step executed, in seconds after its run began, and what it used.

    ``lane`` counts from 0: steps that executed at the same time are in different ones. ``critical``
    tells that it is on the critical path. What was used is that of :class:`Outcome`.
    """

    step: str
    status: str
    start_s: float
    duration_s: float
    lane: int
    critical: bool
    outcome: Outcome


class Timing(Model):
    """Where the time of a run went.

    ``spans`` are in the order in which the steps began; steps that did not execute have none.
    ``critical_path`` is the chain of steps, each after the one before it, that takes longest:
    however many steps run side by side, the run is no faster. ``steps_s`` is the sum of all.
    """

    duration_s: float
    steps_s: float
    critical_s: float
    critical_path: tuple[str, ...]
    spans: tuple[Span, ...]


class _Chain(NamedTuple):
    """The longest chain of steps that ends with one of them."""

    seconds: float
    before: str | None


def timing(run: Run) -> Timing:
    """Return where the time of a run went."""
    executed = {
        one.name: one
        for one in run.steps
        if one.started_at and one.outcome is not None and one.status != "cached"
    }
    path, seconds = _critical(run, executed)
    began = _seconds(run.started_at)
    ordered = sorted(
        (max(0.0, round(_seconds(str(one.started_at)) - began, 3)), one.name)
        for one in executed.values()
    )
    spans, free = [], list[float]()  # when each lane is free again
    for start, name in ordered:
        one = executed[name]
        lane = next((number for number, until in enumerate(free) if until <= start), len(free))
        free[lane : lane + 1] = [start + one.duration_s]
        spans.append(
            Span(
                step=name, status=one.status, start_s=start, duration_s=one.duration_s, lane=lane,
                critical=name in path, outcome=one.outcome or Outcome(),
            )
        )  # fmt: skip
    total = sum(one.duration_s for one in executed.values())
    return Timing(
        duration_s=run.duration_s if run.duration_s is not None else _end(spans),
        steps_s=total, critical_s=seconds, critical_path=path, spans=tuple(spans),
    )  # fmt: skip


def _end(spans: list[Span]) -> float:
    """Return when the last step ended of a run of which nobody wrote how long it took."""
    return max((one.start_s + one.duration_s for one in spans), default=0.0)


def _critical(run: Run, executed: Mapping[str, StepRun]) -> tuple[tuple[str, ...], float]:
    """Return the chain of steps that takes longest, and its time in seconds."""
    chains: dict[str, _Chain] = {}
    for step in run.plan.steps:  # each comes after those that it needs
        before = max(
            (name for name in step.after if name in chains),
            key=lambda name: chains[name].seconds, default=None,
        )  # fmt: skip
        own = executed[step.name].duration_s if step.name in executed else 0.0
        earlier = chains[before].seconds if before is not None else 0.0
        chains[step.name] = _Chain(earlier + own, before)
    last = max(chains, key=lambda name: chains[name].seconds, default=None)
    seconds = chains[last].seconds if last is not None else 0.0
    path = []
    while last is not None:
        path.append(last)
        last = chains[last].before
    return tuple(name for name in reversed(path) if name in executed), seconds


def _seconds(time: str) -> float:
    return datetime.fromisoformat(time).timestamp()


def chrome_trace(run: Run) -> dict[str, Any]:
    """Return where the time went as what browsers draw (``chrome://tracing``, Perfetto).

    Source of the format: "Trace Event Format", complete events (``X``); times in microseconds.
    """
    return {
        "traceEvents": list(_events(run)),
        "displayTimeUnit": "ms",
        "otherData": {"run": run.id, "project": run.project, "started_at": run.started_at},
    }


def _events(run: Run) -> Iterator[dict[str, Any]]:
    found = timing(run)
    yield {
        "ph": "M", "name": "process_name", "pid": 1, "tid": 0,
        "args": {"name": f"{run.project} {run.id}"},
    }  # fmt: skip
    for one in found.spans:
        used = one.outcome
        yield {
            "ph": "X", "name": one.step, "cat": one.status, "pid": 1, "tid": one.lane + 1,
            "ts": round(one.start_s * 1e6), "dur": round(one.duration_s * 1e6),
            "args": {
                "status": one.status, "critical": one.critical, "cpu_s": used.cpu_s,
                "peak_memory": used.peak_memory, "read": used.read, "written": used.written,
                "rchar": used.rchar, "wchar": used.wchar,
            },
        }  # fmt: skip
