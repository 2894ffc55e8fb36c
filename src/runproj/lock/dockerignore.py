"""What a ``.dockerignore`` leaves out of a build's context.

The format is that of https://docs.docker.com/build/concepts/context/#dockerignore-files: patterns
as Go's ``filepath.Match`` has them, ``**`` for any number of folders, ``!`` for an exception; the
last pattern that fits decides.
"""

import posixpath
import re
from collections.abc import Iterable
from typing import NamedTuple

FILE = ".dockerignore"


class _Rule(NamedTuple):
    pattern: re.Pattern[str]
    ignores: bool


def kept(paths: Iterable[str], text: str) -> list[str]:
    r"""Return the paths of a context that a ``.dockerignore`` with this text leaves in it.

    >>> kept(["a.py", "data/x.csv", "data/keep"], "# all\ndata\n!data/keep")
    ['a.py', 'data/keep']
    """
    rules = [_rule(line) for line in map(str.strip, text.splitlines()) if line[:1] not in ("", "#")]
    return [path for path in paths if not _is_ignored(path, rules)]


def _rule(line: str) -> _Rule:
    ignores = not line.startswith("!")
    pattern = posixpath.normpath(line.removeprefix("!").strip()).lstrip("/")
    return _Rule(re.compile(_expression(pattern) + "(/.*)?", re.DOTALL), ignores)


def _is_ignored(path: str, rules: list[_Rule]) -> bool:
    fitting = [rule for rule in rules if rule.pattern.fullmatch(path)]
    return bool(fitting) and fitting[-1].ignores


_TOKEN = re.compile(r"\*\*/|\*\*|\*|\?|\\.|\[\^?(?:\\.|[^\]\\])+\]|.", re.DOTALL)
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
            found.append(token if token[0] == "[" else re.escape(token[1]))
        else:
            found.append(re.escape(token))
    return "".join(found)
