"""YAML text to plain data that remembers where each value stands.

Scalars follow the YAML 1.2 core schema (https://yaml.org/spec/1.2.2/#103-core-schema), so ``no``
and ``on`` are text, ``1e-3`` is a number and ``0777`` is the number 777. Dates stay text.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, TypeAlias

import yaml

from runproj.errors import Problem

Path: TypeAlias = tuple[str | int, ...]
Place: TypeAlias = tuple[int, int]


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc] # the class is chosen at run time
    """Only resolves tags; the nodes are read by :func:`read`."""

    yaml_implicit_resolvers: ClassVar[dict[str, list[tuple[str, re.Pattern[str]]]]] = {}


def _resolve(kind: str, pattern: str, first: str) -> None:
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{kind}", re.compile(pattern), list(first))


_resolve("bool", r"^(?:true|True|TRUE|false|False|FALSE)$", "tTfF")
_resolve("int", r"^(?:[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+)$", "-+0123456789")
_resolve(
    "float",
    r"^(?:[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?"
    r"|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$",
    "-+0123456789.",
)
_resolve("merge", r"^<<$", "<")
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:null", re.compile(r"^(?:~|null|Null|NULL|)$"), ["~", "n", "N", ""]
)


def _int(text: str) -> int:
    low = text.lower()
    return int(low, 0) if low.startswith(("0o", "0x")) else int(low, 10)


_SCALARS: Mapping[str, Any] = {
    "tag:yaml.org,2002:str": str,
    "tag:yaml.org,2002:null": lambda _: None,
    "tag:yaml.org,2002:bool": lambda text: text.lower() == "true",
    "tag:yaml.org,2002:int": _int,
    "tag:yaml.org,2002:float": lambda text: float(
        text.lower().replace(".inf", "inf").replace(".nan", "nan")
    ),
}


@dataclass
class Document:
    """A parsed YAML file: its data, and the place (line, column, from 1) of every value and key.

    A path is the keys and indexes that lead to a value. ``problems`` holds what is wrong with the
    YAML itself; ``data`` then holds what could be read.
    """

    name: str
    text: str
    data: Any = None
    values: dict[Path, Place] = field(default_factory=dict)
    keys: dict[Path, Place] = field(default_factory=dict)
    raw: dict[Path, str] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def problem(
        self, path: Path, message: str, *, hint: str | None = None, key: bool = False
    ) -> Problem:
        """Return a problem that points at the value (or its key) at ``path``.

        Where the path leads out of the file (a default, a key that is missing), the nearest
        value above it is meant.
        """
        while path and path not in self.values:
            path = path[:-1]
            key = True
        place = self.keys.get(path) if key else None
        return self.at(place or self.values.get(path, (1, 1)), message, hint=hint)

    def at(self, place: Place, message: str, *, hint: str | None = None) -> Problem:
        """Return a problem at a place, with the line of text and a caret below it."""
        line, column = place
        lines = self.text.splitlines()
        excerpt = None
        if 0 < line <= len(lines):
            text = lines[line - 1].replace("\t", " ")
            number = f"{line:>4} | "
            excerpt = f"{number}{text}\n{' ' * (len(number) - 2)}| {' ' * (column - 1)}^"
        return Problem(message, where=f"{self.name}:{line}:{column}", excerpt=excerpt, hint=hint)


def read(text: str, name: str) -> Document:
    """Parse ``text``; never raises for what is wrong with it, see :attr:`Document.problems`."""
    document = Document(name, text)
    try:
        loader = _Loader(text)
        try:
            node = loader.get_single_node()
        finally:
            loader.dispose()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        what = error.problem or error.context or "not YAML"
        document.problems.append(document.at(place, f"not valid YAML: {what}", hint=_hint(what)))
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        what = f"U+{ord(str(error.character)[:1] or '?'):04X}"
        message = f"not valid YAML: the character {what} is not allowed"
        document.problems.append(document.at((line, 1), message))
    else:
        if node is not None:
            document.data = _Builder(document).build(node, (), ())
    return document


def _hint(what: str) -> str | None:
    if "cannot start any token" in what:
        return "indent with spaces, and quote a value that starts with a special character"
    if "mapping values are not allowed" in what:
        return "a value that holds ': ' needs quotes"
    if "could not find expected ':'" in what:
        return "each key needs a colon and a space after it"
    return None


class _Builder:
    def __init__(self, document: Document) -> None:
        self.document = document

    def build(self, node: yaml.Node, path: Path, above: tuple[int, ...]) -> Any:  # noqa: ANN401 -- YAML is any data
        place = _place(node)
        self.document.values.setdefault(path, place)
        if id(node) in above:
            self._wrong(place, "an alias that contains itself")
            return None
        above = (*above, id(node))
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node, path)
        if isinstance(node, yaml.SequenceNode):
            return [self.build(child, (*path, i), above) for i, child in enumerate(node.value)]
        return self._mapping(node, path, above)

    def _scalar(self, node: yaml.ScalarNode, path: Path) -> Any:  # noqa: ANN401 -- YAML is any data
        convert = _SCALARS.get(node.tag)
        if convert is None:
            self._wrong(_place(node), f"the tag {node.tag} has no meaning here")
            return None
        if not node.style:  # plain, without quotes
            self.document.raw.setdefault(path, node.value)
        return convert(node.value)

    def _mapping(self, node: yaml.Node, path: Path, above: tuple[int, ...]) -> dict[str, Any]:
        own: dict[str, Any] = {}
        merged: dict[str, Any] = {}
        for key, value in node.value:
            if key.tag == "tag:yaml.org,2002:merge":
                for source in self._merge_sources(value):
                    for name, content in self._mapping(source, path, above).items():
                        merged.setdefault(name, content)
                continue
            if not isinstance(key, yaml.ScalarNode):
                self._wrong(_place(key), "a key must be plain text")
                continue
            name = key.value
            here = (*path, name)
            if name in own:
                line, column = self.document.keys[here]
                self._wrong(
                    _place(key), f"{dotted(here)}: the key is there already, at {line}:{column}"
                )
                continue
            self.document.keys[here] = _place(key)
            own[name] = self.build(value, here, above)
        return {**merged, **own}

    def _merge_sources(self, value: yaml.Node) -> Iterator[yaml.Node]:
        for source in value.value if isinstance(value, yaml.SequenceNode) else [value]:
            if isinstance(source, yaml.MappingNode):
                yield source
            else:
                self._wrong(_place(source), "'<<' merges mappings only")

    def _wrong(self, place: Place, message: str) -> None:
        self.document.problems.append(self.document.at(place, message))


def _place(node: yaml.Node) -> Place:
    return node.start_mark.line + 1, node.start_mark.column + 1


def dotted(path: Path) -> str:
    """Return a path as a user reads it.

    >>> dotted(("steps", "train", "inputs", 0))
    'steps.train.inputs[0]'
    """
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text
