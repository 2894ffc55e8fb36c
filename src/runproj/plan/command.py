"""From a declared command and values to an argument vector."""

from collections.abc import Callable
from typing import TypeAlias

from runproj.spec.command import ArgvCommand, Command, ShellCommand, Slot
from runproj.spec.template import Reference, Template

Texts: TypeAlias = str | tuple[str, ...] | None
Lookup: TypeAlias = Callable[[Reference], Texts]

# What is known only when the step executes. NUL can stand in no argument, so it cannot be mistaken.
RUN_ID = "\0run.id\0"
WORKSPACE = "\0workspace\0"
SYMBOLS = {"run.id": RUN_ID, "workspace": WORKSPACE}

_SHELLS = {"bash": ("bash", "-euo", "pipefail", "-c"), "sh": ("sh", "-eu", "-c")}
_VARIABLE = "RUNPROJ_VALUE_"


def resolve_symbols(text: str, run_id: str, workspace: str) -> str:
    """Replace what is known only now."""
    return text.replace(RUN_ID, run_id).replace(WORKSPACE, workspace)


def render(command: Command, lookup: Lookup) -> tuple[tuple[str, ...], dict[str, str]]:
    """Return the argument vector, and the variables through which a shell gets its values."""
    if isinstance(command, ArgvCommand):
        return tuple(text for token in command.tokens for text in tokens(token, lookup)), {}
    return _script(command, lookup)


def tokens(template: Template, lookup: Lookup) -> tuple[str, ...]:
    """Return the arguments that one token becomes: a list is several, null is none."""
    if template.whole is not None:
        texts = lookup(template.whole)
        return (texts,) if isinstance(texts, str) else (texts or ())
    text = fill(template, lookup)
    return () if text is None else (text,)


def fill(template: Template, lookup: Lookup) -> str | None:
    """Put values into text; None when one of them is null."""
    filled = []
    for part in template.parts:
        text = lookup(part) if isinstance(part, Reference) else part
        if text is None:
            return None
        filled.append(text if isinstance(text, str) else ",".join(text))
    return "".join(filled)


def _script(command: ShellCommand, lookup: Lookup) -> tuple[tuple[str, ...], dict[str, str]]:
    variables: dict[str, str] = {}
    names: dict[Reference, tuple[str, ...]] = {}
    script = ""
    for piece in command.pieces:
        if isinstance(piece, str):
            script += piece
            continue
        if piece.reference not in names:
            names[piece.reference] = _name(lookup(piece.reference), variables)
        script += _expansion(piece, names[piece.reference])
    return (*_SHELLS[command.shell], script), variables


def _name(texts: Texts, variables: dict[str, str]) -> tuple[str, ...]:
    """Give each text of a reference a variable; return their names."""
    named = []
    for text in (texts,) if isinstance(texts, str) else texts or ():
        name = f"{_VARIABLE}{len(variables) + 1}"
        variables[name] = text
        named.append(name)
    return tuple(named)


def _expansion(piece: Slot, names: tuple[str, ...]) -> str:
    if piece.quoting == "bare":
        return " ".join(f'"${{{name}}}"' for name in names)
    expanded = "".join(f"${{{name}}}" for name in names)
    return expanded if piece.quoting == "double" else f"'\"{expanded}\"'"
