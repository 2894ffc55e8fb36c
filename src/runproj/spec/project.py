"""The project file as typed values. What the fields mean to a user stands in their descriptions."""

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypeAlias

from runproj.model import field
from runproj.spec import template
from runproj.spec.command import Command, parse
from runproj.spec.environment import Environment
from runproj.spec.fields import (
    Before,
    Count,
    Declared,
    Doc,
    FilledText,
    Flag,
    Identifier,
    Identifiers,
    Limits,
    Name,
    Positive,
    Sha256,
    Text,
    Texts,
    Whole,
    wrong_at,
)
from runproj.spec.matrix import Matrix
from runproj.spec.parameter import Parameter
from runproj.spec.place import Path

Comparer: TypeAlias = Literal["bytes", "json", "csv", "text", "ignore"]

_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|min|s|m|h|d)?")
_SECONDS = {"ms": 0.001, "s": 1, "m": 60, "min": 60, "h": 3600, "d": 86400, None: 1}
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([KMGT]?i?B?)", re.IGNORECASE)
_UNITS = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4}


def seconds(text: str) -> float:
    """Return the seconds of a duration such as ``30s`` or ``1h30m``.

    >>> seconds("1h30m"), seconds("30d")
    (5400.0, 2592000.0)

    Raises:
        ValueError: it is none.
    """
    total, end = 0.0, 0
    stripped = text.strip()
    for match in _DURATION.finditer(stripped):
        if stripped[end : match.start()].strip():
            break
        total += float(match[1]) * _SECONDS[match[2]]
        end = match.end()
    if not stripped or stripped[end:].strip():
        raise ValueError(f"{text!r} is not a duration; examples: 90, 30s, 5m, 2h, 1h30m")
    return total


def as_duration(total: float) -> str:
    """Return a duration as a project file may have it.

    >>> as_duration(2592000), as_duration(5400), as_duration(1.5)
    ('30d', '90m', '1.5s')
    """
    for unit in ("d", "h", "m"):
        if total % _SECONDS[unit] == 0:
            return f"{total / _SECONDS[unit]:g}{unit}"
    return f"{total:g}s"


def _seconds(data: Any) -> Any:  # noqa: ANN401 -- raw YAML
    return seconds(data) if isinstance(data, str) else data


def _bytes(data: Any) -> Any:  # noqa: ANN401 -- raw YAML
    return size_in_bytes(data) if isinstance(data, str) else data


def size_in_bytes(text: str) -> int:
    """Return the bytes that a size such as ``4GB`` stands for.

    Raises:
        ValueError: it is none.
    """
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"{text!r} is not a size; examples: 512MB, 4GB, 4GiB")
    unit = match[2].lower()
    base = 1024 if "i" in unit else 1000
    return int(float(match[1]) * base ** _UNITS[unit.rstrip("b").rstrip("i")])


Seconds: TypeAlias = Annotated[
    float, Limits(strict=True, gt=0, allow_inf_nan=False), Before(_seconds)
]
Wait: TypeAlias = Annotated[float, Limits(strict=True, ge=0, allow_inf_nan=False), Before(_seconds)]
Bytes: TypeAlias = Annotated[int, Limits(strict=True, gt=0), Before(_bytes)]


Tolerance: TypeAlias = Annotated[float, Limits(strict=True, ge=0, allow_inf_nan=False)]


def _with_path(data: Any) -> Any:  # noqa: ANN401 -- raw YAML
    """Take anything but a mapping for the path, so that what is wrong with it is said of that."""
    return data if isinstance(data, (dict, Declared)) else {"path": data}


class Input(Declared):
    """A file, a folder or a glob that a step reads; a bare text is its path."""

    path: Annotated[
        FilledText, Doc("Relative to the project; may hold references; `https://…` needs `sha256`.")
    ]
    keep: Annotated[
        Literal["content", "reference"],
        Doc("`reference` keeps only digest and place of what is too large for the store."),
    ] = "content"
    link: Annotated[Flag, Doc("Give a read-only link instead of a copy.")] = False
    sha256: Annotated[Sha256 | None, Doc("The content that must be there.")] = None

    @classmethod
    def short(cls, data: Any) -> Any:  # noqa: ANN401 -- raw YAML
        """Take a bare text for the path."""
        return _with_path(data)

    @property
    def remote(self) -> bool:
        """Whether the path is a URL."""
        return "://" in self.path


