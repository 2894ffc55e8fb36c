"""The programs that a command names, as far as its text tells."""

import posixpath
import re
from collections.abc import Iterator, Sequence

_SHELLS = frozenset({"bash", "sh", "dash", "zsh", "ksh"})
_BEFORE = frozenset({"if", "then", "elif", "else", "while", "until", "do", "!", "{", "time"})
"""Words of a shell after which a command stands."""

_WRAPPERS = frozenset({"env", "exec", "command", "nohup", "nice", "xargs"})
"""Programs that execute the one that is named after them."""

_BUILT_IN = frozenset({"[", "echo", "printf", "test", "true", "false", "pwd", "kill", *_BEFORE})
"""What a shell does itself, although there is a program of this name."""

_PUNCTUATION = ";|&()<>\n"
_COMMENT = re.compile(r"^\s*#.*$|(?<=\s)#[^\"'\n]*$", re.MULTILINE)
_ASSIGNMENT = re.compile(r"\w+\+?=.*", re.DOTALL)


def programs(argv: Sequence[str]) -> tuple[str, ...]:
    """Return what an argument vector names as programs: names for PATH, and absolute paths.

    Of a script for a shell, the first word of each command counts. What stands in quotes, in
    another file or in a variable is not seen.

    >>> programs(["bash", "-euo", "pipefail", "-c", "LC_ALL=C sort a | uniq > b; echo done"])
    ('bash', 'sort', 'uniq')
    >>> programs(["env", "A=1", "jq", "."])
    ('env', 'jq')
    """
    found = list(_named(argv))
    if argv and posixpath.basename(argv[0]) in _SHELLS and "-c" in argv[:-1]:
        for words in _commands(argv[argv.index("-c") + 1]):
            found += (name for name in _named(words) if name not in _BUILT_IN)
    return tuple(dict.fromkeys(name for name in found if _looked_for(name)))


def _looked_for(name: str) -> bool:
    """Tell whether a name is looked for on PATH, or is a place of the machine."""
    return bool(name) and "$" not in name and ("/" not in name or name.startswith("/"))


def _named(words: Sequence[str]) -> Iterator[str]:
    """Yield the program that the words of one command name, and those that execute it."""
    wrapped = False
    for word in words:
        if _ASSIGNMENT.fullmatch(word) or word in _BEFORE or (wrapped and word.startswith("-")):
            continue
        yield word
        wrapped = word in _WRAPPERS
        if not wrapped:
            return


def _commands(script: str) -> Iterator[list[str]]:
    """Yield the words of each command of a script, as far as it can be read."""
    import shlex  # noqa: PLC0415 -- lazy: only scripts need it

    lexer = shlex.shlex(_COMMENT.sub("", script), posix=True, punctuation_chars=_PUNCTUATION)
    lexer.whitespace, lexer.commenters = " \t\r", ""
    words: list[str] = []
    redirected = False
    try:
        for token in lexer:
            signs = {*token} if token and {*token} <= {*_PUNCTUATION} else set()
            if redirected:
                redirected = False
            elif not signs:
                words.append(token)
            elif "(" in signs or signs.isdisjoint("<>"):
                yield words
                words = []
            else:
                redirected = True
    except ValueError:  # a quote without its end, as in a text for another program
        pass
    yield words
