"""Settings, as a user says and sees them."""

import os
import subprocess
import sys

from tests.cli.commandline import Computer

YAML = "runproj: 1\nentry_points: {main: {command: [echo, hello], trace: false}}\n"
PYPROJECT = '[project]\nname = "p"\n[tool.runproj]\nexperiment = "theirs"\njobs = 2\n'


def test_a_flag_goes_before_a_variable_before_the_project_before_the_user(
    computer: Computer,
) -> None:
    project = computer.project({"runproj.yaml": YAML, "pyproject.toml": PYPROJECT, "sub/x": ""})
    mine = computer.home / ".config/runproj/config.toml"
    mine.parent.mkdir(parents=True)
    mine.write_text('experiment = "mine"\njobs = 1\nstore = "~/runs"\ncolour = "always"\n')

    shown = project.run("config", "--json", cwd=project.folder / "sub", env={"RUNPROJ_QUIET": "1"})
    found = {one["name"]: (one["value"], one["origin"]) for one in shown.ok().json["settings"]}
    assert found["experiment"] == ("theirs", f"{project.folder}/pyproject.toml:4")
    assert found["store"] == ("~/runs", f"{mine}:3")
    assert found["quiet"] == (True, "RUNPROJ_QUIET")
    assert found["trace"] == (False, "default")
    assert shown.json["user_file"] == str(mine)
    assert "\x1b[" in project.run("config").ok().out
    assert "\x1b[" not in project.run("config", env={"NO_COLOR": "1"}).ok().out

    done = computer.run("run", project.folder.name, "--json").ok()
    assert done.run["experiment"] == "theirs"
    assert (computer.home / "runs/runs").is_dir()
    assert not (project.folder / ".runproj").exists()
    variable = {"RUNPROJ_EXPERIMENT": "varied"}
    assert project.run("run", "-f", "--json", env=variable).run["experiment"] == "varied"
    flag = ("run", "-f", "--experiment", "said", "--json")
    assert project.run(*flag, env=variable).run["experiment"] == "said"
    quiet = {"RUNPROJ_QUIET": "1"}
    assert "▶" not in project.run("run", "-f", env=quiet).ok().err
    assert "▶" in project.run("run", "-f", "--no-quiet", env=quiet).ok().err


def test_a_strange_project_sets_no_store_and_mistakes_have_their_place(computer: Computer) -> None:
    table = '[tool.runproj]\nstore = "/tmp/elsewhere"\njbos = 1\n'
    project = computer.project({"runproj.yaml": YAML, "pyproject.toml": table})
    for command in (("run", "."), ("list",), ("config",), ("env", "list")):
        said = project.run(*command).ok(2).err
        assert "a project may not set store" in said
        assert f"{project.folder}/pyproject.toml:2" in said
        assert "did you mean 'jobs'?" in said


def test_without_such_a_table_no_toml_is_read(computer: Computer) -> None:
    project = computer.project({"runproj.yaml": YAML, "pyproject.toml": "not TOML at all"})
    code = (
        "import os, sys; os._exit = sys.exit\nfrom runproj.cli.main import main\n"
        "try: main()\nexcept SystemExit: pass\nassert 'tomllib' not in sys.modules"
    )
    subprocess.run(
        [sys.executable, "-c", code, "config"], cwd=project.folder, check=True,
        env={**os.environ, **project.computer.variables_for(project.folder)},
        stdout=subprocess.DEVNULL,
    )  # fmt: skip
