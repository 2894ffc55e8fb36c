"""What a ``.dockerignore`` leaves out of a build's context.

The format is that of https://docs.docker.com/build/concepts/context/#dockerignore-files: patterns
as Go's ``filepath.Match`` has them, ``**`` for any number of folders, ``!`` for an exception; the
last pattern that fits decides.
"""

import posixpath
import re
from collections.abc import Iterable
from typing import NamedTuple

from runproj.errors import Problem, ProjectError

FILE = ".dockerignore"
_BOM = "\ufeff"


class _Rule(NamedTuple):
    pattern: re.Pattern[str]
    ignores: bool


def kept(paths: Iterable[str], text: str) -> list[str]:
    r"""Return the paths of a context that a ``.dockerignore`` with this text leaves in it.

    >>> kept(["a.py", "data/x.csv", "data/keep"], "# all\ndata\n!data/keep")
    ['a.py', 'data/keep']

    Raises:
        ProjectError: some patterns are none, as Docker has them; with all of them, and their lines.
    """
    rules: list[_Rule] = []
    problems: list[Problem] = []
    for number, line in enumerate(map(str.strip, text.removeprefix(_BOM).splitlines()), 1):
        if line[:1] in ("", "#"):
            continue
        rule = _rule(line)
        if rule is None:
            problems.append(Problem(f"{line!r} is no known pattern", where=str(number)))
        else:
            rules.append(rule)
    if problems:
        raise ProjectError.of(problems)
    return [path for path in paths if not _is_ignored(path, rules)]


def _rule(line: str) -> _Rule | None:
    ignores = not line.startswith("!")
    text = line.removeprefix("!").strip()
    pattern = posixpath.normpath(text).lstrip("/")
    if not text or not _PATTERN.fullmatch(pattern):
        return None
    try:
        return _Rule(re.compile(_expression(pattern) + "(/.*)?", re.DOTALL), ignores)
    except re.error:  # a range that ends before it begins
        return None


def _is_ignored(path: str, rules: list[_Rule]) -> bool:
    fitting = [rule for rule in rules if rule.pattern.fullmatch(path)]
    return bool(fitting) and fitting[-1].ignores


_ITEM = r"(?:\\.|(?!\[:)[^]\\-])"  # no [:alpha:] and the like
_CLASS = rf"\[\^?(?:{_ITEM}(?:-{_ITEM})?)+\]"
_PATTERN = re.compile(rf"(?:{_CLASS}|\\.|[^[\\])*", re.DOTALL)
_TOKEN = re.compile(rf"\*\*/|\*\*|\*|\?|\\.|{_CLASS}|.", re.DOTALL)
_WILD = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}


def _expression(pattern: str) -> str:
    r"""Return a pattern as a regular expression.

    >>> _expression("**/*.py[co]")
    '(?:.*/)?[^/]*\\.py[co]'
    """
    found = []
    for token in _TOKEN.findall(pattern):
        if token in _WILD:
            found.append(_WILD[token])
        elif len(token) > 1:
            found.append(f"[{_in_class(token)}" if token[0] == "[" else re.escape(token[1]))
        else:
            found.append(re.escape(token))
    return "".join(found)


def _in_class(token: str) -> str:
    r"""Return a class without its first bracket; what Python means by ``[`` or ``&&`` is not meant.

    >>> _in_class("[a&&[]")
    'a\\&\\&\\[]'
    """
    return re.sub(r"\\.|[\[&|~]", lambda one: one[0] if one[0][1:] else f"\\{one[0]}", token[1:])
