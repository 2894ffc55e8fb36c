"""Charts show every number in its place, whatever the numbers and names are."""

import math
import re
from array import array
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.engine.test_curves import points
from tests.fakes.records import a_run, a_step, ended

from runproj.cli.render.charts.canvas import shortened, width
from runproj.cli.render.charts.of_runs import (
    Chosen,
    Drawn,
    Values,
    best_of,
    by_step,
    differing,
    goal_of,
    labels_of,
    metric_chart,
    metric_charts,
    parallel,
    scatter,
)
from runproj.cli.render.charts.scale import Scale, labels, scale_of
from runproj.cli.render.charts.svg import picture
from runproj.cli.render.charts.terminal import Screen, chart_text
from runproj.cli.render.charts.values import Chart, Dots, Lines, Series, axis_of
from runproj.cli.render.escaping import plain
from runproj.cli.render.style import Style
from runproj.errors import UsageError
from runproj.record.points import Points
from runproj.record.run import Run
from runproj.record.sweep import Goal
from runproj.record.tracking import Summary, Tracked

SVG = "{http://www.w3.org/2000/svg}"
NAN, INF = math.nan, math.inf
HOSTILE = (
    "</svg><script>alert(1)</script>", "]]>&amp;\"'", "\x1b[2J\x07\x00", "\u202e", "\ud800",
    "\ufffe", "x" * 5000, "é日本" * 40, "",
)  # fmt: skip
PLAIN, COLOUR = Screen(80, 12, Style(False)), Screen(80, 12, Style(True))


@given(st.lists(st.floats(), max_size=8), st.booleans(), st.integers(1, 12))
def test_every_number_has_a_place_on_its_axis_and_the_ticks_differ(
    values: list[float],
    log: bool,  # noqa: FBT001 -- a case
    about: int,
) -> None:
    scale = scale_of(values, log=log)
    for value in values:
        if scale.shows(value):
            assert -1e-6 <= scale.place(value) <= 1 + 1e-6
    ticks = scale.ticks(about)
    assert 2 <= len(ticks) <= 62
    assert all(-1e-6 <= tick.place <= 1 + 1e-6 for tick in ticks)
    assert all(len(tick.text) < 26 for tick in ticks)


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ([0, 1], ["0", "0.5", "1"]),
        ([0, 1000], ["0", "500", "1000"]),
        ([0, 40_000], ["0", "20k", "40k"]),
        ([0.001, 0.0013], ["0.001", "0.0012"]),
        ([1e6, 1e6 + 3], ["1000000", "1000002"]),
    ],
)
def test_ticks_are_round_numbers_that_are_short(values: list[float], told: list[str]) -> None:
    assert [tick.text for tick in scale_of(values).ticks(3)] == told


def test_logarithmic_ticks_are_powers_of_ten_and_where_these_are_few_what_is_between() -> None:
    assert [tick.text for tick in Scale(1e-5, 1, log=True).ticks(6)] == [
        "1e-5", "0.0001", "0.001", "0.01", "0.1", "1",
    ]  # fmt: skip
    assert [tick.text for tick in Scale(1, 10, log=True).ticks(6)] == ["1", "2", "5", "10"]
    assert len(Scale(1e-300, 1e300, log=True).ticks(5)) < 8
    assert labels([1.0, 1.0 + 1e-15]) == ["1", "1.000000000000001"]


def test_whole_numbers_are_beside_an_axis_of_whole_numbers() -> None:
    assert [tick.text for tick in axis_of("depth", [1, 2, 3]).ticks(5)] == ["1", "2", "3"]
    assert axis_of("lr", [0.001, 0.1]).scale is not None
    far = axis_of("lr", [0.001, 0.1]).scale
    assert far is not None
    assert far.log
    words = axis_of("opt", ["sgd", None, "adam", True, [1]])
    assert words.names == ["[1]", "adam", "sgd", "true"]
    assert words.places[1] is None
    assert axis_of("huge", [10**400, 1]).places[0] is None


