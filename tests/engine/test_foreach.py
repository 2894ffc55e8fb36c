"""A plan that grows while it is executed, and what its record is good for."""

import pytest
from tests.engine.world import Process, World, fails, statuses, told, writes

from runproj.engine.lookup import Lookup
from runproj.engine.prepare import Prepared, Request
from runproj.engine.resources import Capacity
from runproj.errors import CannotRerun, NoSuchRun, ProjectError, UsageError
from runproj.plan.binding import Given
from runproj.record.events import Grown, Planned
from runproj.record.run import Run

YAML = """
    runproj: 1
    entry_points:
      main:
        parameters: {n: a}
        steps:
          split:
            command: [split, "{n}"]
            outputs: {list: l.txt}
          score:
            foreach: "{steps.split.outputs.list}"
            command: [score, "{item}"]
            outputs: {s: "s/{item}.txt"}
          report:
            command: [report, "{steps.score.outputs.s}"]
            outputs: [report.txt]
"""


def split(process: Process) -> None:
    process.write("l.txt", "\n".join(process.execution.argv[1]))


def report(process: Process) -> None:
    process.write("report.txt", "".join(map(process.read, process.execution.argv[1:])))


def scoring(yaml: str = YAML) -> World:
    """Return a project in which each letter of the parameter ``n`` is scored."""
    w = World(yaml, {"split": split, "report": report})
    for item in "abcd":
        w.programs[f"score[item={item}]"] = writes(**{f"s__{item}_txt": item})
    return w


def test_the_plan_grows_when_the_list_is_made() -> None:
    w = scoring()
    prepared = w.prepare(n="ab")
    assert told(prepared) == {
        "split": "run: new", "score": "pending: after split", "report": "pending: after score",
    }  # fmt: skip
    run = w.execute(prepared)
    assert statuses(run) == dict.fromkeys(
        ["split", "score[item=a]", "score[item=b]", "report"], "succeeded"
    )
    assert [step.name for step in run.plan.steps] == list(statuses(run))
    (grown,) = w.reporter.of(Grown)
    assert (grown.step, [one.step for one in grown.decisions]) == (
        "score", ["score[item=a]", "score[item=b]"],
    )  # fmt: skip


def test_a_list_that_is_known_makes_the_plan_grow_before_anything_executes() -> None:
    w = scoring()
    w.run(n="ab")
    assert {one.split(":")[0] for one in told(w.prepare(n="ab")).values()} == {"cached"}
    assert told(w.prepare(n="ac"))["score"] == "pending: after split"
    assert statuses(w.run(n="ac"))["score[item=a]"] == "cached"
    forced = w.preparer().prepare(
        Request(given=Given(texts=[("n", "ab")]), forced=("score[item=a]",)), keep=True
    )
    assert told(forced)["score[item=a]"] == "run: forced"
    assert told(forced)["score[item=b]"].startswith("cached")


def test_an_empty_list_has_no_instances() -> None:
    w = scoring()
    w.programs["split"] = writes(l_txt="\n")
    assert list(statuses(w.run())) == ["split", "report"]


def test_instances_execute_side_by_side() -> None:
    w = scoring()
    prepared = w.prepare(n="abcd")
    w.execute(prepared, capacity=Capacity(4, {"cpus": 4}))
    (planned,) = w.reporter.of(Planned)
    assert planned.side_by_side


def test_a_list_that_cannot_be_used_fails_the_step_and_what_needs_it_is_skipped() -> None:
    w = scoring()
    run = w.run(n="aba")
    assert statuses(run) == {"split": "succeeded", "score": "failed", "report": "skipped"}
    step = run.step("score")
    assert step is not None
    assert step.error == "l.txt:3: [item=a] is there twice, first at l.txt:1"
    # what is wrong is told as soon as it is known
    assert told(w.prepare(n="aba"))["score"].startswith("pending: l.txt:3: [item=a] is there twice")


def test_a_folder_is_no_list() -> None:
    w = scoring(YAML.replace("l.txt", "l"))
    w.programs["split"] = writes(l__x="a")
    step = w.run().step("score")
    assert step is not None
    assert step.error == "l: is a folder, and no list"


def test_instances_that_cannot_be_planned_fail_the_step_with_a_hint() -> None:
    w = scoring(YAML.replace("s/{item}.txt", "s.txt"))
    step = w.run(n="ab").step("score")
    assert step is not None
    assert "'s.txt' is made by 'score[item=a]' and by 'score[item=b]'" in (step.error or "")
    assert "{item}" in (step.hint or "")


def test_an_instance_that_is_chosen_executes_alone() -> None:
    w = scoring()
    assert list(statuses(w.run("score[item=b]", n="ab"))) == ["split", "score[item=b]"]
    run = w.run("score[item=x]", n="a")
    assert statuses(run)["score"] == "failed"
    with pytest.raises(UsageError, match="has no step"):
        w.prepare("score[item=x]", n="a")


