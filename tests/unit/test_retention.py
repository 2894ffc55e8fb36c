"""Which runs stay when only the last of them are to stay."""

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from tests.fakes.records import a_run, a_step

from runproj.model import EMPTY
from runproj.plan.space import Axis
from runproj.record.organising import Organised
from runproj.record.retention import Retention, Rule
from runproj.record.run import Run
from runproj.record.sweep import Sweep, SweepTrial


def a_sweep(run_id: str, **fields: Any) -> Run:  # noqa: ANN401 -- of any type
    sweep = Sweep(id="s", sampler="grid", axes=(Axis(name="lr", values=("1", "2")),), trials=2)
    return a_run(run_id, status="succeeded", sweep=SweepTrial(sweep=sweep, number=1), **fields)


def done(run_id: str, minute: int, **fields: Any) -> Run:  # noqa: ANN401 -- of any type
    return a_run(run_id, **{"minute": minute, "status": "succeeded", **fields})


LONG_AGO, LATELY = "2025-11-01T00:00:00.000Z", "2025-12-31T00:00:00.000Z"
DELETED_BEFORE = "2025-12-01T00:00:00.000Z"
ARCHIVED = Organised(archived_at=LONG_AGO)


def deleted(at: str = LONG_AGO) -> Organised:
    return Organised(deleted_at=at)


def leaving(
    runs: Iterable[Run],
    last: int | None = 1,
    before: str | None = None,
    said: Mapping[str, Organised | None] = EMPTY,
    claimed: Collection[str] = (),
) -> list[Run]:
    rule = Rule("the rule", last, before)
    retention = Retention(lambda _: rule, DELETED_BEFORE, said, claimed)
    return [one.run for one in retention.leaving(runs)]


def gone(*runs: Run, **options: Any) -> str:  # noqa: ANN401 -- those of leaving
    return " ".join(run.id for run in leaving(runs, **options))


def test_the_last_ones_stay_and_the_others_are_told_the_latest_first() -> None:
    runs = [done("a", 1), done("b", 2), done("c", 3), done("d", 4)]
    assert gone(*runs, last=2) == "b a"
    assert gone(*runs, last=4) == ""


def test_each_entry_point_of_a_project_and_each_experiment_counts_by_itself() -> None:
    assert not gone(
        done("a", 1), done("b", 2, experiment="e"), done("c", 3, entry_point="e"),
        done("d", 4, project="q"),
    )  # fmt: skip


def test_what_goes_on_has_a_name_or_is_young_stays() -> None:
    runs = [done("a", 1, name="good"), done("b", 2, status="running"), done("c", 3), done("d", 4)]
    assert gone(*runs) == "c"
    assert gone(*runs, before="2026-01-01T00:03:00.000Z") == ""


def test_the_last_success_stays() -> None:
    runs = [
        done("a", 1),
        done("b", 2),
        done("c", 3, status="failed"),
        done("d", 4, status="failed"),
    ]
    assert gone(*runs) == "c a"
    assert gone(*(run.replace(status="failed") for run in runs)) == "c b a"


def test_what_a_run_that_stays_was_made_from_stays() -> None:
    cached = a_step("t", "cached", cached_from="b/t")
    resumed = a_step("u", resumed_from="d/u")
    runs = [
        done("a", 1), done("b", 2), done("c", 3), done("d", 4), done("e", 5), done("f", 6),
        done("g", 7, resume_of="f", steps=(cached, resumed)), done("h", 8, rerun_of="g"),
    ]  # fmt: skip
    assert gone(*runs) == "e c a"
    assert gone(*runs[-1:]) == ""  # the rest is gone already


def test_a_perturbed_run_goes_with_the_one_that_it_repeats() -> None:
    runs = [done("a", 1), done("b", 2), done("c", 3, perturbed=("time",), rerun_of="a")]
    assert gone(*runs) == "c a"
    assert gone(*runs, last=2) == ""
    alone = done("d", 4, perturbed=("time",), rerun_of="no longer there")
    assert gone(*runs, alone) == "c b a"


def test_runs_that_repeat_each_other_are_no_riddle() -> None:
    odd = [done(one, 1, perturbed=("time",), rerun_of=other) for one, other in ("ab", "ba")]
    assert gone(*odd, done("c", 2)) in ("b a", "a b")


def test_the_trials_of_a_sweep_count_as_one() -> None:
    trials = [a_sweep("a", minute=1), a_sweep("b", minute=5)]
    assert gone(*trials, done("c", 3), done("d", 2)) == "c d"
    assert gone(*trials, done("c", 6)) == "b a"
    assert gone(*trials, done("c", 6, steps=(a_step("t", "cached", cached_from="a/t"),))) == ""


