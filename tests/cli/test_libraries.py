"""Packages at paths of the project: built from the snapshot, or editable in the workspace."""

import shutil
import subprocess
from pathlib import Path

import pytest
from tests.cli.commandline import Computer, Project
from tests.wheels import BACKEND, build_sdist, build_wheel

PROJECT = """\
runproj: 1
environments: {default: {kind: venv, requirements: requirements.txt}}
entry_points:
  main:
    command: python -c "import mine; print(mine.word, mine.__file__)"
    stdout: word.txt
"""


def library(word: str, *, below: str = "libs/mine") -> dict[str, str]:
    backend = BACKEND.replace("NAME", "mine").replace("VERSION", "1.0").replace("MEANWHILE", "pass")
    backend = backend.replace("\"version = '1.0'\"", 'pathlib.Path("mine/__init__.py").read_text()')
    return {
        f"{below}/pyproject.toml": '[build-system]\nrequires = []\nbuild-backend = "backend"\n'
        'backend-path = ["."]\n[project]\nname = "mine"\nversion = "1.0"\ndependencies = ["tiny"]\n'
        '[project.scripts]\nsay-mine = "mine:main"\n',
        f"{below}/PKG-INFO": "Metadata-Version: 2.2\nName: mine\nVersion: 1.0\n"
        "Requires-Dist: tiny\n",
        f"{below}/backend.py": backend,
        f"{below}/mine/__init__.py": f"word = {word!r}\ndef main():\n    print(word)\n",
    }  # fmt: skip


@pytest.fixture
def mine(computer: Computer, tmp_path: Path) -> Project:
    build_wheel(tmp_path / "wheels", "tiny", "2.0")
    computer.variables |= {
        "UV_DEFAULT_INDEX": tmp_path.as_uri(), "UV_FIND_LINKS": str(tmp_path / "wheels"),
        "UV_CACHE_DIR": str(tmp_path / "uv"),
    }  # fmt: skip
    return computer.project(
        {"runproj.yaml": PROJECT, "requirements.txt": "./libs/mine\n", **library("one")}, git=True
    )


def word(project: Project, run: str = "latest") -> str:
    got = project.computer.root / "got"
    shutil.rmtree(got, ignore_errors=True)
    project.run("get", run, "--to", str(got)).ok()
    return (got / "word.txt").read_text()


def test_a_change_of_a_library_is_built_and_an_old_run_has_the_old_one(mine: Project) -> None:
    first = mine.run("run", ".", "--json").ok().run["id"]
    assert mine.run("run", ".", "--json").ok().steps() == {"main": "cached"}
    mine.write(library("two"))

    done = mine.run("run", ".").ok()

    assert "libs/mine" in done.err
    assert word(mine).startswith("two ")
    assert str(mine.folder) not in word(mine)
    assert word(mine, first).startswith("one ")
    judged = mine.run("verify", first, "--json").ok().json["verify"]
    assert judged["verdict"] == "identical"


def test_a_past_run_builds_its_library_when_the_project_is_gone(mine: Project) -> None:
    run = mine.run("run", ".", "--json", "--store", "../store").ok().run["id"]
    shutil.rmtree(mine.folder)
    shutil.rmtree(mine.computer.home)

    done = mine.computer.run("verify", run, "--store", "store", "--json")

    # the interpreter's folder is part of what the step prints, and is another one
    assert done.json["verify"]["verdict"] == "identical", done.said


def test_what_is_not_saved_in_the_snapshot_is_not_in_the_library(mine: Project) -> None:
    mine.write({".gitignore": "secret.py\n", "libs/mine/mine/secret.py": "x = 1\n"})
    mine.run("run", ".").ok()

    assert not list(mine.computer.home.rglob("secret.py"))
    assert not list((mine.folder / "libs").rglob("*.egg-info"))


def test_an_editable_library_is_imported_from_the_workspace(mine: Project) -> None:
    mine.write({"requirements.txt": "-e ./libs/mine\n"})
    mine.run("lock").ok()
    mine.run("run", ".").ok()
    assert "editable" in (mine.folder / "locks/pylock.default.toml").read_text()
    assert word(mine).startswith("one ")
    assert str(mine.folder) not in word(mine)

    mine.write(library("two"))
    done = mine.run("run", ".", "--locked").ok()

    assert "building" not in done.err
    assert word(mine).startswith("two ")
    assert mine.run("lock", "--check").ok().out.startswith("default")


def test_scripts_and_metadata_of_an_editable_library_are_there(mine: Project) -> None:
    about = "import importlib.metadata as m, tiny; print(m.version('mine'), tiny.version)"
    mine.write(
        {
            "requirements.txt": "-e ./libs/mine\n",
            "runproj.yaml": PROJECT.replace(
                'python -c "import mine; print(mine.word, mine.__file__)"',
                f'say-mine && python -c "{about}"',
            ),
        }
    )
    mine.run("run", ".").ok()
    mine.write(library("two"))

    assert word(mine) == "one\n1.0 2.0\n"
    judged = mine.run("verify", "latest", "--json").ok().json["verify"]
    assert judged["verdict"] == "identical"


def test_the_lock_says_current_until_the_library_needs_something_else(mine: Project) -> None:
    mine.run("lock").ok()
    lock = (mine.folder / "locks/pylock.default.toml").read_text()
    assert 'directory = { path = "../libs/mine" }' in lock
    mine.run("check").ok()
    mine.write(library("two"))
    assert "current" in mine.run("lock", "--check").ok().out
    changed = library("two")["libs/mine/pyproject.toml"].replace('["tiny"]', '["tiny<3"]')
    mine.write({"libs/mine/pyproject.toml": changed})

    assert "stale" in mine.run("lock", "--check").ok(5).out
    assert mine.run("check").code == 3
    mine.run("lock").ok()
    assert "current" in mine.run("lock", "--check").ok().out
    mine.run("env", "build").ok()
    assert "./libs/mine" in mine.run("env", "export").ok().out


