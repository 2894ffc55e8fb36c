"""Repeats under perturbation: what each output is labelled, and what is named as the cause."""

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import pytest
from tests.engine.world import Process, Program, World, both, copies, fails, statuses, writes
from tests.fakes.runs import FakeRuns

from runproj.engine.perturbation import (
    Machine,
    Perturbation,
    Trial,
    names,
    perturbations,
    right_clock,
    stopped_clock,
    unperturbed,
)
from runproj.engine.repeat import Repeater
from runproj.engine.stability import Known
from runproj.engine.verify import Verifier
from runproj.errors import CannotRerun, StoreError, UsageError
from runproj.record.events import Warned
from runproj.record.outcome import Outcome
from runproj.record.run import Run
from runproj.record.verdict import Annotation, OutputLabel, Stability, Verdict

YAML = """
    runproj: 1
    environments:
      default: {kind: venv, packages: [a]}
    entry_points:
      main:
        steps:
          first: {command: [first], outputs: {OUTPUTS}, metrics: METRICS, env: ENV}
          second: {command: [second], inputs: [o], outputs: [s]}
          third: {command: [third], inputs: [s], outputs: [t]}
          other: {command: [other], outputs: [x]}
"""
FULL = Machine(locale="de_DE.UTF-8", cpus=4, binds=True, faketime="/lib/faketime.so", timeout_s=9.0)
ALL = ("hash seed", "time zone", "locale", "workspace path", "thread count", "directory order",
       "clock")  # fmt: skip
NO_CLOCK = FULL._replace(faketime=None, no_faketime="not there")


@dataclass
class Bench:
    """A project, what its first step does, and what is perturbed while it does that."""

    outputs: str = "[o]"
    metrics: str = "[]"
    env: str = "{}"
    machine: Machine = FULL
    now: tuple[str, ...] = ()
    step: str | None = None
    said: list[str] = field(default_factory=list)
    trials: list[tuple[str | None, Trial]] = field(default_factory=list)
    gone: bool = False

    def __post_init__(self) -> None:
        text = YAML.replace("{OUTPUTS}", self.outputs).replace("METRICS", self.metrics)
        self.world = World(
            text.replace("ENV", self.env),
            {
                "first": writes(o="1"),
                "second": copies("o", "s"),
                "third": copies("s", "t"),
                "other": writes(x="1"),
            },
        )
        self.numbers = itertools.count()

    def plays(self, make: Callable[[], Program], name: str = "first") -> "Bench":
        """Have a step do what is decided anew each time."""

        def program(process: Process) -> Outcome | None:
            return make()(process)

        self.world.programs[name] = program
        return self

    def flips_with(self, *causes: str, name: str = "o") -> "Bench":
        """Have the first step write something else when one of these is perturbed."""
        return self.plays(lambda: writes(**{name: str(bool({*causes} & {*self.now}))}))

    def repeater(self) -> Repeater:
        known = perturbations(self.machine)
        w = self.world
        verifier = Verifier(w.objects, w.runs, w.rerun, lambda: "2026-01-01T00:00:00.000Z", "1")
        return Repeater(
            verifier, self.repeat, known, unperturbed(self.machine, known, ()),
            lambda at: stopped_clock(self.machine, at), right_clock(self.machine),
            self.said.append,
        )  # fmt: skip

    def repeat(self, run: Run, step: str | None, trial: Trial) -> Run:
        if step is not None and self.gone:
            raise CannotRerun("gone")
        self.trials.append((step, trial))
        self.now, self.step = names(trial), step
        try:
            return self.world.rerun(run, step, trial)
        finally:
            self.now = ()

    def verified(self, times: int = 2) -> tuple[Run, Verdict, Stability]:
        run = self.world.run()
        said = self.repeater().verify(run, times)
        assert self.world.runs.annotations(run.id)[-1] == said
        assert said.verdict is not None
        assert said.stability is not None
        return run, said.verdict, said.stability

    def labels(self, times: int = 2) -> dict[str, str]:
        _, _, stability = self.verified(times)
        return {
            f"{one.step} {one.path}": f"{one.label}: {one.cause}" if one.cause else one.label
            for one in stability.labels
        }


