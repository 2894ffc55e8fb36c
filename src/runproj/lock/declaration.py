"""From an environment of the project file to a declaration: all that decides its lock."""

import re
from collections.abc import Sequence
from typing import Any

from runproj.errors import NotSupported, Problem, ProjectError
from runproj.lock import container, package, pyproject
from runproj.lock.container import NO_CODE, Code
from runproj.lock.libraries import Gathering, Local, sources
from runproj.lock.lock import Declaration
from runproj.lock.requirements import Read, RequirementFiles, local_path
from runproj.model import canonical
from runproj.spec.environment import (
    CondaEnvironment,
    DockerEnvironment,
    Environment,
    PyprojectSource,
    SystemEnvironment,
    VenvEnvironment,
)

_EDITABLE = re.compile(r"(?:-e\s*|--editable(?:\s+|=))(\S.*)")
UV_LOCK = "uv.lock"
"""uv's own lock: it is that of an environment which lists nothing but ``pyproject``."""


def declare(environment: Environment, read: Read, code: Code = NO_CODE) -> Declaration:
    """Collect what decides the lock of an environment.

    Args:
        environment: what the project file says.
        read: returns the text of a file of the project, None when it is not there.
        code: what an image or a package of the project may be built from.

    Raises:
        ProjectError: a file, an extra or a group is missing or wrong; with all of them.
        NotSupported: it needs what this version cannot lock, such as a workspace of uv.
    """
    if isinstance(environment, SystemEnvironment):
        return Declaration(kind="system")
    if isinstance(environment, CondaEnvironment):
        from runproj.lock import conda  # noqa: PLC0415 -- lazy: few projects need it

        wanted, files = conda.wanted(environment, read)
        return Declaration(kind="conda", conda=wanted, files=files)
    if isinstance(environment, DockerEnvironment):
        return container.declare(environment, read, code)
    found = _requirements(environment, read)
    own: dict[str, Any] = {}
    if environment.pyproject is not None:
        more = environment.requirements, environment.packages, environment.constraints
        alone = not (any(more) or environment.no_binary or environment.platforms)
        own = _pyproject(environment.pyproject, found, alone=alone)
    gathering = Gathering(read, code)
    gathering.add(found.local)
    _raise([*found.errors, *gathering.errors])
    libraries = gathering.libraries()
    source = environment.pyproject or PyprojectSource(extras=(), groups=())
    return Declaration(
        kind="venv",
        python=environment.python or own.get("project", {}).get("requires-python"),
        requirements=environment.requirements,
        packages=environment.packages,
        extras=source.extras,
        groups=source.groups,
        pyproject=environment.pyproject is not None,
        files=found.files,
        package=canonical(package.essence(own)).decode() if own else None,
        libraries=gathering.deciding,
        local=libraries.text if libraries.all else None,
        constraints=environment.constraints,
        no_binary=tuple(sorted({pyproject.normalized(name) for name in environment.no_binary})),
        platforms=tuple(sorted(set(environment.platforms))),
    )


def uses_code(environment: Environment, read: Read) -> bool:
    """Tell whether the project's code decides what is in an environment."""
    if isinstance(environment, DockerEnvironment):
        return environment.build is not None
    return isinstance(environment, VenvEnvironment) and bool(
        _requirements(environment, read).local
        or (environment.pyproject and "path" in (read(pyproject.FILE) or ""))
    )


def _requirements(environment: VenvEnvironment, read: Read) -> RequirementFiles:
    """Look at everything that is listed."""
    found = RequirementFiles(read)
    found.add(environment.requirements)
    for index, requirement in enumerate(environment.packages):
        where = f"packages[{index}]"
        editable = _EDITABLE.fullmatch(requirement)
        if editable is not None:
            found.check_editable(editable[1], where)
            continue
        found.check(requirement, where)
        if requirement.startswith("-"):
            found.errors.append(
                ProjectError(
                    f"{requirement!r} is an option, not a requirement",
                    where=where,
                    hint="options stand in a requirement file",
                )
            )
    found.add(filter(is_file, environment.constraints), "constraints")
    return found


def is_file(constraint: str) -> bool:
    """Tell a constraint file from a constraint, which says something of versions.

    >>> is_file("limits.txt"), is_file("numpy<2"), is_file("numpy ; python_version > '3'")
    (True, False, False)
    """
    return not re.search(r"[<>=!~;@]", constraint)


def check_packages(declaration: Declaration) -> None:
    """Make sure that what is listed are requirements (PEP 508); resolving would say it later.

    Raises:
        ProjectError: with every one that is none.
    """
    from packaging.requirements import InvalidRequirement, Requirement  # noqa: PLC0415 -- lazy: this module is on the hot path

    problems = []
    listed = [(f"packages[{index}]", text) for index, text in enumerate(declaration.packages)]
    listed += [
        (f"constraints[{index}]", text)
        for index, text in enumerate(declaration.constraints)
        if not is_file(text)
    ]
    for where, text in listed:
        if _EDITABLE.fullmatch(text) or local_path(text) is not None:
            continue
        try:
            Requirement(text)
        except InvalidRequirement as error:
            why = str(error).splitlines()[0]
            problems.append(Problem(f"{text!r} is no requirement: {why}", where=where))
    if problems:
        raise ProjectError.of(problems)


def _pyproject(source: PyprojectSource, found: RequirementFiles, *, alone: bool) -> dict[str, Any]:
    """Add the project's own files; return its ``pyproject.toml``."""
    text = found.read(pyproject.FILE)
    if text is None:
        found.errors.append(
            ProjectError(
                "there is no pyproject.toml",
                where="pyproject",
                hint="it holds name and dependencies of the project",
            )
        )
        return {}
    try:
        own = pyproject.parse(text)
    except ProjectError as error:
        found.errors.append(error)
        return {}
    found.errors += pyproject.errors(own, source.extras, source.groups)
    found.local += sources(own, Local(".", editable=False, where=pyproject.FILE))
    found.files[pyproject.FILE] = pyproject.toml(pyproject.essence(own))
    for name in ("uv.toml", UV_LOCK) if alone else ("uv.toml",):
        more = found.read(name)
        if more is not None:
            found.files[name] = more
    return own


def _raise(errors: Sequence[ProjectError]) -> None:
    if not errors:
        return
    unsupported = all(isinstance(error, NotSupported) for error in errors)
    kind = NotSupported if unsupported else ProjectError
    raise kind.of([problem for error in errors for problem in error.problems])
