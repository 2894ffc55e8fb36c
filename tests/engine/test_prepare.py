"""Preparing: what cannot be planned is said before anything happens."""

import pytest
from tests.engine.world import World, told, writes

from runproj.errors import NoSuchRun, ParameterError, ProjectError, UsageError

ONE = "runproj: 1\nentry_points:\n  fit: {command: [go], outputs: [m]}\n"
TWO = ONE + "  main: {command: [go], outputs: [n]}\n"


def test_the_only_entry_point_is_meant_when_none_is_named() -> None:
    assert told(World(ONE).prepare()) == {"fit": "run: new"}


def test_main_is_meant_when_there_are_several() -> None:
    assert told(World(TWO).prepare()) == {"main": "run: new"}


def test_an_entry_point_that_is_not_there_is_said_to_be_with_a_suggestion() -> None:
    with pytest.raises(UsageError, match="the project has no entry point 'fti'") as raised:
        World(TWO).prepare(entry_point="fti")
    assert "fit" in str(raised.value.problems[0].hint)
    assert "-e" in str(raised.value.problems[0].hint)


def test_a_step_that_is_not_there_is_said_to_be() -> None:
    with pytest.raises(UsageError, match="has no step 'x'"):
        World(TWO).prepare("x")


def test_a_parameter_that_is_not_there_is_said_to_be() -> None:
    with pytest.raises(ParameterError, match="there is no parameter 'x'"):
        World(TWO).prepare(x=1)


def test_an_input_that_is_not_there_is_said_to_be() -> None:
    w = World("runproj: 1\nentry_points:\n  main: {command: [go], inputs: [x.csv]}\n")
    with pytest.raises(ProjectError, match=r"'x\.csv' is not there"):
        w.prepare()


def test_a_path_value_that_is_not_there_is_said_to_be() -> None:
    w = World(TAKES_A_PATH, {})
    with pytest.raises(ParameterError, match="d: '/nowhere/x' is not there"):
        w.prepare(d="/nowhere/x")


TAKES_A_PATH = """
    runproj: 1
    entry_points:
      main: {parameters: {d: {type: path}}, command: [go, "{d}"]}
"""


def test_a_past_output_that_is_not_there_is_said_to_be() -> None:
    w = World("runproj: 1\nentry_points:\n  main: {command: [go], inputs: ['{d}']}\n")
    w.yaml += "parameters: {d: {type: path}}\n"
    with pytest.raises((NoSuchRun, ParameterError), match="there is no run 'r9'"):
        w.prepare(d="run:r9:model")


def test_what_was_prepared_can_be_looked_at_without_being_executed() -> None:
    w = World(TWO, {"main": writes(n="")})
    prepared = w.prepare(keep=False)
    assert prepared.plan.entry_point == "main"
    assert prepared.project == "p"
    assert w.runs.journals == {}
    assert w.system.built == []


def test_a_file_that_several_steps_read_is_looked_at_once() -> None:
    w = World("""
        runproj: 1
        entry_points:
          main:
            steps:
              a: {command: [a], inputs: [x.csv], outputs: [a.txt]}
              b: {command: [b], inputs: [x.csv, "*.csv"], outputs: [b.txt]}
    """)
    w.ignored("x.csv", "x")
    prepared = w.prepare()
    assert list(prepared.files) == ["x.csv"]
    assert [len(step.inputs) for step in prepared.plan.steps] == [1, 1]