STABLE = {"first o": "stable", "second s": "stable", "third t": "stable", "other x": "stable"}


def inherited(cause: str) -> dict[str, str]:
    return {
        "first o": f"unstable: {cause}", "second s": "unstable: from first",
        "third t": "unstable: from first", "other x": "stable",
    }  # fmt: skip


def test_what_never_differs_is_stable_and_each_repeat_is_a_run() -> None:
    bench = Bench()
    run, verdict, stability = bench.verified(3)
    assert {one.label for one in stability.labels} == {"stable"}
    assert (verdict.word, verdict.rerun, verdict.notes) == ("identical", "r2", ())
    assert [(one.run, one.perturbed, one.word) for one in stability.repeats] == [
        ("r2", (), "identical"),
        ("r3", ("hash seed", "locale", "thread count", "clock"), "identical"),
        ("r4", ("time zone", "workspace path", "directory order"), "identical"),
    ]
    assert stability.unperturbed == ()
    again = bench.world.run()
    assert {step.cached_from for step in again.steps} == {f"{run.id}/{s.name}" for s in run.steps}


@pytest.mark.parametrize("cause", ALL)
@pytest.mark.parametrize("times", [1, 2, 3, 8])
def test_the_perturbation_that_flips_an_output_is_named(cause: str, times: int) -> None:
    assert Bench().flips_with(cause).labels(times) == inherited(cause)


def test_a_repeat_alone_has_everything_and_the_bisection_says_what_it_does() -> None:
    bench = Bench().flips_with("locale")
    run, verdict, stability = bench.verified(1)
    assert (verdict.word, verdict.rerun, verdict.first_different) == ("different", "r2", "first")
    assert verdict.notes == (
        "first o is unstable: locale", "second s is unstable: from first",
        "third t is unstable: from first",
    )  # fmt: skip
    assert bench.said[0].startswith("repeat with hash seed, time zone, locale")
    assert bench.said[1] == "naming the cause: first with nothing changed"
    assert stability.repeats[0].perturbed == ALL
    assert {one.step for one in stability.repeats[1:]} == {"first"}
    assert {one.run for one in stability.repeats} == {*bench.world.runs.journals} - {run.id}
    difference = stability.labels[0].difference
    assert difference is not None
    assert difference.startswith("byte 0: ")


def test_more_repeats_than_perturbations_have_other_seeds() -> None:
    bench = Bench()
    bench.verified(10)
    seeds = {one.variables["PYTHONHASHSEED"] for _, trial in bench.trials for one in trial[:1]
             if one.name == "hash seed"}  # fmt: skip
    assert seeds == {"20011", "20012", "20013"}


def test_one_thread_is_perturbed_where_there_is_one_cpu() -> None:
    threads = perturbations(FULL._replace(cpus=1))[4]
    assert (threads.variables["OMP_NUM_THREADS"], threads.cpus) == ("2", None)
    assert perturbations(Machine())[2].variables == {"LC_ALL": "C", "LANG": "C"}


def test_what_is_perturbed_reaches_the_process_and_what_is_declared_stays() -> None:
    bench = Bench(env="{TZ: Mars}")
    bench.verified(1)
    started = bench.world.executor.started[0]
    assert (started.variables["TZ"], started.variables["LC_ALL"]) == ("Mars", "de_DE.UTF-8")
    assert (started.cpus, started.timeout_s) == (1, 9.0)
    assert bench.world.executor.started[1].variables["TZ"] == "WST+11:30"


