"""Secrets: found with the caller, kept out of every record, made unreadable in what is printed."""

import base64
import json
import re
from collections.abc import Collection, Iterable, Iterator, Mapping

from runproj.errors import MissingSecret, Problem, Refused
from runproj.model import EMPTY
from runproj.plan.plan import Plan, PlannedStep
from runproj.spec.matrix import Combination, group_of

MASK = b"***"
_UNRESERVED = frozenset(b"-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")
SHORT = 8
"""A secret with fewer characters is easy to guess, and may stand in other words."""
SEARCHED = 64 * 1024 * 1024
"""A larger output, in bytes, is not searched."""
SHORTEST = 4
"""One with fewer characters is not looked for: it would be found everywhere."""


def check(
    steps: Iterable[PlannedStep], caller: Mapping[str, str], executed: Collection[str]
) -> list[str]:
    """Make sure that the caller has the secrets of the steps that may execute.

    Returns:
        Warnings about secrets that are too short.

    Raises:
        MissingSecret: with every one that is not there, or empty.
    """
    wanted: dict[str, str] = {}
    for step in steps:
        if step.name in executed:
            wanted |= dict.fromkeys(step.secrets, step.name) | wanted
    missing = [
        Problem(
            f"the secret {name} is {'empty' if name in caller else 'not there'}; "
            f"the step {step!r} needs it",
            hint=f"set the variable {name} for runproj",
        )
        for name, step in wanted.items()
        if not caller.get(name)
    ]
    if missing:
        raise MissingSecret.of(missing)
    return [_short(name, caller[name]) for name in wanted if len(caller[name]) < SHORT]


def _short(name: str, value: str) -> str:
    if len(value) < SHORTEST:
        return f"the secret {name} is too short to be made unreadable in logs"
    return f"the secret {name} is short: other text may be made unreadable with it"


def refuse_recorded(plan: Plan, caller: Mapping[str, str]) -> None:
    """Make sure that nothing of a plan, which is recorded, holds the value of a secret.

    Raises:
        Refused: with every place of one.
    """
    known = _known((name for step in plan.steps for name in step.secrets), caller)
    if not known:
        return
    places: list[tuple[str, Iterable[str | None]]] = [
        (f"the parameter {one.name}", (json.dumps(one.value, ensure_ascii=False), one.raw))
        for one in plan.values
    ]
    for step in plan.steps:
        own = [text for pair in step.instance.items() for text in map(str, pair)]
        called = group_of(step.name) if own else step.name  # the error must not tell it, either
        places.append((f"an instance of {called!r}", own))
        places.append((f"the command of {called!r}", list(step.argv)))
        set_there = {**step.pass_env, **step.env}
        places += [
            (f"the variable {name} of {called!r}", [text]) for name, text in set_there.items()
        ]
    problems = [
        Problem(
            f"{place} holds the value of the secret {name}, and is recorded",
            hint=f"the step has it in its environment: ${name}",
        )
        for place, texts in places
        for name, value in known.items()
        if any(value in text for text in texts if text is not None)
    ]
    if problems:
        raise Refused.of(list(dict.fromkeys(problems)))


def refuse_items(
    path: str, items: Iterable[Combination], names: Iterable[str], caller: Mapping[str, str]
) -> None:
    """Make sure that no item of a list holds the value of a secret: names are made of items.

    Raises:
        Refused: one does; the message does not tell which text it is.
    """
    known = _known(names, caller)
    for number, one in enumerate(items if known else (), start=1):
        texts = [text for pair in one.values.items() for text in map(str, pair)]
        for name, value in known.items():
            if any(value in text for text in texts):
                raise Refused(
                    f"item {number} of {path} holds the value of the secret {name}, and would be "
                    "recorded",
                    hint="let the list have names that are no secrets",
                )


def _known(names: Iterable[str], caller: Mapping[str, str]) -> dict[str, str]:
    """Return the secrets that are long enough to be recognised, in the order of their names."""
    return {name: caller[name] for name in sorted({*names}) if len(caller.get(name, "")) >= SHORT}


