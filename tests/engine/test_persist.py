"""Folders that the next attempt of a step finds as the last one left them."""

from collections.abc import Callable

import pytest
from tests.engine.world import Process, World, both, fails, statuses, writes

from runproj.engine.needs import needs_of
from runproj.ports import Accesses
from runproj.record.events import Progress, Warned
from runproj.record.outcome import Outcome
from runproj.record.run import Run, StepRun

YAML = """
    runproj: 1
    entry_points:
      main:
        steps:
          train: {command: [go, "%s"], persist: [state/], outputs: [model]%s}
"""
STATE = "state/epoch"


def counting(end: Callable[[int], Outcome | None]) -> Callable[[Process], Outcome | None]:
    """Return a program that counts in its state, and ends as ``end`` says for a number."""

    def play(process: Process) -> Outcome | None:
        try:
            number = int(process.read(STATE)) + 1
        except FileNotFoundError:
            number = 1
        process.write(STATE, str(number))
        outcome = end(number)
        if outcome is None:
            process.write("model", str(number))
        return outcome

    return play


def fails_until(good: int) -> Callable[[Process], Outcome | None]:
    return counting(lambda number: None if number >= good else Outcome(exit_code=1))


def interrupted(_: int) -> Outcome | None:
    raise KeyboardInterrupt


def world(more: str = "", text: str = "a") -> World:
    return World(YAML % (text, more), {"train": fails_until(3)})


def train(run: Run) -> StepRun:
    found = run.step("train")
    assert found is not None
    return found


def model(w: World, run: Run) -> bytes:
    [output] = train(run).outputs
    return w.objects.contents[output.sha256]


def latest(w: World) -> Run:
    return w.runs.load(w.runs.ids("latest")[0])


def said(w: World) -> list[str]:
    """Return what a user is told of beginnings."""
    return [
        one.text if isinstance(one, Warned) else f"{one.about}: {one.text}"
        for one in w.reporter.events
        if isinstance(one, Warned) or (isinstance(one, Progress) and one.about == "train")
    ]


def killed(w: World, run: Run) -> Run:
    """Return a run as it reads when it was killed: its step has the workspace that it had."""
    [workspace] = w.workspaces.opened
    step = train(run).replace(
        status="interrupted", workspace=workspace.root, persisted=(), outcome=None
    )
    return run.replace(status="interrupted", steps=(step,))


def test_the_next_attempt_begins_with_what_the_last_one_left() -> None:
    w = world(", retries: 2")
    run = w.run()
    assert model(w, run) == b"3"
    assert (train(run).resumed_from, train(run).persisted) == ("attempt 2", ())
    assert "train: begins with what attempt 1 left" in said(w)
    assert not w.workspaces.opened[0].furnishing.persisted


def test_a_run_that_goes_on_begins_with_what_was_left() -> None:
    w = world()
    first = w.run()
    assert statuses(first) == {"train": "failed"}
    second = w.execute(w.rerunner.resume(first)).replace(resume_of="r1")
    assert train(second).resumed_from == "r1/train"
    third = w.execute(w.rerunner.resume(second))
    assert (model(w, third), train(third).resumed_from) == (b"3", "r2/train")


def test_what_was_left_is_found_behind_a_run_that_did_not_get_so_far() -> None:
    w = world()
    skipped = w.run().replace(
        id="r2", resume_of="r1", steps=(StepRun(name="train", status="skipped"),)
    )
    assert train(w.execute(w.rerunner.resume(skipped))).resumed_from == "r1/train"


def test_a_run_and_a_rerun_begin_without() -> None:
    w = world()
    run = w.run()
    assert train(w.run()).resumed_from is None
    assert train(w.rerun(run)).resumed_from is None


def test_a_repeat_that_perturbs_leaves_nothing() -> None:
    w = world()
    w.programs["train"] = fails_until(1)
    run = w.run()
    w.programs["train"] = fails_until(9)
    assert train(w.rerun(run, trial=())).persisted == ()


def test_what_persists_is_no_output_unless_it_is_declared() -> None:
    w = world()
    w.yaml = w.yaml.replace(", outputs: [model]", "")
    w.programs["train"] = fails_until(1)
    assert [output.path for output in train(w.run()).outputs] == ["model"]
    w.yaml = (YAML % ("a", "")).replace("[model]", f"[{STATE}]")
    assert [output.path for output in train(w.run()).outputs] == [STATE]


def test_what_persists_is_no_part_of_the_fingerprint() -> None:
    w = world()
    w.programs["train"] = fails_until(1)
    w.run()
    w.yaml = w.yaml.replace("persist: [state/], ", "")
    assert statuses(w.run()) == {"train": "cached"}


def test_an_interrupted_step_leaves_its_state() -> None:
    w = world()
    w.programs["train"] = counting(interrupted)
    with pytest.raises(KeyboardInterrupt):
        w.run()
    assert train(latest(w)).workspace is None
    w.programs["train"] = fails_until(2)
    assert model(w, w.execute(w.rerunner.resume(latest(w)))) == b"2"


def test_a_step_that_waits_for_its_next_attempt_leaves_its_state() -> None:
    w = world(", retries: {times: 1, delay: 1h}")
    w.yaml += "          aside: {command: [go], outputs: [o]}\n"
    w.programs["aside"] = lambda _: interrupted(0)
    with pytest.raises(KeyboardInterrupt):
        w.run()
    assert train(latest(w)).persisted
    assert w.journal.steps["train"].persisted


