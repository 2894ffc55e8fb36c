"""The project's own package, as its pyproject.toml tells: its modules and its scripts."""

from collections.abc import Iterator, Mapping
from typing import Any

from runproj.lock.declaration import parse_pyproject
from runproj.model import Model

_USUAL_ROOTS = ("src", ".")


class ProjectPackage(Model):
    """A package that is importable from its source.

    ``roots`` are folders of the project to import from, the first that exists counts most;
    ``entry_points`` maps groups (``console_scripts`` …) to names and ``module:object``.
    """

    name: str
    version: str
    roots: tuple[str, ...]
    entry_points: dict[str, dict[str, str]]


def project_package(pyproject: str) -> ProjectPackage | None:
    """Return the package that a pyproject.toml describes, None when it has no ``[project]``.

    The folders are what the usual build backends are told; ``src`` and the project itself count
    always, so that a project without a build backend can be imported too.
    """
    data = parse_pyproject(pyproject)
    project = data.get("project")
    if not isinstance(project, dict) or "name" not in project:
        return None
    entry_points: dict[str, dict[str, str]] = {
        group: dict(points) for group, points in project.get("entry-points", {}).items()
    }
    for key, group in (("scripts", "console_scripts"), ("gui-scripts", "gui_scripts")):
        if project.get(key):
            entry_points[group] = dict(project[key])
    roots = dict.fromkeys([*_declared_roots(data.get("tool", {})), *_USUAL_ROOTS])
    return ProjectPackage(
        name=project["name"],
        version=str(project.get("version", "0")),
        roots=tuple(root.strip("/") or "." for root in roots),
        entry_points=entry_points,
    )


def _declared_roots(tool: Mapping[str, Any]) -> Iterator[str]:
    """Yield the folders that build backends are told to take packages from."""
    setuptools = tool.get("setuptools", {})
    root = setuptools.get("package-dir", {}).get("")
    if root:
        yield root
    packages = setuptools.get("packages", {})
    if isinstance(packages, dict):
        yield from packages.get("find", {}).get("where", [])
    wheel = tool.get("hatch", {}).get("build", {}).get("targets", {}).get("wheel", {})
    yield from wheel.get("sources", []) if isinstance(wheel.get("sources"), list) else []
    for package in wheel.get("packages", []):
        yield package.rpartition("/")[0] or "."
    for package in tool.get("poetry", {}).get("packages", []):
        yield package.get("from", ".")
    root = tool.get("uv", {}).get("build-backend", {}).get("module-root")
    if root:
        yield root
    root = tool.get("pdm", {}).get("build", {}).get("package-dir")
    if root:
        yield root