def test_what_is_not_perturbed_is_said() -> None:
    bench = Bench(env="{TZ: Mars}")
    machine = Machine(orderless="no room", no_faketime="not there")
    known = perturbations(machine)
    assert [one.name for one in known] == list(ALL[:5])
    steps = bench.world.run().plan.steps
    assert unperturbed(machine, known, steps) == (
        "directory order: no room", "clock: not there",
        "time zone of first: its variables are declared there",
    )  # fmt: skip
    assert stopped_clock(machine, "2026-01-01T00:00:00.000Z") is None


def test_a_variable_that_is_passed_on_is_not_perturbed() -> None:
    bench = Bench()
    (step, *_) = bench.world.run().plan.steps
    one = Perturbation("time zone", {"TZ": "x"})
    assert one.applies(step.replace(pass_env={"TZ": None}))
    assert not one.applies(step.replace(pass_env={"TZ": "UTC"}))


def test_a_step_that_declares_it_is_not_blamed_on_it() -> None:
    bench = Bench(env="{TZ: Mars, PYTHONHASHSEED: '1', LANG: C}").flips_with("workspace path")
    assert bench.labels(1) == inherited("workspace path")


def test_what_is_within_the_tolerance_is_stable_within_it() -> None:
    bench = Bench(outputs="{m: {path: o, compare: json, rtol: 0.1}}")
    bench.plays(lambda: writes(o="[1.05]" if "locale" in bench.now else "[1.0]"))
    assert bench.labels() == {
        "first o": "stable within rtol", "second s": "unstable: from first",
        "third t": "unstable: from first", "other x": "stable",
    }  # fmt: skip


def test_what_is_ignored_has_no_label() -> None:
    bench = Bench(outputs="{m: {path: o, compare: ignore}, n: n}")
    bench.plays(lambda: writes(o=str(next(bench.numbers)), n="1"))
    assert bench.labels() == {
        "first n": "stable", "second s": "unstable: from first", "third t": "unstable: from first",
        "other x": "stable",
    }  # fmt: skip


def test_metrics_are_labelled_where_they_differ() -> None:
    bench = Bench(outputs="[o, {path: m.json, compare: json}]", metrics="[m.json]")
    bench.plays(lambda: writes(o="1", m_json='{"a": 2}' if "locale" in bench.now else '{"a": 1}'))
    found = bench.labels()
    assert found["first m.json"] == found["first None"] == "unstable: locale"


def test_a_step_that_fails_makes_its_outputs_unstable() -> None:
    bench = Bench(outputs="[o, {path: p, compare: ignore}]")
    bench.plays(lambda: fails() if "locale" in bench.now else writes(o="1", p="2"))
    assert bench.labels(8) == inherited("locale")


def test_a_step_without_outputs_that_fails_is_unstable_itself() -> None:
    bench = Bench()
    bench.world.yaml = bench.world.yaml.replace(
        "command: [other], outputs: [x]", "command: [other]"
    )
    bench.plays(lambda: fails() if "locale" in bench.now else writes(), "other")
    assert bench.labels()["other None"] == "unstable: locale"


def test_a_failure_under_another_clock_is_not_blamed_on_the_step() -> None:
    bench = Bench().plays(lambda: fails() if "clock" in bench.now else writes(o="1"))
    _, verdict, stability = bench.verified(9)
    assert verdict.word == "identical"
    assert {one.label for one in stability.labels} == {"stable"}
    assert stability.unperturbed == (
        "clock: the step 'first' failed under libfaketime, which not every program takes",
    )
    assert all("clock" not in one.perturbed for one in stability.repeats)


def each_time(bench: Bench, *held: str) -> Bench:
    """Have the first step write something else each time, but not while these are held."""
    return bench.plays(
        lambda: writes(o="held" if held and {*held} <= {*bench.now} else str(next(bench.numbers)))
    )


# ── what another clock comes with ────────────────────────────────────────────────────────────────

CLOCKS = {"clock", "stopped clock", "right clock"}
DISTORTED = "clock: libfaketime itself changes what the step 'first' does"


