"""Audits: some of what could be skipped is executed, and tells whether the cache is honest."""

import pytest
from tests.engine.world import THREE, Process, World, both, copies, fails, told, writes
from tests.fakes.disk import FakeDisk
from tests.fakes.objects import FakeObjects
from tests.fakes.records import HOST, a_step
from tests.fakes.reporter import FakeReporter

from runproj.engine.audit import NOTHING, Detective
from runproj.errors import StoreError
from runproj.model import canonical
from runproj.ports import Accesses
from runproj.record.audit import Audit
from runproj.record.events import Warned
from runproj.record.observation import Observation
from runproj.record.run import Host, Run, StepRun, Trace

ALL = Audit(share=1.0, seed=7)


def world() -> World:
    return World(
        THREE,
        {
            "prepare": writes(data_csv="1"),
            "train": copies("data.csv", "model.bin"),
            "report": copies("model.bin", "report.html"),
        },
        {"prepare.py": b"", "train.py": b"", "report.py": b""},
    )


def audit(w: World, how: Audit = ALL) -> Run:
    return w.execute(w.prepare(audit=how))


def warnings(reporter: FakeReporter) -> list[tuple[str, str | None]]:
    return [(one.text, one.hint) for one in reporter.events if isinstance(one, Warned)]


def test_what_could_be_skipped_is_executed_and_compared() -> None:
    w = world()
    w.run()
    done = audit(w)
    assert told(done) == {
        "prepare": "succeeded: audit of r1",
        "train": "succeeded: audit of r1",
        "report": "succeeded: audit of r1",
    }
    assert done.exit_code == 0
    assert [step.audited and (step.audited.verdict, step.audited.taken) for step in done.steps] == [
        ("identical", "r1/prepare"), ("identical", "r1/train"), ("identical", "r1/report"),
    ]  # fmt: skip


def test_a_share_of_nothing_executes_nothing() -> None:
    w = world()
    w.run()
    done = audit(w, Audit(share=0.0, seed=7))
    assert {step.status for step in done.steps} == {"cached"}


def test_what_must_execute_is_not_audited() -> None:
    w = world()
    assert [step.audited for step in audit(w).steps] == [None, None, None]


def test_the_same_seed_chooses_the_same_steps() -> None:
    names = [f"step{number}" for number in range(400)]
    chosen = [name for name in names if Audit(share=0.25, seed=3).takes(name)]
    assert 60 < len(chosen) < 140
    assert chosen == [name for name in names if Audit(share=0.25, seed=3).takes(name)]
    assert chosen != [name for name in names if Audit(share=0.25, seed=4).takes(name)]


def test_a_cache_that_does_not_tell_the_truth_is_found_out() -> None:
    w = world()
    w.run()
    w.programs["prepare"] = writes(data_csv="2")  # something that nobody declared
    done = audit(w)
    audited = done.steps[0].audited
    assert audited is not None
    assert (done.status, done.exit_code, audited.verdict) == ("succeeded", 6, "different")
    assert audited.differences[0].startswith("data.csv: ")
    assert next(text for text, _ in warnings(w.reporter)).startswith(
        "audit: prepare does not give what r1 gave: data.csv: "
    )
    assert warnings(w.reporter)[0][1] == f"likely: {NOTHING}"
    assert told(done)["train"] == "succeeded: input changed: data.csv"
    assert told(w.run())["prepare"] == "cached: unchanged since r2"


def test_a_step_that_fails_now_fails_the_run() -> None:
    w = world()
    w.run()
    w.programs["prepare"] = fails()
    done = audit(w)
    assert done.exit_code == 1
    assert done.steps[0].audited is None


def test_the_file_that_it_reads_without_declaring_it_is_named() -> None:
    def reads(process: Process) -> None:
        process.is_seen(Accesses(present=("/data/x.csv",)))

    w = world()
    w.disk.write("/data/x.csv", b"1")
    w.run()
    w.programs["prepare"] = both(reads, writes(data_csv="2"))
    done = audit(w)
    assert done.steps[0].audited is not None
    assert done.steps[0].audited.likely == ("it reads /data/x.csv, which it does not declare",)


def test_without_a_tracer_it_compares_all_the_same() -> None:
    w = world()
    w.run()
    w.watcher.unable = "strace is missing"
    done = audit(w)
    assert done.exit_code == 0
    assert done.steps[0].audited is not None
    assert warnings(w.reporter) == []


def test_a_record_that_is_gone_explains_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    w = world()
    w.run()
    w.programs["prepare"] = writes(data_csv="2")

    def load(run_id: str) -> Run:
        raise StoreError(f"{run_id} cannot be read")

    monkeypatch.setattr(w.runs, "load", load)
    done = audit(w)
    assert done.exit_code == 6


def test_metrics_count_too() -> None:
    w = world()
    w.yaml = THREE.replace(
        "outputs: [data.csv]", "outputs: [data.csv]\n            metrics: [m.json]"
    )
    w.programs["prepare"] = writes(data_csv="1", m_json='{"loss": 1}')
    w.run()
    w.programs["prepare"] = writes(data_csv="1", m_json='{"loss": 2}')
    done = audit(w)
    assert done.steps[0].audited is not None
    assert [text.partition(":")[0] for text in done.steps[0].audited.differences] == [
        "m.json", "metrics",
    ]  # fmt: skip


def causes(old: StepRun, new: StepRun, then: Host | None = None, now: Host = HOST) -> list[str]:
    return list(Detective(FakeObjects(FakeDisk())).likely(old, new, then, now))


def test_variables_and_machines_are_compared() -> None:
    old = a_step(variables={"HOME": "/a", "RUNPROJ_RUN_ID": "1", "LANG": "C"})
    new = a_step(variables={"HOME": "/b", "RUNPROJ_RUN_ID": "2", "LANG": "C", "X": "1"})
    assert causes(old, new) == ["the variable HOME: /a → /b", "the variable X: not set → 1"]
    assert causes(old, old, HOST) == []
    hermetic = [a_step(variables={"HOME": name, "TMPDIR": name}) for name in ("/w1", "/w2")]
    assert causes(hermetic[0], hermetic[1]) == []
    assert causes(old, old, HOST, HOST.replace(cpu="new")) == ["the machine's cpu: None → new"]


def test_an_observation_that_is_gone_explains_nothing() -> None:
    step = a_step(trace=Trace(observation="0", files=1))
    assert causes(step, step, HOST) == []


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        (None, {"/x": "1"}, ["it reads /x, which it does not declare"]),
        (None, {"/x": None}, []),
        ({"/x": "1"}, {"/x": "1"}, []),
        ({"/x": "1"}, {"/x": "2"},
         ["it reads /x, which it does not declare, and which has changed"]),
        ({"/x": None}, {"/x": "2"},
         ["it reads /x, which it does not declare, and which has changed"]),
        ({}, {"/x": "2"}, []),
    ],
)  # fmt: skip
def test_what_was_read_outside_is_compared(
    before: dict[str, str | None] | None, after: dict[str, str | None], said: list[str]
) -> None:
    objects = FakeObjects(FakeDisk())

    def seen(outside: dict[str, str | None] | None) -> StepRun:
        if outside is None:
            return a_step()
        kept = objects.keep(canonical(Observation(outside=outside)))
        return a_step(trace=Trace(observation=kept, files=0))

    assert list(Detective(objects).likely(seen(before), seen(after), None, HOST)) == said
