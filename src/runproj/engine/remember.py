"""Large plans that were made before: what they were made of is looked at, they are not made anew.

A plan is a function of the project, the values, the source, and what the planner asks about the
rest of the world. All of it is in the key, but for the answers to what was asked: these are kept
with the plan, and asked for again. One that is different makes that the plan is made again.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from runproj.model import digest_of
from runproj.plan.plan import PlannedStep
from runproj.plan.planner import Facts
from runproj.ports import Remembered
from runproj.record.source import SourceSnapshot


class Made(NamedTuple):
    """What the planner made: the steps, and the source files that no step sees."""

    steps: tuple[PlannedStep, ...]
    hidden: tuple[str, ...]


class Answers(NamedTuple):
    """What was asked about the world, and the answers; see :class:`runproj.plan.planner.Facts`."""

    found: dict[str, tuple[str, ...]]
    digests: dict[str, str | None]
    caller: dict[str, str | None]

    def hold(self, facts: Facts) -> bool:
        """Tell whether the answers are the same now; inputs are looked at in the order of then."""
        return (
            all(facts.caller(name) == value for name, value in self.caller.items())
            and all(tuple(facts.find(text)) == paths for text, paths in self.found.items())
            and all(facts.digest(origin) == sha256 for origin, sha256 in self.digests.items())
        )


class PlanMemory(NamedTuple):
    """Remembers plans of one project, the digest of whose file is ``project``.

    Plans of fewer than ``least`` steps are made as quickly as they are read.
    """

    kept: Remembered
    project: str
    least: int = 100

    def planned(
        self, of: Sequence[object], snapshot: SourceSnapshot, facts: Facts,
        make: Callable[[Facts], Made],
    ) -> Made:  # fmt: skip
        """Return a plan from memory, or made and remembered; errors are not remembered.

        Args:
            of: what decides about it besides the project, the source and the facts.
            snapshot: the source, which the manifest of the facts comes from.
            facts: what the planner is told about the world.
            make: makes the plan.
        """
        source = snapshot.tree, snapshot.project_path, facts.project_file
        key = digest_of([self.project, source, of])
        known = self.kept.get(key)
        if isinstance(known, tuple) and known[0].hold(facts):
            remembered: Made = known[1]
            return remembered
        answers = Answers({}, {}, {})
        made = make(_noting(facts, answers))
        if len(made.steps) >= self.least:
            self.kept.put(key, (answers, made))
        return made


def _noting(facts: Facts, answers: Answers) -> Facts:
    """Return facts that note what is asked."""

    def find(text: str) -> Sequence[str]:
        answers.found[text] = found = tuple(facts.find(text))
        return found

    def digest(origin: str) -> str | None:
        answers.digests[origin] = sha256 = facts.digest(origin)
        return sha256

    def caller(name: str) -> str | None:
        answers.caller[name] = value = facts.caller(name)
        return value

    return facts._replace(find=find, digest=digest, caller=caller)