@pytest.mark.parametrize("times", [1, 2, 3, 8, 10])
def test_what_the_right_time_flips_too_is_not_blamed_on_the_clock(times: int) -> None:
    bench = Bench().flips_with(*CLOCKS)
    _, verdict, stability = bench.verified(times)
    assert {one.label for one in stability.labels} == {"stable"}
    assert stability.unperturbed == (DISTORTED,)
    assert (verdict.word, verdict.notes, verdict.first_different) == ("identical", (), None)
    assert {one.likeness for one in verdict.judgements} <= {"identical"}
    alone = {names(trial) for step, trial in bench.trials if step in ("second", "third")}
    assert all("clock" in one for one in alone)  # they are perturbed all the same
    assert alone


@pytest.mark.parametrize("times", [1, 2, 3, 8])
@pytest.mark.parametrize("cause", ALL[:-1])
def test_what_was_perturbed_along_with_a_clock_that_does_not_count_is_named(
    cause: str, times: int
) -> None:
    bench = Bench()
    bench.plays(lambda: writes(o="broken" if CLOCKS & {*bench.now} else str(cause in bench.now)))
    run, verdict, stability = bench.verified(times)
    found = {one.step: one.cause for one in stability.labels}
    assert found["first"] == cause
    assert (verdict.word, verdict.first_different) == ("different", "first")
    assert verdict.rerun is not None
    shown = next(one for one in stability.repeats if one.run == verdict.rerun)
    assert "clock" not in shown.perturbed or shown.step is None
    assert verdict.rerun != run.id


def test_what_is_only_seen_without_the_clock_is_different_all_the_same() -> None:
    bench = Bench()  # the clock hides that two others flip it together
    both_of = {"hash seed", "thread count"}
    bench.plays(
        lambda: writes(o="broken" if CLOCKS & {*bench.now} else str(both_of <= {*bench.now}))
    )
    _, verdict, stability = bench.verified(3)
    assert stability.labels[0].cause == "hash seed with locale with thread count"
    shown = next(one for one in stability.repeats if one.run == verdict.rerun)
    assert (shown.step, shown.perturbed) == ("first", ("hash seed", "locale", "thread count"))
    assert (verdict.word, verdict.first_different) == ("different", "first")
    assert [one.likeness for one in verdict.judgements] == ["different", *["identical"] * 3]


def test_a_real_time_beside_what_the_right_time_flips_is_still_seen() -> None:
    bench = Bench(outputs="[o, p]")
    bench.plays(lambda: writes(o=str(bool(CLOCKS & {*bench.now})), p=str("clock" in bench.now)))
    found = bench.labels(8)
    assert (found["first o"], found["first p"]) == ("stable", "unstable: clock")
    assert found["second s"] == "unstable: from first"


def test_outputs_that_the_right_time_flips_alike_go_together() -> None:
    bench = Bench(outputs="[o, p]")
    bench.plays(lambda: writes(**dict.fromkeys("op", str(bool(CLOCKS & {*bench.now})))))
    found = bench.labels(2)
    assert (found["first o"], found["first p"]) == ("stable", "stable")


def test_a_step_after_one_that_does_not_count_is_told_by_itself() -> None:
    bench = Bench().flips_with(*CLOCKS)
    bench.plays(lambda: writes(s=str("clock" in bench.now)), "second")
    assert bench.labels(8) == {
        "first o": "stable", "second s": "unstable: clock",
        "third t": "stable", "other x": "stable",
    }  # fmt: skip


def test_what_the_clock_flips_only_with_another_is_tried_with_the_right_time() -> None:
    bench = Bench()
    bench.plays(lambda: writes(o=str("hash seed" in bench.now and bool(CLOCKS & {*bench.now}))))
    assert bench.labels(2) == STABLE


