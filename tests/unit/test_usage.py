"""The metrics of the system that samples make, and their peaks and means."""

import pytest

from runproj.record.points import CURVE
from runproj.record.usage import GpuSample, Level, Sample, levels_of, metrics_of

BEGAN = 1_000_000.0


def test_each_value_is_about_the_time_since_the_sample_before() -> None:
    samples = [
        Sample(2.0, 1.0, 5_000, 100, 0),
        Sample(4.0, 5.0, 9_000, 100, 3_000),
    ]
    found = metrics_of(samples, (), BEGAN)
    assert {name: list(points.values) for name, points in found.items()} == {
        "system/cpu": [50.0, 200.0],
        "system/memory": [5_000.0, 9_000.0],
        "system/read": [50.0, 0.0],
        "system/written": [0.0, 1_500.0],
    }
    cpu = found["system/cpu"]
    assert (list(cpu.steps), list(cpu.times)) == ([0, 1], [BEGAN + 2, BEGAN + 4])


def test_peak_and_mean_are_those_of_the_whole_time() -> None:
    samples = [Sample(1.0, 1.0, 4_000, 0, 0), Sample(4.0, 1.0, 8_000, 0, 6)]
    found = levels_of(metrics_of(samples, (), BEGAN), BEGAN)
    assert found["system/cpu"] == Level(peak=100.0, mean=25.0)
    assert found["system/memory"] == Level(peak=8_000.0, mean=7_000.0)
    assert found["system/written"] == Level(peak=2.0, mean=1.5)


def test_what_a_process_took_with_it_is_no_negative_number() -> None:
    samples = [Sample(1.0, 1.0, 1, 500, 0), Sample(2.0, 0.5, 1, 100, 0), Sample(2.0, 9.0, 1, 0, 0)]
    found = metrics_of(samples, (), BEGAN)
    assert list(found["system/cpu"].values) == [100.0, 0.0]
    assert list(found["system/read"].values) == [500.0, 0.0]


def test_each_gpu_has_metrics_of_its_own() -> None:
    gpus = [GpuSample(3.0, "0", 80.0, 7), GpuSample(3.0, "1", 0.0, 1), GpuSample(5.0, "0", 90.0, 8)]
    found = metrics_of((), gpus, BEGAN)
    assert {name: list(points.values) for name, points in found.items()} == {
        "system/gpu/0": [80.0, 90.0],
        "system/gpu_memory/0": [7.0, 8.0],
        "system/gpu/1": [0.0],
        "system/gpu_memory/1": [1.0],
    }
    assert levels_of(found, BEGAN)["system/gpu/0"].mean == pytest.approx(84.0)


def test_no_metric_has_more_points_than_can_be_drawn() -> None:
    gpus = [GpuSample(float(at), "0", at % 100, 0) for at in range(1, 5_000)]
    assert len(metrics_of((), gpus, BEGAN)["system/gpu/0"].values) <= CURVE