def texts(svg: str) -> list[str]:
    """Return the texts of an SVG, which must be well-formed."""
    root = ET.fromstring(svg)  # noqa: S314 -- it is our own
    return [one.text or "" for one in root.iter(f"{SVG}text")]


def paths(svg: str) -> list[str]:
    root = ET.fromstring(svg)  # noqa: S314 -- it is our own
    return [str(one.get("d")) for one in root.iter(f"{SVG}path")]


def lines(*series: Series, **fields: object) -> Lines:
    return Lines("loss", "step", series, **fields)  # type: ignore[arg-type] # of this test


def test_what_is_not_finite_is_a_gap_and_is_counted() -> None:
    series = Series("a", [0, 1, 2, 3, 4, 5], [1, 2, NAN, INF, 3, 4])
    svg = picture([lines(series)])
    assert paths(svg)[0].count("M") == 2
    assert "a, 2 not finite" in texts(svg)
    assert "2 not finite" in chart_text(lines(series), PLAIN)
    svg = picture([lines(Series("a", [0, 1, 2], [-1, 0, 10]), log=True)])
    assert "a, 2 not above 0" in texts(svg)


@pytest.mark.parametrize(
    "values", [[], [NAN], [INF, -INF], [0.0], [1e308, -1e308], [5e-324, 1e-323], [1.0, 1.0]]
)
@pytest.mark.parametrize("log", [False, True])
def test_no_values_are_too_odd_to_be_drawn(
    values: list[float],
    log: bool,  # noqa: FBT001 -- a case
) -> None:
    series = Series("a", list(map(float, range(len(values)))), values)
    for chart in (lines(series, log=log), Dots("m", [("a", one) for one in values], log)):
        assert "NaN" not in " ".join(paths(picture([chart])))
        for screen in (PLAIN, COLOUR, PLAIN._replace(signs=False)):
            assert chart_text(chart, screen)


def rows(count: int = 6) -> list[dict[str, object]]:
    return [
        {
            "id": f"r{number}", "name": None, "status": "succeeded", "duration_s": 1.0,
            "params": {"lr": 10.0**-number, "opt": "sgd" if number % 2 else "adam", "same": 1},
            "metrics": {"train.rmse": float(abs(number - 2))}, "summaries": {},
        }
        for number in range(count)
    ]  # fmt: skip


GOAL = Goal(metric="rmse", direction="minimize")


def every_chart(label: str) -> list[Chart]:
    series = [Series(label, [0, 1], [1, 2]), Series(label, (), (1.5,))]
    table = rows()
    table[0]["name"] = label
    table[0]["params"] = {"lr": label, label: 1}
    return [
        Lines(label, label, series, best=0),
        Lines(label, label, series * 20, best=30),
        Dots(label, [(label, 1.0), (label, NAN)], best=0),
        parallel(table, "rmse", GOAL),
        scatter(table, "opt", "metrics.rmse", GOAL),
    ]


@pytest.mark.parametrize("label", HOSTILE)
def test_no_name_does_any_harm(label: str) -> None:
    charts = every_chart(label)
    svg = picture(charts)
    svg.encode()
    root = ET.fromstring(svg)  # noqa: S314 -- it is our own
    assert {one.tag.removeprefix(SVG) for one in root.iter()} <= {
        "svg", "title", "style", "rect", "g", "text", "line", "path", "circle",
    }  # fmt: skip
    for one in root.iter():
        assert not [name for name in one.keys() if name.startswith("on") or "href" in name]  # noqa: SIM118 -- an element
    for chart in charts:
        told = chart_text(chart, PLAIN)
        told.encode()
        assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f\u202e]", told)
        if not isinstance(chart, Dots) and chart is not charts[3]:
            assert max(map(width, told.splitlines())) <= 130


def test_a_long_text_is_shortened_in_its_middle_to_the_columns_it_takes() -> None:
    assert shortened("abc", 3) == "abc"
    assert shortened("abcdefgh", 5) == "ab…gh"
    assert width(shortened("日本語日本語日本語", 7)) <= 7
    assert len(shortened("e" + "\u0301" * 10_000, 10)) < 50
    assert shortened("x" * 100_000 + "\x1b[2J", 9).isprintable()
    assert plain("\ud800\x1b") == "\\ud800\\x1b"


