"""Settings: what a user, or a project, wants of every command, without saying it each time.

``[tool.runproj]`` of a project's ``pyproject.toml`` and the user's own file say the same keys, but
a project may come from strangers: it says only what can do nobody harm.
"""

import re
from collections.abc import Callable, Mapping
from typing import Literal, NamedTuple, TypeAlias

from runproj.errors import Problem, UsageError
from runproj.spec.suggest import did_you_mean

Value: TypeAlias = str | int | bool
By: TypeAlias = Literal["user", "project"]
VARIABLE = "RUNPROJ_"


class Key(NamedTuple):
    """A setting: what it is by default, what it may be, and whether a project may set it."""

    default: Value | None
    read: Callable[[object], Value]
    wanted: str
    help: str
    project: Literal["yes", "no", "true"] = "no"


_YES = frozenset({"1", "true", "t", "yes", "y", "on"})
_NO = frozenset({"0", "false", "f", "no", "n", "off"})


def _flag(value: object) -> bool:
    if isinstance(value, str):
        text = value.lower()
        value = text in _YES if text in _YES | _NO else None
    if not isinstance(value, bool):
        raise ValueError(value)
    return value


def _count(value: object) -> int:
    value = int(value) if isinstance(value, str) else value
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ValueError(value)
    return value


def _text(value: object) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError(value)
    return value


def _colour(value: object) -> str:
    if value not in ("auto", "always", "never"):
        raise ValueError(value)
    return str(value)


_FLAG = "true or false"
KEYS: Mapping[str, Key] = {
    "store": Key(
        None, _text, "a folder, from / or ~/", "The store, in place of the project's own."
    ),
    "jobs": Key(None, _count, "a whole number from 1", "At most so many steps at once.", "yes"),
    "experiment": Key("default", _text, "a name", "The experiment of new runs.", "yes"),
    "keep-going": Key(False, _flag, _FLAG, "Go on after a failure.", "yes"),
    "keep-packages": Key(False, _flag, _FLAG, "Keep the packages with the run.", "yes"),
    "keep-workspace": Key(False, _flag, _FLAG, "Leave the workspaces for a look."),
    "trace": Key(False, _flag, _FLAG, "Observe which files the steps read.", "true"),
    "hermetic": Key(False, _flag, _FLAG, "Forbid the steps what is not declared.", "true"),
    "offline": Key(False, _flag, _FLAG, "Ask no network."),
    "quiet": Key(False, _flag, _FLAG, "Show only what the steps print, and failures."),
    "colour": Key("auto", _colour, "auto, always or never", "When to print in colour."),
}
"""``project``: whether a project may set it; ``true``: it may ask for more safety, not for less."""


class Setting(NamedTuple):
    """A value, and where it is from: a place, the name of a variable, or ``default``."""

    value: Value | None
    origin: str


Settings: TypeAlias = dict[str, Setting]


def defaults() -> Settings:
    """Return what holds when nobody says anything."""
    return {name: Setting(key.default, "default") for name, key in KEYS.items()}


def from_file(text: str, file: str, by: By, user_file: str) -> Settings:
    """Return the settings of a file; ``user_file`` is named as the place of what is refused.

    Raises:
        UsageError: with everything that is wrong with it.
    """
    table, line_of = _table(text, file, by)
    problems: list[Problem] = []
    found: Settings = {}
    for name, value in table.items():
        where = f"{file}:{line}" if (line := line_of(name)) else file
        key = KEYS.get(name)
        if key is None:
            hint = did_you_mean(name, KEYS)
            problems.append(Problem(f"there is no setting {name!r}", where, hint=hint))
            continue
        try:
            if name == "store" and not str(value).startswith(("/", "~/")):
                raise ValueError(value)  # noqa: TRY301 -- a file is not in the folder one is in
            if isinstance(value, str) and key.read in (_flag, _count):
                raise ValueError(value)  # noqa: TRY301 -- TOML has types of its own
            read = key.read(value)
        except ValueError:
            problems.append(Problem(f"{name} is to be {key.wanted}", where))
            continue
        if by == "project" and (key.project == "no" or (key.project == "true" and not read)):
            what = f"{name} = {str(value).lower()}" if key.project == "true" else name
            problems.append(
                Problem(f"a project may not set {what}", where, hint=f"set it in {user_file}")
            )
            continue
        found[name] = Setting(read, where)
    if problems:
        raise UsageError.of(problems)
    return found


def from_variables(variables: Mapping[str, str]) -> Settings:
    """Return the settings of ``RUNPROJ_…`` variables; an empty one says nothing.

    Raises:
        UsageError: one has a value that it cannot have.
    """
    found: Settings = {}
    for name, key in KEYS.items():
        variable = VARIABLE + name.upper().replace("-", "_")
        text = variables.get(variable)
        if text:
            try:
                found[name] = Setting(key.read(text), variable)
            except ValueError:
                raise UsageError(
                    f"{variable}={text}: {name} is to be {key.wanted}", where=variable
                ) from None
    return found


def _table(
    text: str, file: str, by: By
) -> tuple[Mapping[str, object], Callable[[str], int | None]]:
    """Return the table of settings in a file, and what tells the lines of its keys."""
    import tomllib  # noqa: PLC0415 -- lazy: few have such a file

    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"it is not TOML: {error}", where=file) from error
    if by == "user":
        return data, lambda name: _line(text, name, "")
    tool = data.get("tool")
    table = tool.get("runproj", {}) if isinstance(tool, dict) else {}
    if not isinstance(table, dict):
        raise UsageError("tool.runproj is no table of settings", where=file)
    return table, lambda name: _line(text, name, "tool.runproj")


def _line(text: str, name: str, wanted: str) -> int | None:
    """Return the line of a key in a table, where it is written as usual."""
    table = ""
    for number, line in enumerate(text.splitlines(), 1):
        header = re.match(r"\s*\[\s*([^\]\[]+?)\s*\]", line)
        if header:
            table = header[1]
        elif table == wanted and re.match(rf"\s*[\"']?{re.escape(name)}[\"']?\s*[=.]", line):
            return number
    return None