def test_two_others_that_flip_something_together_are_named_without_the_clock() -> None:
    bench = Bench()
    bench.plays(lambda: writes(o=str({"hash seed", "directory order"} <= {*bench.now})))
    found = bench.labels(2)["first o"]
    assert found == f"unstable: {' with '.join(ALL[:-1])}"


@pytest.mark.parametrize(
    ("right", "plain", "cause"),
    [
        ([True, False], "never", "differed 2 times in 12 repeats, not tied to one perturbation"),
        ([True, True], "later", "on a plain repeat, which did not come back in 2 more"),
    ],
)
def test_the_right_time_must_flip_something_always_and_nothing_never(
    right: list[bool], plain: str, cause: str
) -> None:
    bench = Bench()

    def flips() -> bool:
        if "right clock" in bench.now:
            return right.pop(0)
        return "clock" in bench.now or (plain == "later" and not right)

    bench.plays(lambda: writes(o=str(flips())))
    assert bench.labels(8)["first o"] == f"unstable: {cause}"


def test_what_the_right_time_breaks_is_not_what_a_stopped_clock_does() -> None:
    bench = Bench()
    bench.plays(
        lambda: fails() if "right clock" in bench.now
        else writes(o="held" if "stopped clock" in bench.now else str(next(bench.numbers)))
    )  # fmt: skip
    assert bench.labels(2) == inherited("clock")


@pytest.mark.parametrize("held", [(), ("held workspace path",)])
def test_a_stopped_clock_that_does_what_the_right_time_does_holds_nothing(
    held: tuple[str, ...],
) -> None:
    bench = Bench()
    bench.plays(
        lambda: writes(
            o="broken" if CLOCKS & {*bench.now} and {*held} <= {*bench.now}
            else str(next(bench.numbers))
        )
    )  # fmt: skip
    _, verdict, stability = bench.verified(2)
    assert stability.labels[0].cause == "on a plain repeat"
    assert stability.unperturbed == (DISTORTED,)
    assert verdict.word == "different"


# ── what differs when nothing is perturbed ───────────────────────────────────────────────────────


@pytest.mark.parametrize("times", [1, 3])
@pytest.mark.parametrize(
    ("held", "machine", "cause"),
    [
        ((), FULL, "on a plain repeat: random numbers, thread timing or something outside"),
        ((), NO_CLOCK, "on a plain repeat"),
        (("stopped clock",), FULL, "clock"),
        (("stopped clock",), NO_CLOCK, "on a plain repeat"),
        (("held workspace path",), FULL, "workspace path"),
        (("held workspace path",), NO_CLOCK, "workspace path"),
        (("stopped clock", "held workspace path"), FULL, "clock with workspace path"),
    ],
)
def test_what_differs_each_time_is_tied_to_what_can_be_held(
    times: int, held: tuple[str, ...], machine: Machine, cause: str
) -> None:
    assert each_time(Bench(machine=machine), *held).labels(times) == inherited(cause)


def test_a_program_that_does_not_take_another_clock_is_not_blamed_on_it() -> None:
    bench = Bench()
    bench.plays(
        lambda: fails() if {"clock", "stopped clock"} & {*bench.now}
        else writes(o=str(next(bench.numbers)))
    )  # fmt: skip
    assert bench.labels() == inherited("on a plain repeat")


@pytest.mark.parametrize(
    ("machine", "stopped", "cause"),
    [
        (FULL, "then", "clock"),
        (FULL, "now", "on a plain repeat: something outside"),
        (NO_CLOCK, "", "on a plain repeat"),
    ],
)
def test_what_is_another_since_then_but_the_same_each_time(
    machine: Machine, stopped: str, cause: str
) -> None:
    bench = Bench(machine=machine)
    days = iter(["then"])
    bench.plays(lambda: writes(o=stopped if "stopped clock" in bench.now else next(days, "now")))
    assert bench.labels() == inherited(cause)


