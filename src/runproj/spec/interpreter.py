"""Which words of a command are a program's text, read by another interpreter."""

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple


class _Interpreter(NamedTuple):
    """Patterns: its name; an option before code; one before a value; one that ends the options."""

    name: str
    code: str
    value: str = r"(?!)"
    last: str = r"(?!)"


_INTERPRETERS = (
    _Interpreter(
        r"(ba|da|z|k|fi)?sh", r"-[A-Za-z]*c[A-Za-z]*", r"[-+][A-Za-z]*[oO]|--rcfile|--init-file"
    ),
    _Interpreter(
        r"(python|pypy)[\d.]*", r"-[bBdEhiIOPqRsSuvVx]*c", r"-[bBdEhiIOPqRsSuvVx]*[WX]",
        r"-[bBdEhiIOPqRsSuvVx]*m.*",
    ),
    _Interpreter(r"perl[\d.]*", r"-[acflnpstTuUvwWX0-9]*[eE]", r"-I"),
    _Interpreter(r"ruby[\d.]*", r"-[adlnpsSvwW0-9]*e", r"-[rIC]"),
    _Interpreter(r"R|Rscript|lua[\d.]*", r"-e", r"-l"),
    _Interpreter(r"julia", r"-[eE]|--eval=?|--print=?", r"-[pLJtC]"),
    _Interpreter(r"node|nodejs|deno|bun", r"-(e|p|pe)|--eval=?|--print=?|eval", r"-r|--require"),
    _Interpreter(r"php[\d.]*", r"-[rBRE]", r"-[cdz]"),
    _Interpreter(r"psql|su", r"-c", r"-[dhpUs]"),
    _Interpreter(r"mysql|mariadb", r"-e", r"-[DhPu]"),
)  # fmt: skip
BEFORE_COMMAND = frozenset({"then", "do", "else", "elif", "if", "while", "until", "time", "!", "{"})
"""Words of a shell after which a command starts."""

_AWK = re.compile(r"[gmn]?awk")
_AWK_TAKES_VALUE = frozenset({"-v", "-F"})
_COMMAND_IS_CODE = frozenset({"eval", "trap"})


def is_code(words: Sequence[str], start: str = "") -> bool:
    """Tell whether the word after these words of a command is a program's text.

    Args:
        words: the words before it, from the command's name on.
        start: what stands in the word already; quotes do not matter.

    >>> is_code(["python", "-c"]), is_code(["python", "train.py", "-c"])
    (True, False)
    >>> is_code(["perl"], "-e'print ")
    True
    """
    plain = [re.sub(r"['\"]", "", word) for word in words if word]
    start = re.sub(r"['\"]", "", start)
    while plain and (plain[0] in BEFORE_COMMAND or re.match(r"\w+=", plain[0])):
        del plain[0]  # variables set for the command
    if plain and plain[0] in _COMMAND_IS_CODE:
        return plain[0] == "eval" or len(plain) == 1
    for index, word in enumerate(plain):
        name, rest = word.rpartition("/")[2], plain[index + 1 :]
        if _AWK.fullmatch(name):
            if not start.startswith("-") and _awk_program_is_next(rest):
                return True
            continue
        interpreter = _interpreter(name)
        if interpreter is not None:
            kinds = list(_kinds(interpreter, rest, start))
            if kinds[-1] == "code":
                return True
            if index == 0 and "argument" in kinds[:-1]:
                return False  # all the rest is for its script
    return False


@lru_cache(maxsize=4096)
def _interpreter(name: str) -> _Interpreter | None:
    return next((one for one in _INTERPRETERS if re.fullmatch(one.name, name)), None)


def _kinds(interpreter: _Interpreter, words: Sequence[str], start: str) -> Iterator[str]:
    """Yield what each word is to an interpreter; the last is the word that has only started."""
    after = ""
    for word in words:
        if after:
            kind, after = after, "argument" if after in ("code", "argument") else ""
        elif re.fullmatch(interpreter.code, word):
            kind, after = "option", "code"
        elif re.fullmatch(interpreter.value, word):
            kind, after = "option", "value"
        elif re.fullmatch(interpreter.last, word) or not word.startswith(("-", "+")):
            kind = after = "argument"
        else:
            kind = "option"
        yield kind
    if after:
        yield after
    else:
        yield "code" if re.match(rf"(?:{interpreter.code})", start) else "argument"


def _awk_program_is_next(options: Sequence[str]) -> bool:
    index = 0
    while index < len(options):
        if options[index] in _AWK_TAKES_VALUE:
            index += 2
        elif options[index].startswith("-f"):
            return False
        elif options[index].startswith("-"):
            index += 1
        else:
            return False
    return index == len(options)
