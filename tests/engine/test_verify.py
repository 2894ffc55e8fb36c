"""Verdicts: a run done again, judged against what it was."""

from collections.abc import Sequence

import pytest
from tests.engine.world import Process, Program, World, both, fails, statuses, writes

from runproj.engine import judge
from runproj.engine.audit import Detective
from runproj.engine.verify import Verifier
from runproj.errors import UsageError
from runproj.ports import Accesses
from runproj.record.difference import difference
from runproj.record.program import Program as MachineProgram
from runproj.record.run import Run
from runproj.record.verdict import Annotation, Verdict

YAML = """
    runproj: 1
    environments:
      default: {kind: venv, packages: [a]}
    entry_points:
      main:
        steps:
          first: {command: [first], outputs: {OUTPUTS}, metrics: METRICS}
          second: {command: [second], outputs: [s], needs: [first]}
"""


def world(program: Program, outputs: str = "[o]", metrics: str = "[]") -> World:
    text = YAML.replace("{OUTPUTS}", outputs).replace("METRICS", metrics)
    return World(text, {"first": program, "second": writes(s="s")})


def verified(w: World, run: Run) -> Verdict:
    verifier = Verifier(w.objects, w.runs, w.rerun, lambda: "2026-01-01T00:00:00.000Z", "1")
    return verifier.verify(run)


def verdict(then: Program, now: Program, outputs: str = "[o]", metrics: str = "[]") -> Verdict:
    """Return the verdict on a run whose first step does something else when it is done again."""
    w = world(then, outputs, metrics)
    run = w.run()
    w.programs["first"] = now
    found = verified(w, run)
    assert w.runs.annotations(run.id) == [Annotation(kind="verdict", verdict=found)]
    return found


def said(found: Verdict) -> list[str]:
    return [
        f"{one.step} {one.path} {one.likeness}" + (f": {one.difference}" if one.difference else "")
        for one in found.judgements
    ]


def test_equal_bytes_are_identical() -> None:
    found = verdict(writes(o="1"), writes(o="1"))
    assert (found.word, found.rerun, found.first_different, found.notes) == (
        "identical", "r2", None, (),
    )  # fmt: skip
    assert said(found) == ["first o identical", "second s identical"]


def test_what_is_within_the_tolerance_is_equivalent() -> None:
    outputs = "{m: {path: m.json, compare: json, rtol: 0.1}}"
    found = verdict(writes(m_json="[1.0]"), writes(m_json="[1.05]"), outputs)
    assert (found.word, said(found)[0]) == ("equivalent", "first m.json equivalent")


def test_other_bytes_are_different_and_the_first_step_is_named() -> None:
    found = verdict(writes(o="1"), writes(o="2"))
    assert (found.word, found.first_different) == ("different", "first")
    assert said(found)[0] == "first o different: byte 0: 0x31 → 0x32"


def test_what_is_ignored_does_not_count() -> None:
    found = verdict(writes(o="1"), writes(o="2"), "{x: {path: o, compare: ignore}}")
    assert (found.word, said(found)[0]) == ("identical", "first o ignored")


def test_a_step_that_fails_is_different() -> None:
    found = verdict(writes(o="1"), fails())
    assert (found.word, found.first_different) == ("different", "first")
    assert said(found) == [
        "first None different: the step failed: it ended with exit code 1",
        "second None different: the step skipped: the step 'first' before it failed",
    ]


def test_a_step_that_is_not_in_the_other_run_is_different() -> None:
    w = world(writes(o="1"))
    run = w.run()
    again = w.rerun(run)
    verifier = Verifier(w.objects, w.runs, lambda _: again.replace(steps=()), lambda: "", "1")
    assert said(verifier.verify(run))[0] == "first None different: it was not executed"


@pytest.mark.parametrize(
    ("then", "now", "difference"),
    [
        (writes(o__a="1", o__b="2"), writes(o__a="1", o__b="3"), "b: byte 0: 0x32 → 0x33"),
        (writes(o__a="1"), writes(o__a="1", o__b="3"), "b: it is new"),
        (writes(o__a="1", o__b="3"), writes(o__a="1"), "b: it was not made"),
        (writes(o__a="1"), writes(o="1"), "folder → file"),
    ],
)
def test_folders_are_compared_member_by_member(
    then: Program, now: Program, difference: str
) -> None:
    assert said(verdict(then, now))[0] == f"first o different: {difference}"


def test_members_of_a_folder_have_the_tolerance_of_the_folder() -> None:
    outputs = "{m: {path: o, compare: text, rtol: 0.1}}"
    found = verdict(writes(o__a="x 1.0", o__b="2"), writes(o__a="x 1.01", o__b="2"), outputs)
    assert (found.word, said(found)[0]) == ("equivalent", "first o equivalent")


def test_a_member_that_became_a_link_is_different() -> None:
    def link(target: str) -> Program:
        def program(process: object) -> None:
            place = f"{process.project}/o/l"  # type: ignore[attr-defined]
            process.disk.link(place, target)  # type: ignore[attr-defined]

        return both(writes(o__a="1"), program)

    found = verdict(link("a"), link("b"))
    assert said(found)[0] == "first o different: l: link to a → link to b"
    found = verdict(writes(o__l="1"), both(writes(o__x="1"), link("a")))
    assert said(found)[0].startswith("first o different: ")


def test_the_executable_bit_counts() -> None:
    def executable(process: object) -> None:
        process.disk.write(f"{process.project}/o", b"1", executable=True)  # type: ignore[attr-defined]

    found = verdict(writes(o="1"), executable)
    assert said(found)[0] == "first o different: executable: False → True"

    def member(process: object) -> None:
        process.disk.write(f"{process.project}/o/a", b"1", executable=True)  # type: ignore[attr-defined]

    found = verdict(writes(o__a="1"), member)
    assert said(found)[0] == "first o different: a: file → executable file"


