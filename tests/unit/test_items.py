"""What the items of a list are, and what is wrong with some lists."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.planning import plan_of, planner_of, project
from tests.unit.test_planner import problems

from runproj.errors import ProjectError, UsageError
from runproj.plan import items as reading
from runproj.plan.items import WrongList, items
from runproj.plan.plan import Items, PlannedStep
from runproj.plan.planner import Planner
from runproj.plan.selection import check_names, select
from runproj.spec.load import load
from runproj.spec.matrix import Combination
from runproj.spec.paths import glob_matches, may_take


def values(path: str, content: str | bytes) -> list[dict[str, Any]]:
    content = content.encode() if isinstance(content, str) else content
    return [dict(one.values) for one in items(path, content)]


def test_lines_are_items_without_the_spaces_around_them() -> None:
    assert values("l.txt", "\ufeffa\r\n\n  b c \n\t\nd") == [
        {"item": "a"}, {"item": "b c"}, {"item": "d"},
    ]  # fmt: skip
    assert values("l.txt", "") == []


def test_entries_of_a_json_list_are_items_with_their_types() -> None:
    assert values("l.JSON", '["a", 1, 0.5, true]') == [
        {"item": "a"}, {"item": 1}, {"item": 0.5}, {"item": True},
    ]  # fmt: skip
    assert values("l.json", '[{"a": 1}, {"a": 2, "b": "x"}]') == [{"a": 1}, {"a": 2, "b": "x"}]
    assert values("l.json", "[]") == []


@given(
    st.lists(
        st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")), unique=True
    )
)
def test_every_text_of_a_json_list_is_an_item_with_a_name_of_its_own(texts: list[str]) -> None:
    found = values("l.json", json.dumps(texts))
    assert [one["item"] for one in found] == texts


@pytest.mark.parametrize(
    ("path", "content", "message"),
    [
        ("l.txt", "a\nb\na", r"l\.txt:3: \[item=a\] is there twice, first at l\.txt:1"),
        ("l.txt", b"a\n\xff", r"l\.txt:2: is not UTF-8 text"),
        ("l.txt", "a\0", r"l\.txt:1: has a character that no argument can have"),
        ("l.json", '["\\ud800"]', "entry 1: has a character"),
        ("l.json", '[\n"a",\n]', r"l\.json:3: is not JSON"),
        ("l.json", "[" + "1" * 5000 + "]", "is JSON that cannot be read"),
        ("l.json", '{"a": 1}', r"l\.json: is JSON, but no list"),
        ("l.json", '[1, {"a": 1}]', "entry 2: some entries are objects, and some are not"),
        ("l.json", "[{}]", "entry 1: an object without keys"),
        ("l.json", "[1, null]", "entry 2: must be text, a number, true or false"),
        ("l.json", '[{"a": [1]}]', "entry 1: must be text, a number"),
        ("l.json", '[1, "1"]', "entry 2: .* is there twice, first at l.json: entry 1"),
    ],
)  # fmt: skip
def test_a_list_that_cannot_be_used_is_told_with_its_place(
    path: str, content: str | bytes, message: str
) -> None:
    with pytest.raises(WrongList, match=message):
        values(path, content)


def test_there_may_be_too_many_items(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "MOST", 3)
    with pytest.raises(WrongList, match=r"l\.txt:4: there are more than 3 items"):
        values("l.txt", "a\nb\nc\nd")


# Paths of which a part is not known


@given(
    st.text("ab/*.", min_size=1, max_size=6),
    st.text("ab/.", max_size=3),
    st.text("ab/.", max_size=3),
    st.text("ab", max_size=3),
)
def test_what_takes_a_path_may_take_its_pattern(
    wanted: str, start: str, end: str, item: str
) -> None:
    if glob_matches(wanted, f"{start}{item}{end}"):
        assert may_take(wanted, f"{start}*{end}")


# In a plan

SCORE = """
split: {command: s, outputs: {list: l.txt, parts: parts}}
score:
  foreach: "{steps.split.outputs.list}"
  command: "score {item} {inputs.p} {outputs.s}"
  inputs: {p: "parts/{item}"}
  outputs: {s: "s/{item}.json"}
  resources: {cpus: 2}