def test_a_step_whose_clock_is_declared_has_no_other() -> None:
    bench = each_time(Bench(env="{LD_PRELOAD: x.so}"), "stopped clock")
    assert bench.labels() == inherited("on a plain repeat")


def differing(bench: Bench, *flipped: int) -> Bench:
    """Have the first step write something else the first, second … time that it runs."""
    return bench.plays(lambda: writes(o=str(next(bench.numbers) in flipped)))


@pytest.mark.parametrize(
    ("flipped", "cause"),
    [
        ((1,), "on a plain repeat, which did not come back in 2 more"),
        ((2,), "differed once in 6 repeats, not tied to one perturbation"),
        ((2, 4), "differed 2 times in 7 repeats, not tied to one perturbation"),
        ((2, 3), "on a plain repeat: random numbers, thread timing or something outside"),
        (
            (2, 4, 5, 6, 7, 8),
            "on a plain repeat: random numbers, thread timing or something outside",
        ),
    ],
)
def test_what_does_not_come_back_is_not_blamed_on_a_perturbation(
    flipped: tuple[int, ...], cause: str
) -> None:
    assert differing(Bench(), *flipped).labels(2)["first o"] == f"unstable: {cause}"


def test_two_perturbations_that_flip_something_only_together_are_both_named() -> None:
    bench = Bench()
    bench.plays(lambda: writes(o=str({"hash seed", "clock"} <= {*bench.now})))
    found = bench.labels(2)["first o"]
    assert found == f"unstable: {' with '.join(ALL)}"


def test_another_order_is_not_blamed_for_another_folder() -> None:
    bench = Bench().flips_with("directory order", "workspace path")
    assert bench.labels(8) == inherited("workspace path")
    machine = FULL._replace(cpus=1)
    bench = Bench(machine=machine).flips_with("directory order")
    assert bench.labels(8) == inherited("directory order")


def test_outputs_of_a_step_that_differ_while_a_cause_is_named_are_named_too() -> None:
    bench = Bench(outputs="[o, p]")
    bench.plays(
        lambda: writes(
            o=str("locale" in bench.now), p=str(bench.now == ("locale",) and bench.step == "first")
        )
    )
    found = bench.labels(2)
    assert (found["first o"], found["first p"]) == ("unstable: locale", "unstable: locale")


def test_a_step_that_cannot_be_repeated_alone_has_no_cause() -> None:
    bench = Bench(gone=True).flips_with("locale")
    assert bench.labels() == inherited("differed once in 2 repeats, not tied to one perturbation")


def test_a_step_that_flips_by_itself_is_not_blamed_on_the_step_before_it() -> None:
    bench = Bench().flips_with("hash seed")
    bench.plays(lambda: writes(s=str("clock" in bench.now)), "second")
    assert bench.labels(8) == {
        "first o": "unstable: hash seed", "second s": "unstable: clock",
        "third t": "unstable: from second", "other x": "stable",
    }  # fmt: skip


def test_inputs_that_differ_for_no_known_reason_are_no_excuse() -> None:
    bench = Bench()
    repeat = bench.repeat

    def strange(run: Run, step: str | None, trial: Trial) -> Run:
        again = repeat(run, step, trial)
        if step is not None:
            return again
        given = again.steps[2].inputs[0].replace(sha256="0" * 64)
        steps = [*again.steps]
        steps[2] = steps[2].replace(inputs=(given,), outputs=())
        return again.replace(steps=tuple(steps))

    bench.repeat = strange  # type: ignore[method-assign]
    assert bench.labels()["second s"] == (
        "unstable: on a plain repeat, which did not come back in 2 more"
    )


# ── what is kept, and told later ─────────────────────────────────────────────────────────────────