def test_what_a_killed_run_left_is_taken_from_its_workspace() -> None:
    w = world()
    run = killed(w, w.run())
    place = f"{train(run).workspace}/{STATE}"
    again = w.execute(w.rerunner.resume(run))
    assert (train(again).resumed_from, train(again).status) == ("r1/train", "failed")
    assert w.disk.find(place) is not None


def test_a_workspace_that_is_gone_is_told() -> None:
    w = world()
    run = killed(w, w.run())
    w.disk.remove(w.workspaces.opened[0].root)
    again = w.execute(w.rerunner.resume(run))
    assert train(again).resumed_from is None
    assert said(w)[0].startswith(
        "train: it begins anew, without what r1/train left: nothing is there"
    )


def test_without_its_workspace_it_begins_with_what_the_killed_attempt_began_with() -> None:
    w = world()
    run = w.run()
    step = train(run).replace(status="interrupted", workspace="/gone")
    again = w.execute(w.rerunner.resume(run.replace(steps=(step,))))
    assert train(again).resumed_from == "r1/train"


def test_an_attempt_that_left_nothing_lets_the_next_one_begin_anew() -> None:
    w = world()
    w.programs["train"] = lambda _: Outcome(exit_code=1)
    run = w.run()
    assert train(run).persisted == ()
    assert train(w.execute(w.rerunner.resume(run))).resumed_from is None


def test_what_is_damaged_is_left_out_and_told() -> None:
    w = world()
    run = w.run()
    for artifact in train(run).persisted:
        del w.objects.contents[artifact.sha256]
    again = w.execute(w.rerunner.resume(run))
    assert train(again).resumed_from is None
    assert said(w)[0].startswith("train: it begins anew, without what r1/train left: ")


def test_a_step_that_is_made_of_other_things_begins_anew() -> None:
    w = world()
    run = w.run()
    left = w.rerunner.left(run)
    w.yaml = YAML % ("b", "")
    again = w.execute(w.prepare()._replace(left=left))
    assert train(again).resumed_from is None
    assert said(w) == [
        "train: it begins anew, without what r1/train left: it is made of other things now"
    ]
    w.yaml = w.yaml.replace("persist: [state/], ", "")
    assert train(w.execute(w.prepare()._replace(left=left))).resumed_from is None


def test_a_folder_that_the_step_removed_is_told() -> None:
    w = world(", retries: 1")

    def play(process: Process) -> Outcome:
        process.remove("state")
        return Outcome(exit_code=1)

    w.programs["train"] = play
    run = w.run()
    assert train(run).persisted == ()
    text = "train: what it leaves for its next attempt cannot be kept: nothing is there"
    assert [one for one in said(w) if one.startswith(text)]


def test_a_file_in_the_place_of_the_folder_is_kept_too() -> None:
    w = world()

    def play(process: Process) -> Outcome:
        process.remove("state")
        process.write("state", "1")
        return Outcome(exit_code=1)

    w.programs["train"] = play
    assert [one.kind for one in train(w.run()).persisted] == ["file"]


def test_a_secret_in_what_persists_is_warned_of() -> None:
    w = world(", secrets: [TOKEN]")
    w.caller["TOKEN"] = "a-long-secret"
    w.programs["train"] = both(writes(state__epoch="a-long-secret"), fails())
    w.run()
    assert "train: what persists state/epoch holds the secret TOKEN" in said(w)


def test_what_a_denied_step_left_is_not_used() -> None:
    w = world()
    run = w.run()
    denied = run.replace(steps=(train(run).replace(denied=("it read /etc/x",)),))
    assert w.rerunner.left(denied) == {}


def test_what_was_made_in_an_environment_that_was_changed_is_not_used() -> None:
    w = world()
    w.system.intact = False
    run = w.run()
    assert train(run).persisted
    assert w.rerunner.left(run) == {}


def test_what_persists_is_needed_as_long_as_its_run_is_there() -> None:
    w = world()
    run = w.run()
    roles = [use.role for uses in needs_of([run], outputs=True).objects.values() for use in uses]
    assert "persisted" in roles
    assert "persisted" not in str(needs_of([run], outputs=False))


def test_a_plan_that_grows_when_it_is_resumed_keeps_what_was_left() -> None:
    w = world()
    run = w.run()
    project, point = w.recorded(run)
    assert set(w.varier.go_on(run, project, point).left) == {"train"}


def test_what_a_resumed_step_was_not_seen_to_read_may_have_been_read_before() -> None:
    w = world(", retries: 2, trace: true, inputs: [data]")
    w.source |= {"config": b"1", "data": b"2"}
    play = fails_until(2)

    def seen(process: Process) -> Outcome | None:
        outcome = play(process)
        process.is_seen(Accesses(present=("config", "data") if outcome else (STATE,)))
        return outcome

    w.programs["train"] = seen
    run = w.run()
    assert train(run).trace is not None
    assert train(run).trace.unused == ()  # type: ignore[union-attr] # see above
    w.source["config"] = b"3"
    assert statuses(w.run()) == {"train": "succeeded"}
