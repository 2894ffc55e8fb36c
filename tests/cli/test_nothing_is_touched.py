"""The user's files and repository are the same, byte for byte, whatever is run."""

import pytest
from tests.cli.commandline import Computer, Project, digests
from tests.cli.projects import FAILING, FILES

COMMANDS = [
    ("check",), ("graph", "."), ("status", "."), ("run", ".", "--dry-run"), ("run", "."),
    ("run", ".", "-P", "lr=0.5"), ("rerun", "latest"), ("status", "."), ("list",), ("show",),
    ("logs",), ("run", ".", "-e", "nothing"), ("run", ".", "-P", "lr=x"),
    ("run", ".", "--force", "--keep-workspace"),
]  # fmt: skip


@pytest.fixture
def busy(computer: Computer) -> Project:
    """A repository in the middle of somebody's work."""
    project = computer.project({**FILES, ".gitignore": "ignored/\n"}, git=True)
    project.write({"notes.txt": "stashed\n"})
    project.git("stash", "push", "--quiet")
    project.git("branch", "other")
    project.write({"staged.txt": "staged\n", "notes.txt": "staged\n", "gone.txt": ""})
    project.git("add", "--all")
    project.write({"notes.txt": "not staged\n", "data.csv": "c\nb\na\n", "new.txt": "new\n"})
    project.write({"ignored/secret.txt": "mine\n", "run.sh": "#!/bin/sh\n"})
    (project.folder / "gone.txt").unlink()
    (project.folder / "run.sh").chmod(0o755)
    (project.folder / "link").symlink_to("notes.txt")
    (project.folder / "empty").mkdir()
    return project


def test_a_repository_with_work_in_progress_stays_as_it_is(busy: Project) -> None:
    status = busy.git("status", "--porcelain", "--untracked-files=all")
    assert len(status.splitlines()) > 5
    before = digests(busy.folder)

    for command in COMMANDS:
        busy.run(*command)
        assert digests(busy.folder) == before, command

    assert busy.git("status", "--porcelain", "--untracked-files=all") == status
    assert busy.git("stash", "list").count("\n") == 1


def test_what_runs_is_what_stands_in_the_folder(busy: Project) -> None:
    run = busy.run("run", ".", "--json").ok().run
    assert run["source"]["dirty"] is True
    assert run["source"]["commit"] == busy.git("rev-parse", "HEAD").strip()
    busy.run("get", "latest", "build/table.csv", "--to", "../got").ok()
    assert (busy.computer.root / "got/build/table.csv").read_text() == "a\nb\nc\n"


def test_a_folder_that_is_no_repository_stays_as_it_is(computer: Computer) -> None:
    project = computer.project(FILES)
    before = digests(project.folder)
    for command in COMMANDS:
        project.run(*command)
    assert digests(project.folder) == before


def test_a_failure_touches_nothing_either(computer: Computer) -> None:
    vandal = FAILING.replace("echo words before the end", "rm -rf * .git; echo x > data.csv")
    project = computer.project({**FILES, "runproj.yaml": vandal}, git=True)
    before = digests(project.folder)
    project.run("run", ".").ok(1)
    assert digests(project.folder) == before


def test_a_project_in_a_part_of_a_repository_leaves_the_whole_as_it_is(computer: Computer) -> None:
    whole = computer.project(
        {"README": "all\n", **{f"part/{k}": v for k, v in FILES.items()}}, git=True
    )
    whole.write({"part/data.csv": "dirty\n", "beside.txt": "untracked\n"})
    before = digests(whole.folder, without=())
    for command in (("run", "part"), ("-C", "part", "rerun", "latest"), ("status", "part")):
        whole.run(*command).ok()
    after = digests(whole.folder, without=())
    assert {k: v for k, v in after.items() if not k.startswith("part/.runproj")} == before


def test_with_a_store_elsewhere_the_project_folder_gets_no_store(computer: Computer) -> None:
    project = computer.project(FILES, git=True)
    before = digests(project.folder, without=())
    store = ("--store", str(computer.root / "store"))
    for command in COMMANDS:
        project.run(*command, *store)
    assert digests(project.folder, without=()) == before


def test_only_lock_writes_into_the_project_and_only_its_lockfile(computer: Computer) -> None:
    project = computer.project(
        {"runproj.yaml": "runproj: 1\nenvironments: {default: {kind: venv}}\n"
         "entry_points: {main: {command: python --version}}\n"}, git=True,
    )  # fmt: skip
    project.run("run", ".").ok()
    assert project.git("status", "--porcelain", "--untracked-files=all") == ""
    assert "written" in project.run("lock").ok().out
    changed = project.git("status", "--porcelain", "--untracked-files=all")
    assert changed == "?? locks/pylock.default.toml\n"
    project.run("run", ".", "--locked").ok()
