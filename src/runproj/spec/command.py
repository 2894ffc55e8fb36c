"""A declared command, split into tokens or shell pieces before any value is put in.

A list is an argument vector. A string without shell syntax is split like a shell would split it,
but no shell ever sees it. A string with shell syntax becomes a script in which every reference
has a known quoting, so that its value can travel as an environment variable and is never parsed.
The quoting rules are those of POSIX 2.2, https://pubs.opengroup.org/onlinepubs/9699919799/.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Literal, NamedTuple, TypeAlias

from runproj.spec import template
from runproj.spec.interpreter import BEFORE_COMMAND, is_code
from runproj.spec.template import Part, Reference, Template

ShellName: TypeAlias = Literal["bash", "sh"]
Quoting: TypeAlias = Literal["bare", "single", "double"]

_SPECIAL = frozenset("|&;<>()$*?[~#`")
_ASSIGNMENT = re.compile(r"[A-Za-z_]\w*=", re.ASCII)
_ENDS_WORD = frozenset(" \t\n;|&<>()")


class ArgvCommand(NamedTuple):
    """Tokens, each a template; no shell."""

    tokens: tuple[Template, ...]

    @property
    def references(self) -> tuple[Reference, ...]:
        """The references of all tokens, in order."""
        return tuple(reference for token in self.tokens for reference in token.references)


class Slot(NamedTuple):
    """A place in a script where a value is expanded, inside this quoting."""

    reference: Reference
    quoting: Quoting


class ShellCommand(NamedTuple):
    """A script for a shell, cut at its references."""

    shell: ShellName
    pieces: tuple[str | Slot, ...]

    @property
    def references(self) -> tuple[Reference, ...]:
        """The references of the script, in order."""
        return tuple(piece.reference for piece in self.pieces if isinstance(piece, Slot))

    @property
    def partial(self) -> tuple[Slot, ...]:
        """The slots that are not a whole word of the script."""
        around = ("", *self.pieces, "")
        return tuple(
            piece
            for index, piece in enumerate(around)
            if isinstance(piece, Slot)
            and not (
                piece.quoting == "bare"
                and _is_edge(around[index - 1], -1)
                and _is_edge(around[index + 1], 0)
            )
        )


def _is_edge(piece: str | Slot, end: int) -> bool:
    """Tell whether a word ends (or starts) where a piece touches its neighbour."""
    return isinstance(piece, str) and (not piece or piece[end] in _ENDS_WORD)


Command: TypeAlias = ArgvCommand | ShellCommand


class CommandError(ValueError):
    """A command in which a shell would parse a value; ``hint`` shows the way."""

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.hint = hint


def parse(command: str | Sequence[str], shell: ShellName | Literal[False] | None = None) -> Command:
    """Split a command.

    >>> parse("python train.py --lr {lr}").tokens[-1].whole
    Reference(name='lr')
    >>> parse("sort {data} | uniq").pieces
    ('sort ', Slot(reference=Reference(name='data'), quoting='bare'), ' | uniq')

    Raises:
        CommandError: a quote is not closed, the command is empty, or a reference stands where its
            value would be parsed as code.
    """
    if not isinstance(command, str):
        if shell:
            raise CommandError(
                "a command that is a list never meets a shell", "write it as one string"
            )
        return _parse_list(tuple(command))
    return _parse_text(command.strip(), shell)


@lru_cache(maxsize=65536)  # each is asked for when it is checked, ordered and planned
def _parse_list(command: tuple[str, ...]) -> Command:
    return _argv(tuple(map(template.parse, command)))


@lru_cache(maxsize=65536)
def _parse_text(text: str, shell: ShellName | Literal[False] | None) -> Command:
    if shell is None:
        shell = "bash" if _has_shell_syntax(text) else False
    if shell:
        if not text:
            raise CommandError("the command is empty")
        return ShellCommand(shell, _Script(template.parse(text)).pieces())
    return _argv(_split(template.parse(text)))


def _argv(tokens: tuple[Template, ...]) -> ArgvCommand:
    if not tokens or not tokens[0].parts:
        raise CommandError("the command is empty")
    words = [str(token) for token in tokens]
    for index, token in enumerate(tokens):
        start = token.parts[0] if token.parts and isinstance(token.parts[0], str) else ""
        if token.references and is_code(words[:index], start):
            raise _code_error(token.references[0])
    return ArgvCommand(tokens)


def _atoms(parsed: Template) -> list[Part]:
    """Return single characters and references."""
    return [atom for part in parsed.parts for atom in (part if isinstance(part, str) else [part])]


def _has_shell_syntax(text: str) -> bool:
    if "\n" in text or _ASSIGNMENT.match(text):
        return True
    quote, index, atoms = "", 0, _atoms(template.parse(text))
    while index < len(atoms):
        char = atoms[index]
        if char == "\\" and quote != "'":
            index += 1
        elif quote:
            if char == quote:
                quote = ""
            elif quote == '"' and (char == "`" or _expands(atoms, index)):
                return True
        elif char in ("'", '"'):
            quote = str(char)
        elif isinstance(char, str) and char in _SPECIAL:
            return True
        index += 1
    return False


def _expands(atoms: list[Part], index: int) -> bool:
    """Tell whether a ``$`` at this place, inside double quotes, means something to a shell."""
    following = atoms[index + 1] if index + 1 < len(atoms) else ""
    return (
        atoms[index] == "$"
        and isinstance(following, str)
        and bool(re.match(r"[\w({@*#?!-]", following))
    )


def _split(parsed: Template) -> tuple[Template, ...]:
    """Split into tokens as a POSIX shell does, references being opaque."""
    tokens: list[Template] = []
    current: list[Part] | None = None
    quote, index, atoms = "", 0, _atoms(parsed)
    while index < len(atoms):
        atom = atoms[index]
        following = atoms[index + 1] if index + 1 < len(atoms) else None
        if not quote and atom in (" ", "\t", "\n"):
            if current is not None:
                tokens.append(template.joined(current))
            current = None
        else:
            current = [] if current is None else current
            if atom == quote and quote:
                quote = ""
            elif not quote and atom in ("'", '"'):
                quote = str(atom)
            elif atom == "\\" and quote != "'" and following is not None:
                if not quote or following in ('"', "\\", "$", "`"):
                    current.append(following)
                else:
                    current += [atom, following]
                index += 1
            else:
                current.append(atom)
        index += 1
    if quote:
        raise CommandError(f"a quote ({quote}) is opened and not closed")
    if current is not None:
        tokens.append(template.joined(current))
    return tuple(tokens)


_BLOCKED = {
    "param": ("inside ${…}", "put it into 'env' and expand that variable"),
    "arith": ("in arithmetic", "put it into 'env' and use that variable"),
    "bracket": ("in arithmetic", "put it into 'env' and use that variable"),
    "backtick": ("inside backticks", "use $(…) instead"),
    "ansi": ("inside $'…'", "use '…' or \"…\""),
    "heredoc": ("in a here-document", "put it into 'env', or print it with printf '%s' {name}"),
}


_OPENED = {
    "double": '"', "single": "'", "ansi": "$'", "param": "${", "backtick": "`", "bracket": "$[",
    "test": "[[",
}  # fmt: skip


@dataclass
class _Script:
    """A scanner of shell text that knows, at each reference, which quotes are around it."""

    parsed: Template
    out: list[str | Slot] = field(default_factory=list)
    stack: list[str] = field(default_factory=lambda: ["bare"])
    words: list[list[str]] = field(default_factory=lambda: [[""]])
    cases: list[int] = field(default_factory=lambda: [0])
    heredocs: list[tuple[str, bool]] = field(default_factory=list)
    test: int = 0  # where the innermost [[ stands
    index: int = 0
    atoms: list[Part] = field(default_factory=list)

    def pieces(self) -> tuple[str | Slot, ...]:
        """Scan all of it."""
        self.atoms = _atoms(self.parsed)
        while self.index < len(self.atoms):
            atom = self.atoms[self.index]
            if isinstance(atom, Reference):
                self._reference(atom)
            else:
                getattr(self, f"_{self.stack[-1]}")(atom)
        if self.stack != ["bare"]:
            raise CommandError(f"{_OPENED.get(self.stack[-1], '(')} is opened and not closed")
        return self._merged()

    def _merged(self) -> tuple[str | Slot, ...]:
        pieces: list[str | Slot] = []
        for piece in self.out:
            if isinstance(piece, str) and pieces and isinstance(pieces[-1], str):
                pieces[-1] += piece
            else:
                pieces.append(piece)
        return tuple(pieces)

    def _peek(self, text: str) -> bool:
        return self.atoms[self.index : self.index + len(text)] == list(text)

    def _take(self, count: int = 1) -> None:
        for atom in self.atoms[self.index : self.index + count]:
            self.out.append(str(atom))
            self.words[-1][-1] += str(atom)
        self.index += count

    def _push(self, mode: str, count: int) -> None:
        self._take(count)
        self.stack.append(mode)
        self.cases.append(0)
        if mode == "subst":
            self.words.append([""])

    def _pop(self, count: int = 1) -> None:
        self._take(count)
        self.cases.pop()
        if self.stack.pop() == "subst":
            self.words.pop()

    def _reference(self, reference: Reference) -> None:
        for mode in self.stack:
            if mode in _BLOCKED:
                where, hint = _BLOCKED[mode]
                raise CommandError(f"the reference {reference} stands {where}", hint)
        if is_code(self.words[-1][:-1], self.words[-1][-1]):
            raise _code_error(reference)
        if _is_arithmetic(self.words[-1]) or ("test" in self.stack and self._compares_numbers()):
            where, hint = _BLOCKED["arith"]
            raise CommandError(f"the reference {reference} stands {where}", hint)
        quoting: Quoting = "bare"
        if self.stack[-1] in ("single", "double"):
            quoting = "single" if self.stack[-1] == "single" else "double"
        self.out.append(Slot(reference, quoting))
        self.words[-1][-1] += str(reference)
        self.index += 1

    def _escape(self) -> None:
        following = self.atoms[self.index + 1] if self.index + 1 < len(self.atoms) else ""
        if isinstance(following, Reference):
            raise CommandError(
                f"the reference {following} stands after a backslash",
                f"remove the backslash, or write {{{following}}} for plain text",
            )
        self._take(2)

    def _dollar(self) -> bool:
        """Enter what a dollar sign opens; tell whether it opened something."""
        openings = (("$((", "arith"), ("$(", "subst"), ("${", "param"), ("$[", "bracket"))
        for opening, mode in openings:
            if self._peek(opening):
                self._push(mode, len(opening))
                return True
        return False

    def _bare(self, char: str) -> None:
        if char == "\\":
            self._escape()
        elif self._peek("$'"):
            self._push("ansi", 2)
        elif char == "'":
            self._push("single", 1)
        elif char == '"':
            self._push("double", 1)
        elif char == "`":
            self._push("backtick", 1)
        elif char == "$" and self._dollar():
            pass
        elif char == "#" and not self.words[-1][-1]:
            self._comment()
        elif self._peek("[[") and self._starts_command():
            self.test = self.index
            self._push("test", 2)
        elif self._peek("<<<"):
            self._operator(3)
        elif self._peek("<<"):
            self._heredoc()
        elif char in _ENDS_WORD:
            self._separator(char)
        else:
            self._take()

    _subst = _paren = _bare

    def _test(self, char: str) -> None:
        if self._peek("]]") and not self.words[-1][-1]:
            self._pop(2)
        elif char in " \t\n":
            self._operator(1)
        elif char in _ENDS_WORD or char == "#":
            self._take()
        else:
            self._bare(char)

    def _separator(self, char: str) -> None:
        if self._peek("((") and not self.words[-1][-1].strip():
            self._push("arith", 2)
        elif char == "(":
            self._push("paren", 1)
            self.words[-1] = [""]
        elif char == ")" and self.stack[-1] in ("subst", "paren") and not self._in_case():
            self._pop()
        elif char in " \t<>":
            self._operator(1)
        else:
            self._note_case()
            self._take()
            self.words[-1] = [""]
            if char == "\n":
                self._here_bodies()

    def _in_case(self) -> bool:
        """Tell whether a parenthesis closes a pattern of a ``case``, not what is around it."""
        self._note_case()
        return self.cases[-1] > 0

    def _note_case(self) -> None:
        *before, word = self.words[-1]
        if word in ("case", "esac") and all(name in BEFORE_COMMAND for name in before):
            self.cases[-1] = max(0, self.cases[-1] + (1 if word == "case" else -1))
            self.words[-1][-1] += " "  # noted

    def _starts_command(self) -> bool:
        *before, word = self.words[-1]
        return not word and all(name in BEFORE_COMMAND for name in before)

    def _compares_numbers(self) -> bool:
        """Tell whether the ``[[ … ]]`` around this place has an operator that evaluates."""
        script = "".join(map(str, self.atoms[self.test :]))
        return re.search(r"\s-(eq|ne|lt|le|gt|ge|v)\s", script.partition("]]")[0]) is not None

    def _operator(self, count: int) -> None:
        self._note_case()
        for atom in self.atoms[self.index : self.index + count]:
            self.out.append(str(atom))
        self.index += count
        if self.words[-1][-1]:
            self.words[-1].append("")

    def _comment(self) -> None:
        while self.index < len(self.atoms) and self.atoms[self.index] != "\n":
            self.out.append(str(self.atoms[self.index]))
            self.index += 1

    def _heredoc(self) -> None:
        self._operator(2)
        dash = self._peek("-")
        if dash:
            self._operator(1)
        while self._peek(" "):
            self._operator(1)
        word = ""
        while self.index < len(self.atoms):
            atom = self.atoms[self.index]
            if isinstance(atom, Reference):
                raise _in_heredoc(atom)
            if atom in _ENDS_WORD:
                break
            word += atom
            self.out.append(atom)
            self.index += 1
        self.heredocs.append((re.sub(r"[\\'\"]", "", word), dash))

    def _here_bodies(self) -> None:
        for delimiter, dash in self.heredocs:
            while self.index < len(self.atoms):
                line = self._line()
                if (line.lstrip("\t") if dash else line) == delimiter:
                    break
        self.heredocs.clear()

    def _line(self) -> str:
        text = ""
        while self.index < len(self.atoms):
            atom = self.atoms[self.index]
            if isinstance(atom, Reference):
                raise _in_heredoc(atom)
            self.out.append(atom)
            self.index += 1
            if atom == "\n":
                break
            text += atom
        return text

    def _single(self, char: str) -> None:
        if char == "'":
            self._pop()
        else:
            self._take()

    def _ansi(self, char: str) -> None:
        if char == "\\":
            self._take(2)
        else:
            self._single(char)

    def _double(self, char: str) -> None:
        if char == "\\":
            self._escape()
        elif char == '"':
            self._pop()
        elif char == "`":
            self._push("backtick", 1)
        elif char != "$" or not self._dollar():
            self._take()

    def _param(self, char: str) -> None:
        if char == "\\":
            self._take(2)
        elif char == "}":
            self._pop()
        elif char == '"':
            self._push("double", 1)
        elif char == "'" and "double" not in self.stack:
            self._push("single", 1)
        elif char != "$" or not self._dollar():
            self._take()

    def _bracket(self, char: str) -> None:
        if char == "]":
            self._pop()
        else:
            self._take()

    def _arith(self, char: str) -> None:
        if self._peek("))"):
            self._pop(2)
        elif char == "(":
            self._push("group", 1)
        elif char != "$" or not self._dollar():
            self._take()

    def _group(self, char: str) -> None:
        if char == ")":
            self._pop()
        elif char == "(":
            self._push("group", 1)
        elif char != "$" or not self._dollar():
            self._take()

    def _backtick(self, char: str) -> None:
        if char == "\\":
            self._take(2)
        elif char == "`":
            self._pop()
        else:
            self._take()


def _in_heredoc(reference: Reference) -> CommandError:
    where, hint = _BLOCKED["heredoc"]
    return CommandError(f"the reference {reference} stands {where}", hint)


_TAKE_VARIABLES = frozenset({"unset", "read", "printf", "test", "[", "export", "readonly"})
_DECLARE = frozenset({"declare", "typeset", "local"})


def _is_arithmetic(words: Sequence[str]) -> bool:
    """Tell whether bash evaluates the last word of a command as arithmetic."""
    *before, word = words
    plain = [name for name in before if name not in BEFORE_COMMAND and not _ASSIGNMENT.match(name)]
    command = plain[0] if plain else ""
    if command == "let" or (command in _DECLARE and any(re.match("-[a-zA-Z]*i", p) for p in plain)):
        return True
    in_subscript = re.match(r"['\"]*[A-Za-z_]\w*\[[^]]*$", word, re.ASCII) is not None
    return in_subscript and (not command or command in _TAKE_VARIABLES | _DECLARE)


def _code_error(reference: Reference) -> CommandError:
    return CommandError(
        f"the reference {reference} stands in the code of another interpreter",
        "pass the value as an argument (sys.argv, \"$1\") or through 'env', and read it there; "
        f"for plain text write {{{reference}}}",
    )
