"""Asking for runs: ``metrics.rmse < 0.8 and params.lr in [0.1, 0.01] and not tags.team = vision``.

::

    query       or-ed = and-ed ("or" and-ed)…; and-ed = one ("and" one)…
    one         "not" one | "(" query ")" | field operator value | field "in" "[" value, … "]"
                | field "is" ["not"] "null"
    operator    = != < <= > >=, and ~ for a text with * and ?
    field       a plain one, or one of params, metrics, tags, environment with a name behind a dot
    value       a number (0.8, 1e-3), a time span (90s, 15m, 2h, 7d), a date (2026-01-31, with
                T12:00 behind it), true, false, or text, in quotes where it is more than a word

A run that does not have a field fits no comparison with it; ``is null`` asks for such runs.
"""

import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from typing import Any, NamedTuple, TypeAlias

from runproj.errors import UsageError
from runproj.spec.suggest import did_you_mean

Row: TypeAlias = Mapping[str, Any]
"""What is known of a run, by the columns of :data:`COLUMNS`."""

PLAIN: Mapping[str, str] = {
    "id": "id", "name": "name", "status": "status", "project": "project",
    "entry_point": "entry_point", "experiment": "experiment", "verdict": "verdict",
    "error": "error", "exit_code": "exit_code",
    "started_at": "started_at", "finished_at": "finished_at", "duration": "duration_s",
    "source.commit": "source_commit", "source.branch": "branch", "source.dirty": "dirty",
    "source.tree": "tree", "host": "host", "user": "user", "author": "author",
    "sweep": "sweep", "trial": "trial", "rerun_of": "rerun_of", "resume_of": "resume_of",
    "archived_at": "archived_at", "deleted_at": "deleted_at",
}  # fmt: skip
"""Fields of one value, with their columns."""

GROUPS = {"params": "params", "metrics": "metrics", "tags": "tags", "environment": "environments"}
"""Fields of many names, with their columns."""

_OF_METRICS = ("last", "min", "max", "points")
_OF_ENVIRONMENTS = ("kind", "key")
_TIMES = ("started_at", "finished_at", "archived_at", "deleted_at")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_TOKEN = re.compile(
    r"""\s*(?:(?P<quoted>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')
    |(?P<operator><=|>=|!=|==|=|<|>|~)|(?P<mark>[()\[\],])
    |(?P<word>(?:[^\s()\[\],<>=!~"']|(?<=\.)"(?:[^"\\]|\\.)*")+))""",
    re.VERBOSE,
)
_SPAN = re.compile(r"(\d+(?:\.\d+)?)([smhd])")
_DATE = re.compile(r"\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d)?)?")


