"""The project file as typed values. What the fields mean to a user stands in their descriptions."""

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BeforeValidator, ConfigDict, Field, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

from runproj.model import Model
from runproj.spec.environment import Environment, Texts
from runproj.spec.parameter import Parameter

Name: TypeAlias = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_-]*$")]
Identifier: TypeAlias = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]
EnvironmentVariable: TypeAlias = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_]\w*$")]
Comparer: TypeAlias = Literal["bytes", "json", "csv", "text", "ignore"]

_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|min|h|d)?")
_SECONDS = {"ms": 0.001, "s": 1, "m": 60, "min": 60, "h": 3600, "d": 86400, None: 1}
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([KMGT]?i?B?)", re.IGNORECASE)
_UNITS = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4}


def _seconds(data: Any) -> Any:  # noqa: ANN401 -- raw YAML
    if not isinstance(data, str):
        return data
    total, end = 0.0, 0
    text = data.strip()
    for match in _DURATION.finditer(text):
        if text[end : match.start()].strip():
            break
        total += float(match[1]) * _SECONDS[match[2]]
        end = match.end()
    if not text or text[end:].strip():
        raise ValueError(f"{data!r} is not a duration; examples: 90, 30s, 5m, 2h, 1h30m")
    return total


def _bytes(data: Any) -> Any:  # noqa: ANN401 -- raw YAML
    if not isinstance(data, str):
        return data
    match = _SIZE.fullmatch(data.strip())
    if match is None:
        raise ValueError(f"{data!r} is not a size; examples: 512MB, 4GB, 4GiB")
    unit = match[2].lower()
    base = 1024 if "i" in unit else 1000
    return int(float(match[1]) * base ** _UNITS[unit.rstrip("b").rstrip("i")])


def _text(data: Any) -> Any:  # noqa: ANN401 -- raw YAML
    if isinstance(data, bool) or data is None or isinstance(data, (int, float)):
        raise PydanticCustomError("needs_quotes", "not text")
    return data


Seconds: TypeAlias = Annotated[float, BeforeValidator(_seconds), Field(gt=0)]
Bytes: TypeAlias = Annotated[int, BeforeValidator(_bytes), Field(gt=0)]
Text: TypeAlias = Annotated[str, BeforeValidator(_text)]


class Input(Model):
    """A file, a folder or a glob that a step reads; a bare text is its path."""

    path: Annotated[Text, Field(min_length=1)] = Field(
        description="Relative to the project; may hold references; `https://…` needs `sha256`."
    )
    keep: Literal["content", "reference"] = Field(
        "content",
        description="`reference` keeps only digest and place of what is too large for the store.",
    )
    link: bool = Field(False, description="Give a read-only link instead of a copy.")
    sha256: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")] | None = Field(
        None, description="The content that must be there."
    )

    @model_validator(mode="before")
    @classmethod
    def _bare(cls, data: Any) -> Any:  # noqa: ANN401 -- raw YAML
        return {"path": data} if isinstance(data, str) else data

    @property
    def remote(self) -> bool:
        """Whether the path is a URL."""
        return "://" in self.path


class Output(Model):
    """A file or folder that a step makes; a bare text is its path."""

    path: Annotated[Text, Field(min_length=1)] = Field(
        description="Relative to the project; may hold references."
    )
    compare: Comparer = Field("bytes", description="How `verify` judges it.")
    rtol: float | None = Field(None, ge=0, description="Relative tolerance for numbers.")
    atol: float | None = Field(None, ge=0, description="Absolute tolerance for numbers.")

    @model_validator(mode="before")
    @classmethod
    def _bare(cls, data: Any) -> Any:  # noqa: ANN401 -- raw YAML
        return {"path": data} if isinstance(data, str) else data

    @model_validator(mode="after")
    def _tolerance(self) -> "Output":
        if (self.rtol is not None or self.atol is not None) and self.compare in ("bytes", "ignore"):
            raise ValueError("'rtol' and 'atol' need compare: json, csv or text")
        return self


