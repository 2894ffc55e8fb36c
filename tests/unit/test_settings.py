"""Settings: who may say what, and what is wrong with it."""

import pytest

from runproj.errors import UsageError
from runproj.spec.settings import By, Setting, defaults, from_file, from_variables

MINE = "/home/user/.config/runproj/config.toml"


def read(text: str, by: By = "user") -> dict[str, Setting]:
    return from_file(text, "F", by, MINE)


def wrong(text: str, by: By = "user") -> list[tuple[str, str | None, str | None]]:
    with pytest.raises(UsageError) as caught:
        read(text, by)
    return [(one.message, one.where, one.hint) for one in caught.value.problems]


def test_a_file_says_values_and_they_know_their_line() -> None:
    assert read('jobs = 4\n\n"store" = "~/runs"\ncolour = "never"\n') == {
        "jobs": Setting(4, "F:1"), "store": Setting("~/runs", "F:3"),
        "colour": Setting("never", "F:4"),
    }  # fmt: skip
    text = (
        '[project]\nname = "x"\n[tool.runproj]\nexperiment = "e"\nhermetic = true\n[tool.x]\njobs=1'
    )
    assert read(text, "project") == {
        "experiment": Setting("e", "F:4"), "hermetic": Setting(True, "F:5"),
    }  # fmt: skip
    assert read("tool.runproj.jobs = 2", "project") == {"jobs": Setting(2, "F")}
    assert read("tool = 1", "project") == read("name = 1\n[tool]", "project") == {}


def test_a_project_may_set_nothing_that_harms() -> None:
    table = '[tool.runproj]\nstore = "/etc"\nhermetic = false\noffline = false\n'
    hint = f"set it in {MINE}"
    assert wrong(table, "project") == [
        ("a project may not set store", "F:2", hint),
        ("a project may not set hermetic = false", "F:3", hint),
        ("a project may not set offline", "F:4", hint),
    ]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("jobs = 0", "jobs is to be a whole number from 1"),
        ("jobs = true", "jobs is to be a whole number from 1"),
        ('jobs = "2"', "jobs is to be a whole number from 1"),
        ("trace = 1", "trace is to be true or false"),
        ('experiment = ""', "experiment is to be a name"),
        ('store = "runs"', "store is to be a folder, from / or ~/"),
        ('colour = "red"', "colour is to be auto, always or never"),
    ],
)
def test_a_value_of_the_wrong_kind_is_told(line: str, message: str) -> None:
    assert wrong(line) == [(message, "F:1", None)]


def test_an_unknown_key_and_a_broken_file_are_told() -> None:
    assert wrong("jbos = 1") == [("there is no setting 'jbos'", "F:1", "did you mean 'jobs'?")]
    assert wrong("jobs =")[0][0].startswith("it is not TOML: ")
    assert wrong("tool.runproj = 1", "project") == [
        ("tool.runproj is no table of settings", "F", None)
    ]


def test_variables_say_the_same_and_an_empty_one_says_nothing() -> None:
    said = {"RUNPROJ_JOBS": "3", "RUNPROJ_KEEP_GOING": "Yes", "RUNPROJ_QUIET": "0"}
    assert from_variables({**said, "RUNPROJ_STORE": "", "RUNPROJ_RUN_ID": "x"}) == {
        "jobs": Setting(3, "RUNPROJ_JOBS"), "keep-going": Setting(True, "RUNPROJ_KEEP_GOING"),
        "quiet": Setting(False, "RUNPROJ_QUIET"),
    }  # fmt: skip
    with pytest.raises(UsageError, match="RUNPROJ_TRACE=maybe: trace is to be true or false"):
        from_variables({"RUNPROJ_TRACE": "maybe"})


def test_every_setting_has_a_default() -> None:
    assert defaults()["experiment"] == Setting("default", "default")
