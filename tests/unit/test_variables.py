import pytest

from runproj.engine.variables import PASSED, REPEATABLE, process_variables
from runproj.plan.command import RUN_ID, WORKSPACE
from runproj.plan.plan import PlannedStep


def variables(
    env: dict[str, str] | None = None,
    pass_env: dict[str, str | None] | None = None,
    environment: dict[str, str] | None = None,
    caller: dict[str, str] | None = None,
    about: dict[str, str] | None = None,
) -> dict[str, str]:
    step = PlannedStep(
        name="a", argv=("a",), environment="e", env=env or {}, pass_env=pass_env or {}
    )
    return process_variables(
        step,
        environment=environment or {},
        caller=caller or {},
        about=about or {},
        run_id="r1",
        workspace="/w",
    )


def test_what_makes_runs_repeatable_is_always_there() -> None:
    found = variables()
    assert found == REPEATABLE
    assert found["PYTHONHASHSEED"] == "0"
    assert found["TZ"] == "UTC"
    assert found["LC_ALL"] == "C.UTF-8"
    assert found["PYTHONNOUSERSITE"] == found["PYTHONUNBUFFERED"] == "1"


@pytest.mark.parametrize("name", PASSED)
def test_some_of_the_callers_variables_are_passed(name: str) -> None:
    assert variables(caller={name: "x"})[name] == "x"


@pytest.mark.parametrize("name", ["PATH", "PYTHONPATH", "SECRET", "VIRTUAL_ENV", "LD_PRELOAD"])
def test_other_variables_of_the_caller_are_not(name: str) -> None:
    assert name not in variables(caller={name: "x"})


def test_the_caller_cannot_change_what_makes_runs_repeatable() -> None:
    assert variables(caller={"TZ": "CET"})["TZ"] == "UTC"


def test_the_environment_wins_over_the_caller_and_what_is_said_of_the_run_over_it() -> None:
    found = variables(
        caller={"HOME": "/me"}, environment={"HOME": "/env", "PATH": "/env/bin",
        "RUNPROJ_RUN_ID": "x"},
        about={"RUNPROJ_RUN_ID": "r1"},
    )  # fmt: skip
    assert (found["HOME"], found["PATH"], found["RUNPROJ_RUN_ID"]) == ("/env", "/env/bin", "r1")


def test_the_project_file_wins_over_everything() -> None:
    names = ("TZ", "HOME", "PATH", "RUNPROJ_RUN_ID", "P")
    found = variables(
        env=dict.fromkeys(names, "mine"), pass_env={"P": "p", "TZ": "CET"},
        environment={"PATH": "/e"},
        caller={"HOME": "/me"}, about={"RUNPROJ_RUN_ID": "r1"},
    )  # fmt: skip
    assert {name: found[name] for name in names} == dict.fromkeys(names, "mine")


def test_a_passed_variable_has_the_value_that_was_planned() -> None:
    assert variables(pass_env={"P": "then"}, caller={"P": "now"})["P"] == "then"


def test_a_passed_variable_may_change_what_makes_runs_repeatable() -> None:
    assert variables(pass_env={"TZ": "CET"})["TZ"] == "CET"


def test_a_passed_variable_that_the_caller_had_not_is_not_set() -> None:
    assert "P" not in variables(pass_env={"P": None})


def test_a_passed_path_comes_after_the_environments_own() -> None:
    found = variables(pass_env={"PATH": "/usr/bin"}, environment={"PATH": "/env/bin"})
    assert found["PATH"] == "/env/bin:/usr/bin"


def test_a_passed_path_without_an_environments_own_is_itself() -> None:
    assert variables(pass_env={"PATH": "/usr/bin"})["PATH"] == "/usr/bin"


def test_what_is_known_only_now_is_put_in() -> None:
    found = variables(env={"A": f"{WORKSPACE}/{RUN_ID}"})
    assert found["A"] == "/w/r1"