class Field(NamedTuple):
    """A field of a run: a plain one, or a ``name`` in a ``group``.

    ``what`` is a part of a metric (``min``) or of an environment (``kind``).
    """

    text: str
    column: str
    name: str = ""
    what: str = ""

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that its value is found in."""
        return ("metrics", "summaries") if self.column == "metrics" else (self.column,)

    def of(self, row: Row) -> Any:  # noqa: ANN401 -- any JSON value
        """Return its value in a row; None where the run has none.

        Raises:
            UsageError: the plain name of a metric or parameter may mean several.
        """
        if not self.name:
            return row[self.column]
        values: Mapping[str, Any] = row[self.column]
        if self.column == "environments":
            kind, key = values.get(self.name, (None, None))
            return kind if self.what == "kind" else key
        if self.column != "metrics":
            return values.get(self._full(values))
        if not self.what or self.name_and_what in values:
            return values.get(self._full(values, self.name_and_what))
        summaries: Mapping[str, Any] = row["summaries"]
        if self.what == "last":
            return values.get(self._full(values))
        least, greatest, points = summaries.get(self._full(summaries), (None, None, None))
        return {"min": least, "max": greatest, "points": points}[self.what]

    @property
    def name_and_what(self) -> str:
        """The name as it was written."""
        return f"{self.name}.{self.what}" if self.what else self.name

    def _full(self, values: Mapping[str, Any], name: str | None = None) -> str:
        """Return the name in full: that of a metric is ``STEP.NAME``."""
        name = name or self.name
        if name in values:
            return name
        found = [full for full in values if full.endswith(f".{name}")]
        if len(found) > 1:
            raise UsageError(
                f"{self.text} may mean {', '.join(found[:3])}{' …' if found[3:] else ''}",
                hint="say the name in full",
            )
        return found[0] if found else name


class Query(NamedTuple):
    """What is asked for; ``test`` tells whether a row fits.

    ``fields`` are all that it looks at.
    """

    test: Callable[[Row], bool]
    fields: tuple[Field, ...] = ()

    @property
    def columns(self) -> frozenset[str]:
        """The columns that a row must have."""
        return frozenset(column for field in self.fields for column in field.columns)


ALL = Query(lambda _: True)


def field_of(text: str) -> Field:
    """Return the field that a text names.

    >>> field_of("metrics.train.rmse.min")
    Field(text='metrics.train.rmse.min', column='metrics', name='train.rmse', what='min')

    Raises:
        UsageError: there is none; the nearest is told.
    """
    if text in PLAIN:
        return Field(text, PLAIN[text])
    group, dot, name = text.partition(".")
    if group not in GROUPS or not name:
        known = [*PLAIN, *(f"{one}.NAME" for one in GROUPS)]
        hint = did_you_mean(text if not dot or group in GROUPS else group, [*PLAIN, *GROUPS])
        raise UsageError(
            f"{text!r} is no field of a run", hint=hint or f"there are {', '.join(known)}"
        )
    name = re.sub(r'"((?:[^"\\]|\\.)*)"', lambda one: _unescaped(one[1]), name)
    parts = {"metrics": _OF_METRICS, "environment": _OF_ENVIRONMENTS}.get(group, ())
    before, _, what = name.rpartition(".")
    if before and what in parts:
        return Field(text, GROUPS[group], before, what)
    return Field(text, GROUPS[group], name)


def parse(text: str) -> Query:
    """Return what a text asks for.

    Raises:
        UsageError: it is no query; the message shows where.
    """
    return _Parser(text).query()


class _Token(NamedTuple):
    kind: str
    text: str
    at: int


class _Parser:
    """Reads one query, from left to right."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens = list(self._split())
        self.at = 0
        self.fields: list[Field] = []

    def _split(self) -> Iterator[_Token]:
        at, end = 0, len(self.text.rstrip())
        while at < end:
            found = _TOKEN.match(self.text, at)
            if found is None:
                begin = at + len(self.text[at:]) - len(self.text[at:].lstrip())
                raise self._wrong(begin, "this cannot be read: is a quote open?")
            kind = found.lastgroup or ""
            yield _Token(kind, found[kind], found.start(kind))
            at = found.end()
        yield _Token("end", "", end)

    def _wrong(self, at: int, why: str, hint: str | None = None) -> UsageError:
        return UsageError(f"{why}\n    {self.text}\n    {' ' * at}^", hint=hint)

    @property
    def _next(self) -> _Token:
        return self.tokens[self.at]

    def _take(self) -> _Token:
        token = self.tokens[self.at]
        self.at += token.kind != "end"
        return token

    def _takes(self, *words: str) -> bool:
        """Take some words, if they come next."""
        for ahead, word in enumerate(words):
            token = self.tokens[min(self.at + ahead, len(self.tokens) - 1)]
            if token.kind == "quoted" or token.text.lower() != word:
                return False
        self.at += len(words)
        return True

    def query(self) -> Query:
        """Return all of it."""
        test = self._any()
        if self._next.kind != "end":
            raise self._wrong(self._next.at, "here 'and', 'or' or the end was expected")
        return Query(test, tuple(self.fields))

    def _any(self) -> Callable[[Row], bool]:
        tests = [self._every()]
        while self._takes("or"):
            tests.append(self._every())
        return tests[0] if len(tests) == 1 else lambda row: any(test(row) for test in tests)

    def _every(self) -> Callable[[Row], bool]:
        tests = [self._one()]
        while self._takes("and"):
            tests.append(self._one())
        return tests[0] if len(tests) == 1 else lambda row: all(test(row) for test in tests)

    def _one(self) -> Callable[[Row], bool]:
        if self._takes("not"):
            test = self._one()
            return lambda row: not test(row)
        if self._takes("("):
            test = self._any()
            if not self._takes(")"):
                raise self._wrong(self._next.at, "here a ) was expected")
            return test
        return self._comparison()

    def _comparison(self) -> Callable[[Row], bool]:
        token = self._take()
        if token.kind != "word":
            raise self._wrong(
                token.at, "here a field was expected", "such as metrics.rmse or status"
            )
        try:
            field = field_of(token.text)
        except UsageError as error:
            problem = error.problems[0]
            raise self._wrong(token.at, problem.message, problem.hint) from error
        self.fields.append(field)
        if self._takes("is", "not", "null"):
            return lambda row: field.of(row) is not None
        if self._takes("is", "null"):
            return lambda row: field.of(row) is None
        if self._takes("in"):
            wanted = [_equal(value) for value in self._list(field)]
            return lambda row: (
                (found := field.of(row)) is not None and any(test(found) for test in wanted)
            )
        operator = self._take()
        if operator.kind != "operator":
            raise self._wrong(operator.at, "here an operator was expected: = != < <= > >= ~ in is")
        test = _TESTS[operator.text](self._value(field))
        return lambda row: (found := field.of(row)) is not None and test(found)

    def _list(self, field: Field) -> list[Any]:
        if not self._takes("["):
            raise self._wrong(self._next.at, "here a [ was expected", "such as in [1, 2]")
        values = [self._value(field)]
        while self._takes(","):
            values.append(self._value(field))
        if not self._takes("]"):
            raise self._wrong(self._next.at, "here a , or ] was expected")
        return values

    def _value(self, field: Field) -> Any:  # noqa: ANN401 -- any value
        token = self._take()
        if token.kind == "quoted":
            text = _unescaped(token.text[1:-1])
            return _time(text) if field.text in _TIMES and _DATE.fullmatch(text) else text
        if token.kind != "word":
            raise self._wrong(token.at, "here a value was expected", "text stands in quotes")
        if field.text in _TIMES:
            if not _DATE.fullmatch(token.text):
                raise self._wrong(
                    token.at, "this is no time", "such as 2026-01-31 or 2026-01-31T12:00"
                )
            return _time(token.text)
        return _literal(token.text)