def test_all_that_a_step_made_is_judged_when_it_declares_nothing() -> None:
    found = verdict(writes(a="1", b="1"), writes(a="1", c="1"), "[]")
    assert said(found)[:3] == [
        "first a identical", "first b different: it was not made", "first c different: it is new",
    ]  # fmt: skip


def test_a_large_file_is_not_looked_into(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(judge, "_MOST", 1)
    found = verdict(writes(o="12"), writes(o="13"))
    assert said(found)[0].endswith("(too large to look into)")


@pytest.mark.parametrize(
    ("outputs", "now", "word", "what"),
    [
        ("[]", '{"a": 1.01}', "different", "first None different: metric a: 1.0 → 1.01"),
        ("{m: {path: m.json, compare: json, rtol: 0.1}}", '{"a": 1.01}', "equivalent",
         "first None equivalent"),
        ("{m: {path: m.json, compare: ignore}}", '{"a": 2}', "identical", None),
    ],
)  # fmt: skip
def test_metrics_are_judged_with_the_tolerance_of_their_file(
    outputs: str, now: str, word: str, what: str | None
) -> None:
    found = verdict(writes(m_json='{"a": 1.0}'), writes(m_json=now), outputs, "[m.json]")
    assert found.word == word
    assert [one for one in said(found) if "None" in one] == ([what] if what else [])


def test_another_interpreter_makes_equal_bytes_equivalent_at_best() -> None:
    w = world(writes(o="1"))
    run = w.run()
    w.venv.python = "3.1"
    found = verified(w, run)
    assert (found.word, found.notes) == (
        "equivalent", ("environment default: python 3.0 → 3.1",),
    )  # fmt: skip


def test_another_program_of_the_machine_is_named_once() -> None:
    w = world(writes(o="1"))
    w.yaml = w.yaml.replace("{kind: venv, packages: [a]}", "{kind: system}")
    asked: list[tuple[tuple[str, ...], str]] = []

    def on_path(names: Sequence[str], path: str) -> tuple[MachineProgram, ...]:
        asked.append((tuple(names), path))
        sha256 = "1" if len(asked) <= len(run_steps) else "2"
        return (MachineProgram(name="jq", path="/bin/jq", sha256=sha256),)

    run_steps = w.prepare().plan.steps
    w.on_path = on_path
    run = w.run()
    assert [names for names, _ in asked] == [(step.argv[0],) for step in run.plan.steps]
    use = run.steps[0].environment
    assert use is not None
    assert [one.text for one in use.programs] == ["/bin/jq sha256 1"]
    found = verified(w, run)
    assert (found.word, found.notes) == (
        "equivalent", ("machine: /bin/jq sha256 1 → sha256 2",),
    )  # fmt: skip
    again = w.runs.load(str(found.rerun))
    detective = Detective(w.objects)
    assert list(detective.likely(run.steps[0], again.steps[0], None, again.host)) == [
        "the program /bin/jq sha256 1 → sha256 2"
    ]
    (change,) = difference(run, again, {}, {}).machine
    assert (change.name, change.before, change.after) == ("/bin/jq", "sha256 1", "sha256 2")


def test_programs_are_not_looked_for_in_an_environment_of_its_own() -> None:
    w = world(writes(o="1"))
    w.on_path = lambda *_: (MachineProgram(name="jq", path="/bin/jq", sha256="1"),)
    assert {one.environment.programs for one in w.run().steps if one.environment} == {()}


def test_what_is_missing_is_named_when_it_cannot_be_done_again() -> None:
    w = world(writes(o="1"))
    run = w.run()
    del w.objects.contents[run.plan.environments[0].lock]
    found = verified(w, run)
    assert (found.word, found.rerun) == ("cannot rerun", None)
    assert "the lock of the environment 'default' is gone" in found.notes[0]


def test_an_environment_that_cannot_be_built_cannot_be_rerun() -> None:
    w = world(writes(o="1"))
    run = w.run()
    w.venv.broken = "a file that the lock names is gone"
    assert verified(w, run).notes == (
        "a file that the lock names is gone (environment 'default')",
    )  # fmt: skip


def test_only_what_succeeded_can_be_verified() -> None:
    w = world(fails())
    run = w.run()
    assert statuses(run)["first"] == "failed"
    with pytest.raises(UsageError, match="is failed: only what succeeded can be verified"):
        verified(w, run)


def test_a_verdict_about_other_code_is_not_kept() -> None:
    w = world(writes(o="1"))
    run = w.run()
    verifier = Verifier(w.objects, w.runs, w.rerun, lambda: "2026-01-01T00:00:00.000Z", "1")
    assert verifier.verdict(run).word == "identical"
    assert w.runs.annotations(run.id) == []


def test_what_may_have_made_the_difference_is_said() -> None:
    def reads(process: Process) -> None:
        process.is_seen(Accesses(present=("/data/x.csv",)))

    w = world(both(reads, writes(o="1")))
    w.disk.write("/data/x.csv", b"1")
    run = w.execute(w.prepare(trace=True))
    w.disk.write("/data/x.csv", b"2")
    w.programs["first"] = both(reads, writes(o="2"))
    assert verified(w, run).notes == (
        "likely in first: it reads /data/x.csv, which it does not declare, and which has changed",
    )


def test_a_step_that_is_not_in_the_record_explains_nothing() -> None:
    w = world(writes(o="1"))
    run = w.run()
    verifier = Verifier(w.objects, w.runs, w.rerun, lambda: "t", "1")
    found = verifier.judge(run, run.replace(steps=()))
    assert (found.word, found.first_different, found.notes) == ("different", "first", ())
