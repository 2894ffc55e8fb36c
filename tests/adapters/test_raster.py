"""A drawing becomes a PNG, and what is missing for it is said."""

import sys
from types import ModuleType

import pytest

from runproj.adapters.raster import png
from runproj.cli.render.charts.canvas import FONT
from runproj.cli.render.charts.svg import picture
from runproj.cli.render.charts.values import Lines, Series
from runproj.errors import UsageError
from runproj.record.picture import picture as known

SVG = picture([Lines("loss", "step", [Series("a", [0, 1], [1, 2])])])


def test_a_chart_becomes_a_picture_of_twice_its_size() -> None:
    data = png(SVG, FONT)
    found = known("chart.png", data)
    assert found is not None
    assert found.media == "image/png"
    assert found.size is not None
    assert found.size[0] == 2 * 720
    assert data != png(SVG.replace(">loss<", "><"), FONT), "there is no text in it"


def test_a_machine_without_fonts_is_told_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    blind = ModuleType("resvg_py")  # what resvg does without fonts: it leaves out texts
    vars(blind)["svg_to_bytes"] = lambda **_: b"a picture without texts"
    monkeypatch.setitem(sys.modules, "resvg_py", blind)
    with pytest.raises(UsageError, match="needs a font"):
        png(SVG, "a font that was not asked for before")


def test_without_resvg_it_is_told_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "resvg_py", None)
    with pytest.raises(UsageError, match="resvg") as error:
        png(SVG, FONT)
    assert error.value.problems[0].hint == (
        "pip install 'runproj[plot]', or write an SVG: -o FILE.svg"
    )