def _unescaped(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text)


def _time(text: str) -> str:
    """Return a time in UTC as the records have it; without a zone it is that of this machine."""
    moment = datetime.fromisoformat(text).astimezone(UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _literal(text: str) -> Any:  # noqa: ANN401 -- any value
    words = {"true": True, "false": False}
    if text.lower() in words:
        return words[text.lower()]
    span = _SPAN.fullmatch(text)
    if span:
        return float(span[1]) * _SECONDS[span[2]]
    try:
        return float(text)
    except ValueError:
        return text


def _number(value: Any) -> float | None:  # noqa: ANN401 -- any JSON value
    """Return the number that a value is, or that its text says."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        return float(value)
    except (ValueError, OverflowError):
        return None


def _equal(wanted: Any) -> Callable[[Any], bool]:  # noqa: ANN401 -- any value
    if isinstance(wanted, bool):
        return lambda found: found is wanted or str(found).lower() == str(wanted).lower()
    if isinstance(wanted, float):
        return lambda found: _number(found) == wanted
    return lambda found: _text(found) == wanted


def _text(value: Any) -> str:  # noqa: ANN401 -- any JSON value
    return value if isinstance(value, str) else str(value)


def _ordered(holds: Callable[[Any, Any], bool]) -> Callable[[Any], Callable[[Any], bool]]:
    def test(wanted: Any) -> Callable[[Any], bool]:  # noqa: ANN401 -- any value
        if isinstance(wanted, float):
            return lambda found: (number := _number(found)) is not None and holds(number, wanted)
        return lambda found: isinstance(found, str) and holds(found, _text(wanted))

    return test


def _different(wanted: Any) -> Callable[[Any], bool]:  # noqa: ANN401 -- any value
    equal = _equal(wanted)
    return lambda found: not equal(found)


def _matches(wanted: Any) -> Callable[[Any], bool]:  # noqa: ANN401 -- any value
    pattern = _text(wanted)
    return lambda found: fnmatchcase(_text(found), pattern)


_TESTS: Mapping[str, Callable[[Any], Callable[[Any], bool]]] = {
    "=": _equal, "==": _equal, "!=": _different, "~": _matches,
    "<": _ordered(lambda one, two: one < two), "<=": _ordered(lambda one, two: one <= two),
    ">": _ordered(lambda one, two: one > two), ">=": _ordered(lambda one, two: one >= two),
}  # fmt: skip


class Order(NamedTuple):
    """By what runs are sorted; ``down`` begins with the greatest."""

    field: Field
    down: bool = False


def order_of(text: str) -> Order:
    """Return the order that a text says: ``metrics.rmse``, ``started_at:desc``.

    Raises:
        UsageError: it names no field.
    """
    name, colon, way = text.rpartition(":")
    if colon and way in ("asc", "desc"):
        return Order(field_of(name), down=way == "desc")
    return Order(field_of(text))


def ordered(rows: Iterable[Row], orders: Sequence[Order]) -> list[Row]:
    """Return rows sorted by the first order, where they are equal by the second, and so on.

    Those without a value come last, numbers before text.
    """
    found = list(rows)
    for order in reversed(orders):
        having = [(order.field.of(row), row) for row in found]
        there = [(_key(value), row) for value, row in having if value is not None]
        there.sort(key=lambda pair: pair[0], reverse=order.down)
        found = [row for _, row in there] + [row for value, row in having if value is None]
    return found


def _key(value: Any) -> tuple[bool, float, str]:  # noqa: ANN401 -- any JSON value
    number = _number(value)
    return (True, 0.0, _text(value)) if number is None else (False, number, "")


class Aggregate(NamedTuple):
    """What is known of a metric over some runs: how many have it, mean and extremes."""

    runs: int
    mean: float
    min: float
    max: float


class Group(NamedTuple):
    """Runs that have the same values of some fields; ``rows`` in the order that they came."""

    values: tuple[Any, ...]
    rows: tuple[Row, ...]

    def aggregate(self, field: Field) -> Aggregate | None:
        """Return what is known of a number over the runs; None where no run has it."""
        found = [_number(field.of(row)) for row in self.rows]
        numbers = [one for one in found if one is not None and math.isfinite(one)]
        if not numbers:
            return None
        mean = math.fsum(numbers) / len(numbers)
        return Aggregate(len(numbers), mean, min(numbers), max(numbers))


def grouped(rows: Iterable[Row], fields: Sequence[Field]) -> list[Group]:
    """Return rows in groups that have the same values, sorted by these."""
    groups: dict[tuple[str, ...], tuple[tuple[Any, ...], list[Row]]] = {}
    for row in rows:
        values = tuple(field.of(row) for field in fields)
        groups.setdefault(tuple(map(repr, values)), (values, []))[1].append(row)
    made = [Group(values, tuple(found)) for values, found in groups.values()]
    return sorted(
        made,
        key=lambda one: [
            (value is None, _key("" if value is None else value)) for value in one.values
        ],
    )


def eligible(query: Query, field: Field) -> Query:
    """Return a query for those runs that fit, succeeded, and have a finite number in a field."""

    def test(row: Row) -> bool:
        if row["status"] != "succeeded" or not query.test(row):
            return False
        number = _number(field.of(row))
        return number is not None and math.isfinite(number)

    return Query(test, (*query.fields, field, field_of("status")))
