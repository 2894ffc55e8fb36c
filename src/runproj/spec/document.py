"""YAML text to plain data that remembers where each value stands.

Scalars follow the YAML 1.2 core schema (https://yaml.org/spec/1.2.2/#103-core-schema), so ``no``
and ``on`` are text, ``1e-3`` is a number and ``0777`` is the number 777. Dates stay text.
"""

import json
import re
from dataclasses import dataclass, field
from typing import Any

import yaml

from runproj.errors import Problem
from runproj.spec.place import Path, Place, dotted

_DEEPEST = 100  # levels; nobody writes more, and what reads the data may be recursive
_MOST = 1_000_000  # values out of aliases; a few lines of them can stand for billions

_BOOL = re.compile(r"true|True|TRUE|false|False|FALSE")
_INT = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(
    r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?"
    r"|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)"
)
_NULL = frozenset({"", "~", "null", "Null", "NULL"})
_TAG = "tag:yaml.org,2002:"
_BAD_CHARACTER = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_WIDE = 160  # more of a line than that is not shown


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

    @property
    def invalid(self) -> str:
        """What is said of text that cannot be parsed: a file called ``….json`` is meant as JSON."""
        return "not valid JSON" if self.name.lower().endswith(".json") else "not valid YAML"

    def at(self, place: Place, message: str, *, hint: str | None = None) -> Problem:
        """Return a problem at a place, with the line of text and a caret below it."""
        line, column = place
        lines = self.text.splitlines() or [""]
        if line > len(lines):  # the file ends too early
            line, column = len(lines), len(lines[-1]) + 1
        where = f"{self.name}:{line}:{column}"
        text, column = _window(lines[line - 1].replace("\t", " "), column)
        number = f"{line:>4} | "
        excerpt = f"{number}{text}\n{' ' * (len(number) - 2)}| {' ' * (column - 1)}^"
        return Problem(message, where=where, excerpt=excerpt, hint=hint)


