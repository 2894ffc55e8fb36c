"""What an environment was declared to be, with the text of every file that belongs to it."""

import posixpath
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeAlias

from runproj.errors import NotSupported, Problem, ProjectError
from runproj.lock.lock import Declaration
from runproj.spec.environment import PyprojectSource, SystemEnvironment, VenvEnvironment
from runproj.spec.suggest import did_you_mean

Read: TypeAlias = Callable[[str], str | None]

_INCLUDE = re.compile(r"\s*(?:-r|-c|--requirement|--constraint)(?:\s+|=|(?<=-[rc]))([^\s#]+)")
_LOCAL = re.compile(r"\s*(?:(?:-e|--editable)[\s=]|\.{1,2}(?:/|\s*$)|/|file:|[\w.-]+\s*@\s*file:)")
_ITSELF = re.compile(r"\s*(?:(?:-e|--editable)[\s=]\s*)?\.(?:\[[^\]]*\])?\s*(?:#.*)?$")


def declare(environment: VenvEnvironment | SystemEnvironment, read: Read) -> Declaration:
    """Collect what an environment is declared to be.

    Args:
        environment: as the project file has it.
        read: returns the text of a file of the project, None when it is not there.

    Raises:
        ProjectError: a file is missing or wrong, or an extra or group does not exist.
        NotSupported: a requirement is a local folder.
    """
    if isinstance(environment, SystemEnvironment):
        return Declaration(kind="system")
    files: dict[str, str] = {}
    problems: list[Problem] = []
    for path in environment.requirements:
        _collect(posixpath.normpath(path), None, read, files, problems)
    if problems:
        raise ProjectError.of(problems)
    source = environment.pyproject
    if source is not None:
        files["pyproject.toml"] = _pyproject(source, read)
        alone = not environment.requirements and not environment.packages
        uv_lock = read("uv.lock") if alone else None
        if uv_lock is not None:
            files["uv.lock"] = uv_lock
    for requirement in environment.packages:
        _refuse_local(requirement, "runproj.yaml")
    return Declaration(
        kind="venv",
        python=environment.python,
        requirements=tuple(posixpath.normpath(path) for path in environment.requirements),
        packages=environment.packages,
        extras=source.extras if source else (),
        groups=source.groups if source else (),
        pyproject=source is not None,
        files=files,
    )


def _collect(
    path: str, included_at: str | None, read: Read, files: dict[str, str], problems: list[Problem]
) -> None:
    """Read a requirement file and those that it includes."""
    if path in files:
        return
    text = read(path)
    if text is None:
        hint = f"it is included at {included_at or 'requirements of the project file'}"
        problems.append(Problem("the requirements file is not there", where=path, hint=hint))
        return
    files[path] = text
    for number, line in _lines(text):
        place = f"{path}:{number}"
        match = _INCLUDE.match(line)
        if match is None:
            _refuse_local(line, place)
        elif "://" not in match[1]:
            inner = posixpath.normpath(posixpath.join(posixpath.dirname(path), match[1]))
            _collect(inner, place, read, files, problems)


def _lines(text: str) -> Iterator[tuple[int, str]]:
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip() and not line.lstrip().startswith("#"):
            yield number, line


def _refuse_local(requirement: str, where: str) -> None:
    if _ITSELF.match(requirement):
        raise NotSupported(
            "the project itself is no requirement", where=where,
            hint="write 'pyproject: true' in the environment: its package is importable then",
        )  # fmt: skip
    if _LOCAL.match(requirement):
        raise NotSupported(
            f"a requirement from a local folder is not supported yet: {requirement.strip()}",
            where=where,
        )


def _pyproject(source: PyprojectSource, read: Read) -> str:
    text = read("pyproject.toml")
    if text is None:
        raise ProjectError(
            "the environment takes its packages from pyproject.toml, which is not there",
            where="pyproject.toml",
        )
    data = parse_pyproject(text)
    project = data.get("project")
    if not isinstance(project, dict):
        raise ProjectError("pyproject.toml has no [project] table", where="pyproject.toml")
    problems = [
        *_unknown("extra", source.extras, project.get("optional-dependencies", {})),
        *_unknown("group", source.groups, data.get("dependency-groups", {})),
    ]
    if problems:
        raise ProjectError.of(problems)
    return text


def _unknown(what: str, wanted: tuple[str, ...], known: Mapping[str, object]) -> Iterator[Problem]:
    names = {normalized(name) for name in known}
    for name in wanted:
        if normalized(name) not in names:
            hint = did_you_mean(name, known) or f"it has no {what}s"
            yield Problem(f"pyproject.toml has no {what} {name!r}", "pyproject.toml", hint=hint)


def normalized(name: str) -> str:
    """Return a package, extra or group name as the standards compare it (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def parse_pyproject(text: str) -> dict[str, Any]:
    """Parse the text of a pyproject.toml.

    Raises:
        ProjectError: it is not TOML.
    """
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ProjectError(f"not valid TOML: {error}", where="pyproject.toml") from error
