import pytest

from runproj.model import WrongData, from_json, to_json
from runproj.plan.binding import BoundValue
from runproj.plan.plan import Plan, PlannedStep, Reason
from runproj.record.events import Decision
from runproj.record.outcome import Outcome
from runproj.record.run import Host, Run, Status, StepRun
from runproj.record.source import SourceSnapshot

PLAN = Plan(
    entry_point="main",
    values=(
        BoundValue(name="lr", type="float", value=0.1, raw="0.10"),
        BoundValue(name="l", type="list", value=[1]),
    ),
    steps=tuple(PlannedStep(name=name, argv=("x",), environment="e") for name in "ab"),
)
RUN = Run(
    id="r1", project="p", entry_point="main", started_at="2026-01-01T00:00:00Z",
    runproj_version="1",
    python_version="3.12", source=SourceSnapshot(tree="0" * 40), plan=PLAN,
    host=Host(name="h", user="u", system="Linux", release="6", machine="x86_64",
    platform="linux-x86_64"),
    steps=(
        StepRun(name="a", status="succeeded", metrics={"f1": 0.5}, outcome=Outcome(exit_code=0,
        duration_s=2)),
        StepRun(name="b", status="cached", metrics={"f1": 0.6, "auc": 0.9}),
    ),
)  # fmt: skip


def test_a_run_knows_its_values_by_name() -> None:
    assert RUN.params == {"lr": 0.1, "l": [1]}


def test_a_metric_has_the_name_of_its_step() -> None:
    assert RUN.metrics == {"a.f1": 0.5, "b.f1": 0.6, "b.auc": 0.9}


def test_a_run_finds_its_steps_by_name() -> None:
    assert RUN.step("b") is RUN.steps[1]
    assert RUN.step("c") is None


def test_a_plan_finds_its_steps_by_name() -> None:
    assert PLAN.step("b") is PLAN.steps[1]


def test_a_run_is_written_and_read() -> None:
    assert from_json(Run, to_json(RUN)) == RUN


def test_a_record_of_another_format_is_not_read() -> None:
    with pytest.raises(WrongData):
        from_json(Run, to_json(RUN).replace('"format":0', '"format":99'))


@pytest.mark.parametrize(
    ("status", "done"),
    [("succeeded", True), ("cached", True), ("failed", False), ("skipped", False), ("queued",
    False),
     ("running", False), ("interrupted", False)],
)  # fmt: skip
def test_a_step_run_is_done_when_its_outputs_are_there(status: Status, *, done: bool) -> None:
    assert StepRun(name="a", status=status).done is done


def test_a_step_run_lasted_as_long_as_its_process() -> None:
    assert [step.duration_s for step in RUN.steps] == [2.0, 0.0]


@pytest.mark.parametrize(
    ("outcome", "succeeded"),
    [
        (Outcome(exit_code=0), True), (Outcome(exit_code=1), False), (Outcome(signal="SIGKILL"),
         False),
        (Outcome(start_error="x"), False), (Outcome(exit_code=0, timed_out=True), False),
    ],
)  # fmt: skip
def test_a_process_succeeded_when_it_ended_by_itself_with_0(
    outcome: Outcome, *, succeeded: bool
) -> None:
    assert outcome.succeeded is succeeded


def test_a_decision_has_its_reasons_in_words() -> None:
    decision = Decision("a", "run", (Reason(kind="new"), Reason(kind="input", name="x")))
    assert decision.text == "new, input changed: x"
