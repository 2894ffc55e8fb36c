"""Lines and estimates, without a clock."""

import pytest

from runproj.cli.render.lines import LONG, PAUSE_S, Lines
from runproj.cli.render.standing import Standing, cut
from runproj.cli.render.style import Style
from runproj.record.events import Decision, Planned

PLAIN = Style(colour=False)


def test_a_line_waits_for_its_end_but_not_for_ever() -> None:
    lines = Lines(["a", "long"], PLAIN)
    assert lines.add("a", b"on", 0.0) == b""
    assert lines.add("long", b"1\n2\n3", 1.0) == "long │ 1\nlong │ 2\n".encode()
    assert lines.add("a", b"e\n", 2.0) == "a    │ one\n".encode()
    assert (lines.due_in(2.0), lines.due(2.0)) == (PAUSE_S - 1, b"")
    assert lines.due(1.0 + PAUSE_S) == "long │ 3\n".encode()
    assert (lines.due_in(9.0), lines.end("long"), lines.end("a")) == (None, b"", b"")


def test_a_line_without_end_is_not_kept_back_in_full() -> None:
    lines = Lines(["a"], PLAIN)
    assert len(lines.add("a", b"x" * (LONG + 1), 0.0)) > LONG


def test_of_what_is_written_over_the_last_state_is_shown() -> None:
    lines = Lines(["a"], Style(colour=True))
    assert lines.add("a", b"1 %\r2 %\r", 0.0) == b""
    assert lines.begun("a") == "2 %"
    shown = lines.add("a", b"\x1b[2A\x1b[31m3 %\r\n", 0.0)
    assert shown.endswith(b"\x1b[31m3 %\x1b[0m\n")
    assert b"\x1b[2A" not in shown


def standing(jobs: int) -> Standing:
    seconds = {"a": 10.0, "b": 20.0, "c": 30.0}
    paths = {"a": 40.0, "b": 20.0, "c": 30.0}
    decisions = tuple(Decision(name, "run", ()) for name in seconds)
    return Standing(Planned(decisions, jobs, jobs > 1, seconds, paths))


def test_the_estimate_is_what_is_left_of_work_and_of_the_longest_way() -> None:
    run = standing(2)
    assert run.left_s(0.0) == 30.0
    run.started("a", 0.0)
    run.started("b", 0.0)
    assert run.left_s(5.0) == 35.0  # the way of a
    run.finished("b")
    run.finished("a")
    run.started("c", 20.0)
    assert (run.left_s(20.0), run.left_s(90.0), run.done) == (30.0, 0.0, 2)
    assert standing(1).left_s(0.0) == 60.0
    assert Standing(Planned(())).left_s(0.0) is None


def test_it_fits_into_the_terminal() -> None:
    run = standing(2)
    for name in ("a", "b", "c"):
        run.started(name, 0.0)
    lines = run.lines(61.0, 20, 5, PLAIN, lambda name: name * 50)
    assert len(lines) == 3
    assert lines[1] == "▸ and 2 more"
    assert all(len(line) < 20 for line in lines)


@pytest.mark.parametrize(
    ("text", "shown"), [("日本語", "日…"), ("日", "日"), ("é", "é"), ("abcdefg", "abc…")]
)
def test_wide_characters_take_two_columns(text: str, shown: str) -> None:
    assert cut(text, 5) == shown
