"""The project file as typed values. What the fields mean to a user stands in their descriptions."""

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import (
    BeforeValidator,
    ConfigDict,
    Field,
    StrictBool,
    StrictFloat,
    StrictInt,
    StringConstraints,
    model_validator,
)

from runproj.model import Model
from runproj.spec.command import Command, parse
from runproj.spec.environment import Environment
from runproj.spec.fields import (
    FilledText,
    Flag,
    Identifier,
    Identifiers,
    Name,
    Number,
    Text,
    Texts,
    Whole,
    wrong_at,
)
from runproj.spec.parameter import Parameter
from runproj.spec.place import Path

Comparer: TypeAlias = Literal["bytes", "json", "csv", "text", "ignore"]

_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|min|s|m|h|d)?")
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


Seconds: TypeAlias = Annotated[
    StrictFloat, BeforeValidator(_seconds), Field(gt=0, allow_inf_nan=False)
]
Bytes: TypeAlias = Annotated[Whole, BeforeValidator(_bytes), Field(gt=0)]


Tolerance: TypeAlias = Annotated[StrictFloat, Field(ge=0, allow_inf_nan=False)]
MatrixValues: TypeAlias = Annotated[
    tuple[str | StrictInt | StrictFloat | StrictBool, ...], Field(min_length=1)
]


def _with_path(data: Any) -> Any:  # noqa: ANN401 -- raw YAML
    """Take anything but a mapping for the path, so that what is wrong with it is said of that."""
    return data if isinstance(data, (dict, Model)) else {"path": data}


class Input(Model):
    """A file, a folder or a glob that a step reads; a bare text is its path."""

    path: FilledText = Field(
        description="Relative to the project; may hold references; `https://…` needs `sha256`."
    )
    keep: Literal["content", "reference"] = Field(
        "content",
        description="`reference` keeps only digest and place of what is too large for the store.",
    )
    link: Flag = Field(False, description="Give a read-only link instead of a copy.")
    sha256: Annotated[Text, StringConstraints(pattern=r"^[0-9a-f]{64}$")] | None = Field(
        None, description="The content that must be there."
    )

    @model_validator(mode="before")
    @classmethod
    def _bare(cls, data: Any) -> Any:  # noqa: ANN401 -- raw YAML
        return _with_path(data)

    @property
    def remote(self) -> bool:
        """Whether the path is a URL."""
        return "://" in self.path


class Output(Model):
    """A file or folder that a step makes; a bare text is its path."""

    path: FilledText = Field(description="Relative to the project; may hold references.")
    compare: Comparer = Field("bytes", description="How `verify` judges it.")
    rtol: Tolerance | None = Field(None, description="Relative tolerance for numbers.")
    atol: Tolerance | None = Field(None, description="Absolute tolerance for numbers.")

    @model_validator(mode="before")
    @classmethod
    def _bare(cls, data: Any) -> Any:  # noqa: ANN401 -- raw YAML
        return _with_path(data)

    @model_validator(mode="after")
    def _tolerance(self) -> "Output":
        if (self.rtol is not None or self.atol is not None) and self.compare in ("bytes", "ignore"):
            key = "atol" if self.rtol is None else "rtol"
            raise wrong_at(key, "'rtol' and 'atol' need compare: json, csv or text")
        return self


class Resources(Model):
    """What a step needs while it executes; other names are pools with a number."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, Whole]

    cpus: Number | None = Field(None, gt=0, description="Cores.")
    memory: Bytes | None = Field(None, description="Memory, `4GB`.")
    gpus: Whole | None = Field(None, ge=0, description="GPUs.")


def _listed(data: Any) -> Any:  # noqa: ANN401 -- raw YAML
    return [data] if isinstance(data, (str, dict)) and not _is_named(data) else data


def _is_named(data: Any) -> bool:  # noqa: ANN401 -- raw YAML
    return isinstance(data, dict) and "path" not in data


Inputs: TypeAlias = Annotated[tuple[Input, ...] | dict[Identifier, Input], BeforeValidator(_listed)]
Outputs: TypeAlias = Annotated[
    tuple[Output, ...] | dict[Identifier, Output], BeforeValidator(_listed)
]


class StepFields(Model):
    """What a step may say; an entry point that is one step says it too."""

    command: FilledText | Annotated[tuple[Text, ...], Field(min_length=1)] | None = Field(
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
    env: dict[Identifier, Text] = Field(
        default_factory=dict, description="Environment variables to set; recorded."
    )
    pass_env: Identifiers = Field(
        (), description="Environment variables taken from the caller; their values are recorded."
    )
    secrets: Identifiers = Field(
        (), description="Environment variables taken from the caller and never recorded."
    )
    resources: Resources | None = Field(None, description="What the step needs while it executes.")
    timeout: Seconds | None = Field(None, description="The step is ended after this time, `2h`.")
    retries: Annotated[Whole, Field(ge=0)] = Field(
        0, description="How often a failure is tried again."
    )
    matrix: dict[Identifier, MatrixValues] | None = Field(
        None, description="Names with lists of values: one step for each combination."
    )
    cache: Flag = Field(True, description="`false` always executes the step.")
    persist: Texts = Field((), description="Folders that survive retries and `resume`.")
    trace: Flag = Field(False, description="Observe which files the step reads.")
    hermetic: Flag = Field(False, description="Let the kernel forbid what is not declared.")
    network: Flag | None = Field(None, description="Whether a hermetic step may use the network.")

    @property
    def parsed(self) -> Command:
        """The command, split.

        Raises:
            CommandError: it cannot be split, or a value in it would be parsed as code.
        """
        return parse(self.command or "", self.shell)

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

    description: Text | None = Field(None, description="One line about the step.")

    @model_validator(mode="after")
    def _has_command(self) -> "Step":
        if self.command is None:
            raise ValueError("a step needs a 'command'")
        return self


_STEP_FIELDS = frozenset(StepFields.model_fields)


class EntryPoint(StepFields):
    """What a user may start by name: steps, or one command."""

    description: Text | None = Field(None, description="One line for the person who runs it.")
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
            raise wrong_at(extra[0], f"{extra[0]!r} belongs into a step when there are 'steps'")
        return self

    def paths(self, name: str) -> Mapping[str, Path]:
        """Return where each step stands in the document; ``name`` is the entry point's."""
        base: Path = ("entry_points", name)
        return {step: (*base, "steps", step) for step in self.steps} if self.steps else {name: base}

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


def _version(data: Any) -> Any:  # noqa: ANN401 -- raw YAML
    return data if type(data) is int else str(data)  # for Python, true and 1.0 are 1 as well


class Project(Model):
    """A project: entry points, parameters and environments."""

    runproj: Annotated[Literal[1], BeforeValidator(_version)] = Field(
        description="The version of this format: 1."
    )
    name: FilledText | None = Field(
        None, description="The name of the project; default: the name of its folder."
    )
    description: Text | None = Field(None, description="What the project is about.")
    source: Source = Field(
        default_factory=Source, description="What belongs to the project's code."
    )
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
