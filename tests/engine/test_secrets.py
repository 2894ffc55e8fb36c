"""Secrets: the step gets them, and nothing that is kept or shown has them."""

import base64
import json

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from tests.engine.world import Process, World, fails, raises, writes

from runproj.engine import secrets
from runproj.engine.secrets import Redactor, forms, held_by
from runproj.errors import MissingSecret, ProjectError, Refused
from runproj.model import to_json
from runproj.record.events import StepFinished, StepPrinted, Warned
from runproj.record.run import Run

TOKEN = "hunter2-hunter2"
YAML = """
    runproj: 1
    entry_points:
      main:
        steps:
          a: {command: [a], outputs: [o], secrets: [TOKEN]}
          b: {command: [b], inputs: [o], outputs: [d/]}
"""


def a_world(**programs: object) -> World:
    played = {
        "a": lambda process: process.write("o"),
        "b": lambda process: process.write("d/x"),
        **programs,
    }
    return World(YAML, played, caller={"TOKEN": TOKEN})  # type: ignore[arg-type] # programs of tests


def everything(w: World, run: Run) -> str:
    """Return all that is kept and told of a run."""
    logs = [log.pieces for journal in w.runs.journals.values() for log in journal.logs.values()]
    return to_json(run) + repr(logs) + repr(w.reporter.events)


def test_the_step_gets_it_and_the_record_does_not() -> None:
    def a(process: Process) -> None:
        assert process.execution.secrets == {"TOKEN": TOKEN}
        assert "TOKEN" not in process.execution.variables
        process.print(f"the token is {process.execution.secrets['TOKEN']}!\n")
        process.write("o")

    w = a_world(a=a)
    run = w.run()
    assert run.status == "succeeded"
    assert TOKEN not in everything(w, run)
    assert run.plan.step("a").secrets == ("TOKEN",)
    assert [one.chunk for one in w.reporter.of(StepPrinted)] == [b"the token is ***!\n"]
    assert not w.executor.started[1].secrets


def test_another_value_changes_nothing_and_another_name_does() -> None:
    w = a_world()
    w.run()
    w.caller["TOKEN"] = "another-secret"
    assert {one.action for one in w.prepare().decisions} == {"cached"}
    w.yaml = w.yaml.replace("[TOKEN]", "[TOKEN, KEY]")
    assert w.prepare().decisions[0].text == "variable KEY: nothing → (secret)"


def test_what_is_missing_is_said_before_anything_happens() -> None:
    w = a_world()
    w.yaml = w.yaml.replace("[TOKEN]", "[TOKEN, KEY]").replace(
        "outputs: [d/]", "outputs: [d/], secrets: [KEY, C]"
    )
    w.caller["C"] = ""
    with pytest.raises(MissingSecret) as caught:
        w.run()
    assert [(one.message, one.hint) for one in caught.value.problems] == [
        ("the secret KEY is not there; the step 'a' needs it", "set the variable KEY for runproj"),
        ("the secret C is empty; the step 'b' needs it", "set the variable C for runproj"),
    ]
    assert not w.runs.journals


def test_a_step_that_need_not_execute_needs_no_secret() -> None:
    w = a_world()
    w.run()
    w.caller.clear()
    assert {step.status for step in w.run().steps} == {"cached"}


def test_what_may_be_its_beginning_is_shown_in_the_end() -> None:
    def a(process: Process) -> None:
        for part in ("hunt", "er2-hunter2 hun", "t"):
            process.print(part)
        process.write("o")

    w = a_world(a=a)
    w.run()
    assert b"".join(one.chunk for one in w.reporter.of(StepPrinted)) == b"*** hunt"


def test_errors_do_not_tell_it() -> None:
    def a(process: Process) -> None:
        process.write("o", "{}")
        process.write(f"{TOKEN}.txt")

    w = a_world(a=a)
    w.yaml = w.yaml.replace("outputs: [o]", "outputs: [p]")
    run = w.run("a")
    assert run.steps[0].error == "it did not make its output p"
    assert run.steps[0].hint == "it made: ***.txt, o"
    assert TOKEN not in everything(w, run)


def test_the_tail_of_a_failure_does_not_tell_it() -> None:
    w = a_world(a=fails(f"no access with {TOKEN}"))
    run = w.run()
    assert w.reporter.of(StepFinished)[0].log_tail == "no access with ***"
    assert TOKEN not in everything(w, run)


def test_a_run_that_ends_early_shows_what_was_held_back() -> None:
    def a(process: Process) -> None:
        process.print("hunt")
        raises(KeyboardInterrupt())(process)

    w = a_world(a=a)
    with pytest.raises(KeyboardInterrupt):
        w.run()
    assert w.journal.logs["a"].pieces == [("stderr", b"hunt")]


