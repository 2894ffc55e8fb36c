"""The points by which metrics are drawn, and what is meant by their names."""

from array import array

import pytest
from tests.fakes.disk import FakeDisk
from tests.fakes.objects import FakeObjects
from tests.fakes.records import a_run, a_step, ended

from runproj.engine.curves import Curves, known_metrics, metrics_meant
from runproj.errors import StoreError, UsageError
from runproj.record.points import Points, write_points
from runproj.record.run import Run
from runproj.record.tracking import Summary, Tracked
from runproj.record.usage import Level, Usage


def points(*values: float) -> Points:
    count = len(values)
    return Points(array("q", range(count)), array("d", values), array("d", [0.0] * count))


def logged(objects: FakeObjects, **steps: dict[str, Points]) -> Run:
    """Return a run whose steps logged metrics."""
    made = []
    for step, metrics in steps.items():
        kept = objects.keep(b"".join(write_points(metrics)))
        known = {name: Summary(points=len(found.values)) for name, found in metrics.items()}
        made.append(a_step(step, tracked=Tracked(summaries=known, points=kept, curves=kept)))
    return ended(a_run(), a_step("silent"), a_step("told", tracked=Tracked()), *made)


def test_curves_have_full_names_and_only_what_is_wanted_is_read() -> None:
    objects = FakeObjects(FakeDisk())
    run = logged(objects, a={"loss": points(1, 2), "acc": points(3)}, b={"loss": points(4)})
    found = Curves(objects).of(run)
    assert {name: list(one.values) for name, one in found.items()} == {
        "a.loss": [1, 2], "a.acc": [3], "b.loss": [4],
    }  # fmt: skip
    assert list(Curves(objects).of(run, ["a.acc", "a.none"])) == ["a.acc"]
    objects.contents.clear()
    assert Curves(objects).of(run, ["none"]) == {}


def test_metrics_of_the_system_have_curves_too() -> None:
    objects = FakeObjects(FakeDisk())
    kept = objects.keep(b"".join(write_points({"system/cpu": points(50, 100)})))
    used = Usage(points=kept, levels={"system/cpu": Level(peak=100, mean=75)})
    told = Tracked(summaries={"loss": Summary(points=1)}, not_finite={"loss": "NaN"})
    run = ended(a_run(), a_step("a", usage=used, tracked=told, metrics={"f1": 1.0}), a_step("b"))
    assert list(Curves(objects).of(run, ["a.system/cpu"])["a.system/cpu"].values) == [50, 100]
    assert known_metrics(run) == {"a": ["a.f1", "a.loss", "a.system/cpu"], "b": []}


def test_points_that_are_gone_or_no_points_are_an_error() -> None:
    objects = FakeObjects(FakeDisk())
    known = Tracked(summaries={"m": Summary(points=1)}, curves=objects.keep(b"no points"))
    run = ended(a_run(), a_step(tracked=known))
    with pytest.raises(StoreError, match="cannot be read"):
        Curves(objects).of(run)
    objects.contents.clear()
    with pytest.raises(StoreError, match="not in the store"):
        Curves(objects).of(run)


def test_a_plain_name_means_one_step_its_instances_or_the_system() -> None:
    known = ["a.loss", "b.acc", "c[x=1].f1", "c[x=2].f1", "a.system/cpu", "b.system/cpu"]
    assert metrics_meant("loss", known) == ["a.loss"]
    assert metrics_meant("metrics.a.loss", known) == ["a.loss"]
    assert metrics_meant("f1", known) == ["c[x=1].f1", "c[x=2].f1"]
    assert metrics_meant("system/cpu", known) == ["a.system/cpu", "b.system/cpu"]
    assert metrics_meant("none", known) == []
    with pytest.raises(UsageError, match=r"a\.loss or b\.loss"):
        metrics_meant("loss", [*known, "b.loss"])
