"""Hearing what a step tells of itself, and keeping it."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from runproj.engine.furnish import Room, joined
from runproj.errors import RunprojError
from runproj.plan.binding import BoundValue
from runproj.plan.plan import Plan, PlannedStep
from runproj.ports import ObjectStore, Told, Tracking
from runproj.record.artifact import Artifact
from runproj.record.points import (
    CURVE,
    Points,
    last,
    no_points,
    not_finite,
    summary,
    thinned,
    write_points,
)
from runproj.record.telling import events
from runproj.record.tracking import LoggedModel, Tracked

_FOLDER = ".tracking"


class Heard(NamedTuple):
    """What was heard of a step: the last values of its metrics, and the rest; warnings about it."""

    metrics: dict[str, float]
    tracked: Tracked | None
    warnings: tuple[str, ...] = ()


def begin(
    tracking: Tracking, step: PlannedStep, plan: Plan, room: Room, variables: Mapping[str, str]
) -> dict[str, str]:
    """Get ready to hear a step; return its variables, by which it finds where to tell.

    What stands in its environment comes first, should something there have the same name.
    """
    client = room.client
    told = {**variables, "RUNPROJ_EVENTS": listen(tracking, step, plan, room, client)}
    for name, place in (("PYTHONPATH", f"{client}/python"), ("PATH", f"{client}/bin")):
        before = variables.get(name)
        told[name] = f"{before}:{place}" if before else place
    return told


def listen(
    tracking: Tracking, step: PlannedStep, plan: Plan, room: Room, client: str | None
) -> str:
    """Get ready to hear a step; return the path of the file that takes its events."""
    folder = joined(room.temporary, _FOLDER)
    tracking.begin(folder, _context(step, plan, room), client)
    return f"{folder}/events.jsonl"


class Ear(NamedTuple):
    """Listens to steps: ``tracking`` brings what they tell, ``objects`` keep it."""

    tracking: Tracking
    objects: ObjectStore

    def end(self, room: Room, directory: str, now: float, redacted: Callable[[str], str]) -> Heard:
        """Keep what a step told, whether it succeeded or not.

        Args:
            room: the folders of its workspace.
            directory: in which it was started.
            now: seconds since 1970.
            redacted: takes the secrets out of a text.
        """
        folder = joined(room.temporary, _FOLDER)
        try:
            told = self.tracking.end(folder)
            if not any(told):
                return Heard({}, None)
            return self._kept(told, room, directory, now, redacted)
        except RunprojError as error:
            return Heard({}, None, (f"what it logged cannot be kept: {error}",))

    def _kept(
        self, told: Told, room: Room, directory: str, now: float, redacted: Callable[[str], str]
    ) -> Heard:
        heard = events(told.events, now, told.points)
        metrics: dict[str, Points] = {}
        for name, points in (*told.points.items(), *heard.points.items()):
            metrics.setdefault(redacted(name), no_points()).extend(points)
        values = {name: last(points) for name, points in metrics.items()}
        unusual = {name: word for name, value in values.items() if (word := not_finite(value))}
        artifacts, warnings = self._artifacts(told, heard.artifacts, room, directory)
        tracked = Tracked(
            params={
                redacted(name): _without(value, redacted) for name, value in heard.params.items()
            },
            tags={redacted(name): redacted(text) for name, text in heard.tags.items()},
            not_finite=unusual,
            summaries={name: summary(points) for name, points in metrics.items()},
            artifacts=artifacts,
            models=tuple(self._models(told)),
        )
        if metrics:
            tracked = tracked.replace(**self._points(metrics, joined(room.temporary, _FOLDER)))
        finite = {name: value for name, value in values.items() if name not in unusual}
        return Heard(finite, tracked, (*heard.warnings, *warnings))

    def _points(self, metrics: Mapping[str, Points], folder: str) -> dict[str, str]:
        every = self._written(metrics, folder)
        if all(len(points.steps) <= CURVE for points in metrics.values()):
            return {"points": every, "curves": every}
        curves = {name: thinned(points) for name, points in metrics.items()}
        return {"points": every, "curves": self._written(curves, folder)}

    def _written(self, metrics: Mapping[str, Points], folder: str) -> str:
        place = self.tracking.write(folder, write_points(metrics))
        return self.objects.put(place, "points", take=True).sha256

    def _artifacts(
        self, told: Told, paths: Mapping[str, str], room: Room, directory: str
    ) -> tuple[tuple[Artifact, ...], list[str]]:
        """Keep artifacts: those that were copied when they were logged, and those of events."""
        kept = {name: self.objects.put(place, name, take=True) for name, place in told.artifacts}
        warnings = []
        for name, path in paths.items():
            place = joined(directory, path)
            if not place.startswith((f"{room.root}/", f"{room.temporary}/")):
                warnings.append(f"its artifact {path} is not kept: it is not in its workspace")
                continue
            try:
                kept[name] = self.objects.put(place, name)
            except RunprojError as error:
                warnings.append(f"its artifact {path} is not kept: {error}")
        return tuple(kept[name] for name in sorted(kept)), warnings

    def _models(self, told: Told) -> Iterator[LoggedModel]:
        for name, flavor, place in told.models:
            kept = self.objects.put(place, f"models/{name}", take=True)
            yield LoggedModel.of(kept, name=name, flavor=flavor)


def _without(value: Any, redacted: Callable[[str], str]) -> Any:  # noqa: ANN401 -- any JSON value
    """Return JSON data without secrets."""
    if isinstance(value, str):
        return redacted(value)
    if isinstance(value, list):
        return [_without(one, redacted) for one in value]
    if isinstance(value, dict):
        return {redacted(key): _without(one, redacted) for key, one in value.items()}
    return value


def _context(step: PlannedStep, plan: Plan, room: Room) -> dict[str, object]:
    """Return what a step may ask for: the parameters that it refers to, its inputs and outputs.

    Of other parameters it gets the names, so that it can be told what to do: what it was not given
    is no part of its fingerprint.
    """
    values = {one.name: _usable(one, room) for one in plan.values}
    given = {name: values[name] for name in step.parameters if name in values}
    inputs = {
        name: joined(room.project, one.path)
        for one in step.inputs
        for name in _names(one.path, one.output)
    }
    outputs = {
        name: joined(room.project, one.path)
        for one in step.outputs
        for name in _names(one.path, one.name)
    }
    params = {**given, **step.instance}
    return {
        "params": params,
        "others": [name for name in values if name not in params],
        "inputs": inputs,
        "outputs": outputs,
    }


def _usable(bound: BoundValue, room: Room) -> object:
    """Return a value as programs can use it: paths are absolute."""
    if not bound.is_path or bound.value is None:
        return bound.value
    paths = [joined(room.project, path) for path in bound.paths]
    return paths if isinstance(bound.value, list | tuple) else paths[0]


def _names(path: str, name: str | None) -> Sequence[str]:
    return (path, name) if name else (path,)