def test_nothing_is_kept_of_what_did_not_come_to_its_end() -> None:
    bench = Bench()

    def interrupted() -> Program:
        if "locale" in bench.now:
            raise KeyboardInterrupt
        return writes(o="1")

    bench.plays(interrupted)
    run = bench.world.run()
    with pytest.raises(KeyboardInterrupt):
        bench.repeater().verify(run, 3)
    assert bench.world.runs.annotations(run.id) == []


def test_what_cannot_be_done_again_has_no_labels() -> None:
    bench = Bench()
    run = bench.world.run()
    bench.world.venv.broken = "a file that the lock names is gone"
    said = bench.repeater().verify(run, 3)
    assert said.stability is None
    assert said.verdict is not None
    assert said.verdict.word == "cannot rerun"
    assert list(bench.world.runs.annotations(run.id)) == [said]


def test_only_what_succeeded_can_be_repeated() -> None:
    bench = Bench().plays(fails)
    with pytest.raises(UsageError, match="is failed: only what succeeded can be verified"):
        bench.repeater().verify(bench.world.run(), 1)


def test_a_later_run_that_takes_an_unstable_output_says_so() -> None:
    bench = Bench().flips_with("locale")
    run, _, _ = bench.verified()
    again = bench.world.run()
    assert statuses(again)["first"] == "cached"
    warning = f"o, taken from {run.id}, is unstable: locale"
    assert again.steps[0].warnings == (warning,)
    assert [step.name for step in again.steps if not step.warnings] == ["other"]
    assert bench.world.reporter.of(Warned)[0].text == f"first: {warning}"


def test_a_rerun_of_a_run_with_unstable_outputs_has_them_too() -> None:
    bench = Bench().flips_with("locale")
    run, _, _ = bench.verified()
    again = bench.world.rerun(run)
    taken = bench.world.run().steps[0]
    assert taken.cached_from == f"{again.id}/first"
    assert taken.warnings == (f"o, taken from {again.id}, is unstable: locale",)


def test_what_another_run_had_made_is_known_to_be_unstable_there_too() -> None:
    bench = Bench().flips_with("locale")
    first = bench.world.run()
    second, _, _ = bench.verified()
    assert statuses(second)["first"] == "cached"
    (said,) = bench.world.runs.annotations(first.id)
    assert said.verdict is None
    assert said.stability is not None
    assert [one.step for one in said.stability.labels] == ["first", "other", "second", "third"]
    assert bench.world.run().steps[0].warnings == (
        f"o, taken from {first.id}, is unstable: locale",
    )


def test_what_was_said_last_of_a_step_holds() -> None:
    bench = Bench()

    def said(step: str, label: str) -> Annotation:
        one = OutputLabel(step=step, path=None, label=label, cause="c")  # type: ignore[arg-type]
        return Annotation(kind="stability", stability=Stability(labels=(one,)))

    verdict = Annotation(
        kind="verdict", verdict=Verdict(word="identical", at="", runproj_version="")
    )
    for one in (said("a", "unstable"), said("b", "unstable"), said("a", "stable"), verdict):
        bench.world.runs.annotate("r1", one)
    known = Known(bench.world.runs, lambda _: None)
    assert known.unstable("r1/a") == ()
    assert known.unstable("r1/b") == ("metrics, taken from r1, is unstable: c",)
    assert known.unstable("r2/a") == ()


def test_what_was_said_and_cannot_be_read_stops_nobody() -> None:
    class Damaged(FakeRuns):
        def annotations(self, run_id: str) -> Sequence[Annotation]:
            raise StoreError(f"what was said of {run_id} cannot be read")

    assert Known(Damaged(), lambda _: None).unstable("r1/a") == ()


def test_a_process_may_be_ended_by_the_time_of_its_step() -> None:
    bench = Bench()
    bench.world.yaml = bench.world.yaml.replace("env: {}", "timeout: 3s")

    def late(process: Process) -> Outcome | None:
        assert process.execution.timeout_s == 3.0
        return None

    bench.plays(lambda: both(late, writes(o="1")))
    assert bench.labels(1) == STABLE
