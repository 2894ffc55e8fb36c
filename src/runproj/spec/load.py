"""Text of a project file to a project, or to everything that is wrong with it."""

from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from runproj.errors import Problem, ProjectError
from runproj.model import Model
from runproj.spec import check, environment, project
from runproj.spec.document import Document, read
from runproj.spec.fields import validated
from runproj.spec.parameter import Parameter
from runproj.spec.place import Path, dotted
from runproj.spec.project import Project
from runproj.spec.suggest import did_you_mean, nearest

_ROUNDS = 8  # how often parts are cut out before giving up on finding more mistakes


def load(text: str, name: str = "runproj.yaml") -> tuple[Project, Document]:
    """Parse a project file.

    Returns:
        The project, and the document that knows where each of its values stands.

    Raises:
        ProjectError: with every mistake that could be found, in the order of the file.
    """
    document = read(text, name)
    problems = list(document.problems)
    if not isinstance(document.data, dict):
        if not problems:
            what = "is empty" if document.data is None else "is not a mapping of keys to values"
            problems.append(
                document.at((1, 1), f"the project file {what}", hint="start with 'runproj: 1'")
            )
        raise ProjectError.of(problems)
    parsed, tainted = _validated(document, problems)
    if parsed is not None:
        problems += [
            document.problem(
                finding.path,
                f"{dotted(finding.path)}: {finding.message}",
                hint=finding.hint,
                key=finding.key,
            )
            for finding in check.findings(parsed)
            if not tainted & finding.about
        ]
    if problems or parsed is None:
        raise ProjectError.of(sorted(problems, key=_place))
    return parsed, document


def _place(problem: Problem) -> tuple[int, int]:
    _, line, column = (problem.where or ":0:0").rsplit(":", 2)
    return int(line), int(column)


def _validated(document: Document, problems: list[Problem]) -> tuple[Project | None, set[str]]:
    """Validate; what is wrong is reported once, then cut out so that the rest can be checked.

    The names of the parts that were cut come back too: what is said about them would be noise.
    """
    data, tainted = document.data, set[str]()
    for round_ in range(_ROUNDS):
        try:
            return validated(Project, data), tainted
        except ValidationError as error:
            mistakes = _mistakes(error, document)
        if round_ == 0:
            problems += [problem for _, problem in mistakes]
            data = {**data, "runproj": 1}  # another version is no reason to look no further
        cuts = [path for path, _ in mistakes if path != ("runproj",)]
        if () in cuts and "entry_points" not in data:
            return None, tainted
        for path in filter(None, cuts):
            tainted |= _names_in(path)
        data = _without(data, filter(None, cuts))
    return None, tainted


def _names_in(path: Path) -> set[str]:
    """Return the names that a cut at this path makes unknown."""
    match path:
        case ("entry_points", _, "steps", step, *rest):
            # a mistyped 'inputs' or 'outputs' takes all names in it away
            return {str(step), *map(str, rest), *(("inputs", "outputs") if len(rest) == 1 else ())}
        case ("entry_points", _, *rest):
            return set(map(str, rest))
    return set(map(str, path[1:]))


def _without(data: Any, cuts: Iterable[Path]) -> Any:  # noqa: ANN401 -- raw YAML
    """Return a copy of the data with these paths removed."""
    below: dict[Any, list[Path]] = {}
    for path in cuts:
        below.setdefault(path[0], []).append(path[1:])
    items: Iterable[tuple[Any, Any]]
    items = data.items() if isinstance(data, dict) else enumerate(data)
    kept = {
        key: _without(value, below[key]) if key in below else value
        for key, value in items
        if () not in below.get(key, [])
    }
    return kept if isinstance(data, dict) else list(kept.values())