class Resources(Model):
    """What a step needs while it executes; other names are pools with a number."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, int]

    cpus: float | None = Field(None, gt=0, description="Cores.")
    memory: Bytes | None = Field(None, description="Memory, `4GB`.")
    gpus: int | None = Field(None, ge=0, description="GPUs.")


def _listed(data: Any) -> Any:  # noqa: ANN401 -- raw YAML
    return [data] if isinstance(data, (str, dict)) and not _is_named(data) else data


def _is_named(data: Any) -> bool:  # noqa: ANN401 -- raw YAML
    return isinstance(data, dict) and "path" not in data


Inputs: TypeAlias = Annotated[tuple[Input, ...] | dict[Identifier, Input], BeforeValidator(_listed)]
Outputs: TypeAlias = Annotated[
    tuple[Output, ...] | dict[Identifier, Output], BeforeValidator(_listed)
]
CommandText: TypeAlias = Annotated[Text, Field(min_length=1)]


class StepFields(Model):
    """What a step may say; an entry point that is one step says it too."""

    command: CommandText | Annotated[tuple[Text, ...], Field(min_length=1)] | None = Field(
        None, description="A list of arguments, or one string; `{name}` is replaced by a value."
    )
    shell: Literal["bash", "sh", False] | None = Field(
        None,
        description="Which shell runs a string; `false`: none; default: bash when it is needed.",
    )
    environment: Name | None = Field(
        None, description="The name of an environment; default: `default`."
    )
    inputs: Inputs = Field((), description="Files, folders and globs that the step reads.")
    outputs: Outputs = Field(
        (), description="Files and folders that the step makes, as a list or with names."
    )
    metrics: Texts = Field(
        (), description="JSON, YAML or CSV files with numbers that the step makes."
    )
    needs: Texts = Field(
        (), description="Steps that must be done before, besides those it reads from."
    )
    sources: Texts | None = Field(
        None, description="Globs of the source files that the step sees; default: all."
    )
    working_directory: Text | None = Field(
        None, description="Where the command runs, relative to the project."
    )
    stdin: Text | None = Field(None, description="A file given as standard input.")
    stdout: Text | None = Field(None, description="A file that takes standard output.")
    env: dict[EnvironmentVariable, Text] = Field(
        default_factory=dict, description="Environment variables to set; recorded."
    )
    pass_env: Texts = Field(
        (), description="Environment variables taken from the caller; their values are recorded."
    )
    secrets: Texts = Field(
        (), description="Environment variables taken from the caller and never recorded."
    )
    resources: Resources | None = Field(None, description="What the step needs while it executes.")
    timeout: Seconds | None = Field(None, description="The step is ended after this time, `2h`.")
    retries: Annotated[int, Field(ge=0)] = Field(
        0, description="How often a failure is tried again."
    )
    matrix: dict[Identifier, tuple[str | int | float | bool, ...]] | None = Field(
        None, description="Names with lists of values: one step for each combination."
    )
    cache: bool = Field(True, description="`false` always executes the step.")
    persist: Texts = Field((), description="Folders that survive retries and `resume`.")
    trace: bool = Field(False, description="Observe which files the step reads.")
    hermetic: bool = Field(False, description="Let the kernel forbid what is not declared.")
    network: bool | None = Field(None, description="Whether a hermetic step may use the network.")

    @property
    def outputs_by_name(self) -> Mapping[str, Output]:
        """Named outputs only."""
        return self.outputs if isinstance(self.outputs, dict) else {}

    @property
    def inputs_by_name(self) -> Mapping[str, Input]:
        """Named inputs only."""
        return self.inputs if isinstance(self.inputs, dict) else {}

    @property
    def all_inputs(self) -> tuple[Input, ...]:
        """Inputs in order, named or not."""
        return tuple(self.inputs.values()) if isinstance(self.inputs, dict) else self.inputs

    @property
    def all_outputs(self) -> tuple[tuple[str | None, Output], ...]:
        """Outputs in order, with their names where they have one."""
        if isinstance(self.outputs, dict):
            return tuple(self.outputs.items())
        return tuple((None, output) for output in self.outputs)


class Step(StepFields):
    """One command in one environment."""

    description: str | None = Field(None, description="One line about the step.")

    @model_validator(mode="after")
    def _has_command(self) -> "Step":
        if self.command is None:
            raise ValueError("a step needs a 'command'")
        return self


_STEP_FIELDS = frozenset(StepFields.model_fields)


class EntryPoint(StepFields):
    """What a user may start by name: steps, or one command."""

    description: str | None = Field(None, description="One line for the person who runs it.")
    parameters: dict[Identifier, Parameter] = Field(
        default_factory=dict, description="Values that a user may set with -P."
    )
    steps: dict[Name, Step] = Field(default_factory=dict, description="The steps, by name.")

    @model_validator(mode="after")
    def _command_or_steps(self) -> "EntryPoint":
        if self.command is None and not self.steps:
            raise ValueError("an entry point needs 'steps', or a 'command'")
        extra = sorted(_STEP_FIELDS & self.model_fields_set)
        if self.steps and extra:
            raise ValueError(f"{extra[0]!r} belongs into a step when there are 'steps'")
        return self

    def all_steps(self, name: str) -> Mapping[str, Step]:
        """Return the steps by name; one command is one step with the entry point's name."""
        if self.steps:
            return self.steps
        fields = {field: getattr(self, field) for field in _STEP_FIELDS & self.model_fields_set}
        return {name: Step.model_construct(**fields, description=self.description)}


class Source(Model):
    """What belongs to the project's code."""

    root: Text = Field(
        ".", description="The folder whose content is the code; `..` for a part of a monorepo."
    )


class Project(Model):
    """A project: entry points, parameters and environments."""

    runproj: Literal[1] = Field(description="The version of this format: 1.")
    name: Annotated[Text, Field(min_length=1)] | None = Field(
        None, description="The name of the project; default: the name of its folder."
    )
    description: str | None = Field(None, description="What the project is about.")
    source: Source = Field(Source(), description="What belongs to the project's code.")
    parameters: dict[Identifier, Parameter] = Field(
        default_factory=dict, description="Parameters shared by every entry point."
    )
    environments: dict[Name, Environment] = Field(
        default_factory=dict,
        description="Where steps execute, by name; without any they run on the system as it is.",
    )
    entry_points: Annotated[dict[Name, EntryPoint], Field(min_length=1)] = Field(
        description="What a user may start; `runproj run` starts `main`."
    )

    def parameters_of(self, entry_point: str) -> Mapping[str, Parameter]:
        """Return the parameters of an entry point, the shared ones included."""
        return {**self.parameters, **self.entry_points[entry_point].parameters}
