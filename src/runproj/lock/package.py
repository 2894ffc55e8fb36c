"""The project's own package, as its ``pyproject.toml`` tells it.

It is never built. The folders that hold its code are put on the path of a step, and a few lines of
metadata beside them, so that imports, entry points and scripts work as if it were installed.

A project is a package when it has a ``[project]`` table with a name, and either a build system
names its folders, or a ``src`` folder or a package folder is there. (uv calls a project without
``[build-system]`` no package; its code would not be importable there, and nobody wants that.)
"""

import posixpath
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from runproj.model import EMPTY

UNKNOWN_VERSION = "0+unknown"
"""Stands for a version that only a build of the project would tell."""

_TOOLS = {
    "setuptools": ("package-dir", "packages"),
    "hatch": ("build",),
    "poetry": ("packages",),
    "uv": ("build-backend",),
    "pdm": ("build",),
}
# folders at the top that hold code which is not the package
_ASIDE = frozenset({
    "test", "tests", "doc", "docs", "example", "examples", "script", "scripts", "benchmark",
    "benchmarks", "notebooks", "build", "dist", "data", "locks",
})  # fmt: skip


class ProjectPackage(NamedTuple):
    """A project as a package.

    ``roots`` are the folders of the project (``.`` for itself) that go on the path; ``scripts``
    and ``gui_scripts`` map names to ``module:function``, ``entry_points`` groups to such maps.
    """

    name: str
    version: str
    roots: tuple[str, ...]
    scripts: Mapping[str, str] = EMPTY
    gui_scripts: Mapping[str, str] = EMPTY
    entry_points: Mapping[str, Mapping[str, str]] = EMPTY

    @property
    def folder(self) -> str:
        """The name of its metadata folder, ``my_project-1.0.dist-info``."""
        name = re.sub(r"[-_.]+", "_", self.name).lower()
        return f"{name}-{self.version.replace('-', '_')}.dist-info"

    @property
    def metadata(self) -> str:
        """The text of ``METADATA`` (core metadata 2.1)."""
        return f"Metadata-Version: 2.1\nName: {self.name}\nVersion: {self.version}\n"

    @property
    def entry_points_text(self) -> str:
        """The text of ``entry_points.txt``."""
        groups = {
            "console_scripts": self.scripts, "gui_scripts": self.gui_scripts, **self.entry_points
        }  # fmt: skip
        return "\n".join(
            f"[{group}]\n" + "".join(f"{name} = {target}\n" for name, target in sorted(one.items()))
            for group, one in sorted(groups.items())
            if one
        )


def essence(pyproject: Mapping[str, Any]) -> dict[str, Any]:
    """Return the part of a ``pyproject.toml`` that :func:`project_package` looks at."""
    project = pyproject.get("project", {})
    tool = pyproject.get("tool", {})
    kept = {
        name: {key: tool[name][key] for key in keys if key in tool[name]}
        for name, keys in _TOOLS.items()
        if name in tool
    }
    names = ("name", "version", "scripts", "gui-scripts", "entry-points")
    return {
        "project": {name: project[name] for name in names if name in project},
        "tool": {name: table for name, table in kept.items() if table},
    }


def described(pyproject: Mapping[str, Any]) -> ProjectPackage | None:
    """Return the package without its roots; None when the project has no name."""
    project = pyproject.get("project", {})
    if "name" not in project:
        return None
    return ProjectPackage(
        name=project["name"],
        version=project.get("version", UNKNOWN_VERSION),
        roots=(),
        scripts=project.get("scripts", {}),
        gui_scripts=project.get("gui-scripts", {}),
        entry_points=project.get("entry-points", {}),
    )


def project_package(pyproject: Mapping[str, Any], files: Collection[str]) -> ProjectPackage | None:
    """Return the package that a project is; None when it is none.

    Args:
        pyproject: its ``pyproject.toml``, or the :func:`essence` of it.
        files: paths of its files, relative to it; modules and the ``__init__.py`` of packages at
            the top and in ``src`` are enough.
    """
    package = described(pyproject)
    if package is None:
        return None
    roots = tuple(dict.fromkeys(_declared(pyproject.get("tool", {})))) or _conventional(
        package.name, files
    )
    if not roots:
        return None
    return ProjectPackage(
        package.name, package.version, roots,
        package.scripts, package.gui_scripts, package.entry_points,
    )  # fmt: skip


def _declared(tool: Mapping[str, Any]) -> Iterator[str]:
    """Yield the roots that the settings of a build backend name."""
    setuptools = tool.get("setuptools", {})
    for package, folder in setuptools.get("package-dir", {}).items():
        yield _above(folder, package.count(".") + 1 if package else 0)
    packages = setuptools.get("packages")
    if isinstance(packages, Mapping):
        yield from map(_normal, packages.get("find", {}).get("where", ()))
    wheel = tool.get("hatch", {}).get("build", {}).get("targets", {}).get("wheel", {})
    for folder in wheel.get("packages", ()):
        yield _above(folder, 1)
    sources = wheel.get("sources", ())
    if isinstance(sources, Mapping):
        sources = [folder for folder, target in sources.items() if not target]
    yield from map(_normal, sources)
    for one in tool.get("poetry", {}).get("packages", ()):
        yield _normal(one.get("from", "."))
    uv = tool.get("uv", {}).get("build-backend", {})
    if "module-root" in uv:
        yield _normal(uv["module-root"] or ".")
    pdm = tool.get("pdm", {}).get("build", {})
    if "package-dir" in pdm:
        yield _normal(pdm["package-dir"])


def _normal(folder: str) -> str:
    return posixpath.normpath(folder)


def _above(folder: str, levels: int) -> str:
    folder = _normal(folder)
    for _ in range(levels):
        folder = posixpath.dirname(folder)
    return folder or "."


def _conventional(name: str, files: Iterable[str]) -> tuple[str, ...]:
    """Return the root by where code stands: in ``src``, else at the top."""
    module = re.sub(r"[-_.]+", "_", name).lower()
    flat = False
    for path in files:
        first, _, rest = path.partition("/")
        if first == "src" and rest.endswith(".py"):
            return ("src",)
        package = first not in _ASIDE and rest == "__init__.py"
        named = path == f"{module}.py" or (first == module and rest.endswith(".py"))
        flat = flat or package or named
    return (".",) if flat else ()