def test_lines_are_letters_where_colours_cannot_tell_them_apart() -> None:
    two = lines(Series("one", [0, 1], [0, 1]), Series("two", [0, 1], [1, 0]))
    assert "a one" in chart_text(two, PLAIN)
    assert "b" in chart_text(two, PLAIN).splitlines()[1]
    assert re.search(r"[\u2801-\u28ff]", chart_text(two, COLOUR))
    one = lines(two.series[0])
    assert re.search(r"[\u2801-\u28ff]", chart_text(one, PLAIN))
    assert chart_text(one, PLAIN._replace(signs=False)).isascii()


def test_the_chart_of_a_terminal_has_its_numbers_and_the_best_is_told() -> None:
    chart = lines(Series("a", [0, 50, 100], [3, 2, 1]), Series("b", [0, 100], [2, 2]), best=0)
    told = chart_text(chart, PLAIN)
    assert "a a (best)  last 1, min 1, max 3" in told
    assert re.search(r"^\s+2┤", told, re.MULTILINE)
    assert re.search(r"^\s+0\s+50\s+100$", told, re.MULTILINE)
    assert "a" in told.splitlines()[1]
    assert "b" not in told.splitlines()[1]


def logged(run_id: str, loss: list[float], **fields: object) -> tuple[Run, dict[str, Points]]:
    known = {"loss": Summary(points=len(loss))}
    step = a_step("train", metrics={"loss": loss[-1]}, tracked=Tracked(summaries=known))
    run = ended(a_run(run_id, **fields), step)
    return run, {"train.loss": points(*loss)}


def test_runs_are_told_apart_by_the_parameters_in_which_they_differ() -> None:
    a = Values("a", None, {"lr": 0.1, "same": 1, "train.own": 1}, {})
    b = Values("b", "named", {"lr": 0.2, "same": 1, "train.own": 2}, {})
    assert differing([a, b]) == ["lr", "train.own"]
    assert labels_of([a, b]) == ["a lr=0.1", "named lr=0.2"]
    many = [Values(str(n), "same", {f"p{p}": n for p in range(5)}, {}) for n in range(2)]
    assert labels_of(many) == ["0 same", "1 same"]


def test_a_metric_is_lines_over_steps_or_times_and_else_a_mark_for_each_run() -> None:
    unsorted = Points(array("q", [2, 0, 1]), array("d", [3, 1, 2]), array("d", [700, 100, NAN]))
    by_step_ = metric_chart("m", [Drawn("a", 3, unsorted), Drawn("b", 9, None)])
    assert isinstance(by_step_, Lines)
    assert (by_step_.series[0].xs, by_step_.series[0].ys) == ([0, 1, 2], [1, 2, 3])
    assert (by_step_.series[1].xs, by_step_.series[1].ys) == ((), (9,))
    by_time = metric_chart("m", [Drawn("a", 3, unsorted), Drawn("b", 9, None)], x="time")
    assert isinstance(by_time, Lines)
    assert by_time.x == "minutes since the first point"
    assert list(by_time.series[0].xs) == [0, 10]
    last = metric_chart("m", [Drawn("a", 3, points(3)), Drawn("b", None, None)])
    assert isinstance(last, Dots)
    assert last.rows[0] == ("a", 3)
    assert math.isnan(last.rows[1][1])


def test_charts_of_several_runs_have_a_line_for_each_and_the_best_stands_out() -> None:
    runs = [logged("a", [3, 2]), logged("b", [3, 1]), logged("c", [3, 1])]
    known = {run.id: found for run, found in runs}
    [chart] = metric_charts(
        [Chosen(run) for run, _ in runs], {"loss": ["loss"]}, lambda run, _: known[run.id],
        Goal(metric="loss", direction="minimize"),
    )  # fmt: skip
    assert isinstance(chart, Lines)
    assert [(one.label, list(one.ys)) for one in chart.series] == [
        ("a", [3, 2]), ("b", [3, 1]), ("c", [3, 1]),
    ]  # fmt: skip
    assert chart.best == 1  # of equal ones, the first