def _mistakes(error: ValidationError, document: Document) -> list[tuple[Path, Problem]]:
    """Return one problem for each place, with the path of what must be cut out."""
    places: dict[tuple[Path, str], list[ErrorDetails]] = {}
    for details in error.errors(include_url=False):
        path = _real_path(details["loc"], document)
        missing = str(details["loc"][-1]) if details["type"] == "missing" else ""
        places.setdefault((path, missing), []).append(details)
    above = {path[:length] for path, _ in places for length in range(len(path))}
    meant = {
        (path[:-1], nearest(str(path[-1]), _known_keys(path[:-1], document.data)))
        for (path, _), found in places.items()
        if found[0]["type"] == "unexpected_keyword_argument"
    }
    mistakes = []
    for (path, missing), found in places.items():
        if path in above and all(_is_about_type(details) for details in found):
            continue  # the other branch of a union says more, deeper down
        if missing and (path, missing) in meant:
            continue  # it is there, but mistyped
        mistakes.append((path, _problem(path, found, document)))
    return mistakes


def _real_path(location: Iterable[int | str], document: Document) -> Path:
    """Return the part of pydantic's location that is in the file (it names union branches too)."""
    path: Path = ()
    for part in location:
        if (*path, part) in document.values:
            path = (*path, part)
    return path


def _is_about_type(details: ErrorDetails) -> bool:
    """Tell whether this is what a union says of a branch that was not meant."""
    kind = details["type"]
    return kind in _TYPES or kind in ("literal_error", "needs_quotes", "too_short")


_TYPES: Mapping[str, str] = {
    "string_type": "text",
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "float_parsing": "a number",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "dict_type": "a mapping",
    "dataclass_type": "a mapping",
    "model_attributes_type": "a mapping",
    "tuple_type": "a list",
    "list_type": "a list",
}
_MISSING: Mapping[str, str] = {
    "runproj": "begin the file with 'runproj: 1'",
    "entry_points": "declare what can be started: entry_points: {main: {command: …}}",
}
_LIMITS: Mapping[str, str] = {
    "greater_than": "must be larger than {gt:g}",
    "greater_than_equal": "must be at least {ge:g}",
    "too_short": "must not be empty",
    "string_too_short": "must not be empty",
    "finite_number": "must be a finite number",
}


def _problem(path: Path, found: list[ErrorDetails], document: Document) -> Problem:
    details = _telling(found)
    message, hint = _say(path, details, found, document)
    is_key = (
        details["type"] in ("unexpected_keyword_argument", "missing") or "[key]" in details["loc"]
    )
    if details["type"] == "wrong_at":
        inner = (*path, details["ctx"]["key"])
        is_key = details["ctx"]["key"] not in ("default", "python")
        path = inner if inner in document.values else path
    if details["type"] == "union_tag_invalid":
        path = (*path, "kind")
    return document.problem(
        path, f"{dotted(path) or document.name}: {message}", hint=hint, key=is_key
    )


def _telling(found: list[ErrorDetails]) -> ErrorDetails:
    """Return what says most of all that is wrong with one value: our own words, then a limit."""
    own = [details for details in found if details["type"] in ("value_error", "needs_quotes")]
    limits = [details for details in found if not _is_about_type(details)]
    short = [details for details in found if details["type"] == "too_short"]
    return [*own, *limits, *short, *found][0]


def _say(
    path: Path, details: ErrorDetails, found: list[ErrorDetails], document: Document
) -> tuple[str, str | None]:
    """Return message and hint for what pydantic found at one place."""
    context = details.get("ctx", {})
    match details["type"]:
        case "unexpected_keyword_argument":
            if path[0] == "environments" and path[-1] in _OF_STEPS:
                return "unknown key", f"a step says what it may use: resources: {{{path[-1]}: …}}"
            known = _known_keys(path[:-1], document.data)
            return "unknown key", did_you_mean(str(path[-1]), known)
        case "missing":
            key = str(details["loc"][-1])
            return f"the key {key!r} is missing", _MISSING.get(key)
        case "union_tag_not_found" | "union_tag_invalid":
            return _kind(path, document)
        case "needs_quotes":
            raw = document.raw.get(path, "")
            return f"{raw or 'null'} is not text here", f'put it in quotes: "{raw}"'
        case "literal_error":
            return _literal(path, details, found)
        case "string_pattern_mismatch":
            return _pattern(path, details)
        case kind if kind in _LIMITS:
            return _LIMITS[kind].format_map(context), None
        case kind if kind in _TYPES:
            return _type(details, found)
    return str(context.get("error") or context.get("message") or details["msg"]), None