def test_a_path_outside_of_the_project_is_told_with_its_line(mine: Project) -> None:
    mine.write({"requirements.txt": "tiny\n-e ../elsewhere\n"})

    for command in (("run", "."), ("lock",), ("check",)):
        done = mine.run(*command).ok(3)
        assert "'../elsewhere' is outside of the project" in done.err + done.out
        assert "requirements.txt:2" in done.err + done.out


def test_a_library_that_cannot_be_built_is_told_with_its_name(mine: Project) -> None:
    mine.write({"libs/mine/backend.py": "raise SystemExit('no compiler here')\n"})

    done = mine.run("run", ".").ok(4)

    assert "mine cannot be built" in done.err
    assert "no compiler here" in done.err


def test_a_project_below_the_root_of_its_source_has_libraries(mine: Project) -> None:
    text = PROJECT.replace("runproj: 1", "runproj: 1\nsource: {root: ..}")
    files = {"runproj.yaml": text, "requirements.txt": "./libs/mine\n", **library("below")}
    below = Project(mine.computer, mine.folder / "sub")
    below.write(files)

    below.run("run", ".").ok()

    assert word(below).startswith("below ")


def test_a_run_that_keeps_its_packages_keeps_the_wheel_of_the_library(mine: Project) -> None:
    mine.write({"runproj.yaml": PROJECT.replace("mine.__file__", "1")})
    done = mine.run("run", ".", "--keep-packages", "--json").ok().run
    assert done["packages"]["archives"] == 2
    mine.computer.variables |= {"XDG_DATA_HOME": str(mine.computer.root / "other"),
                                "XDG_CACHE_HOME": str(mine.computer.root / "cache")}  # fmt: skip

    again = mine.run("verify", "latest", "--json").ok()

    assert again.json["verify"]["verdict"] == "identical"
    assert "building mine" not in again.err


ARCHIVES = "./vendored/small-1.0-py3-none-any.whl\nmine @ ./vendored/mine-1.0.tar.gz\n"
SMALL = PROJECT.replace("import mine; print(mine.word, mine.__file__)",
                        "import mine, small; print(small.word, mine.version)")  # fmt: skip


def vendored(project: Project, text: str) -> None:
    files = {"small/__init__.py": f"word = {text!r}\n"}
    build_wheel(project.folder / "vendored", "small", "1.0", files=files)


@pytest.fixture
def archived(mine: Project) -> Project:
    shutil.rmtree(mine.folder / "libs")
    mine.write({"runproj.yaml": SMALL, "requirements.txt": ARCHIVES})
    build_sdist(mine.folder / "vendored", "mine", "1.0")
    vendored(mine, "one")
    return mine


def test_archives_of_the_project_are_installed_from_the_snapshot(archived: Project) -> None:
    archived.run("lock").ok()
    first = archived.run("run", ".", "--locked", "--json").ok().run["id"]
    assert word(archived) == "one 1.0\n"
    archived.run("check").ok()
    vendored(archived, "two")

    assert "stale" in archived.run("lock", "--check").ok(5).out
    archived.run("run", ".").ok()

    assert word(archived) == "two 1.0\n"
    shutil.rmtree(archived.computer.home)  # every archive and environment
    shutil.rmtree(archived.folder / "vendored")
    judged = archived.run("verify", first, "--json").ok().json["verify"]
    assert judged["verdict"] == "identical"


def test_an_archive_that_is_no_package_or_not_there_is_told_with_its_name(
    archived: Project,
) -> None:
    wheel = archived.folder / "vendored/small-1.0-py3-none-any.whl"
    wheel.write_bytes(b"not a zip")
    assert "small-1.0-py3-none-any.whl" in archived.run("run", ".").ok(4).err
    wheel.unlink()

    done = archived.run("run", ".").ok(3)

    assert "there is no file 'vendored/small-1.0-py3-none-any.whl'" in done.err
    assert "requirements.txt:1" in done.err


def test_a_lock_of_uv_may_have_archives_of_the_project(archived: Project) -> None:
    text = '[project]\nname = "app"\nversion = "1"\nrequires-python = ">=3.11"\n'
    wheel = "vendored/small-1.0-py3-none-any.whl"
    sources = f'[tool.uv.sources]\nsmall = {{ path = "{wheel}" }}\n'
    archived.write({
        "pyproject.toml": f'{text}dependencies = ["small"]\n{sources}',
        "runproj.yaml": SMALL.replace("requirements: requirements.txt", "pyproject: true")
        .replace("import mine, small", "import small").replace(", mine.version", ""),
    })  # fmt: skip
    uv = [shutil.which("uv") or "uv", "lock", "-q"]
    subprocess.run(uv, cwd=archived.folder, env=archived.computer.variables, check=True)

    assert "uv.lock" in archived.run("lock", "--check").ok().out
    archived.run("run", ".").ok()
    assert word(archived) == "one\n"


def test_a_lock_that_does_not_fit_the_archive_is_told(archived: Project) -> None:
    archived.run("lock").ok()
    file = archived.folder / "locks/pylock.default.toml"
    digest = file.read_text().split('small-1.0-py3-none-any.whl", hashes = { sha256 = "')[1][:64]
    file.write_text(file.read_text().replace(digest, "0" * 64))

    done = archived.run("run", ".").ok(4)

    assert "vendored/small-1.0-py3-none-any.whl is not what the lock says" in done.err
    assert not list(archived.computer.home.rglob("small"))
