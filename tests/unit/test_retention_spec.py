"""What a project file says of the runs that are to stay."""

import pytest

from runproj.errors import ProjectError
from runproj.spec.load import load
from runproj.spec.project import Retention

PROJECT = "runproj: 1\nentry_points: {main: {command: x}}\nretention:\n"


def retention(text: str) -> Retention:
    found = load(f"{PROJECT}  {text}\n")[0].retention
    assert found is not None
    return found


def said(text: str) -> list[tuple[str, str | None]]:
    with pytest.raises(ProjectError) as raised:
        load(f"{PROJECT}  {text}\n")
    return [(one.message, one.hint) for one in raised.value.problems]


def test_an_experiment_may_have_a_rule_of_its_own() -> None:
    found = retention("{keep_last: 20, keep: 90d, experiments: {sweep: {keep_last: 5}, all: {}}}")
    where, kept = found.rule("default")
    assert (where, kept.text) == ("retention", "keep_last: 20, keep: 90d")
    where, kept = found.rule("sweep")
    assert (where, kept.text) == ("retention.experiments.sweep", "keep_last: 5")
    assert (kept.keep_last, kept.keep) == (5, None)
    assert found.rule("all")[1].text == ""
    assert found.deleted == 30 * 86400


def test_times_are_durations() -> None:
    found = retention("{keep: 36h, deleted: 0}")
    assert (found.text, found.deleted) == ("keep: 36h", 0)
    assert retention("{keep: 90}").text == "keep: 90s"


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("{keep_lats: 1}", "retention.keep_lats: unknown key", "did you mean 'keep_last'?"),
        (
            "{experiments: {a: {deleted: 1d}}}",
            "retention.experiments.a.deleted: unknown key", "known: keep, keep_last",
        ),
        ("{keep_last: 0}", "retention.keep_last: must be at least 1", None),
        ("{keep: soon}", "retention.keep: 'soon' is not a duration; examples: 90, 30s, 5m, 2h, 1h30m",
         None),
        ("20", "retention: must be a mapping", None),
    ],
)  # fmt: skip
def test_a_mistake_is_told_at_its_place(text: str, message: str, hint: str | None) -> None:
    assert said(text) == [(message, hint)]