_OF_STEPS = ("cpus", "memory")


def _kind(path: Path, document: Document) -> tuple[str, str | None]:
    if (*path, "kind") not in document.values:
        return "the key 'kind' is missing", f"kind is one of {', '.join(_KINDS)}"
    kind = document.raw.get((*path, "kind")) or _at(document.data, (*path, "kind"))
    return f"unknown kind {kind!r}", did_you_mean(str(kind), _KINDS)


def _at(data: Any, path: Path) -> Any:  # noqa: ANN401 -- raw YAML
    for part in path:
        data = data[part]
    return data


def _type(details: ErrorDetails, found: list[ErrorDetails]) -> tuple[str, str | None]:
    wanted = dict.fromkeys(_TYPES[item["type"]] for item in found if item["type"] in _TYPES)
    if "a number" in wanted:
        wanted.pop("a whole number", None)
    hint = _flag_hint(details) if len(wanted) == 1 else None
    return f"must be {' or '.join(wanted)}", hint


def _flag_hint(details: ErrorDetails) -> str | None:
    """Help those who know an older YAML."""
    words = {"yes": "true", "on": "true", "no": "false", "off": "false"}
    meant = words.get(str(details["input"]).lower())
    return f"write {meant}" if meant is not None and details["type"] == "bool_type" else None


def _literal(
    path: Path, details: ErrorDetails, found: list[ErrorDetails]
) -> tuple[str, str | None]:
    if path == ("runproj",):
        return "this version reads format 1 only", "write 'runproj: 1'"
    allowed = [
        part.strip("' ") for part in details["ctx"]["expected"].replace(" or ", ",").split(",")
    ]
    allowed = ["false" if name == "False" else name for name in allowed]
    wanted = [*allowed, *(_TYPES[item["type"]] for item in found if item["type"] in _TYPES)]
    given = details["input"]
    near = nearest(given, allowed) if isinstance(given, str) else None
    shown = str(given).lower() if isinstance(given, bool) else repr(given)
    return f"{shown} is not one of {', '.join(wanted)}", near and f"did you mean {near!r}?"


def _pattern(path: Path, details: ErrorDetails) -> tuple[str, str | None]:
    if "0-9a-f]{64}" in details["ctx"]["pattern"]:
        return "is not a sha256 (64 hexadecimal digits)", None
    dashes = " and '-'" if "-]" in details["ctx"]["pattern"] else ""
    name = details["input"] if isinstance(details["input"], str) else path[-1]
    return f"{name!r} is not a name", f"names have letters, digits, '_'{dashes}; no digit first"


_KINDS: Mapping[str, type[Model]] = {
    "venv": environment.VenvEnvironment,
    "conda": environment.CondaEnvironment,
    "docker": environment.DockerEnvironment,
    "system": environment.SystemEnvironment,
}


def _known_keys(path: Path, data: Any) -> Iterable[str]:  # noqa: ANN401 -- raw YAML
    """Return the keys that a mapping at this path may have."""
    model: type[Model]
    match path:
        case ():
            model = Project
        case ("source",):
            model = project.Source
        case ("retention",):
            model = project.Retention
        case ("retention", *_):
            model = project.Kept
        case ("environments", name):
            kind = data["environments"][name].get("kind")
            model = _KINDS[kind]
        case ("environments", _, "build"):
            model = environment.DockerBuild
        case ("environments", _, *_):
            model = environment.PyprojectSource
        case ("parameters", _) | ("entry_points", _, "parameters", _):
            model = Parameter
        case ("entry_points", _):
            model = project.EntryPoint
        case ("entry_points", _, "steps", _):
            model = project.Step
        case (*_, "inputs", _) | (*_, "inputs"):
            model = project.Input
        case _:  # nothing else refuses keys
            model = project.Output
    return model.model_defaults
