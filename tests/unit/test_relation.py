"""How a run belongs to the one that it repeats, in words."""

import pytest
from tests.fakes.records import a_run

from runproj.plan.binding import BoundValue
from runproj.plan.plan import Plan
from runproj.record.relation import changes, in_a_line, relation_of


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        ((None, (), False), ()),
        (("r1", (), False), ("rerun of r1",)),
        (("r1", ("lr", "n"), False), ("variation of r1", "lr, n")),
        (("r1", (), True), ("rerun of r1", "with current code")),
    ],
)
def test_what_a_run_is_of_another_one(
    facts: tuple[str | None, tuple[str, ...], bool], said: tuple[str, ...]
) -> None:
    assert relation_of(*facts) == said


def test_a_line_has_no_end_without_a_difference() -> None:
    assert in_a_line(a_run(rerun_of="r1")) == "rerun of r1"
    assert in_a_line(a_run(rerun_of="r1", resume_of="r2")) == "resumes r2"
    assert in_a_line(a_run(rerun_of="r1", variation=("lr",))) == "variation of r1: lr"
    assert in_a_line(a_run()) == ""


def plan(**values: object) -> Plan:
    bound = (BoundValue(name=name, type="json", value=value) for name, value in values.items())
    return Plan(entry_point="main", steps=(), values=tuple(bound))


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        (0.1, 0.01, "x 0.1 → 0.01"),
        ("a b", " a", 'x a b → " a"'),
        ("", "\x1b[31m", 'x "" → "\\u001b[31m"'),
        (None, ["ä", 1], 'x null → ["ä", 1]'),
        ("y" * 61, True, f"x {'y' * 60}… → true"),
        ("same", "same", "x same (it holds something else)"),
    ],
)
def test_changes_are_told_with_their_values(before: object, after: object, said: str) -> None:
    assert changes(("x",), plan(x=before), plan(x=after)) == said


def test_a_path_is_told_by_where_it_came_from() -> None:
    old = BoundValue(name="d", type="path", value="inputs/d/x", sources=("/a/x",))
    new = BoundValue(
        name="d", type="list", items="path", value=["y", "inputs/d/1/x"], sources=(None, "/b/x")
    )
    before, after = (Plan(entry_point="main", steps=(), values=(one,)) for one in (old, new))
    assert changes(("d",), before, after) == "d /a/x → y, /b/x"
    assert changes(("d",), plan(), after) == "d nothing → y, /b/x"
