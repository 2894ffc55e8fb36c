"""Text with ``{name}`` references in it.

A reference is an identifier or a dotted one between braces. All other braces are plain text, and
so is ``${HOME}``. ``{{name}}`` stands for the plain text ``{name}``.
"""

import re
from functools import lru_cache
from typing import NamedTuple, TypeAlias

_TOKEN = re.compile(
    r"\{\{(?P<escaped>[A-Za-z_]\w*(?:\.[A-Za-z_0-9][\w-]*)*)\}\}"
    r"|(?<!\$)\{(?P<name>[A-Za-z_]\w*(?:\.[A-Za-z_0-9][\w-]*)*)\}",
    re.ASCII,
)


class Reference(NamedTuple):
    """A name to be replaced by a value; ``parts`` are its dotted parts."""

    name: str

    @property
    def parts(self) -> tuple[str, ...]:
        """The dotted parts of the name."""
        return tuple(self.name.split("."))

    def __str__(self) -> str:
        return f"{{{self.name}}}"


Part: TypeAlias = str | Reference


class Template(NamedTuple):
    """Text and references in turn.

    >>> parse("--lr={lr} ${HOME} {{x}} {}").parts
    ('--lr=', Reference(name='lr'), ' ${HOME} {x} {}')
    """

    parts: tuple[Part, ...]

    @property
    def references(self) -> tuple[Reference, ...]:
        """The references, in order."""
        return tuple([part for part in self.parts if type(part) is Reference])

    @property
    def whole(self) -> Reference | None:
        """The reference that is all of the text, if so."""
        only = self.parts[0] if len(self.parts) == 1 else None
        return only if isinstance(only, Reference) else None

    def __str__(self) -> str:
        return "".join(str(part) for part in self.parts)


def joined(parts: list[Part]) -> Template:
    """Make a template of parts; neighbouring text is merged and empty text dropped."""
    merged: list[Part] = []
    for part in parts:
        if isinstance(part, str) and merged and isinstance(merged[-1], str):
            merged[-1] += part
        elif part != "":
            merged.append(part)
    return Template(tuple(merged))


@lru_cache(maxsize=65536)
def parse(text: str) -> Template:
    """Split text at its references."""
    if "{" not in text:
        return Template((text,) if text else ())
    parts: list[Part] = []
    end = 0
    for match in _TOKEN.finditer(text):
        parts.append(text[end : match.start()])
        escaped = match["escaped"]
        parts.append(f"{{{escaped}}}" if escaped is not None else Reference(match["name"]))
        end = match.end()
    parts.append(text[end:])
    return joined(parts)