class Output(Declared):
    """A file or folder that a step makes; a bare text is its path."""

    path: Annotated[FilledText, Doc("Relative to the project; may hold references.")]
    compare: Annotated[Comparer, Doc("How `verify` judges it.")] = "bytes"
    rtol: Annotated[Tolerance | None, Doc("Relative tolerance for numbers.")] = None
    atol: Annotated[Tolerance | None, Doc("Absolute tolerance for numbers.")] = None

    @classmethod
    def short(cls, data: Any) -> Any:  # noqa: ANN401 -- raw YAML
        """Take a bare text for the path."""
        return _with_path(data)

    def check(self) -> None:
        """Refuse tolerances where no numbers are compared."""
        if (self.rtol is not None or self.atol is not None) and self.compare in ("bytes", "ignore"):
            key = "atol" if self.rtol is None else "rtol"
            raise wrong_at(key, "'rtol' and 'atol' need compare: json, csv or text")


class Retries(Declared):
    """How a failure is tried again; a bare number says how often."""

    times: Annotated[Count, Doc("How often.")] = 1
    delay: Annotated[Wait | None, Doc("How long to wait before the first time, `10s`.")] = None
    backoff: Annotated[
        Positive, Doc("By how much each wait is longer than the one before: 2 doubles it.")
    ] = 2
    exit_codes: Annotated[
        tuple[Whole, ...] | None, Doc("Only failures with these exit codes; default: all.")
    ] = None


class Resources(Declared):
    """What a step needs while it executes; other names are pools with a number."""

    cpus: Annotated[Positive | None, Doc("Cores.")] = None
    memory: Annotated[Bytes | None, Doc("Memory, `4GB`.")] = None
    gpus: Annotated[Count | None, Doc("GPUs.")] = None
    pools: dict[str, Count] = field(default_factory=dict)

    @classmethod
    def short(cls, data: Any) -> Any:  # noqa: ANN401 -- raw YAML
        """Take every other name for a pool."""
        if not isinstance(data, dict):
            return data
        known = {name: value for name, value in data.items() if name in _RESOURCES}
        return {**known, "pools": {name: data[name] for name in data.keys() - known.keys()}}

    def check(self) -> None:
        """Refuse pools that can only be a slip of the pen."""
        for name in self.pools:
            if name in _MISTYPED:
                raise wrong_at(name, f"{name!r} is no resource: did you mean {_MISTYPED[name]!r}?")

    @property
    def amounts(self) -> dict[str, int | float]:
        """What is asked for, by name; memory in bytes."""
        known = {"cpus": self.cpus, "memory": self.memory, "gpus": self.gpus}
        asked = {name: amount for name, amount in known.items() if amount is not None}
        return {**asked, **dict(sorted(self.pools.items()))}


_MISTYPED = {"cpu": "cpus", "cores": "cpus", "gpu": "gpus", "mem": "memory", "ram": "memory"}
_RESOURCES = frozenset({"cpus", "memory", "gpus"})


def _listed(data: Any) -> Any:  # noqa: ANN401 -- raw YAML
    return [data] if isinstance(data, (str, dict)) and not _is_named(data) else data


def _is_named(data: Any) -> bool:  # noqa: ANN401 -- raw YAML
    return isinstance(data, dict) and "path" not in data


Inputs: TypeAlias = Annotated[tuple[Input, ...] | dict[Identifier, Input], Before(_listed)]
Outputs: TypeAlias = Annotated[tuple[Output, ...] | dict[Identifier, Output], Before(_listed)]


_OURS = frozenset({"PATH", "HOME", "TMPDIR", "PYTHONHASHSEED", "TZ", "LC_ALL"})


