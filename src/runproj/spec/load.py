"""Text of a project file to a project, or to everything that is wrong with it."""

from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from runproj.errors import Problem, ProjectError
from runproj.spec import check, environment, project
from runproj.spec.document import Document, Path, dotted, read
from runproj.spec.parameter import Parameter
from runproj.spec.project import Project
from runproj.spec.suggest import did_you_mean

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
            return Project.model_validate(data), tainted
        except ValidationError as error:
            mistakes = _mistakes(error, document)
        if round_ == 0:
            problems += [problem for _, problem in mistakes]
        cuts = [path for path, _ in mistakes]
        if () in cuts:
            return None, tainted
        for path in cuts:
            tainted |= _names_in(path)
        data = _without(data, cuts)
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
    if isinstance(data, dict):
        items: Iterable[tuple[Any, Any]] = data.items()
    elif isinstance(data, list):
        items = enumerate(data)
    else:
        return data
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
    deepest = [path for path, _ in places]
    mistakes = []
    for (path, _), found in places.items():
        shallow = any(len(other) > len(path) and other[: len(path)] == path for other in deepest)
        if shallow and all(_is_about_type(details) for details in found):
            continue  # the other branch of a union says more, deeper down
        message, hint = _say(path, found, document)
        is_key = found[0]["type"] in ("extra_forbidden", "missing") or "[key]" in found[0]["loc"]
        problem = document.problem(
            path, f"{dotted(path) or document.name}: {message}", hint=hint, key=is_key
        )
        mistakes.append((path, problem))
    return mistakes


def _real_path(location: Iterable[int | str], document: Document) -> Path:
    """Return the part of pydantic's location that is in the file (it names union branches too)."""
    path: Path = ()
    for part in location:
        if (*path, part) in document.values:
            path = (*path, part)
    return path


def _is_about_type(details: ErrorDetails) -> bool:
    return details["type"].endswith("_type") or details["type"] in ("literal_error", "needs_quotes")


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
    "model_type": "a mapping",
    "model_attributes_type": "a mapping",
    "tuple_type": "a list",
    "list_type": "a list",
}


def _say(path: Path, found: list[ErrorDetails], document: Document) -> tuple[str, str | None]:
    """Return message and hint for what pydantic found at one place."""
    details = found[0]
    for candidate in found:  # our own words say more than a list of types
        if candidate["type"] in ("value_error", "needs_quotes"):
            details = candidate
    kind = details["type"]
    if kind == "extra_forbidden":
        return "unknown key", did_you_mean(str(path[-1]), _known_keys(path[:-1], document.data))
    if kind == "missing":
        return f"the key {details['loc'][-1]!r} is missing", None
    if kind == "union_tag_not_found":
        return "the key 'kind' is missing", "kind is one of venv, conda, docker, system"
    if kind == "union_tag_invalid":
        context = details["ctx"]
        return f"unknown kind {context['tag']!r}", did_you_mean(
            str(context["tag"]), ("venv", "conda", "docker", "system")
        )
    if kind == "needs_quotes":
        raw = document.raw.get(path, "")
        return f"{raw or 'null'} is not text here", f'put it in quotes: "{raw}"'
    if kind == "literal_error":
        return _literal(path, details)
    if kind == "string_pattern_mismatch":
        return _pattern(path, details)
    if all(item["type"] in _TYPES for item in found):
        wanted = dict.fromkeys(_TYPES[item["type"]] for item in found)
        return f"must be {' or '.join(wanted)}", None
    if kind == "value_error":
        return str(details["ctx"]["error"]), None
    return _plain(details["msg"]), None


def _literal(path: Path, details: ErrorDetails) -> tuple[str, str | None]:
    if path == ("runproj",):
        return "this version reads format 1 only", "write 'runproj: 1'"
    allowed = [
        part.strip("' ") for part in details["ctx"]["expected"].replace(" or ", ",").split(",")
    ]
    given = details["input"]
    hint = (
        did_you_mean(given, allowed) if isinstance(given, str) else f"known: {', '.join(allowed)}"
    )
    return f"{given!r} is not one of {', '.join(allowed)}", hint


def _pattern(path: Path, details: ErrorDetails) -> tuple[str, str | None]:
    if "0-9a-f]{64}" in details["ctx"]["pattern"]:
        return "is not a sha256 (64 hexadecimal digits)", None
    dashes = " and '-'" if "-]" in details["ctx"]["pattern"] else ""
    name = details["input"] if isinstance(details["input"], str) else path[-1]
    return f"{name!r} is not a name", f"names have letters, digits, '_'{dashes}; no digit first"


def _plain(message: str) -> str:
    text = message.removeprefix("Input ").removeprefix("Value ")
    return text[:1].lower() + text[1:]


_KINDS: Mapping[str, type[BaseModel]] = {
    "venv": environment.VenvEnvironment,
    "conda": environment.CondaEnvironment,
    "docker": environment.DockerEnvironment,
}


def _known_keys(path: Path, data: Any) -> Iterable[str]:  # noqa: ANN401 -- raw YAML
    """Return the keys that a mapping at this path may have."""
    model: type[BaseModel]
    match path:
        case ():
            model = Project
        case ("source",):
            model = project.Source
        case ("environments", name):
            kind = data["environments"][name].get("kind")
            model = _KINDS.get(kind, environment.SystemEnvironment)
        case (*_, "build"):
            model = environment.DockerBuild
        case (*_, "pyproject"):
            model = environment.PyprojectSource
        case (*_, "parameters", _):
            model = Parameter
        case (*_, "inputs", _):
            model = project.Input
        case (*_, "outputs", _):
            model = project.Output
        case ("entry_points", _):
            model = project.EntryPoint
        case ("entry_points", _, "steps", _):
            model = project.Step
        case _:
            return ()
    return model.model_fields
