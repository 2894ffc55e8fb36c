"""From what processes did with files to what it means for a step."""

import posixpath
import re
from collections.abc import Callable, Iterator
from typing import NamedTuple

from runproj.plan.plan import PlannedStep
from runproj.ports import Accesses, Confinement, Denial
from runproj.record.observation import Observation, SeenSource

SYSTEM = (
    "/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/etc", "/proc", "/sys",
    "/nix/store", "/gnu/store", "/var/cache/fontconfig", "/System", "/Library",
)  # fmt: skip
"""What belongs to the machine: its programs, its settings, and what the kernel tells of it."""

DEVICES = (
    "/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom", "/dev/tty", "/dev/ptmx",
    "/dev/pts", "/dev/dri", "/dev/kfd", "/dev/nvidiactl",
    "/dev/nvidia-uvm", "/dev/nvidia-uvm-tools", "/dev/nvidia-modeset",
    "/dev/nvidia-caps", *(f"/dev/nvidia{number}" for number in range(16)),
)  # fmt: skip
SHARED_MEMORY = "/dev/shm"  # noqa: S108 -- what processes share, not a temporary file

# Writes of which programs do without: names of threads, and caches beside what they read.
_HARMLESS = re.compile(
    r"/proc/[^/]+(/task/[^/]+)?/(comm|oom_score_adj|timerslack_ns)"
    r"|.*/__pycache__(/.*)?|/var/cache/fontconfig(/.*)?"
)
# Where an interpreter looks for itself, in all the folders around the one that it stands in.
_OF_INTERPRETERS = re.compile(r".*/(lib\w*/python[\d.]+(\.zip)?|pyvenv\.cfg|pybuilddir\.txt)")
_NAME = re.compile(r"\W+")
_SHOWN = 5


class Surroundings(NamedTuple):
    """Where a step executes: absolute folders.

    ``root`` is the workspace, ``project`` the project folder in it, ``temporary`` beside it;
    ``environment`` are those of its environment, ``users`` is the user's own project folder.
    """

    root: str
    project: str
    temporary: str
    environment: tuple[str, ...]
    users: str

    @property
    def own(self) -> tuple[str, ...]:
        """What is made for the step and goes with it."""
        return (self.root, self.temporary)

    def confinement(self, *, hermetic: bool, network: bool) -> Confinement:
        """Return the limits of a step."""
        if not hermetic:
            return Confinement(network=network)
        return Confinement(
            (*SYSTEM, *self.environment), (*self.own, *DEVICES, SHARED_MEMORY), network
        )

    def is_known(self, path: str) -> bool:
        """Tell whether what stands at a path belongs to the step or to what it runs on."""
        if _within(path, self.own):
            return True
        return _within(path, (*SYSTEM, *self.environment, "/dev")) and not _within(
            path, (SHARED_MEMORY,)
        )

    def is_around(self, path: str) -> bool:
        """Tell whether a folder is around those of the step: who looks for these passes it."""
        return any(_within(one, (path.rstrip("/"),)) for one in (*self.own, *self.environment))

    def relative(self, path: str) -> str:
        """Return a path of the workspace relative to the project folder."""
        return posixpath.relpath(path, self.project)


def observation(
    accesses: Accesses,
    surroundings: Surroundings,
    source: SeenSource,
    state: Callable[[str], str | None],
) -> Observation:
    """Return what a step looked at.

    Args:
        accesses: what its processes did.
        surroundings: where they did it.
        source: what the source held.
        state: tells what stands at a path outside, see :class:`runproj.ports.Watcher`.
    """
    refused = (one.place for one in accesses.denied if one.kind in ("read", "write"))
    there = (*accesses.present, *accesses.absent, *refused)
    inside = {path for path in there if _within(path, (surroundings.root,))}
    listed = {path for path in accesses.listed if _within(path, (surroundings.root,))}
    paths = sorted(map(surroundings.relative, inside))
    listings = sorted(map(surroundings.relative, listed))
    return Observation(
        paths=tuple(paths),
        listings=tuple(listings),
        seen=source.digest(paths, listings),
        outside=dict(sorted(_outside(accesses, surroundings, state))),
        gap=accesses.gap,
    )


