"""What of a ``pyproject.toml`` decides what is installed.

Only that is part of a declaration, so that an edit of a linter's settings leaves the lock alone.
"""

import datetime
import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

from runproj.errors import NotSupported, ProjectError
from runproj.spec.suggest import did_you_mean

FILE = "pyproject.toml"
_PROJECT = ("name", "version", "requires-python", "dependencies", "optional-dependencies")
# What is looked into, the outer before the inner, and what it has to be.
_SHAPES: dict[str, type] = {
    **dict.fromkeys(("project", "dependency-groups", "tool", "tool.uv", "tool.setuptools"), dict),
    **dict.fromkeys(("tool.hatch", "tool.poetry", "tool.pdm", "tool.pdm.build"), dict),
    **dict.fromkeys(("project.name", "project.version", "project.requires-python"), str),
    **dict.fromkeys(("project.dynamic", "tool.poetry.packages"), list),
    "project.optional-dependencies": dict,
    "project.scripts": dict,
    "project.gui-scripts": dict,
    "project.entry-points": dict,
    "tool.uv.sources": dict,
    "tool.uv.build-backend": dict,
    "tool.setuptools.package-dir": dict,
    "tool.hatch.build": dict,
    "tool.hatch.build.targets": dict,
    "tool.hatch.build.targets.wheel": dict,
}
_TOML_NAMES: dict[type, str] = {dict: "a table", list: "a list", str: "a text in quotes"}
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")


def parse(text: str) -> dict[str, Any]:
    """Read TOML.

    Raises:
        ProjectError: it is none; with line and column. Or what we look into is no table.
    """
    import tomllib  # noqa: PLC0415 -- lazy: this module is on the hot path

    try:
        read = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        message, _, place = str(error).partition(" (at ")
        found = re.match(r"line (\d+), column (\d+)", place)
        where = f"{FILE}:{found[1]}:{found[2]}" if found else FILE
        raise ProjectError(f"not valid TOML: {message}", where=where) from error
    wrong = [
        problem
        for key, shape in _SHAPES.items()
        if not isinstance(_at(read, key, shape()), shape)
        for problem in ProjectError(f"'{key}' has to be {_TOML_NAMES[shape]}", where=FILE).problems
    ]
    if wrong:
        raise ProjectError.of(wrong)
    return read


def _at(table: Any, path: str, default: object) -> object:  # noqa: ANN401 -- any TOML value
    """Return what stands at a dotted path, the default when it is not there."""
    for part in path.split("."):
        if not isinstance(table, dict) or part not in table:
            return default
        table = table[part]
    return table


def essence(pyproject: Mapping[str, Any]) -> dict[str, Any]:
    """Return the tables that decide a resolution, by their full name.

    Whether there is a build system decides how uv writes its lock, so that is told by
    ``tool.uv.package``; which one it is does not matter: the project is never built.
    """
    project = pyproject.get("project", {})
    kept: dict[str, Any] = {}
    if project:
        kept["project"] = {key: project[key] for key in _PROJECT if key in project}
        dynamic = [name for name in project.get("dynamic", ()) if name == "version"]
        if dynamic:
            kept["project"]["dynamic"] = dynamic
    if "dependency-groups" in pyproject:
        kept["dependency-groups"] = pyproject["dependency-groups"]
    uv = {
        key: value
        for key, value in pyproject.get("tool", {}).get("uv", {}).items()
        if key != "build-backend"
    }
    if "build-system" in pyproject:
        uv.setdefault("package", True)
    if uv:
        kept["tool.uv"] = uv
    return kept


def errors(
    pyproject: Mapping[str, Any], extras: Iterable[str], groups: Iterable[str]
) -> list[ProjectError]:
    """Return why an environment cannot be made of these extras and groups."""
    project = pyproject.get("project")
    found: list[ProjectError] = []
    if project is None and (extras or not groups):
        found.append(_no_project(pyproject))
    project = project or {}
    dynamic = {"dependencies", "optional-dependencies"} & set(project.get("dynamic", ()))
    found += [
        NotSupported(
            f"'{name}' is dynamic: it would take a build of the project to know it", where=FILE,
            hint="list what is needed in 'requirements' of the environment",
        )
        for name in sorted(dynamic)
    ]  # fmt: skip
    if "optional-dependencies" not in dynamic:
        found += _unknown("extra", extras, project.get("optional-dependencies", {}))
    found += _unknown("dependency group", groups, pyproject.get("dependency-groups", {}))
    if "workspace" in pyproject.get("tool", {}).get("uv", {}):
        found.append(
            NotSupported(
                "'tool.uv.workspace' is not supported yet", where=FILE,
                hint="name the packages in 'tool.uv.sources' by their paths",
            )
        )  # fmt: skip
    return found


def _no_project(pyproject: Mapping[str, Any]) -> ProjectError:
    if "poetry" in pyproject.get("tool", {}):
        return NotSupported(
            "its dependencies are in [tool.poetry], not in the standard [project] table",
            where=FILE,
            hint="Poetry 2 reads [project] as well; or list requirements in the environment",
        )
    return ProjectError(
        "there is no [project] table", where=FILE,
        hint="it holds name, version and dependencies of the project",
    )  # fmt: skip


def _unknown(what: str, names: Iterable[str], known: Mapping[str, Any]) -> list[ProjectError]:
    normal = {normalized(name) for name in known}
    return [
        ProjectError(f"there is no {what} {name!r}", where=FILE, hint=did_you_mean(name, known))
        for name in names
        if normalized(name) not in normal
    ]


def normalized(name: str) -> str:
    """Return the one spelling of a package's, extra's or group's name (PEP 503).

    >>> normalized("Scikit_Learn")
    'scikit-learn'
    """
    return re.sub(r"[-_.]+", "-", name).lower()


def toml(tables: Mapping[str, Any]) -> str:
    r"""Write tables by their full name as TOML: a line for each key, values inline; sorted.

    >>> print(toml({"project": {"name": "x", "dependencies": ["a", "b"]}}), end="")
    [project]
    dependencies = ["a", "b"]
    name = "x"
    """
    lines = []
    for name, table in sorted(tables.items()):
        lines.append(f"[{name}]")
        lines += [f"{_key(key)} = {_value(value)}" for key, value in sorted(table.items())]
    return "".join(f"{line}\n" for line in lines)


def _key(name: str) -> str:
    return name if _BARE_KEY.fullmatch(name) else _text(name)


def _text(text: str) -> str:
    """JSON's strings are TOML's, but for one control character and the surrogates."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _value(value: Any) -> str:  # noqa: ANN401 -- any TOML value
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return f"[{', '.join(map(_value, value))}]"
    if isinstance(value, dict):
        inner = ", ".join(f"{_key(key)} = {_value(item)}" for key, item in sorted(value.items()))
        return f"{{ {inner} }}" if inner else "{}"
    if isinstance(value, (datetime.datetime, datetime.date, datetime.time)):
        return value.isoformat()
    return repr(value)
