"""What somebody requires of a run: ``metrics.rmse < 0.8 and verdict = identical``."""

import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from runproj.record.sweep import meant


class Facts(NamedTuple):
    """What is known of a step run that logged something, and of its run.

    ``metrics`` and ``params`` have full names; a metric that is no finite number is a text.
    """

    step: str
    metrics: Mapping[str, float | str]
    params: Mapping[str, Any]
    tags: Mapping[str, str]
    status: str
    verdict: str | None


_TERM = re.compile(
    r"""\s*(?: (?P<group>metrics|params|tags) \. (?: "(?P<quoted>[^"]+)" | (?P<name>[^\s"<>=!]+) )
        | (?P<word>status|verdict) )
    \s* (?P<sign><=|>=|==|!=|<|>|=)
    \s* (?: "(?P<text>[^"]*)" | (?P<value>[^\s"]+) ) \s*""",
    re.VERBOSE,
)
_AND = re.compile(r"and\b", re.IGNORECASE)
_SIGNS: Mapping[str, Callable[[Any, Any], bool]] = {
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
    "=": lambda a, b: a == b,
    "==": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
}


def unmet(text: str, facts: Facts) -> str | None:
    """Return what of a requirement does not hold, in words; None: all of it holds.

    Terms stand between ``and``: ``metrics.NAME``, ``params.NAME``, ``tags.NAME``, ``status`` or
    ``verdict``, a sign (``<``, ``<=``, ``>``, ``>=``, ``=``, ``!=``), and a number or a word; in
    double quotes a name or a word may be anything.

    Raises:
        ValueError: it is no requirement, or a name may mean several things.
    """
    at = 0
    terms = []
    while True:
        term = _TERM.match(text, at)
        if term is None:
            raise ValueError(f"{text!r} is no requirement, as metrics.rmse < 0.8 is")
        terms.append(term)
        at = term.end()
        if at == len(text):
            break
        more = _AND.match(text, at)
        if more is None:
            raise ValueError(f"{text!r}: there is no 'and' before {text[at:].strip()!r}")
        at = more.end()
    return next((wrong for one in terms if (wrong := _wrong(one, facts)) is not None), None)


def _wrong(term: re.Match[str], facts: Facts) -> str | None:
    """Return what does not hold of one term."""
    name, value = _value(term, facts)
    said = term[0].strip()
    if value is None:
        return f"{said}: there is no {name}"
    wanted = term["value"] if term["text"] is None else term["text"]
    holds = _SIGNS[term["sign"]]
    if isinstance(value, bool | str):
        value = str(value).lower() if isinstance(value, bool) else value
        # NaN and infinities are neither less nor more than anything
        fits = term["group"] != "metrics" and holds(value, wanted)
    else:
        fits = isinstance(value, int | float) and holds(value, _number(wanted, said))
    return None if fits else f"{said}: {name} is {value}"


def _number(text: str, said: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise ValueError(f"{said}: {text!r} is no number") from None


def _value(term: re.Match[str], facts: Facts) -> tuple[str, Any]:
    """Return what a term asks for, in words, and its value; None: it is not there."""
    if term["word"]:
        return term["word"], facts.status if term["word"] == "status" else facts.verdict
    group, name = term["group"], term["quoted"] or term["name"]
    if group == "tags":
        return f"tag {name}", facts.tags.get(name)
    values: Mapping[str, Any] = facts.metrics if group == "metrics" else facts.params
    own = f"{facts.step}.{name}"
    found = [own] if own in values and name not in values else meant(name, values)
    if len(found) > 1:
        raise ValueError(f"{group}.{name} may be {' or '.join(found)}")
    if not found:
        return f"{'metric' if group == 'metrics' else 'parameter'} {name}", None
    return found[0], values[found[0]]
