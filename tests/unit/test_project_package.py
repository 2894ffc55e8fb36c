"""The project's own package, as its pyproject.toml tells it."""

import tomllib

import pytest

from runproj.lock.package import UNKNOWN_VERSION, essence, project_package

NAMED = '[project]\nname = "My-Wine"\nversion = "1.0"\n'


def roots(tables: str, *files: str) -> tuple[str, ...] | None:
    package = project_package(tomllib.loads(NAMED + tables), files)
    return package.roots if package else None


@pytest.mark.parametrize(
    ("tables", "expected"),
    [
        ('[tool.setuptools]\npackage-dir = {"" = "lib"}', ("lib",)),
        ('[tool.setuptools]\npackage-dir = {wine = "lib/wine"}', ("lib",)),
        ('[tool.setuptools]\npackage-dir = {"a.b" = "lib/a/b"}', ("lib",)),
        ('[tool.setuptools.packages.find]\nwhere = ["lib", "more/"]', ("lib", "more")),
        ('[tool.hatch.build.targets.wheel]\npackages = ["lib/wine", "other"]', ("lib", ".")),
        ('[tool.hatch.build.targets.wheel]\nsources = ["lib"]', ("lib",)),
        ('[tool.hatch.build.targets.wheel.sources]\nlib = ""', ("lib",)),
        ('[tool.poetry]\npackages = [{include = "wine", from = "lib"}, {include = "x"}]',
         ("lib", ".")),
        ('[tool.uv.build-backend]\nmodule-root = "lib"', ("lib",)),
        ('[tool.uv.build-backend]\nmodule-root = ""', (".",)),
        ('[tool.pdm.build]\npackage-dir = "lib"', ("lib",)),
    ],
)  # fmt: skip
def test_a_build_backend_says_where_the_code_is(tables: str, expected: tuple[str, ...]) -> None:
    assert roots(tables, "src/other/__init__.py") == expected


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        (["src/wine/__init__.py", "other/__init__.py"], ("src",)),
        (["src/wine.py"], ("src",)),
        (["src/space/inner.py"], ("src",)),
        (["wine/__init__.py"], (".",)),
        (["my_wine.py"], (".",)),
        (["my_wine/core.py"], (".",)),
        (["train.py"], None),
        (["tests/__init__.py", "src/notes.txt"], None),
        ([], None),
    ],
)
def test_else_the_usual_layouts_say_it(files: list[str], expected: tuple[str, ...] | None) -> None:
    assert roots("", *files) == expected


def test_a_project_without_a_name_is_no_package() -> None:
    assert project_package({}, ["src/wine/__init__.py"]) is None


def test_scripts_and_entry_points_are_told_as_installed_ones_are() -> None:
    tables = (
        '[project.scripts]\nwine = "wine:main"\n[project.gui-scripts]\nshow = "wine.gui:run"\n'
        '[project.entry-points."wine.plugins"]\nb = "wine.b"\na = "wine.a:A"\n'
    )
    package = project_package(tomllib.loads(NAMED + tables), ["wine/__init__.py"])

    assert package is not None
    assert package.folder == "my_wine-1.0.dist-info"
    assert package.metadata == "Metadata-Version: 2.1\nName: My-Wine\nVersion: 1.0\n"
    assert package.entry_points_text == (
        "[console_scripts]\nwine = wine:main\n\n[gui_scripts]\nshow = wine.gui:run\n\n"
        "[wine.plugins]\na = wine.a:A\nb = wine.b\n"
    )


def test_a_version_that_only_a_build_would_tell_is_unknown() -> None:
    package = project_package({"project": {"name": "x", "dynamic": ["version"]}}, ["x.py"])

    assert package is not None
    assert package.version == UNKNOWN_VERSION


def test_the_essence_tells_the_same_package() -> None:
    text = NAMED + 'dependencies = ["numpy"]\n[tool.uv.build-backend]\nmodule-root = "lib"\n'
    whole = tomllib.loads(text + "[tool.ruff]\nline-length = 1\n")

    kept = essence(whole)

    assert "ruff" not in kept["tool"]
    assert "dependencies" not in kept["project"]
    assert project_package(kept, []) == project_package(whole, [])
