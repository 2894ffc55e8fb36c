"""Which part of a plan a user chooses."""

import pytest

from runproj.errors import UsageError
from runproj.plan.plan import PlannedStep
from runproj.plan.selection import check_names, select

AFTER = {
    "prepare": (), "train[fold=0]": ("prepare",), "train[fold=1]": ("prepare",),
    "plot": ("prepare",), "report": ("train[fold=0]", "train[fold=1]"), "mail": ("report",),
}  # fmt: skip
STEPS = tuple(
    PlannedStep(name=name, argv=("true",), environment="default", after=after)
    for name, after in AFTER.items()
)


def chosen(
    *, start: tuple[str, ...] = (), skip: tuple[str, ...] = ()
) -> tuple[list[str], set[str]]:
    found = select(STEPS, start, skip)
    return [step.name for step in found.steps], set(found.held)


def test_nothing_chosen_is_everything() -> None:
    assert chosen() == (list(AFTER), set())


def test_a_start_comes_with_what_follows_and_what_that_needs_is_held() -> None:
    assert chosen(start=("report",)) == (
        ["prepare", "train[fold=0]", "train[fold=1]", "report", "mail"],
        {"prepare", "train[fold=0]", "train[fold=1]"},
    )
    assert chosen(start=("plot",)) == (["prepare", "plot"], {"prepare"})


def test_a_matrix_is_chosen_as_a_whole_or_in_part() -> None:
    assert chosen(start=("train",))[1] == {"prepare"}
    assert chosen(start=("train[fold=1]",))[1] == {"prepare", "train[fold=0]"}


def test_what_is_skipped_is_held_where_it_is_needed_and_else_left_out() -> None:
    assert chosen(skip=("mail", "plot")) == (
        ["prepare", "train[fold=0]", "train[fold=1]", "report"], set(),
    )  # fmt: skip
    assert chosen(skip=("train",))[1] == {"train[fold=0]", "train[fold=1]"}
    # nobody needs what only skipped steps need
    assert chosen(skip=("report", "mail"))[0] == [
        "prepare",
        "train[fold=0]",
        "train[fold=1]",
        "plot",
    ]


def test_a_start_and_what_is_skipped_go_together() -> None:
    assert chosen(start=("report",), skip=("mail",))[0][-1] == "report"


def test_names_of_no_step_are_refused_with_a_near_one() -> None:
    with pytest.raises(UsageError, match="--from: there is no step 'repot' in the plan") as raised:
        chosen(start=("repot",))
    assert "report" in (raised.value.problems[0].hint or "")
    with pytest.raises(UsageError, match="--force-step"):
        check_names(STEPS, ["x"], "--force-step")
