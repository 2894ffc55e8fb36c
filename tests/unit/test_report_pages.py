"""A report tells everything of a run, needs nothing else, and no text in it can do anything."""

import base64
import hashlib
import re
from html.parser import HTMLParser

import pytest
from tests.engine.test_curves import points
from tests.fakes.records import a_run, a_step, ended
from tests.unit.test_charts import GOAL, HOSTILE, logged, rows

from runproj.cli.render.report.experiment import Experiment, experiment_page, most_telling
from runproj.cli.render.report.markup import block, element, printed, text
from runproj.cli.render.report.previews import artifact
from runproj.cli.render.report.run import run_page
from runproj.engine.report import Collected, File, Role, Shown, Tail
from runproj.plan.binding import BoundValue
from runproj.plan.plan import Plan, PlannedInput, PlannedStep, Reason
from runproj.record.artifact import Artifact
from runproj.record.outcome import Outcome
from runproj.record.run import EnvironmentUse, Host, Output, Run
from runproj.record.source import SourceSnapshot
from runproj.record.tracking import Summary, Tracked
from runproj.record.usage import Level, Usage
from runproj.record.verdict import Annotation, Judgement, OutputLabel, Stability, Verdict

VOID = {"meta", "link", "img", "br"}
ALLOWED = {
    "html", "head", "meta", "link", "title", "style", "body", "header", "main", "section", "nav",
    "footer", "article", "h1", "h2", "h3", "p", "a", "div", "span", "small", "strong", "code",
    "pre", "dl", "dt", "dd", "table", "thead", "tbody", "tr", "th", "td", "details", "summary",
    "img", "svg", "g", "path", "line", "circle", "text", "rect", "defs", "marker",
}  # fmt: skip
PNG = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x02\0\0\0\x01"