class StepFields(Declared):
    """What a step may say; an entry point that is one step says it too."""

    command: Annotated[
        FilledText | Annotated[tuple[Text, ...], Limits(min_length=1)] | None,
        Doc("A list of arguments, or one string; `{name}` is replaced by a value."),
    ] = None
    shell: Annotated[
        Literal["bash", "sh", False] | None,
        Doc("Which shell runs a string; `false`: none; default: bash when it is needed."),
    ] = None
    environment: Annotated[Name | None, Doc("The name of an environment; default: `default`.")] = (
        None
    )
    inputs: Annotated[Inputs, Doc("Files, folders and globs that the step reads.")] = ()
    outputs: Annotated[
        Outputs, Doc("Files and folders that the step makes, as a list or with names.")
    ] = ()
    metrics: Annotated[Texts, Doc("JSON, YAML or CSV files with numbers that the step makes.")] = ()
    needs: Annotated[
        Texts, Doc("Steps that must be done before, besides those it reads from.")
    ] = ()
    sources: Annotated[
        Texts | None, Doc("Globs of the source files that the step sees; default: all.")
    ] = None
    working_directory: Annotated[
        Text | None, Doc("Where the command runs, relative to the project.")
    ] = None
    stdin: Annotated[Text | None, Doc("A file given as standard input.")] = None
    stdout: Annotated[Text | None, Doc("A file that takes standard output.")] = None
    env: Annotated[dict[Identifier, Text], Doc("Environment variables to set; recorded.")] = field(
        default_factory=dict
    )
    pass_env: Annotated[
        Identifiers, Doc("Environment variables taken from the caller; their values are recorded.")
    ] = ()
    secrets: Annotated[
        Identifiers, Doc("Environment variables taken from the caller and never recorded.")
    ] = ()
    resources: Annotated[Resources | None, Doc("What the step needs while it executes.")] = None
    timeout: Annotated[Seconds | None, Doc("The step is ended after this time, `2h`.")] = None
    retries: Annotated[
        Count | Retries, Doc("How often a failure is tried again; or `times`, `delay`, …")
    ] = 0
    matrix: Annotated[
        Matrix | None,
        Doc("Names with lists of values: one instance of the step for each combination."),
    ] = None
    foreach: Annotated[
        Text | None,
        Doc(
            "An output of another step, `{steps.split.outputs.list}`: one instance of the step for "
            "each line of it, or each entry of its JSON list."
        ),
    ] = None
    cache: Annotated[Flag, Doc("`false` always executes the step.")] = True
    persist: Annotated[
        Texts, Doc("Folders that the next attempt finds as this one left them: checkpoints.")
    ] = ()
    trace: Annotated[Flag, Doc("Observe which files the step reads.")] = False
    hermetic: Annotated[Flag, Doc("Let the kernel forbid what is not declared.")] = False
    network: Annotated[Flag | None, Doc("Whether a hermetic step may use the network.")] = None

    @property
    def many(self) -> bool:
        """Whether it has instances: for each combination of its matrix, or each item of a list."""
        return self.matrix is not None or self.foreach is not None

    @property
    def items_from(self) -> tuple[str, str] | None:
        """The step and the output that has the list of its items."""
        whole = template.parse(self.foreach or "").whole
        match None if whole is None else whole.parts:
            case ("steps", step, "outputs", output):
                return step, output
        return None

    @property
    def retrying(self) -> Retries:
        """How a failure is tried again."""
        if isinstance(self.retries, Retries):
            return self.retries
        return Retries(times=self.retries)

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

    def check_secrets(self) -> None:
        """Refuse a secret that would be recorded, for it is declared in another way, too."""
        for name in self.secrets:
            other = "env" if name in self.env else "pass_env" if name in self.pass_env else None
            if other is not None:
                raise wrong_at("secrets", f"{name} is a secret, and {other!r} records it")
            if name in _OURS or name.startswith("RUNPROJ_"):
                raise wrong_at("secrets", f"{name} is set by runproj: it cannot be a secret")

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

    description: Annotated[Text | None, Doc("One line about the step.")] = None

    def check(self) -> None:
        """Refuse a step that does nothing, and a variable that is a secret and none."""
        if self.command is None:
            raise ValueError("a step needs a 'command'")
        if self.matrix is not None and self.foreach is not None:
            raise wrong_at("foreach", "a step has a 'matrix' or a 'foreach', not both")
        self.check_secrets()


_DEFAULTS = vars(StepFields())


