"""What a step used over time is kept with it, and counts for nothing else."""

from tests.engine.world import Process, World

from runproj.engine.needs import needs_of
from runproj.record.difference import difference
from runproj.record.points import read_points
from runproj.record.run import Run, StepRun
from runproj.record.usage import GpuSample, Level, Sample

YAML = "runproj: 1\nentry_points:\n  main:\n    command: [go]\n"


def works(memory: int) -> World:
    def program(process: Process) -> None:
        process.execution.on_sample(Sample(2.0, 1.0, memory, 0, 0))
        process.execution.on_sample(Sample(4.0, 3.0, memory, 0, 0))
        process.execution.on_sample(GpuSample(4.0, "0", 50.0, 9))

    return World(YAML, {"main": program})


def done(world: World) -> tuple[Run, StepRun]:
    run = world.run()
    return run, run.steps[0]


def test_what_a_step_used_is_kept_as_metrics_of_the_system() -> None:
    w = works(7)
    run, step = done(w)
    assert step.usage is not None
    assert step.usage.levels["system/cpu"] == Level(peak=100.0, mean=75.0)
    points = read_points(w.objects.read(step.usage.points))
    assert set(points) == set(step.usage.levels)
    assert {"system/memory", "system/gpu/0", "system/gpu_memory/0"} < set(points)
    assert list(points["system/memory"].values) == [7.0, 7.0]
    [use] = needs_of([run], outputs=True).objects[step.usage.points]
    assert (use.step, use.role) == ("main", "metrics")


def test_metrics_of_the_system_are_none_of_the_users() -> None:
    (run, step), (other, _) = done(works(7)), done(works(8))
    assert (run.metrics, run.summaries, step.tracked) == ({}, {}, None)
    assert difference(run, other, {}, {}).metrics == ()


def test_a_step_that_is_taken_tells_what_it_used_when_it_was_executed() -> None:
    w = works(7)
    _, step = done(w)
    _, taken = done(w)
    assert taken.status == "cached"
    assert taken.usage == step.usage


def test_a_short_step_has_used_nothing_over_time() -> None:
    assert done(World(YAML))[1].usage is None
