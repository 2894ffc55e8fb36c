from typing import Any

import pytest

from runproj.engine.undeclared import Undeclared, undeclared
from runproj.plan.plan import Plan, PlannedInput, PlannedOutput, PlannedStep

WORKSPACE = "/cache/w/project"


def step(name: str = "a", **fields: Any) -> PlannedStep:  # noqa: ANN401 -- any field
    return PlannedStep(name=name, argv=("a",), environment="e", **fields)


def found(
    log: str,
    of: PlannedStep | None = None,
    others: tuple[PlannedStep, ...] = (),
    ignored: tuple[str, ...] = ("data/x.csv", "x.csv", "sub/y", "with space", ".env"),
    hidden: tuple[str, ...] = (),
) -> Undeclared | None:
    of = of or step()
    return undeclared(
        log,
        of,
        Plan(entry_point="main", steps=(of, *others), hidden=hidden),
        workspace=WORKSPACE,
        exists=lambda path: path in (*ignored, *hidden),
        manifest={"src/train.py": "1", "src/lib.py": "2"},
    )


@pytest.mark.parametrize(
    "log",
    [
        "FileNotFoundError: [Errno 2] No such file or directory: 'data/x.csv'",
        "cat: data/x.csv: No such file or directory",
        'Error in file("data/x.csv") : cannot open the connection',
        "could not read data/x.csv.",
        f"open {WORKSPACE}/data/x.csv: no such file",
        "cannot open ./data/../data/x.csv",
        "x\n'data/x.csv' is missing\nsomething else\n",
    ],
)
def test_a_file_that_git_ignores_and_a_log_names_is_found(log: str) -> None:
    missing = found(log)
    assert missing == Undeclared("data/x.csv", "it stands in the project, but git ignores it")


def test_a_path_is_relative_to_where_the_step_runs() -> None:
    missing = found("No such file: 'y'", step(working_directory="sub"))
    assert missing is not None
    assert missing.path == "sub/y"


def test_a_name_with_a_space_is_found_in_quotes() -> None:
    missing = found("No such file: 'with space'")
    assert missing is not None
    assert missing.path == "with space"


def test_the_last_file_that_is_named_is_the_one() -> None:
    missing = found("no 'x.csv'\nno 'data/x.csv'\n")
    assert missing is not None
    assert missing.path == "data/x.csv"


@pytest.mark.parametrize(
    "log",
    ["", "killed", "no such file: 'data/gone.csv'", "no /etc/passwd", "no '../x.csv'",
    "'" + "x" * 501 + "'",
     "bad \0 byte 'a\0b'", "no '/cache/w/project-2/x'", "File 'src/train.py', line 3"],
)  # fmt: skip
def test_what_is_not_in_the_project_is_not_found(log: str) -> None:
    assert found(log) is None


def test_what_another_step_makes_is_found_even_when_it_stands_in_the_project() -> None:
    maker = step("b", outputs=(PlannedOutput(path="data"),))
    missing = found("no 'data/x.csv'", others=(maker,))
    assert missing == Undeclared("data/x.csv", "the step 'b' makes it")


@pytest.mark.parametrize("declared", ["data/x.csv", "data", "data/*.csv"])
def test_what_is_declared_is_not_found(declared: str) -> None:
    maker = step("b", outputs=(PlannedOutput(path="data"),))
    given = step(inputs=(PlannedInput(path=declared, kind="step"),))
    assert found("bad line in 'data/x.csv'", given, (maker,)) is None


def test_an_own_output_is_not_found() -> None:
    assert found("cannot write 'x.csv'", step(outputs=(PlannedOutput(path="x.csv"),))) is None
    assert found("no 'data/z'", step(outputs=(PlannedOutput(path="data"),))) is None


def test_what_runproj_keeps_from_steps_is_found() -> None:
    missing = found("no 'runproj.yaml'", hidden=("runproj.yaml",))
    assert missing == Undeclared(
        "runproj.yaml", "it stands in the project, but runproj keeps it from steps"
    )


def test_what_sources_leave_out_is_found() -> None:
    missing = found("no module 'src/lib.py'", step(sources=("src/train.py",)))
    assert missing == Undeclared(
        "src/lib.py", "it stands in the project, but 'sources' leaves it out"
    )


@pytest.mark.parametrize("sources", [("src/train.py",), ("src",), ("src/*.py",), ("src/**",)])
def test_a_source_file_that_the_step_has_is_not_found(sources: tuple[str, ...]) -> None:
    assert found('File "src/train.py", line 3', step(sources=sources)) is None


def test_the_hint_is_the_line_to_add() -> None:
    given = step(
        inputs=(PlannedInput(path="train.csv", kind="file"), PlannedInput(path="s", kind="source"))
    )
    assert Undeclared("x.csv", "").hint(given) == (
        "declare it: add 'inputs: [train.csv, s, x.csv]' to the step 'a' in the project file"
    )