class EntryPoint(StepFields):
    """What a user may start by name: steps, or one command."""

    description: Annotated[Text | None, Doc("One line for the person who runs it.")] = None
    parameters: Annotated[
        dict[Identifier, Parameter], Doc("Values that a user may set with -P.")
    ] = field(default_factory=dict)
    steps: Annotated[dict[Name, Step], Doc("The steps, by name.")] = field(default_factory=dict)

    def check(self) -> None:
        """Refuse what is neither one command nor steps."""
        if self.command is None and not self.steps:
            raise ValueError("an entry point needs 'steps', or a 'command'")
        said = [name for name, default in _DEFAULTS.items() if getattr(self, name) != default]
        if self.steps and said:
            key = min(said)
            raise wrong_at(key, f"{key!r} belongs into a step when there are 'steps'")
        self.check_secrets()

    def paths(self, name: str) -> Mapping[str, Path]:
        """Return where each step stands in the document; ``name`` is the entry point's."""
        base: Path = ("entry_points", name)
        return {step: (*base, "steps", step) for step in self.steps} if self.steps else {name: base}

    def all_steps(self, name: str) -> Mapping[str, Step]:
        """Return the steps by name; one command is one step with the entry point's name."""
        if self.steps:
            return self.steps
        fields = {field: getattr(self, field) for field in _DEFAULTS}
        return {name: Step(**fields, description=self.description)}


class Source(Declared):
    """What belongs to the project's code."""

    root: Annotated[
        Text, Doc("The folder whose content is the code; `..` for a part of a monorepo.")
    ] = "."


class Kept(Declared):
    """Which runs stay when room is made: those that either of the two keeps; without both, all."""

    keep_last: Annotated[
        Annotated[int, Limits(strict=True, ge=1)] | None,
        Doc("So many runs of each entry point stay, the latest."),
    ] = None
    keep: Annotated[Seconds | None, Doc("Runs that are not older stay, `90d`.")] = None

    @property
    def text(self) -> str:
        """What is said, as the file has it.

        >>> Kept(keep_last=5, keep=7776000.0).text
        'keep_last: 5, keep: 90d'
        """
        last = None if self.keep_last is None else f"keep_last: {self.keep_last}"
        age = None if self.keep is None else f"keep: {as_duration(self.keep)}"
        return ", ".join(filter(None, (last, age)))


class Retention(Kept):
    """Which runs `gc` leaves, and how long those can be restored that were deleted."""

    deleted: Annotated[Wait, Doc("How long a run that was deleted can be restored, `30d`.")] = (
        30 * 86400.0
    )
    experiments: Annotated[
        dict[FilledText, Kept], Doc("What holds for single experiments instead, by their names.")
    ] = field(default_factory=dict)

    def rule(self, experiment: str) -> tuple[str, Kept]:
        """Return what holds for an experiment, and the place in the file where that stands."""
        if experiment in self.experiments:
            return f"retention.experiments.{experiment}", self.experiments[experiment]
        return "retention", self


def _version(data: Any) -> Any:  # noqa: ANN401 -- raw YAML
    return data if type(data) is int else str(data)  # for Python, true and 1.0 are 1 as well


class Project(Declared):
    """A project: entry points, parameters and environments."""

    runproj: Annotated[Literal[1], Before(_version), Doc("The version of this format: 1.")]
    name: Annotated[
        FilledText | None, Doc("The name of the project; default: the name of its folder.")
    ] = None
    description: Annotated[Text | None, Doc("What the project is about.")] = None
    source: Annotated[Source, Doc("Which folder is the project's code.")] = field(
        default_factory=Source
    )
    parameters: Annotated[
        dict[Identifier, Parameter], Doc("Parameters shared by every entry point.")
    ] = field(default_factory=dict)
    environments: Annotated[
        dict[Name, Environment],
        Doc("Where steps execute, by name; without any they run on the system as it is."),
    ] = field(default_factory=dict)
    resources: Annotated[
        dict[str, Count],
        Doc("How much there is of each pool that steps ask for, `licence: 1`."),
    ] = field(default_factory=dict)
    retention: Annotated[
        Retention | None, Doc("Which runs `gc` leaves: all, where nothing is said.")
    ] = None
    entry_points: Annotated[
        dict[Name, EntryPoint],
        Limits(min_length=1),
        Doc("What a user may start; `runproj run` starts `main`."),
    ]

    def parameters_of(self, entry_point: str) -> Mapping[str, Parameter]:
        """Return the parameters of an entry point, the shared ones included."""
        return {**self.parameters, **self.entry_points[entry_point].parameters}