def _outside(
    accesses: Accesses, surroundings: Surroundings, state: Callable[[str], str | None]
) -> Iterator[tuple[str, str | None]]:
    for path in accesses.present:
        if not surroundings.is_known(path) and not surroundings.is_around(path):
            content = state(path)
            if content is not None:
                yield path, content
    for path in accesses.absent:  # what was made meanwhile was made by the step, or comes too late
        known = surroundings.is_known(path) or _OF_INTERPRETERS.fullmatch(path)
        if not known and state(path) is None:
            yield path, None
    for path in accesses.listed:
        if not surroundings.is_known(path):
            names = state(folder := f"{path.rstrip('/')}/")
            if names is not None:
                yield folder, names


def violations(
    accesses: Accesses, seen: Observation, surroundings: Surroundings, *, network: bool
) -> list[Denial]:
    """Return what a hermetic step did that it must not, whether or not it was kept from it."""
    found = [denial for denial in accesses.denied if _counts(denial, surroundings, network)]
    denied = {denial.place for denial in found}
    read = [path for path in seen.undeclared if path.rstrip("/") not in denied]
    return [*found, *(Denial(path, "read") for path in read)]


def _counts(denial: Denial, surroundings: Surroundings, network: bool) -> bool:  # noqa: FBT001
    if denial.kind in ("network", "socket"):
        return not network and not _within(denial.place, surroundings.own)
    if denial.kind == "write":
        return not _within(denial.place, (*surroundings.own, *DEVICES, SHARED_MEMORY)) and (
            _HARMLESS.fullmatch(denial.place) is None
        )
    return not surroundings.is_known(denial.place) and not _within(denial.place, (SHARED_MEMORY,))


def unused(step: PlannedStep, accesses: Accesses, surroundings: Surroundings) -> list[str]:
    """Return the declared inputs of which nothing was looked at; none if something was missed."""
    if accesses.gap is not None:
        return []
    touched = {
        surroundings.relative(path)
        for path in (*accesses.present, *accesses.listed)
        if _within(path, (surroundings.root,))
    }
    return [
        planned.path
        for planned in step.inputs
        if planned.path != step.stdin
        and not any(_within(path, (planned.path,)) for path in touched)
    ]


def words(denial: Denial) -> str:
    """Say what a step did that it must not.

    >>> words(Denial("/data/x.csv", "read"))
    'it reads /data/x.csv, which it does not declare'
    """
    place = denial.place
    if denial.kind == "read":
        what = f"lists {place}" if place.endswith("/") else f"reads {place}"
        return f"it {what}, which it does not declare"
    if denial.kind == "write":
        return f"it writes {place}, outside of its workspace"
    if denial.kind == "socket":
        return f"it talks to the service at {place}"
    return f"it uses the network: {place}"


def line_to_add(denial: Denial, planned: PlannedStep, project_file: str, users: str) -> str:
    """Return what mends it, with the line for the project file."""
    place, step = denial.place, planned.name
    given = next((one.path for one in planned.inputs if one.origin == place), None)
    if given is not None:
        return (
            f"it is declared, and stands at {given} in the workspace: let the program read it "
            "there, by the path that its command is given"
        )
    if denial.kind == "write":
        name = posixpath.basename(place)
        return (
            f"what is a result is written into the workspace, and declared in {project_file}: "
            f"outputs: [{name}]; what is temporary belongs below $TMPDIR"
        )
    if denial.kind in ("network", "socket"):
        return f"add to the step {step!r} in {project_file}: network: true"
    if _within(place, (users,)):
        inside = posixpath.relpath(place, users)
        return (
            f"add to the step {step!r} in {project_file}: inputs: [{inside}], and read it by its "
            "path in the project"
        )
    stem = _NAME.sub("_", posixpath.basename(place.rstrip("/")).partition(".")[0]).strip("_")
    name = stem.lower() if stem[:1].isalpha() else f"data_{stem.lower()}".rstrip("_")
    return (
        f"add to {project_file}: parameters: {{{name}: {{type: path, default: {place}}}}}, put "
        f"{{{name}}} into the command of the step {step!r}, and let the program read that path"
    )


def shown(denials: list[Denial]) -> str:
    """Say of several what the step did, the first of them in words."""
    first, *others = denials
    if not others:
        return words(first)
    more = ", ".join(denial.place for denial in others[:_SHOWN])
    rest = f" and {len(others) - _SHOWN} more" if len(others) > _SHOWN else ""
    return f"{words(first)} (and {more}{rest})"


def _within(path: str, folders: tuple[str, ...]) -> bool:
    return any(path == folder or path.startswith(f"{folder}/") for folder in folders)