def test_instances_of_a_step_are_in_one_chart() -> None:
    run = ended(a_run(), *(a_step(f"fit[x={x}]", metrics={"f1": x}) for x in (1, 2)), a_step("end"))
    assert by_step([Chosen(run)]) == {"fit.f1": ["fit[x=1].f1", "fit[x=2].f1"]}
    assert by_step([Chosen(run, "fit[x=2]")]) == {"fit.f1": ["fit[x=2].f1"]}


def test_a_run_that_failed_is_never_the_best() -> None:
    failed = Values("a", None, {}, {"train.rmse": 0.0}, succeeded=False)
    good = Values("b", None, {}, {"train.rmse": 1.0})
    assert best_of([failed, good, Values("c", None, {}, {"train.rmse": INF})], GOAL) == 1
    assert best_of([failed], GOAL) is None
    with pytest.raises(UsageError, match=r"train\.rmse or test\.rmse"):
        best_of([Values("a", None, {}, {"train.rmse": 0, "test.rmse": 1})], GOAL)


def test_what_is_good_is_said_or_the_sweep_knows() -> None:
    assert goal_of("metrics.rmse", None) == GOAL
    assert goal_of(None, "f1") == Goal(metric="f1", direction="maximize")
    assert goal_of(None, None) is None
    with pytest.raises(UsageError, match="exclude"):
        goal_of("a", "b")


def test_parallel_coordinates_have_the_parameters_that_differ_and_the_metric() -> None:
    chart = parallel(rows(), "rmse", GOAL)
    assert [axis.name for axis in chart.axes] == ["lr", "opt", "rmse"]
    assert chart.best == 2
    told = chart_text(chart, PLAIN).splitlines()
    assert told[2].startswith("  r2 lr=0.01 opt=adam")
    assert told[2].endswith("best")
    table = rows()
    table[5]["metrics"] = {}
    assert len(paths(picture([parallel(table, "rmse", None)]))) == 6


def test_a_scatter_takes_any_field_and_tells_of_runs_without_it() -> None:
    table = rows()
    table[0]["params"] = {"opt": "sgd"}
    chart = scatter(table, "params.lr", "rmse", GOAL)
    assert "1 of 6 runs have not both values" in chart_text(chart, PLAIN)
    assert any("1 of 6 runs" in one for one in texts(picture([chart])))
    assert scatter(table, "duration", "lr", None).x.values == [1.0] * 6
    for name, hint in (("params.lrr", "lr"), ("metrics.rms", "rmse"), ("rms", "rmse")):
        with pytest.raises(UsageError) as error:
            scatter(table, name, "rmse", None)
        assert hint in (error.value.problems[0].hint or "")
    with pytest.raises(UsageError, match="no metrics were logged"):
        scatter([{**table[0], "metrics": {}}], "opt", "rmse", None)
    with pytest.raises(UsageError, match="no run has tags"):
        scatter([{**table[0], "tags": {}}], "tags.team", "opt", None)


def test_a_chart_of_many_lines_names_the_best_and_counts_the_others() -> None:
    many = [Series(f"r{number}", [0, 1], [number, 0]) for number in range(30)]
    told = texts(picture([lines(*many, best=3)]))
    assert "r3 (best)" in told
    assert "and 29 more" in told
    assert "30 lines" in texts(picture([lines(*many)]))
    assert "and 8 more" in chart_text(lines(*many, *many, *many[:10]), PLAIN)


def test_a_file_of_its_own_has_a_ground_and_a_style_and_a_part_of_a_page_has_none() -> None:
    chart = lines(Series("a", [0, 1], [0, 1]))
    assert "prefers-color-scheme: dark" in picture([chart])
    part = picture([chart], alone=False)
    assert "<style" not in part
    assert 'class="paper"' not in part
    two = picture([chart, chart])
    assert two.count("translate(0 ") == 1