class Page(HTMLParser):
    """What a browser would see: elements with their attributes, and the texts."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.inside: list[str] = []
        self.told = ""
        self.sheet = ""
        self.feed(html)
        self.close()
        assert self.inside == [], "an element is not closed"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in VOID:
            self.inside.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.inside.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.inside and self.inside[-1] == "style":
            self.sheet += data
        else:
            self.told += data

    def check(self) -> "Page":
        """Make sure that there is nothing but what we wrote."""
        for tag, attributes in self.elements:
            assert tag in ALLOWED, tag
            assert not [name for name in attributes if name.startswith("on")]
            assert "style" not in attributes
            for name in ("href", "src"):
                assert attributes.get(name, "#").startswith(("#", "data:")), attributes
        [policy] = [a["content"] for _, a in self.elements if a.get("http-equiv")]
        digest = base64.b64encode(hashlib.sha256(self.sheet.encode()).digest()).decode()
        assert policy.startswith(f"default-src 'none'; style-src 'sha256-{digest}'; img-src data:;")
        assert "unsafe" not in policy
        assert "script" not in policy
        return self


def collected(run: Run, **fields: object) -> Collected:
    given: dict[str, object] = {
        "said": (), "curves": {}, "shown": (), "logs": {}, "packages": {}, "gaps": (),
    }  # fmt: skip
    return Collected(run, **{**given, **fields})  # type: ignore[arg-type] # of this test


def page(told: Collected) -> Page:
    html = run_page(told, "/store")
    html.encode()
    return Page(html).check()


def shown(path: str, data: bytes, size: int | None = None, role: Role = "output") -> Shown:
    whole = len(data) if size is None else size
    output = Output(path=path, sha256="a" * 64, size=whole)
    return Shown("train", role, output, [File(path, whole, data)])


def whole() -> Collected:
    """Return a run with something of everything."""
    steps = (
        PlannedStep(name="prepare", argv=("sort",), environment="default"),
        PlannedStep(
            name="train", argv=("python",), environment="default", after=("prepare",),
            inputs=(PlannedInput(path="table.csv", kind="step", step="prepare"),),
        ),
    )  # fmt: skip
    value = BoundValue(name="lr", type="float", value=0.1, origin="command line")
    use = EnvironmentUse(name="default", kind="venv", key="k" * 64, lock="l" * 64,
                         facts={"python": "3.12.1"})  # fmt: skip
    known = Tracked(
        params={"derived": [1, None]},
        not_finite={"odd": "NaN"},
        summaries={"loss": Summary(points=2, min=1, max=2), "odd": Summary(points=1)},
    )
    train = a_step(
        "train", "failed", argv=("python", "train.py"), environment=use, tracked=known,
        reasons=(Reason(kind="parameter", name="lr", before=0.1, after=0.01),),
        metrics={"loss": 1.0}, error="it ended with exit code 3", failures=("attempt 1: exit 3",),
        warnings=("it is slow",), inputs=(Artifact(path="table.csv", sha256="b" * 64, size=3),),
        outcome=Outcome(exit_code=3, duration_s=61, cpu_s=2, peak_memory=5_000_000),
        usage=Usage(points="p" * 64, levels={"system/cpu": Level(peak=99, mean=50)}),
    )  # fmt: skip
    source = SourceSnapshot(tree="1" * 40, commit="2" * 40, branch="main", dirty=True,
                            remote="https://example.org/x.git", warnings=("a large file",))  # fmt: skip
    run = ended(
        a_run("abc", name="mine", plan=Plan(entry_point="main", steps=steps, values=(value,)),
              source=source, tags={"team": "vision"}, command=("/bin/runproj", "run", "."),
              host=Host(name="h", user="u", system="Linux", release="6", machine="x86_64",
                        platform="p", cpu="fast", cores=8, memory=10**9, gpus=("one",),
                        gpu_memory=(2 * 10**9,), gpu_driver="550.54"),
              author="somebody@example.org"),
        a_step("prepare", "cached", cached_from="xyz/prepare"), train, status="failed",
    )  # fmt: skip
    judgement = Judgement(step="train", path=None, likeness="different", difference="loss 1 → 2")
    verdict = Verdict(word="different", at="2026-02-01T00:00:00.000Z", runproj_version="0",
                      rerun="again", judgements=(judgement,), notes=("another machine",))  # fmt: skip
    label = OutputLabel(step="train", path="m.bin", label="unstable", cause="hash seed")
    return collected(
        run,
        said=(Annotation(kind="verdict", verdict=verdict),
              Annotation(kind="note", note="too high\nby far", at="2026-03-01T00:00:00.000Z",
                         author="Ann"),
              Annotation(kind="tags", tags={"quality": "good"}),
              Annotation(kind="archived", at="2026-04-01T00:00:00.000Z"),
              Annotation(kind="stability", stability=Stability(labels=(label,)))),
        curves={
            "train.loss": points(2, 1), "train.odd": points(float("nan")),
            "train.system/cpu": points(10, 99),
        },
        shown=(shown("roc.png", PNG, role="artifact"), shown("m.json", b'{"a": 1}')),
        logs={"train": Tail(b"epoch 1\n", 8)},
        packages={"default": {"numpy": "2.0"}},
        gaps=("the log of prepare: it cannot be read",),
    )  # fmt: skip


def test_a_report_tells_all_there_is() -> None:
    told = page(whole()).told
    for one in (
        "mine (abc)", "failed", "too high\nby far", "2026-03-01 00:00:00 UTC, Ann", "quality = good",
        "archived", "2026-04-01", "somebody@example.org", "550.54", "2.0 GB", "2026-01-01 00:00:00 UTC", "team = vision", "it is slow",
        "not shown", "the log of prepare", "parameter lr: 0.1 → 0.01", "taken from xyz/prepare",
        "it ended with exit code 3", "tried before: attempt 1: exit 3", "python train.py",
        "command line", "[1, null]", "logged", "train.odd", "NaN", "table.csv", "roc.png",
        '{"a": 1}', "epoch 1", "1 min 1 s", "5.0 MB", "1 package", "numpy 2.0", "3.12.1", "fast, 8 cores",
        "1.0 GB", "GPU", "with uncommitted changes", "https://example.org/x.git", "a large file",
        "loss 1 → 2", "another machine", "compared with the run again", "hash seed",
        "runproj rerun abc --store /store", "runproj run .", "as far as it was committed",
        "git -C code checkout 2222",
    ):  # fmt: skip
        assert one in told, one


def test_a_report_draws_the_steps_and_the_curves_but_no_curve_of_one_point() -> None:
    found = page(whole()).elements
    kinds = [attributes.get("class", "") for _, attributes in found]
    assert "box cached" in kinds
    assert "box failed" in kinds
    assert kinds.count("dag") == 1
    assert kinds.count("chart") == 2  # one of them is of the system


def test_a_report_is_the_same_whenever_it_is_written() -> None:
    assert run_page(whole(), "/store") == run_page(whole(), "/store")


def test_a_run_with_nothing_in_it_has_a_report_too() -> None:
    told = page(collected(a_run(interactive=True))).told
    assert "it cannot be done again" in told
    assert "Metrics" not in told


@pytest.mark.parametrize("bad", HOSTILE)
def test_no_text_of_a_run_becomes_anything_else(bad: str) -> None:
    told = whole()
    run = told.run
    [prepare, train] = run.steps
    assert train.tracked is not None
    known = Tracked(
        params={bad: bad}, summaries={bad: Summary(points=2)}, not_finite={bad + "2": "NaN"}
    )
    train = train.replace(
        name=bad, tracked=known, metrics={bad: 1.0}, error=bad, argv=(bad,), warnings=(bad,),
        reasons=(Reason(kind="input", name=bad),), inputs=(Artifact(path=bad, sha256=bad, size=1),),
    )  # fmt: skip
    plan = run.plan.replace(
        steps=(PlannedStep(name=bad, argv=(bad,), environment=bad),),
        values=(BoundValue(name=bad, type="string", value=bad),),
    )
    run = run.replace(
        name=bad, project=bad, entry_point=bad, experiment=bad, tags={bad: bad}, error=bad,
        command=("x", bad), plan=plan, steps=(prepare, train), host=run.host.replace(name=bad),
        source=run.source.replace(remote=bad, branch=bad),
    )  # fmt: skip
    output = Output(path=f"../../{bad}", name=bad, sha256="a" * 64, size=9)
    files = [File(bad, 3, bad.encode("utf-8", "replace")), File(f"{bad}.png", 9, PNG)]
    page(
        told._replace(
            run=run, curves={f"{bad}.{bad}": points(1, 2)}, gaps=(bad,),
            shown=(Shown(bad, "output", output.replace(kind="folder"), files, 3),),
            logs={bad: Tail(bad.encode("utf-8", "replace"), 9)}, packages={"default": {bad: bad}},
        )
    )  # fmt: skip


def preview(one: Shown) -> Page:
    return Page(artifact(one))


def test_a_picture_is_shown_as_a_picture_and_an_svg_never_becomes_part_of_the_page() -> None:
    [picture] = [a for tag, a in preview(shown("a.png", PNG)).elements if tag == "img"]
    assert picture["src"].startswith("data:image/png;base64,")
    assert (picture["width"], picture["height"]) == ("2", "1")
    drawn = preview(shown("a.svg", b"<svg onload='alert(1)'><script>x</script></svg>"))
    assert [tag for tag, _ in drawn.elements if tag in ("svg", "script")] == []
    assert [a["src"][:26] for tag, a in drawn.elements if tag == "img"] == [
        "data:image/svg+xml;base64,"
    ]


def test_a_table_is_shown_by_its_first_rows_and_columns() -> None:
    header = ",".join(f"c{number}" for number in range(30))
    data = "\n".join([header, *([",".join(["v" * 200] * 30)] * 50)]).encode()
    found = preview(shown("a.CSV", data))
    assert [tag for tag, _ in found.elements].count("tr") == 21
    assert "the first 20 rows, 16 of 30 columns" in found.told
    assert "v" * 81 not in found.told
    assert "a\tb" not in preview(shown("a.tsv", b"a\tb\n1\t2\n")).told
    cut = preview(shown("a.csv", b"a,b\n1,2\n3,", 100))
    assert [tag for tag, _ in cut.elements].count("tr") == 2
    assert "the first 1 rows" in cut.told
    torn = "a,b\n" + '"' + "x" * 200_000
    assert preview(shown("a.csv", torn.encode())).told.startswith("a.csv")


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"", "empty"),
        (b"a\0b", "not a text"),
        (bytes(range(128, 256)), "not a text"),
        (b"a\n" * 70, "the beginning"),
        (b"x" * 500, "x …"),
        ("é".encode() * 99 + b"\xff", "é"),
        (b"\xef\xbb\xbfhello", "hello"),
    ],
)  # fmt: skip
def test_a_text_is_shown_by_its_beginning_and_what_is_none_is_not(data: bytes, told: str) -> None:
    assert told in preview(shown("a.txt", data)).told


def test_a_character_that_was_cut_is_no_reason_to_take_a_text_for_something_else() -> None:
    assert "é" in preview(shown("a.txt", "é".encode() * 3 + b"\xc3", 100)).told


def test_a_folder_shows_its_pictures_and_folds_the_rest() -> None:
    output = Output(path="out", kind="folder", sha256="a" * 64, size=9)
    files = [File("a.png", 9, PNG), File("b.txt", 2, b"hi"), File("c", 9, missing="too large")]
    found = preview(Shown("train", "model", output, files, 7))
    tags = [tag for tag, _ in found.elements]
    assert (tags.count("img"), tags.count("details")) == (1, 1)
    assert "too large" in found.told
    assert "and 7 more files" in found.told
    assert "model of train" in found.told


def test_what_was_printed_is_shown_as_a_terminal_leaves_it() -> None:
    data = (
        b"\x1b]0;title\x07\x1b[1;31mred\x1b[0m\n10%\r50%\r100%\r\n\x1b]8;;http://evil\x1b\\link\n"
        b"bell\x07 \x1bcreset \xc2\x9b31m csi\n"
    )
    assert printed(data, cut=False) == ["red", "100%", "link", "bell\x07 reset  csi"]
    assert printed(b"rest of a line\nnext", cut=True) == ["next"]
    assert printed(b"one endless line", cut=True) == ["one endless line"]
    assert "bell\\x07" in Page(block("bell\x07")).told


def test_a_log_is_cut_to_its_last_lines_and_each_of_these_too() -> None:
    run = ended(a_run(), a_step("train"))
    data = b"\n".join([b"x" * 3000] + [b"line"] * 300 + [b"y" * 3000])
    told = page(collected(run, logs={"train": Tail(data, 10**9)})).told
    assert "1.0 GB, the last 200 lines" in told
    assert "y … 1,000 more characters" in told
    assert "x" * 100 not in told


def test_a_value_that_is_very_long_is_cut_with_a_note() -> None:
    assert "998,000 more characters" in Page(element("p", text("x" * 1_000_000))).told


def test_a_run_of_many_steps_is_told_of_in_groups_the_failures_first() -> None:
    names = [f"fit[x={number}]" for number in range(500)]
    steps = tuple(PlannedStep(name=name, argv=("x",), environment="e") for name in names)
    runs = [a_step(name, "failed" if name == names[-1] else "succeeded") for name in names]
    run = ended(a_run(plan=Plan(entry_point="main", steps=steps)), *runs)
    found = page(collected(run))
    assert "fit (500 instances)" in found.told
    assert "box failed" in [a.get("class") for _, a in found.elements]
    assert "fit[x=499]" in found.told
    assert "and 100 more" in found.told


def compared(**fields: object) -> Page:
    table = [
        {**row, "project": "p", "started_at": "2026-01-01T00:00:00Z", "verdict": None}
        for row in rows()
    ]
    table[5] |= {"status": "failed", "verdict": "identical"}
    runs = [logged(str(row["id"]), [3, 1]) for row in table]
    given: dict[str, object] = {
        "name": "sweep", "rows": table, "goal": GOAL, "curves": runs, "gaps": (),
    }  # fmt: skip
    told = Experiment(**{**given, **fields})  # type: ignore[arg-type] # of this test
    html = experiment_page(told, "/store", "0")
    html.encode()
    return Page(html).check()


def test_a_report_of_an_experiment_compares_its_runs_the_best_first() -> None:
    found = compared(gaps=("the curves of r9: gone",))
    rows_ = re.findall(r"r\d(?: best)?(?=succeeded|failed)", found.told)
    assert rows_ == ["r2 best", "r1", "r3", "r0", "r4", "r5"]
    for one in (
        "experiment of 6 runs", "minimize rmse", "r2 lr=0.01 opt=adam: 0", "the curves of r9",
        "rmse of 6 runs", "train.loss", "identical", "runproj rerun r2 --store /store",
    ):  # fmt: skip
        assert one in found.told, one
    assert [a.get("class") for _, a in found.elements].count("best") == 1


def test_a_report_of_an_experiment_needs_no_goal_no_curves_and_no_more_than_a_run() -> None:
    told = compared(goal=None, curves=()).told
    assert re.findall(r"r\d(?=succeeded|failed)", told) == ["r5", "r4", "r3", "r2", "r1", "r0"]
    assert "Curves" not in told
    table = [{**rows(1)[0], "project": "p", "started_at": "", "verdict": None}]
    assert "experiment of 1 run" in compared(rows=table, curves=()).told
    same = [{**one, "params": {}} for one in table * 2]
    assert "Parameters and goal" not in compared(rows=same, curves=()).told
    without = [{**one, "metrics": {}} for one in table * 2]
    assert "How to do" not in compared(rows=without, curves=()).told


@pytest.mark.parametrize("bad", HOSTILE)
def test_no_text_of_an_experiment_becomes_anything_else(bad: str) -> None:
    table = [
        {
            **row, "name": bad, "project": bad, "started_at": bad, "verdict": bad, "status": bad,
            "params": {bad: number, "x": bad}, "metrics": {bad: 1.0},
        }
        for number, row in enumerate(rows())
    ]  # fmt: skip
    compared(name=bad, rows=table, goal=None, gaps=(bad,))


def test_the_curves_of_the_best_are_drawn_and_without_a_goal_those_of_the_latest() -> None:
    many = rows(30)
    assert most_telling(many, GOAL) == [f"r{number}" for number in range(24)]
    assert most_telling(many, None) == [f"r{number}" for number in range(6, 30)]
