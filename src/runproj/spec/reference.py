"""Which references a step may make, and what each of them means."""

from collections.abc import Mapping
from typing import Literal, NamedTuple, TypeAlias

from runproj.spec.parameter import Parameter
from runproj.spec.project import EntryPoint, Project, Step
from runproj.spec.suggest import did_you_mean, nearest
from runproj.spec.template import Reference

Meaning: TypeAlias = Literal["parameter", "matrix", "item", "input", "output", "step_output", "run"]
RESERVED = frozenset({"matrix", "item", "inputs", "outputs", "steps", "run", "workspace"})


class UnknownReference(ValueError):
    """A name that means nothing here; ``hint`` has the nearest, ``about`` the names involved."""

    def __init__(self, message: str, hint: str | None, about: frozenset[str]) -> None:
        super().__init__(message)
        self.hint = hint
        self.about = about


class Scope(NamedTuple):
    """What a step can see: parameters, its own matrix, inputs and outputs, and all steps."""

    parameters: Mapping[str, Parameter]
    step: Step
    steps: Mapping[str, Step]

    def meaning(self, reference: Reference) -> Meaning:
        """Return what a reference means.

        Raises:
            UnknownReference: it means nothing.
        """
        parts = reference.parts
        match parts:
            case ("run", "id") | ("workspace",):
                return "run"
            case ("matrix", key) if self.step.matrix is not None and key in self.step.matrix.keys:
                return "matrix"
            case ("item",) | ("item", _) if self.step.foreach is not None:
                return "item"
            case ("inputs", key) if key in self.step.inputs_by_name:
                return "input"
            case ("outputs", key) if key in self.step.outputs_by_name:
                return "output"
            case ("steps", name, "outputs", key) if self._step_has(name, key):
                return "step_output"
            case (name,) if name in self.parameters:
                return "parameter"
        raise UnknownReference(
            f"{reference} refers to nothing", self._hint(reference), frozenset(parts)
        )

    def _step_has(self, name: str, output: str) -> bool:
        return name in self.steps and output in self.steps[name].outputs_by_name

    def names(self) -> list[str]:
        """Return all names that may be referred to."""
        return [
            *self.parameters,
            *(f"matrix.{key}" for key in (self.step.matrix.keys if self.step.matrix else ())),
            *(["item"] if self.step.foreach is not None else []),
            *(f"inputs.{key}" for key in self.step.inputs_by_name),
            *(f"outputs.{key}" for key in self.step.outputs_by_name),
            *(
                f"steps.{name}.outputs.{key}"
                for name, step in self.steps.items()
                for key in step.outputs_by_name
            ),
            "run.id",
            "workspace",
        ]

    def _hint(self, reference: Reference) -> str:
        escape = f"for plain text write {{{reference}}}"
        match reference.parts:
            case ("inputs" | "outputs" as which, _):
                return f"only {which} with a name can be referred to; {escape}"
            case ("secrets", name):
                return f"a secret is in the environment of the step only: ${name}; {escape}"
            case ("steps", name, *_) if name not in self.steps:
                return f"{did_you_mean(name, self.steps) or 'there is no such step'}; {escape}"
        near = nearest(reference.name, self.names())
        return f"did you mean {{{near}}}? {escape}" if near else escape


def scope(project: Project, entry_point: str, step: str) -> Scope:
    """Return what a step of an entry point can see."""
    entry: EntryPoint = project.entry_points[entry_point]
    steps = entry.all_steps(entry_point)
    return Scope(project.parameters_of(entry_point), steps[step], steps)
