"""The items of a list that a step made: for each of them, an instance of another step."""

import json
from collections.abc import Iterator
from typing import Any

from runproj.spec.matrix import MOST, Combination, label

_ITEM = "item"


class WrongList(ValueError):
    """A list that cannot be used; ``where`` is its path, with the line where that is known."""

    def __init__(self, message: str, where: str) -> None:
        super().__init__(f"{where}: {message}")


def items(path: str, content: bytes) -> tuple[Combination, ...]:
    r"""Return the items of a list: the entries of a ``.json`` file, the lines of any other.

    Spaces around a line do not count, nor do empty lines. An entry is text, a number, true or
    false, or an object of such values: then its keys are those of the item.

    >>> [dict(one.values) for one in items("list.txt", b"a\n\nb")]
    [{'item': 'a'}, {'item': 'b'}]
    >>> [dict(one.values) for one in items("list.json", b'[{"id": 1, "of": "x"}]')]
    [{'id': 1, 'of': 'x'}]

    Raises:
        WrongList: it is none, an item is there twice, or there are too many.
    """
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise WrongList("is not UTF-8 text", f"{path}:{line}") from None
    entries = _entries(path, text) if path.casefold().endswith(".json") else _lines(path, text)
    found: dict[str, tuple[Combination, str]] = {}
    for where, values in entries:
        one = Combination(values, tuple(values))
        name = label(one)
        if name in found:
            raise WrongList(f"[{name}] is there twice, first at {found[name][1]}", where)
        if len(found) == MOST:
            raise WrongList(f"there are more than {MOST:,} items", where)
        found[name] = one, where
    return tuple(one for one, _ in found.values())


def _lines(path: str, text: str) -> Iterator[tuple[str, dict[str, Any]]]:
    for number, line in enumerate(text.split("\n"), start=1):
        where, item = f"{path}:{number}", line.strip()
        if item:
            yield where, {_ITEM: _checked(item, where)}


def _entries(path: str, text: str) -> Iterator[tuple[str, dict[str, Any]]]:
    try:
        data = json.loads(text)
    except json.JSONDecodeError as error:
        raise WrongList(f"is not JSON: {error.msg}", f"{path}:{error.lineno}") from None
    except (ValueError, RecursionError):  # a number of thousands of digits
        raise WrongList("is JSON that cannot be read", path) from None
    if type(data) is not list:
        raise WrongList("is JSON, but no list", path)
    for number, entry in enumerate(data, start=1):
        where = f"{path}: entry {number}"
        if (type(entry) is dict) != (type(data[0]) is dict):
            raise WrongList("some entries are objects, and some are not", where)
        if entry == {}:
            raise WrongList("an object without keys is no item", where)
        values = entry if type(entry) is dict else {_ITEM: entry}
        yield where, {_checked(key, where): _checked(one, where) for key, one in values.items()}


def _checked(value: Any, where: str) -> Any:  # noqa: ANN401 -- JSON data
    if type(value) not in (str, int, float, bool):
        raise WrongList("must be text, a number, true or false", where)
    if type(value) is str and ("\0" in value or not _is_text(value)):
        raise WrongList("has a character that no argument can have", where)
    return value


def _is_text(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:  # half of a pair, as JSON can have it
        return False
    return True