def _window(text: str, column: int) -> tuple[str, int]:
    """Return the part of a long line that is around a column, and the column in it."""
    if len(text) <= _WIDE:
        return text, column
    begin = max(0, min(column - 1 - _WIDE // 2, len(text) - _WIDE))
    end = begin + _WIDE
    before, after = "…" * (begin > 0), "…" * (end < len(text))
    return f"{before}{text[begin:end]}{after}", column - begin + len(before)


def read(text: str, name: str) -> Document:
    """Parse ``text``; never raises for what is wrong with it, see :attr:`Document.problems`.

    A file called ``….json`` is read as JSON, which is not quite a part of YAML; its values have
    no places. When it is no JSON, it is read as YAML.
    """
    document = Document(name, text.removeprefix("\ufeff"))  # a byte order mark
    if name.lower().endswith(".json") and _read_json(document):
        return document
    bad = _BAD_CHARACTER.search(document.text)
    if bad is not None:
        _bad_character(document, bad.start())
        return document
    try:
        node = _Composer(document.text).compose()
        if node is not None:
            document.data = _Builder(document).build(node, ())
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        what = error.problem or error.context or "not YAML"
        document.problems.append(
            document.at(place, f"{document.invalid}: {what}", hint=_hint(what))
        )
    except _Unreadable as error:
        document.problems.append(document.at(error.place, str(error)))
    return document


def _read_json(document: Document) -> bool:
    try:
        data = json.loads(document.text, object_pairs_hook=_unique)
    except (ValueError, RecursionError):
        return False
    document.data = data
    level = [data]
    for _ in range(_DEEPEST):
        level = [child for value in level for child in _children(value)]
    return not level


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    data = dict(pairs)
    if len(data) != len(pairs):
        raise ValueError("a key is there twice")  # reading it as YAML says where
    return data


def _children(value: Any) -> list[Any]:  # noqa: ANN401 -- any JSON value
    if isinstance(value, dict):
        return list(value.values())
    return value if isinstance(value, list) else []


def _bad_character(document: Document, index: int) -> None:
    before = document.text[:index].splitlines(keepends=True) or [""]
    if before[-1].endswith(("\n", "\r")):
        before.append("")
    place = (len(before), len(before[-1]) + 1)
    what = f"U+{ord(document.text[index]):04X}"
    document.problems.append(
        document.at(place, f"{document.invalid}: the character {what} is not allowed")
    )


def _hint(what: str) -> str | None:
    if "cannot start any token" in what or "a tab character" in what:
        return "indent with spaces, and quote a value that starts with a special character"
    if "mapping values are not allowed" in what:
        return "a value that holds ': ' needs quotes"
    if "could not find expected ':'" in what:
        return "each key needs a colon and a space after it"
    return None


class _Unreadable(Exception):
    def __init__(self, place: Place, message: str) -> None:
        super().__init__(message)
        self.place = place


@dataclass(slots=True)
class _Node:
    """A value of the text. ``tag`` is None unless it is written there."""

    place: Place
    tag: str | None


@dataclass(slots=True)
class _Scalar(_Node):
    text: str
    plain: bool


@dataclass(slots=True)
class _List(_Node):
    items: list[_Node]


@dataclass(slots=True)
class _Mapping(_Node):
    pairs: list[tuple[_Node, _Node]]


@dataclass(slots=True)
class _Alias(_Node):
    target: _Node


class _Composer:
    """Makes nodes of parser events: libyaml's own composer has no limit and overflows the stack."""

    def __init__(self, text: str) -> None:
        self.parser: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)(text)
        self.anchors: dict[str, _Node | None] = {}  # None: not complete yet

    def compose(self) -> _Node | None:
        """Return the only document of the text."""
        self.parser.get_event()
        if self.parser.check_event(yaml.StreamEndEvent):
            return None
        self.parser.get_event()
        node = self._node(self.parser.get_event(), 1)
        self.parser.get_event()
        if not self.parser.check_event(yaml.StreamEndEvent):
            second = _place(self.parser.get_event())
            raise _Unreadable(second, "a second YAML document starts here: only one is read")
        return node

    def _node(self, event: Any, depth: int) -> _Node:  # noqa: ANN401 -- yaml's stubs say less
        place, anchor = _place(event), event.anchor
        if isinstance(event, yaml.AliasEvent):
            if anchor not in self.anchors:
                raise _Unreadable(place, f"there is no anchor '&{anchor}' before this alias")
            target = self.anchors[anchor]
            if target is None:
                raise _Unreadable(place, "an alias that contains itself")
            return _Alias(place, None, target)
        if depth > _DEEPEST:
            raise _Unreadable(place, f"nested more than {_DEEPEST} levels deep")
        if anchor is not None:
            self.anchors[anchor] = None
        node = self._content(event, place, depth)
        if anchor is not None:
            self.anchors[anchor] = node
        return node

    def _content(self, event: Any, place: Place, depth: int) -> _Node:  # noqa: ANN401 -- as above
        if isinstance(event, yaml.ScalarEvent):
            return _Scalar(place, event.tag, event.value, plain=not event.style)
        if isinstance(event, yaml.SequenceStartEvent):
            items = []
            while not isinstance(inner := self.parser.get_event(), yaml.SequenceEndEvent):
                items.append(self._node(inner, depth + 1))
            return _List(place, event.tag, items)
        pairs = []
        while not isinstance(inner := self.parser.get_event(), yaml.MappingEndEvent):
            key = self._node(inner, depth + 1)
            pairs.append((key, self._node(self.parser.get_event(), depth + 1)))
        return _Mapping(place, event.tag, pairs)


def _place(event: Any) -> Place:  # noqa: ANN401 -- yaml's stubs say less
    return event.start_mark.line + 1, event.start_mark.column + 1


class _Builder:
    """Makes plain data of nodes; an alias is built again at each place where it stands."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self.aliases = 0  # how many are being built, one in another
        self.copied = 0

    def build(self, node: _Node, path: Path) -> Any:  # noqa: ANN401 -- YAML is any data
        self._limit(node, len(path))
        if isinstance(node, _Alias):
            self.aliases += 1
            try:
                return self.build(node.target, path)
            finally:
                self.aliases -= 1
        self.document.values[path] = node.place
        if isinstance(node, _Scalar):
            return self._scalar(node, path)
        if isinstance(node, _List):
            self._no_tag(node, "seq")
            return [self.build(child, (*path, i)) for i, child in enumerate(node.items)]
        return self._mapping(node, path)

    def _limit(self, node: _Node, depth: int) -> None:
        if depth > _DEEPEST:
            raise _Unreadable(node.place, f"nested more than {_DEEPEST} levels deep")
        self.copied += self.aliases > 0
        if self.copied > _MOST:
            raise _Unreadable(node.place, "the aliases stand for too many values")

    def _scalar(self, node: _Scalar, path: Path) -> Any:  # noqa: ANN401 -- YAML is any data
        if node.plain:
            self.document.raw[path] = node.text
        try:
            if node.tag is None:
                return _plain(node.text) if node.plain else node.text
            return _tagged(node.tag, node.text)
        except ValueError as error:
            self._wrong(node.place, str(error))
            return None

    def _mapping(self, node: _Node, path: Path) -> dict[str, Any]:
        self._no_tag(node, "map")
        data: dict[str, Any] = {}
        merged: list[_Node] = []
        for key, value in _pairs(node):
            if _is_merge(key):
                merged.append(value)
                continue
            here = self._key(key, path, data)
            if here is not None:
                data[str(here[-1])] = self.build(value, here)
        for value in merged:
            self._merge(value, path, data, 0)
        return data

    def _key(self, key: _Node, path: Path, data: dict[str, Any]) -> Path | None:
        """Return the path of a key of a mapping, unless it cannot be one."""
        text = _key_text(key)
        if text is None:
            self._wrong(key.place, "a key must be plain text")
            return None
        here = (*path, text)
        if text in data:
            line, column = self.document.keys[here]
            message = f"{dotted(here)}: the key is there already, at {line}:{column}"
            self._wrong(key.place, message)
            return None
        self.document.keys[here] = key.place
        return here

    def _merge(self, value: _Node, path: Path, data: dict[str, Any], depth: int) -> None:
        """Add what is not there yet, of a mapping or of a list of them (``<<``)."""
        self.aliases += 1
        self._limit(value, depth)
        source = value.target if isinstance(value, _Alias) else value
        if isinstance(source, _List):
            for item in source.items:
                self._merge(item, path, data, depth + 1)
        elif isinstance(source, _Mapping):
            for key, content in source.pairs:
                text = _key_text(key)
                if text is not None and text not in data and not _is_merge(key):
                    here = (*path, text)
                    self.document.keys[here] = key.place
                    data[text] = self.build(content, here)
            for key, content in source.pairs:
                if _is_merge(key):
                    self._merge(content, path, data, depth + 1)
        else:
            self._wrong(value.place, "'<<' merges mappings only")
        self.aliases -= 1

    def _no_tag(self, node: _Node, usual: str) -> None:
        if node.tag not in (None, "!", _TAG + usual):
            self._wrong(node.place, _meaningless(str(node.tag)))

    def _wrong(self, place: Place, message: str) -> None:
        self.document.problems.append(self.document.at(place, message))


def _pairs(node: _Node) -> list[tuple[_Node, _Node]]:
    assert isinstance(node, _Mapping)  # noqa: S101 -- there are no other nodes
    return node.pairs


def _key_text(key: _Node) -> str | None:
    node = key.target if isinstance(key, _Alias) else key
    return node.text if isinstance(node, _Scalar) else None


def _is_merge(key: _Node) -> bool:
    return isinstance(key, _Scalar) and key.plain and key.tag is None and key.text == "<<"


def _plain(text: str) -> Any:  # noqa: ANN401 -- YAML is any data
    """Return what a scalar without quotes means."""
    if text in _NULL:
        return None
    if text[0] in "tTfF":
        return text.lower() == "true" if _BOOL.fullmatch(text) else text
    if text[0] in "-+.0123456789":
        if _INT.fullmatch(text):
            return _int(text)
        if _FLOAT.fullmatch(text):
            return _float(text)
    return text


def _tagged(tag: str, text: str) -> Any:  # noqa: ANN401 -- YAML is any data
    """Return what a scalar with a tag means."""
    kind = tag.removeprefix(_TAG)
    if tag == "!" or kind == "str":
        return text
    if kind not in _KINDS:
        raise ValueError(_meaningless(tag))
    value = _plain(text)
    if kind == "float" and isinstance(value, int) and not isinstance(value, bool):
        value = _float(text)
    if type(value) is not _KINDS[kind]:
        raise ValueError(f"{text!r} is not what its tag !!{kind} says")
    return value


_KINDS = {"null": type(None), "bool": bool, "int": int, "float": float}


def _meaningless(tag: str) -> str:
    return f"the tag {tag.replace(_TAG, '!!')} has no meaning here"


def _int(text: str) -> int:
    try:
        return int(text, 0 if text[:2] in ("0o", "0x") else 10)
    except ValueError:
        raise ValueError("the number has too many digits") from None


def _float(text: str) -> float:
    return float(text.lower().replace(".inf", "inf").replace(".nan", "nan"))
