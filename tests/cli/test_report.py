"""A report in a real browser: whatever a run is called and holds, nothing of it is executed."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.browser import Browser, browsing
from tests.cli.commandline import Computer

EVIL = (
    "</title></style></svg></pre></code><script>document.title='pwned';alert(1)</script>"
    "<img src='http://evil.test/x.png' onerror=\"document.title='pwned'\">"
    "<link rel=stylesheet href=http://evil.test/x.css>"
    "<meta http-equiv=refresh content='0;url=http://evil.test/'>"
    "<iframe src=http://evil.test/></iframe>"
)
FILES = {
    "runproj.yaml": f"""\
runproj: 1
name: "{EVIL.replace('"', chr(92) + '"')}"
entry_points:
  main:
    parameters:
      evil: {{type: string, default: "{EVIL.replace('"', chr(92) + '"')}"}}
    steps:
      nasty: {{command: [python3, nasty.py, "{{evil}}"], outputs: {{out: out/}}}}
      after: {{command: "exit 3", needs: [nasty]}}
""",
    "nasty.py": r"""
import os, sys
import runproj
evil = sys.argv[1]
runproj.log_param(evil, evil)
runproj.log_param("long", "x" * 900)
runproj.log_param("half\ud800", "half\ud800")
runproj.log_metric("half\ud800", 1)
runproj.set_tag(evil, evil)
for step in range(5):
    runproj.log_metric(evil, step / 3, step=step * 10**17)
    runproj.log_metric("m" * 900, [1, float("nan"), float("inf"), -float("inf"), 1e308][step])
runproj.log_text("<script>document.title='pwned'</script>\x1b]0;pwned\x07\x1b[2J", "n<script>.txt")
with open("x.svg", "w") as file:
    file.write("<svg xmlns='http://www.w3.org/2000/svg' width='50' height='50' "
               "onload=\"top.document.title='pwned'\"><script>top.document.title='pwned'</script>"
               "<image href='http://evil.test/y.png'/></svg>")
runproj.log_artifact("x.svg", "p\" onerror=alert(3) x=\".svg")
os.makedirs("out")
with open("out/<b>.csv", "w") as file:
    file.write("=cmd|' /C calc'!A0,<script>alert(4)</script>\n" + "y" * 100_000 + "\n")
print(evil)
print("\x1b]0;title\x07\x1b[31;1mred\x1b[0m bell\x07")
print("z" * 3_000_000)
""",
}


@pytest.fixture
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """A browser that has never been used."""
    yield from browsing(tmp_path_factory.mktemp("browser"))


def fits(browser: Browser, width: int) -> bool:
    """Tell whether a page is no wider than the screen."""
    return bool(browser.value("document.documentElement.scrollWidth") == width)


def test_no_text_of_a_run_is_executed_or_fetched_and_a_phone_shows_all_of_it(
    computer: Computer, browser: Browser
) -> None:
    project = computer.project(FILES)
    project.run("run", ".", "--name", EVIL, "--tag", f"k={EVIL}").ok(1)
    made = project.run("report", "latest", "-o", "report.html", "--json").ok().json["report"]
    place = project.folder / "report.html"
    assert made == {"path": "report.html", "size": place.stat().st_size}
    assert place.stat().st_size < 500_000

    for width, dark in ((1200, False), (390, True)):
        seen = browser.open(place, width=width, dark=dark)
        assert seen.title.startswith("Run </title></style>")
        assert seen.dialogs == []
        assert [one for one in seen.requests if not one.startswith("data:image/")] == [
            place.as_uri()
        ]
        assert browser.value("document.scripts.length") == 0
        assert browser.value("document.querySelectorAll('iframe,link[rel=stylesheet]').length") == 0
        assert browser.value("document.querySelectorAll('section').length") >= 8
        assert fits(browser, width)
    # its policy holds: what somebody would manage to write into it is not executed
    hole = place.with_name("hole.html")
    some = EVIL.partition("<meta")[0]
    hole.write_text(place.read_text().replace("</main>", f"{some}</main>"), encoding="utf-8")
    seen = browser.open(hole)
    assert seen.title.startswith("Run </title></style>")
    assert seen.dialogs == []
    assert any("Content Security Policy" in one for one in seen.console)
    assert not [one for one in seen.requests if "evil.test/x" in one]
    hole.write_text(some, encoding="utf-8")  # without all that, it would be
    seen = browser.open(hole)
    assert (seen.title, seen.dialogs) == ("pwned", ["1"])
    assert "http://evil.test/x.css" in seen.requests


def test_a_report_of_an_experiment_fits_a_phone_and_goes_where_it_is_no_code(
    computer: Computer, browser: Browser
) -> None:
    project = computer.project(
        {
            "runproj.yaml": "runproj: 1\nentry_points: {main: {parameters: {lr: 0.1, depth: 1}, "
            "command: [python3, t.py, '{lr}', '{depth}']}}\n",
            "t.py": "import runproj, sys\nfor n in range(9):\n"
            "    runproj.log_metric('loss', float(sys.argv[1]) * n, step=n)\n",
        }
    )
    project.run(
        "sweep", "-P", "lr=0.1,0.2,0.3", "-P", "depth=1,2", "--experiment", "s/../x", "-q"
    ).ok()
    done = project.run("report", "s/../x", "--maximize", "loss").ok()
    place = project.folder / "reports" / "s_.._x.html"
    assert done.out == f"wrote {Path('reports') / place.name}\n"
    browser.open(place, width=390)
    assert fits(browser, 390)
    assert browser.value("document.querySelectorAll('tr.best').length") == 1
    assert "lr=0.3" in browser.value("document.querySelector('dl').innerText")
    assert browser.value("document.querySelectorAll('svg.chart').length") == 2
    # the page is no part of the code: nothing is executed again for it
    assert {step["status"] for step in project.run("run", ".", "-P", "lr=0.1", "--json").ok().run[
        "steps"]} == {"cached"}  # fmt: skip
    for arguments, told in (
        (("nope",), "there is no run 'nope'"),
        (("nope", "--experiment"), "there is no experiment 'nope'"),
        (("latest", "--minimize", "loss"), "is a run, of which there is no best"),
        (("latest", "-o", "no/folder/x.html"), "it cannot be written"),
    ):
        assert told in project.run("report", *arguments).ok(2).err
