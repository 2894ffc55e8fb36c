"""Steps that fail and are tried again."""

from collections.abc import Callable

import pytest
from tests.engine.world import Process, World, statuses

from runproj.errors import ProjectError
from runproj.record.events import Warned
from runproj.record.outcome import Outcome
from runproj.record.run import Run

RETRIES = """
    runproj: 1
    entry_points:
      main:
        steps:
          flaky: {command: [go], outputs: [m], retries: %s}
          after: {command: [go], inputs: [m], outputs: [n]}
          aside: {command: [go], outputs: [o]}
"""


def failing(*codes: int) -> Callable[[Process], Outcome | None]:
    """Return a program that ends with these exit codes before it works."""
    left = list(codes)

    def play(process: Process) -> Outcome | None:
        if left:
            return Outcome(exit_code=left.pop(0))
        process.write("m")
        return None

    return play


def world(retries: str, *codes: int) -> World:
    w = World(RETRIES % retries)
    w.programs = {
        "flaky": failing(*codes), "after": lambda process: process.write("n"),
        "aside": lambda process: process.write("o"),
    }  # fmt: skip
    return w


def warnings(w: World) -> list[str]:
    return [one.text for one in w.reporter.events if isinstance(one, Warned)]


def test_a_failure_is_tried_again_until_it_works() -> None:
    w = world("2", 1, 7)
    run = w.run()
    assert set(statuses(run).values()) == {"succeeded"}
    assert run.steps[0].failures == ("it ended with exit code 1", "it ended with exit code 7")
    assert w.executor.names.count("flaky") == 3
    assert "flaky: it ended with exit code 1; attempt 2 of 3" in warnings(w)
    assert set(statuses(w.run()).values()) == {"cached"}


def test_it_fails_when_all_attempts_do() -> None:
    run = world("1", 1, 2).run()
    assert statuses(run)["flaky"] == "failed"
    assert run.steps[0].error == "it ended with exit code 2"
    assert run.steps[0].failures == ("it ended with exit code 1",)


def test_only_some_exit_codes_are_tried_again() -> None:
    assert statuses(world("{times: 5, exit_codes: [75]}", 75, 75).run())["flaky"] == "succeeded"
    run = world("{times: 5, exit_codes: [75]}", 75, 1).run()
    assert (run.steps[0].error, len(run.steps[0].failures)) == ("it ended with exit code 1", 1)


def test_each_wait_is_longer_and_other_steps_go_on_meanwhile() -> None:
    w = world("{times: 2, delay: 30s, backoff: 3}", 1, 1)
    run = w.run()
    assert set(statuses(run).values()) == {"succeeded"}
    assert [text.rpartition(" in ")[2] for text in warnings(w)] == ["30 s", "90 s"]
    assert w.executor.names[:2] == ["flaky", "aside"]


def test_a_step_that_waits_for_its_next_attempt_is_interrupted_with_the_run() -> None:
    w = world("{times: 1, delay: 1h}", 1)

    def interrupted(_: Process) -> Outcome | None:
        raise KeyboardInterrupt

    w.programs["aside"] = interrupted
    with pytest.raises(KeyboardInterrupt):
        w.run()
    flaky = loaded(w).step("flaky")
    assert flaky is not None
    assert (flaky.status, flaky.error) == (
        "interrupted", "the run ended before it was tried again",
    )  # fmt: skip


def loaded(w: World) -> Run:
    return w.runs.load(w.runs.ids("latest")[0])


def test_nothing_is_tried_again_when_the_run_stops_for_another_failure() -> None:
    w = world("{times: 1, delay: 1h}", 1)
    w.programs["aside"] = lambda _: Outcome(exit_code=3)
    run = w.run()
    assert statuses(run) == {"flaky": "failed", "after": "skipped", "aside": "failed"}
    error = run.steps[0].error or ""
    assert error == "it ended with exit code 1; not tried again, for another step failed"
    assert statuses(world_that_keeps_going()) == {
        "flaky": "succeeded", "after": "succeeded", "aside": "failed",
    }  # fmt: skip


def world_that_keeps_going() -> Run:
    w = world("{times: 1, delay: 1h}", 1)
    w.programs["aside"] = lambda _: Outcome(exit_code=3)
    return w.execute(w.prepare(), keep_going=True)


def test_a_repeat_that_perturbs_is_not_tried_again() -> None:
    w = world("3")
    run = w.run()
    w.programs["flaky"] = failing(1)
    assert statuses(w.rerun(run, trial=()))["flaky"] == "failed"


def test_what_could_not_be_started_is_not_tried_again() -> None:
    w = world("3")
    w.programs["flaky"] = lambda _: Outcome(start_error="no such file")
    assert w.run().steps[0].failures == ()


def test_retries_are_no_part_of_the_fingerprint() -> None:
    w = world("1")
    w.run()
    w.yaml = RETRIES % "0"
    assert set(statuses(w.run()).values()) == {"cached"}


def test_a_number_below_zero_is_no_number_of_retries() -> None:
    with pytest.raises(ProjectError, match="retries"):
        world("-1").run()