def test_outputs_that_hold_it_are_told_and_kept_as_they_are() -> None:
    def a(process: Process) -> None:
        process.write("o", f"token: {TOKEN}")

    def b(process: Process) -> None:
        process.write("d/x", process.read("o"))
        process.write("d/y", "nothing")

    w = a_world(a=a, b=b)
    w.yaml = w.yaml.replace("outputs: [d/]", "outputs: [d/], secrets: [TOKEN]")
    run = w.run()
    assert [(one.text, one.hint) for one in w.reporter.of(Warned)] == [
        ("a: its output o holds the secret TOKEN", "it is kept as it is, in the store, too"),
        ("b: its output d/x holds the secret TOKEN", "it is kept as it is, in the store, too"),
    ]
    assert w.objects.read(run.steps[0].outputs[0].sha256) == f"token: {TOKEN}".encode()


def test_an_output_that_is_too_large_is_not_searched(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(secrets, "SEARCHED", 3)
    w = a_world(a=lambda process: process.write("o", TOKEN))
    w.run()
    assert [one.text for one in w.reporter.of(Warned)] == [
        "a: its output o is too large to be searched for secrets"
    ]


@pytest.mark.parametrize(("value", "warning"), [
    ("1234567", "the secret TOKEN is short: other text may be made unreadable with it"),
    ("123", "the secret TOKEN is too short to be made unreadable in logs"),
])  # fmt: skip
def test_a_short_one_is_warned_of(value: str, warning: str) -> None:
    w = a_world()
    w.caller["TOKEN"] = value
    w.run()
    assert [one.text for one in w.reporter.of(Warned)] == [warning]


def test_a_proxy_with_a_password_may_be_one() -> None:
    w = a_world()
    w.yaml = w.yaml.replace("[TOKEN]", "[https_proxy]")
    w.caller["https_proxy"] = "http://me:password@proxy"
    run = w.run()
    assert "https_proxy" not in w.executor.started[0].variables
    assert "password" not in everything(w, run)
    assert w.executor.started[0].secrets == {"https_proxy": "http://me:password@proxy"}


@pytest.mark.parametrize(("fields", "message"), [
    ("secrets: [A], env: {A: x}", "A is a secret, and 'env' records it"),
    ("secrets: [A], pass_env: [A]", "A is a secret, and 'pass_env' records it"),
    ("secrets: [PATH]", "PATH is set by runproj: it cannot be a secret"),
    ("secrets: [RUNPROJ_X]", "RUNPROJ_X is set by runproj: it cannot be a secret"),
    ("secrets: [A], env: {B: '{secrets.A}'}", "{secrets.A} refers to nothing"),
])  # fmt: skip
def test_what_would_be_recorded_is_no_secret(fields: str, message: str) -> None:
    step = {"command": ["a"], **yaml.safe_load(f"{{{fields}}}")}
    for main in ({"steps": {"a": step}}, step):
        w = World(json.dumps({"runproj": 1, "entry_points": {"main": main}}))
        with pytest.raises(ProjectError) as caught:
            w.prepare()
        assert message in str(caught.value)


_TEXT = st.text(st.sampled_from('ab\n"%é'), min_size=4, max_size=12)


@given(values=st.lists(_TEXT, min_size=1, max_size=3), data=st.data())
def test_however_it_is_cut_the_text_is_the_same_and_the_secret_gone(
    values: list[str], data: st.DataObject
) -> None:
    pieces = data.draw(st.lists(st.sampled_from([*values, "a", "b", "\n", "é", "ab"]), max_size=8))
    whole = "".join(pieces).encode()
    cuts = sorted(data.draw(st.lists(st.integers(0, len(whole)), max_size=6)))
    redactor = Redactor(values)
    shown = b"".join(
        redactor.feed(whole[start:end])
        for start, end in zip([0, *cuts], [*cuts, len(whole)], strict=True)
    )
    assert shown + redactor.end() == Redactor(values).redact(whole)
    for value in values:
        assert not value.isprintable() or value.encode() not in shown


@given(
    value=st.text(min_size=8, max_size=40),
    before=st.binary(max_size=7),
    after=st.binary(max_size=7),
)
def test_it_is_found_in_json_and_base64_too(value: str, before: bytes, after: bytes) -> None:
    redactor = Redactor([value])
    coded = base64.b64encode(before + value.encode() + after)
    assert redactor.redact(coded) != coded
    assert b"***" in redactor.redact(json.dumps({"key": value}).encode())


def test_each_line_of_a_key_is_a_secret() -> None:
    key = "-----BEGIN KEY-----\n  c2VjcmV0c2VjcmV0\n-----END KEY-----\n"
    assert Redactor([key]).redact(b"key: c2VjcmV0c2VjcmV0.") == b"key: ***."
    assert Redactor(["p@ss/word"]).redact(b"http://me:p%40ss%2Fword@host") == b"http://me:***@host"
    assert forms("abc") == {b"YWJj"}
    assert Redactor(["abc"]).feed(b"abc") == b"abc"


def test_bytes_that_are_no_text_are_found() -> None:
    value = b"\xff\xfe-secret".decode("utf-8", "surrogateescape")
    assert Redactor([value]).redact(b"<\xff\xfe-secret>") == b"<***>"
    assert Redactor([value]).text(f"<{value}>") == "<***>"
    assert held_by(b"\xff\xfe-secret", {"A": value, "B": "abc", "C": "none"}) == ["A"]


def test_the_name_of_a_metric_does_not_tell_it() -> None:
    def a(process: Process) -> None:
        process.write("o", json.dumps({TOKEN: 1.5}))

    w = a_world(a=a)
    w.yaml = w.yaml.replace("outputs: [o]", "outputs: [o], metrics: [o]")
    run = w.run()
    assert run.metrics == {"a.***": 1.5}
    assert TOKEN not in everything(w, run)


def test_a_file_that_is_named_after_it_is_told() -> None:
    w = a_world(a=lambda process: process.write(f"o/{TOKEN}", "x"))
    run = w.run("a")
    assert [one.text for one in w.reporter.of(Warned)] == [
        "a: its output o/*** holds the secret TOKEN"
    ]
    assert TOKEN not in everything(w, run)


@pytest.mark.parametrize(("change", "place"), [
    ("command: [a, '{x}']", "the command of 'a'"),
    ("command: [a], env: {B: '{x}'}", "the variable B of 'a'"),
    ("command: [a], pass_env: [OTHER]", "the variable OTHER of 'a'"),
])  # fmt: skip
def test_what_is_recorded_must_not_hold_it(change: str, place: str) -> None:
    w = a_world()
    w.yaml = w.yaml.replace("command: [a]", change).replace(
        "      main:", "      main:\n        parameters: {x: {type: string, default: x}}"
    )
    w.caller["OTHER"] = f"<{TOKEN}>"
    with pytest.raises(Refused) as caught:
        w.execute(w.prepare(x=f"--token={TOKEN}"))
    said = [(one.message, one.hint) for one in caught.value.problems]
    hint = "the step has it in its environment: $TOKEN"
    assert (f"{place} holds the value of the secret TOKEN, and is recorded", hint) in said
    assert ("the parameter x holds the value of the secret TOKEN, and is recorded", hint) in said
    assert not w.runs.journals


def test_a_reference_to_it_is_answered_with_its_variable() -> None:
    w = a_world()
    w.yaml = w.yaml.replace("command: [a]", "command: [a, '{secrets.TOKEN}']")
    with pytest.raises(ProjectError) as caught:
        w.prepare()
    assert "a secret is in the environment of the step only: $TOKEN" in str(caught.value.problems)


def test_many_hits_cost_no_more_than_their_number() -> None:
    redactor = Redactor([TOKEN])
    data = f"x{TOKEN}".encode() * 10_000
    assert redactor.feed(data) + redactor.end() == b"x***" * 10_000


def test_a_rerun_needs_it_again() -> None:
    w = a_world()
    run = w.run()
    w.caller.clear()
    with pytest.raises(MissingSecret):
        w.rerun(run)


FOREACH = """
    runproj: 1
    entry_points:
      main:
        steps:
          split: {command: [split], outputs: {list: l.txt}, secrets: [TOKEN]}
          each:
            foreach: "{steps.split.outputs.list}"
            command: [each]
"""


@pytest.mark.parametrize("lines", [f"a\n{TOKEN}", f"a\nx{TOKEN}x", f"{TOKEN}\n{TOKEN}"])
def test_an_item_that_holds_one_is_refused_and_told_nowhere(lines: str) -> None:
    w = World(FOREACH, {"split": writes(l_txt=lines)}, caller={"TOKEN": TOKEN})
    run = w.run()
    each = run.step("each")
    assert each is not None
    assert each.error is not None
    assert each.status == "failed"
    assert TOKEN not in everything(w, run)
    if lines.startswith("a"):
        said = "item 2 of l.txt holds the value of the secret TOKEN, and would be recorded"
        assert (each.error, run.exit_code) == (said, Refused.exit_code)


def test_an_item_of_a_list_that_is_known_is_refused_before_anything_executes() -> None:
    w = World(FOREACH, {"split": writes(l_txt=f"a\n{TOKEN}")}, caller={"TOKEN": "something else"})
    w.run()
    w.caller["TOKEN"] = TOKEN
    with pytest.raises(Refused) as caught:
        w.run()
    assert str(caught.value) == (
        "an instance of 'each' holds the value of the secret TOKEN, and is recorded"
    )
    assert len(w.runs.journals) == 1
