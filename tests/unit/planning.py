"""Plans without a world: a project file as text, and the facts as plain values."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from runproj.plan.binding import BoundValue, Folders, Given, bind
from runproj.plan.plan import PlannedStep
from runproj.plan.planner import Facts, Planner
from runproj.spec.load import load
from runproj.spec.paths import above, glob_matches, is_glob
from runproj.spec.project import Project

FOLDERS = Folders("/home/me/project", "/home/me/project/sub", "/home/me")


@dataclass
class World:
    """What is there besides the project file.

    ``source`` are files of the source, ``ignored`` those that git ignores, ``elsewhere`` maps
    absolute paths and ``run:…`` to digests. ``looked_at`` are the places that were read.
    """

    source: Sequence[str] = ("train.py", "sub/x.py")
    ignored: Sequence[str] = ()
    elsewhere: Mapping[str, str] = field(default_factory=dict)
    caller: Mapping[str, str] = field(default_factory=dict)
    looked_at: list[str] = field(default_factory=list)

    def find(self, pattern: str) -> Sequence[str]:
        """Return what stands on the disk at a path or glob."""
        files = {*self.source, *self.ignored}
        folders = {parent for path in files for parent in above(path.rpartition("/")[0])} - {""}
        every = sorted(files | folders)
        if is_glob(pattern):
            return [path for path in every if glob_matches(pattern, path)]
        return [path for path in every if path == pattern]

    def digest(self, origin: str) -> str | None:
        """Return the digest of what stands somewhere."""
        self.looked_at.append(origin)
        if origin in self.elsewhere:
            return self.elsewhere[origin]
        return f"sha256 of {origin}" if self.find(origin) else None


def values_of(project: Project, given: Mapping[str, str]) -> tuple[BoundValue, ...]:
    """Bind ``-P`` texts to the parameters of the entry point ``main``."""
    texts = Given(texts=list(given.items()))
    return bind(project.parameters_of("main"), texts, FOLDERS, lambda name: f"build/{name[-1]}")


def planner_of(
    text: str, given: Mapping[str, str] | None = None, world: World | None = None
) -> Planner:
    """Return the planner of the entry point ``main`` of a project file."""
    project, document = load(text)
    world = world or World()
    facts = Facts(
        manifest={path: f"100644 {path}" for path in world.source},
        find=world.find,
        digest=world.digest,
        caller=world.caller.get,
        point=lambda path, message, hint: document.problem(path, message, hint=hint),
    )
    return Planner(project, "main", values_of(project, given or {}), facts)


def plan_of(
    text: str,
    given: Mapping[str, str] | None = None,
    world: World | None = None,
    chosen: Sequence[str] = (),
) -> dict[str, PlannedStep]:
    """Plan the entry point ``main`` of a project file; return the steps by name, in order."""
    return {step.name: step for step in planner_of(text, given, world).plan(chosen)}


def project(steps: str, parameters: str = "{}", more: str = "") -> str:
    """Return a project file with these steps (lines of YAML, not indented)."""
    lines = "".join(f"      {line}\n" for line in steps.strip("\n").splitlines())
    return (
        f"runproj: 1\n{more}entry_points:\n  main:\n    parameters: {parameters}\n"
        f"    steps:\n{lines}"
    )