def test_a_step_that_is_left_out_gives_what_its_instances_made_before() -> None:
    w = scoring()
    w.run(n="ab")

    def without(name: str, n: str) -> Prepared:
        request = Request("main", Given(texts=[("n", n)]), skip=(name,))
        return w.preparer().prepare(request, keep=True)

    for name in ("score", "split", "score[item=a]"):
        assert {*told(without(name, "ab")).values()} == {"cached: unchanged since r1"}
    with pytest.raises(UsageError, match="is current is known only after split"):
        without("score", "abc")
    with pytest.raises(UsageError, match=r"there is no step 'score\[item=c\]' in the plan"):
        without("score[item=c]", "ab")


def test_an_instance_that_is_left_out_is_looked_for_when_its_list_is_there() -> None:
    w = scoring()
    w.run(n="ab")

    def run_without(name: str) -> Run:
        request = Request("main", Given(texts=[("n", "ab")]), skip=(name,), forced=("split",))
        return w.execute(w.preparer().prepare(request, keep=True))

    assert statuses(run_without("score[item=a]")) == {
        "split": "succeeded", "score[item=a]": "cached", "score[item=b]": "cached",
        "report": "cached",
    }  # fmt: skip
    w.yaml = w.yaml.replace('[score, "', '[score, again, "')
    score = run_without("score[item=a]").step("score")
    assert score is not None
    assert score.error == (
        "the step 'report' needs s/a.txt, which 'score[item=a]' makes; it has no current result: "
        "command changed"
    )


def test_a_rerun_takes_the_grown_plan_of_the_record() -> None:
    w = scoring()
    run = w.run(n="ab")
    w.yaml = YAML.replace("score:", "other:")
    assert statuses(w.rerun(run)) == statuses(run)
    assert statuses(w.rerun(run, "score[item=b]")) == {
        "split": "cached", "score[item=b]": "succeeded",
    }  # fmt: skip


def test_what_failed_after_the_plan_grew_is_resumed_from_the_record() -> None:
    w = scoring()
    w.programs["score[item=b]"] = fails()
    run = w.run(n="ab")
    assert statuses(run)["score[item=b]"] == "failed"
    w.programs["score[item=b]"] = writes(s__b_txt="b")
    done = w.execute(w.rerunner.resume(run))
    assert statuses(done) == {
        "split": "cached", "score[item=a]": "cached", "score[item=b]": "succeeded",
        "report": "succeeded",
    }  # fmt: skip


def test_what_failed_before_the_plan_grew_is_planned_anew_from_the_record() -> None:
    w = scoring()
    w.programs["split"] = fails()
    run = w.run(n="ab")
    assert statuses(run) == {"split": "failed", "score": "skipped", "report": "skipped"}
    assert run.plan.open == ("score",)
    with pytest.raises(CannotRerun, match="before the instances of 'score' were known"):
        w.rerunner.prepare(run)
    w.programs["split"] = split
    done = w.execute(w.varier.go_on(run, *w.recorded(run)))
    assert list(statuses(done)) == ["split", "score[item=a]", "score[item=b]", "report"]


def test_what_is_done_is_not_done_again_when_the_plan_is_made_anew() -> None:
    w = scoring()
    before = w.prepare(n="ab").plan
    w.programs["score[item=a]"] = fails()
    run = w.run(n="ab")
    killed = run.replace(plan=before)  # the record of a run that is killed has the first plan
    w.programs["score[item=a]"] = writes(s__a_txt="a")
    done = w.execute(w.varier.go_on(killed, *w.recorded(run)))
    assert told(done)["split"] == f"cached: done in {run.id}"
    assert statuses(done)["report"] == "succeeded"


def test_a_variation_has_the_instances_of_its_own_list() -> None:
    w = scoring()
    run = w.run(n="ab")
    done = w.execute(w.vary(run, n="cd").prepared)
    assert list(statuses(done)) == ["split", "score[item=c]", "score[item=d]", "report"]


def test_a_draft_has_steps_that_wait_for_their_list() -> None:
    w = scoring()
    w.run(n="ab")
    request = Request(given=Given(texts=[("n", "ab")]))
    drafted = w.preparer().draft(request, keep=False)
    assert [step.name for step in drafted.steps] == ["split", "score", "report"]


def test_a_step_with_instances_is_looked_up_by_one_of_them() -> None:
    w = scoring()
    run = w.run(n="abcd")
    lookup = Lookup(w.runs)
    assert lookup.step(run, "score[item=a]").name == "score[item=a]"
    with pytest.raises(NoSuchRun, match="'score' has several instances") as caught:
        lookup.step(run, "score")
    assert caught.value.problems[0].hint == (
        "write one of score[item=a], score[item=b], score[item=c], score[item=d]"
    )


def test_a_glob_through_all_folders_takes_files_that_steps_make() -> None:
    yaml = YAML.replace(
        '"{steps.score.outputs.s}"]', 's/a.txt]\n            inputs: ["s/**/*.txt"]'
    )
    assert statuses(scoring(yaml).run(n="ab"))["report"] == "succeeded"


def test_what_is_in_no_folder_is_not_there() -> None:
    w = World(
        """
        runproj: 1
        entry_points:
          main:
            steps:
              a: {command: a, outputs: [x]}
              b: {command: b, inputs: [x/y]}
        """,
        {"a": writes(x="a file")},
    )
    with pytest.raises(ProjectError, match="'x/y' is not in the file 'x' that was made"):
        w.run()
