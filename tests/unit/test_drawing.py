"""The steps as a drawing: every step and every edge is in it, whatever they are called."""

import itertools
import re
from xml.etree import ElementTree as ET

import pytest

from runproj.cli.render.drawing import Drawing, dot, grouped, mermaid, svg
from runproj.cli.render.layout import layout

HOSTILE = (
    '"', "\\", "\\N", "</svg><script>alert(1)</script>", "]]>", "&lt;", "`x`", "end", "a|b", "é ü",
    "x\ny\x1b[2J\x00", "%%{init: {}}%%", "#35;", "n0", "{a}", "$(rm)", "\u202e",
)  # fmt: skip
AFTER = {name: list(HOSTILE[:number][-2:]) for number, name in enumerate(HOSTILE)}
FLOWS = {(HOSTILE[0], HOSTILE[1]): ['a"b', "<c>"], (HOSTILE[1], HOSTILE[2]): ["x" * 99]}
DRAWING = Drawing(AFTER, FLOWS)
SVG = "{http://www.w3.org/2000/svg}"


def found(text: str) -> tuple[int, int]:
    """Return how many boxes and edges an SVG has; it must be well-formed."""
    root = ET.fromstring(text)  # noqa: S314 -- it is our own
    kinds = [str(one.get("class", "")).split(" ")[0] for one in root.iter(f"{SVG}g")]
    return kinds.count("box"), kinds.count("edge")


def test_an_svg_has_all_steps_and_edges_and_nothing_else() -> None:
    text = svg(DRAWING)
    assert found(text) == (len(AFTER), len(DRAWING.edges))
    root = ET.fromstring(text)  # noqa: S314 -- it is our own
    assert {one.tag for one in root.iter()} == {
        f"{SVG}{name}"
        for name in ("svg", "title", "style", "defs", "marker", "path", "rect", "g", "text")
    }
    labels = [one.text for one in root.iterfind(f"{SVG}g[@class='box']/{SVG}text")]
    assert labels[:4] == list(HOSTILE[:4])
    assert "http" not in text.replace("http://www.w3.org/2000/svg", "")
    assert "prefers-color-scheme: dark" in text


def test_mermaid_and_dot_have_all_steps_and_edges() -> None:
    chart = mermaid(DRAWING).splitlines()
    nodes = [line for line in chart if re.fullmatch(r'  n\d+\["([\w ./…=,-]|#\d+;)*"\]', line)]
    arrow = r'  n\d+ (-\.->|-->\|"([\w ./…=,-]|#\d+;)*"\|) n\d+'
    edges = [line for line in chart if re.fullmatch(arrow, line)]
    assert (len(nodes), len(edges)) == (len(AFTER), len(DRAWING.edges))
    assert len(chart) == 1 + len(nodes) + len(edges)
    graph = dot(DRAWING)
    text = r'"([^"\\]|\\\\|\\")*"'
    assert len(re.findall(rf"^  n\d+ \[label={text}\];$", graph, re.MULTILINE)) == len(AFTER)
    edge = rf"^  n\d+ -> n\d+ \[(label={text}|style=dashed)\];$"
    assert len(re.findall(edge, graph, re.MULTILINE)) == len(DRAWING.edges)


def test_no_two_boxes_of_a_column_touch_and_each_is_right_of_what_it_needs() -> None:
    after = {"a": [], "b": [], "c": ["a"], "d": ["a", "b"], "e": ["c", "d", "a"], "f": ["e", "b"]}
    made = layout(after)
    assert [[n for n in column if isinstance(n, str)] for column in made.columns] == [
        ["a", "b"], ["c", "d"], ["e"], ["f"],
    ]  # fmt: skip
    for column in made.columns:
        rows = sorted(made.row[node] for node in column)
        assert all(b - a >= 0.999 for a, b in itertools.pairwise(rows))
    assert made.edges["a", "e"] == ["a", ("a", "e", 1), "e"]
    assert layout({}).columns == []


def test_steps_of_a_matrix_are_one_box_where_there_are_many() -> None:
    names = [f"cv[fold={number}]" for number in range(100)]
    after = {"data": [], **{name: ["data"] for name in names}, "best": names}
    flows = {("data", name): ["x.csv"] for name in names}
    drawn = grouped(after, flows)
    cv = "cv (100 instances)"
    assert drawn.after == {"data": [], cv: ["data"], "best": [cv]}
    assert drawn.flows == {("data", cv): ["x.csv"]}
    assert drawn.label(cv) == cv
    late = {**after, "new": [], "cv[fold=last]": ["new"]}
    assert list(grouped(late, {}).after) == ["data", "new", "cv (101 instances)", "best"]
    few = {"data": [], names[0]: ["data"]}
    assert grouped(few, {}).after == few
    # two groups that need each other's members stay as they are
    crossed = {**after, "b[1]": [names[0]], "cv[last]": ["b[1]"]}
    assert grouped(crossed, flows).after == crossed


@pytest.mark.parametrize("back", [1, 10_000])
def test_ten_thousand_steps_are_drawn(back: int) -> None:
    names = [f"s{number}" for number in range(10_000)]
    after = {
        name: [names[max(0, number - back)]] if number else [] for number, name in enumerate(names)
    }
    assert found(svg(Drawing(after, {}))) == (10_000, 9_999)