def test_what_is_not_old_stays_whatever_came_after_it() -> None:
    runs = [done("a", 1, status="failed"), done("b", 2), done("c", 3), done("d", 4)]
    since = "2026-01-01T00:03:00.000Z"
    assert gone(*runs, last=None, before=since) == "b a"
    assert gone(*runs, last=3, before=since) == "a"
    assert gone(*runs, last=None) == ""
    alone = [done("a", 1), done("b", 2, status="failed")]
    assert gone(*alone, last=None, before=since) == "b"  # the last success stays


def test_each_run_goes_by_the_rule_that_holds_for_it() -> None:
    rules = {"x": Rule("one", 1), "y": Rule("two", 2), "z": None}
    runs = [
        done(f"{experiment}{minute}", minute, experiment=experiment)
        for experiment in rules
        for minute in range(4)
    ]
    found = Retention(lambda run: rules[run.experiment], DELETED_BEFORE, {}).leaving(runs)
    assert {(one.run.id, one.why) for one in found} == {
        ("y1", "two"), ("y0", "two"), ("x2", "one"), ("x1", "one"), ("x0", "one"),
    }  # fmt: skip


def test_what_was_archived_or_is_claimed_stays_and_the_archived_do_not_count() -> None:
    runs = [done("a", 1), done("b", 2), done("c", 3), done("d", 4)]
    assert gone(*runs, said={"d": ARCHIVED}) == "b a"
    assert gone(*runs, claimed={"a", "gone"}) == "c b"
    assert gone(*runs, said={"a": None}) == "c b"  # nobody knows what was said of it


def test_what_was_deleted_goes_in_its_time_whatever_its_name() -> None:
    runs = [done("a", 1), done("b", 2, name="good"), done("c", 3), done("d", 4)]
    everything = {"last": None}
    assert gone(*runs, **everything, said={"b": deleted()}) == "b"
    assert gone(*runs, **everything, said={"b": deleted(LATELY)}) == ""
    assert gone(*runs, **everything, said={"b": deleted()}, claimed={"b"}) == ""
    assert gone(*runs, said={"d": deleted(LATELY)}) == "a"  # it does not count among the last
    [one] = Retention(lambda _: None, DELETED_BEFORE, {"b": deleted()}).leaving(runs)
    assert one.why == "deleted 2025-11-01"


def test_what_was_deleted_stays_as_long_as_a_run_was_made_from_it() -> None:
    cached = a_step("t", "cached", cached_from="a/t")
    runs = [done("a", 1), done("b", 2, steps=(cached,))]
    assert gone(*runs, last=None, said={"a": deleted()}) == ""
    assert gone(*runs, last=None, said={"a": deleted(), "b": deleted(LATELY)}) == ""
    assert gone(*runs, last=None, said={"a": deleted(), "b": deleted()}) == "b a"


def test_a_deleted_trial_goes_alone_and_a_deleted_run_with_its_perturbed_ones() -> None:
    trials = [a_sweep("a", minute=1), a_sweep("b", minute=5)]
    assert gone(*trials, last=None, said={"a": deleted()}) == "a"
    runs = [done("a", 1), done("b", 2, perturbed=("time",), rerun_of="a"), done("c", 3)]
    assert gone(*runs, last=None, said={"a": deleted()}) == "b a"
    assert gone(*runs, last=None, said={"b": deleted()}) == "b"


@st.composite
def histories(draw: st.DrawFn) -> list[Run]:
    runs: list[Run] = []
    for number in range(draw(st.integers(0, 12))):
        earlier = st.sampled_from([run.id for run in runs]) if runs else st.none()
        other = draw(st.none() | earlier)
        kind = draw(st.sampled_from(["rerun_of", "resume_of", "perturbed", "sweep", "alone"]))
        fields: dict[str, Any] = {"experiment": draw(st.sampled_from("xy"))}
        if kind == "perturbed" and other:
            fields |= {"perturbed": ("time",), "rerun_of": other}
        elif kind.endswith("_of"):
            fields[kind] = other
        if kind == "sweep":
            runs.append(a_sweep(f"r{number}", minute=number, **fields))
        else:
            status = draw(st.sampled_from(["succeeded", "failed"]))
            runs.append(done(f"r{number}", number, **{"status": status, **fields}))
    return runs


@given(histories(), st.integers(1, 3))
def test_nothing_that_stays_lacks_what_it_was_made_from(runs: list[Run], last: int) -> None:
    went = {run.id for run in leaving(runs, last)}
    stay = [run for run in runs if run.id not in went]
    assert not {one for run in stay for one in (run.rerun_of, run.resume_of)} & went
    for experiment in "xy":
        own = [run for run in runs if run.experiment == experiment and not run.perturbed]
        assert len([run for run in own if run.id not in went]) >= min(last, len(own)) or any(
            run.sweep for run in own
        )
    assert leaving(stay, last) == []  # it is done
