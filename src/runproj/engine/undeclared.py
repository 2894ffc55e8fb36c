"""Why a step failed: a file that it looked for, and that it never declared."""

import posixpath
import re
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

from runproj.plan.plan import Plan, PlannedStep
from runproj.spec.paths import matches_any

_QUOTED = re.compile(r"'([^'\n]{1,500})'|\"([^\"\n]{1,500})\"")
_MODULE = re.compile(r"No module named '([\w.]+)'")
_WORD = re.compile(r"[^\s'\"`,;:()<>\[\]{}=]{1,500}")


class Undeclared(NamedTuple):
    """A file that a step wanted; ``why`` says where it is."""

    path: str
    why: str

    def hint(self, step: PlannedStep) -> str:
        """Return the line to add."""
        declared = [planned.path for planned in step.inputs]
        wanted = ", ".join(dict.fromkeys([*declared, self.path]))
        return f"declare it: add 'inputs: [{wanted}]' to the step {step.name!r} in the project file"


def undeclared(
    log: str,
    step: PlannedStep,
    plan: Plan,
    *,
    workspace: str,
    exists: Callable[[str], bool],
    manifest: Mapping[str, str],
) -> Undeclared | None:
    """Find a file that the end of a log names, and that exists, but not for this step.

    Args:
        log: the end of what the step printed.
        step: the step.
        plan: its plan; a file that another step makes is looked for there.
        workspace: the project folder of its workspace, absolute.
        exists: tells whether a path stands in the user's project folder.
        manifest: the source files, relative to the project.
    """
    makers = {output.path: other.name for other in plan.steps for output in other.outputs}
    own = {output.path for output in step.outputs}
    given = [planned.path for planned in step.inputs]
    hidden = frozenset(plan.hidden)
    for path in _candidates(log, step.working_directory, workspace):
        if path in own or matches_any(path, given):
            continue
        maker = _maker(path, makers)
        if maker is not None and maker != step.name:
            return Undeclared(path, f"the step {maker!r} makes it")
        if (path not in manifest or path in hidden) and exists(path):
            why = "runproj keeps it from steps" if path in hidden else "git ignores it"
            return Undeclared(path, f"it stands in the project, but {why}")
        if path in manifest and not matches_any(
            path, (path,) if step.sources is None else step.sources
        ):
            return Undeclared(path, "it stands in the project, but 'sources' leaves it out")
    return None


def _maker(path: str, makers: Mapping[str, str]) -> str | None:
    while path:
        if path in makers:
            return makers[path]
        path = path.rpartition("/")[0]
    return None


def _candidates(log: str, directory: str, workspace: str) -> Iterator[str]:
    """Return what looks like a path, the last first, relative to the project."""
    seen = set()
    for line in reversed(log.splitlines()):
        quoted = [first or second for first, second in _QUOTED.findall(line)]
        modules = [name.replace(".", "/") for name in _MODULE.findall(line)]
        scripts = [path for name in modules for path in (f"{name}.py", f"{name}/__init__.py")]
        for text in (*scripts, *quoted, *_WORD.findall(line)):
            path = _in_project(text.strip().rstrip("."), directory, workspace)
            if path is not None and path not in seen:
                seen.add(path)
                yield path


def _in_project(text: str, directory: str, workspace: str) -> str | None:
    if not text or "\0" in text:
        return None
    absolute = posixpath.normpath(posixpath.join(workspace, directory, text))
    if not absolute.startswith(workspace + "/"):
        return None
    return absolute[len(workspace) + 1 :]