"""
REPORT = "\nreport: {command: 'r {steps.score.outputs.s}', inputs: ['s/*.json'], needs: score}"


def again(planner: Planner, **changes: Any) -> Planner:  # noqa: ANN401 -- fields of a planner
    """Return a planner of the same with other facts."""
    fields = {"facts": planner.facts, **changes}
    return Planner(planner.project, planner.entry_point, planner.values, **fields)


def grown(text: str, *found: Any) -> dict[str, PlannedStep]:  # noqa: ANN401 -- items
    """Plan a project of which the items of the step score are known."""
    values = [one if isinstance(one, dict) else {"item": one} for one in found]
    known = tuple(Combination(one, tuple(one)) for one in values)
    planner = again(planner_of(text), items={"score": known})
    return {step.name: step for step in planner.plan()}


def test_a_step_waits_for_its_list() -> None:
    steps = plan_of(project(SCORE + REPORT))
    assert list(steps) == ["split", "score", "report"]
    assert steps["score"].foreach == Items(step="split", path="l.txt")
    assert steps["score"].argv == ()
    assert steps["score"].resources == {"cpus": 2}
    assert steps["score"].after == ("split",)
    assert steps["report"].after == ("score",)
    assert [(one.step, one.output) for one in steps["report"].inputs] == [("score", "s/*.json")]


def test_once_its_list_is_known_it_has_an_instance_for_each_item() -> None:
    steps = grown(project(SCORE + REPORT), "a", "b")
    assert list(steps) == ["split", "score[item=a]", "score[item=b]", "report"]
    one = steps["score[item=a]"]
    assert (one.argv, one.instance, one.foreach) == (
        ("score", "a", "parts/a", "s/a.json"), {"item": "a"}, None,
    )  # fmt: skip
    assert [(item.step, item.output, item.path) for item in one.inputs] == [
        ("split", "parts", "parts/a")
    ]
    assert one.parameters == {"item": "a"}
    assert steps["report"].after == ("score[item=a]", "score[item=b]")
    assert steps["report"].argv == ("r", "s/a.json", "s/b.json")


def test_an_item_is_no_glob_in_a_path() -> None:
    text = f"{SCORE}\nr: {{command: 'r {{steps.score.outputs.s}}'}}"
    steps = grown(project(text), "a", "ab", "a*", "[ab]")
    one = steps["score[item=a*]"]
    assert one.argv == ("score", "a*", "parts/a*", "s/a*.json")
    assert [(item.output, item.path) for item in one.inputs] == [("parts", "parts/a[*]")]
    assert [(item.step, item.path) for item in steps["r"].inputs] == [
        ("score[item=a]", "s/a.json"), ("score[item=ab]", "s/ab.json"),
        ("score[item=a*]", "s/a*.json"), ("score[item=%5Bab%5D]", "s/[ab].json"),
    ]  # fmt: skip
    assert steps["r"].argv == ("r", "s/a.json", "s/ab.json", "s/a*.json", "s/[ab].json")


def test_an_empty_list_has_no_instances_and_what_needs_them_goes_on() -> None:
    steps = grown(project(SCORE + REPORT))
    assert list(steps) == ["split", "report"]
    assert (steps["report"].argv, steps["report"].inputs) == (("r",), ())


def test_an_item_may_have_keys() -> None:
    text = project(
        "split: {command: s, outputs: {list: l.json}}\n"
        "score: {foreach: '{steps.split.outputs.list}', command: 's {item.id}',"
        " outputs: ['{item.id}.csv']}"
    )
    assert list(grown(text, {"id": 1, "x": 2})) == ["split", "score[id=1,x=2]"]
    assert problems_of(text, {"id": 1, "x": 1}, {"id": 1, "x": 2}) == (
        "'1.csv' is made by 'score[id=1,x=1]' and by 'score[id=1,x=2]'"
    )


def problems_of(text: str, *found: Any) -> str:  # noqa: ANN401 -- items
    with pytest.raises(ProjectError, match="made by") as caught:
        grown(text, *found)
    return str(caught.value).rpartition("outputs: ")[2]


def test_outputs_that_do_not_use_the_item_are_refused_with_a_hint() -> None:
    text = project(SCORE.replace("s/{item}.json", "s.json"))
    assert (
        problems_of(text, "a", "b") == "'s.json' is made by 'score[item=a]' and by 'score[item=b]'"
    )


def test_source_files_that_an_item_may_make_are_hidden_whatever_the_items_are() -> None:
    text = project(SCORE)
    hidden = []
    for known in ({}, {"score": ()}):
        planner = planner_of(text)
        manifest = {**planner.facts.manifest, "s/old.json": "x", "s/old.txt": "y"}
        facts = planner.facts._replace(manifest=manifest)
        planner = again(planner, facts=facts, items=known)
        planner.plan()
        hidden.append("s/old.json" in planner.hidden() and "s/old.txt" not in planner.hidden())
    assert hidden == [True, True]


def test_a_file_that_only_an_item_would_make_must_be_one_of_its_instances() -> None:
    text = project(f"{SCORE}\nr: {{command: r, inputs: [s/c.json]}}")
    assert plan_of(text)["r"].after == ("score",)
    assert grown(text, "c")["r"].after == ("score[item=c]",)
    with pytest.raises(ProjectError, match=r"'s/c\.json' is not there, and no step makes it"):
        grown(text, "a")


def test_an_instance_that_is_not_known_yet_may_be_chosen() -> None:
    text = project(SCORE + REPORT)
    assert list(plan_of(text, chosen=["score[item=a]"])) == ["split", "score"]
    steps = list(plan_of(text).values())
    check_names(steps, ["score[item=a]"], "--force-step")
    assert select(steps, ["score[item=a]"]).held == {"split"}
    with pytest.raises(UsageError):
        check_names(steps, ["split[item=a]"], "--force-step")


@pytest.mark.parametrize(
    ("steps", "message"),
    [
        ("a: {foreach: l.txt, command: a}",
         "foreach: 'l.txt' is no output of a step | write the name of one that makes a list:"),
        ("a: {foreach: '{steps.b.outputs.x}', command: a}\nb: {command: b, outputs: {y: l}}",
         "{steps.b.outputs.x} refers to nothing"),
        ("a: {foreach: '{steps.b.outputs.y}', command: a}\n"
         "b: {command: b, matrix: {m: [1]}, outputs: {y: '{matrix.m}'}}",
         "the step 'b' has instances, each with a list of its own"),
        ("a: {foreach: '{steps.a.outputs.y}', command: a, outputs: {y: '{item}'}}",
         "the step 'a' has instances"),
        ("a: {foreach: '{steps.b.outputs.y}', command: a, outputs: {y: x}}\n"
         "b: {command: b, needs: a, outputs: {y: z}}", "the steps wait for each other"),
        ("a: {foreach: '{steps.b.outputs.y}', matrix: {m: [1]}, command: a}\n"
         "b: {command: b, outputs: {y: x}}", "not both"),
        ("a: {command: 'a {item}'}", "{item} refers to nothing"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_foreach_is_told(steps: str, message: str) -> None:
    with pytest.raises(ProjectError) as caught:
        load(project(steps))
    said = "\n".join(f"{one.message} | {one.hint}" for one in caught.value.problems)
    assert message in said


def test_problems_of_a_plan_with_open_steps_are_told_as_others() -> None:
    assert problems(project(SCORE.replace("s/{item}", "../{item}"))) == [
        "11 score.outputs: '../*.json' is not inside the project"
    ]