def of(step: PlannedStep, caller: Mapping[str, str]) -> Mapping[str, str]:
    """Return the secrets of a step by the names of their variables."""
    return {name: caller.get(name, "") for name in step.secrets} if step.secrets else EMPTY


def forms(value: str) -> set[bytes]:
    """Return the texts in which a value may be printed.

    Itself, each of its lines, and it in JSON, in a URL, and in base64, wherever it stands there.
    """
    data = value.encode("utf-8", "surrogateescape")
    texts = {data, *(line.strip() for line in data.splitlines())}
    texts |= {json.dumps(value)[1:-1].encode(), _in_url(data)}
    for before in range(3):  # base64 depends on how many bytes come before, in threes
        coded = base64.b64encode(b"\0" * before + data)
        # each character holds six bits; those that share theirs with a neighbour are left out
        texts.add(coded[-(-8 * before // 6) : 8 * (before + len(data)) // 6])
    return {text for text in texts if len(text) >= SHORTEST}


def _in_url(data: bytes) -> bytes:
    """Return data percent-encoded (RFC 3986, section 2.1)."""
    return b"".join(bytes([one]) if one in _UNRESERVED else b"%%%02X" % one for one in data)


class Redactor:
    """Makes secrets unreadable in a stream of bytes, however it is cut into chunks."""

    def __init__(self, values: Iterable[str]) -> None:
        """Look for these values."""
        texts = {text for value in values for text in forms(value)}
        self._texts = sorted(texts, key=len, reverse=True)
        self._any = re.compile(b"|".join(map(re.escape, self._texts))) if texts else None
        self._longest = len(self._texts[0]) if texts else 0
        self._held = b""

    def feed(self, chunk: bytes) -> bytes:
        """Return what can be shown now; what may be the beginning of a secret is held back."""
        data = self._held + chunk
        shown = []
        position, begins = 0, self._begins(data, 0)
        found = self._find(data)
        while found is not None and found.start() < begins:
            shown += [data[position : found.start()], MASK]
            position = found.end()
            begins = begins if begins >= position else self._begins(data, position)
            found = found.re.search(data, position)
        self._held = data[begins:]
        return b"".join([*shown, data[position:begins]])

    def end(self) -> bytes:
        """Return what was held back."""
        data, self._held = self._held, b""
        return self.redact(data)

    def redact(self, data: bytes) -> bytes:
        """Return data without secrets."""
        return data if self._any is None else self._any.sub(MASK, data)

    def text(self, text: str) -> str:
        """Return a text without secrets."""
        data = text.encode("utf-8", "surrogateescape")
        return self.redact(data).decode("utf-8", "surrogateescape")

    def _find(self, data: bytes) -> re.Match[bytes] | None:
        # a plain search for each is many times faster than the expression, and mostly in vain
        if self._any is None or not any(text in data for text in self._texts):
            return None
        return self._any.search(data)

    def _begins(self, data: bytes, position: int) -> int:
        """Return where the end of the data is the beginning of a secret; its length: nowhere."""
        first = max(position, len(data) - self._longest + 1)
        starts = (
            index
            for text in self._texts
            for index in _all(data, text[:1], max(first, len(data) - len(text) + 1))
            if text.startswith(data[index:])
        )
        return min(starts, default=len(data))


def _all(data: bytes, byte: bytes, position: int) -> Iterator[int]:
    """Yield where a byte stands in data, from a position on."""
    index = data.find(byte, position)
    while index >= 0:
        yield index
        index = data.find(byte, index + 1)


def held_by(data: bytes, secrets: Mapping[str, str]) -> list[str]:
    """Return the names of the secrets that data holds as they are."""
    return [
        name
        for name, value in secrets.items()
        if len(value) >= SHORTEST and value.encode("utf-8", "surrogateescape") in data
    ]
