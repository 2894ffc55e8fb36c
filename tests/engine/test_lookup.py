"""Finding runs, steps and outputs by what a user calls them."""

import pytest
from tests.fakes.records import a_run, a_step, ended
from tests.fakes.runs import FakeRuns

from runproj.engine.lookup import Lookup
from runproj.errors import NoSuchRun, UsageError
from runproj.record.run import Output


def output(path: str, name: str | None = None) -> Output:
    return Output(path=path, name=name, sha256="0" * 64, size=1)


@pytest.fixture
def lookup() -> Lookup:
    runs = FakeRuns()
    steps = (
        a_step("prepare", outputs=[output("data.csv")]),
        a_step("train", outputs=[output("out/m.bin", "model"), output("log.txt")]),
        a_step("test", outputs=[output("out/t.bin", "table"), output("log2.txt", "log")]),
        a_step("score", outputs=[output("score.txt", "log")]),
    )
    for number, (run_id, name) in enumerate(
        [("abc1", "best"), ("abd2", "best"), ("abc", None), ("xyz", None)]
    ):
        run = a_run(run_id, name=name, minute=number)
        runs.create(run).close(ended(run, *steps))
    return Lookup(runs)


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("abc1", "abc1"), ("abd", "abd2"), ("abc", "abc"), ("x", "xyz"), ("best", "abd2"),
        ("latest", "xyz"), ("latest~1", "abc"), ("latest~3", "abc1"),
    ],
)  # fmt: skip
def test_a_run_is_found_by_id_prefix_name_and_age(lookup: Lookup, name: str, found: str) -> None:
    assert lookup.run(name).id == found


@pytest.mark.parametrize("name", ["", "abce", "latest~4", "Best", "bes", "b"])
def test_what_names_no_run_is_said_to(lookup: Lookup, name: str) -> None:
    with pytest.raises(NoSuchRun, match=f"there is no run '{name}'") as raised:
        lookup.run(name)
    assert raised.value.problems[0].hint == "'runproj list' shows all runs"


def test_the_beginning_of_several_ids_is_ambiguous(lookup: Lookup) -> None:
    with pytest.raises(UsageError, match="'ab' is the beginning of several runs") as raised:
        lookup.run("ab")
    assert raised.value.problems[0].hint == "one of abc, abd2, abc1"


def test_a_step_is_found_in_its_run(lookup: Lookup) -> None:
    run, step = lookup.split("best/train")
    assert (run.id, step and step.name) == ("abd2", "train")
    assert lookup.split("best") == (run, None)


def test_a_step_that_is_not_there_is_said_to_be_with_a_suggestion(lookup: Lookup) -> None:
    with pytest.raises(NoSuchRun, match="the run abd2 has no step 'trian'") as raised:
        lookup.split("best/trian")
    assert "train" in str(raised.value.problems[0].hint)
    with pytest.raises(NoSuchRun, match="has no step ''"):
        lookup.split("best/")


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("best:model", "out/m.bin"),
        ("best/train:model", "out/m.bin"),
        ("run:best/train:model", "out/m.bin"),
        ("best:out/m.bin", "out/m.bin"),
        ("latest:data.csv", "data.csv"),
        ("latest/score:log", "score.txt"),
    ],
)
def test_an_output_is_found_by_name_and_path(lookup: Lookup, text: str, path: str) -> None:
    assert lookup.output(text).path == path


def test_an_output_that_several_steps_have_is_ambiguous(lookup: Lookup) -> None:
    with pytest.raises(UsageError, match="several steps have an output 'log'") as raised:
        lookup.output("xyz:log")
    assert raised.value.problems[0].hint == "say which: xyz/test, xyz/score"


def test_an_output_that_is_not_there_is_said_to_be_with_a_suggestion(lookup: Lookup) -> None:
    with pytest.raises(NoSuchRun, match="best/train has no output 'modle'") as raised:
        lookup.output("best/train:modle")
    assert "model" in str(raised.value.problems[0].hint)


@pytest.mark.parametrize("text", ["best", "best:", "best/train", "run:best"])
def test_an_output_needs_a_name(lookup: Lookup, text: str) -> None:
    with pytest.raises(UsageError, match="names no output") as raised:
        lookup.output(text)
    assert raised.value.problems[0].hint == "write run:RUN/STEP:OUTPUT"


def test_a_step_is_no_run() -> None:
    with pytest.raises(UsageError, match="'r1/train' is a step, and a whole run is needed"):
        Lookup(FakeRuns()).run("r1/train")
