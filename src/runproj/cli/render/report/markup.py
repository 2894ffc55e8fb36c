"""The parts of a page. Whatever is not HTML of ours is escaped, so that no text can become any."""

import base64
import re
from collections.abc import Iterable, Sequence

from runproj.cli.render.escaping import safe

_MOST = 2000  # characters of a value
_NAME = 160
_PAGE = 20_000
_SHORT = 24  # characters that stand on one line
_TAGS = re.compile("<[^>]*>")
_ESCAPES = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]"  # colours, movements (ECMA-48)
    r"|\x1b[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\)?"  # titles, links and other strings
    r"|\x1b[ -/]*[0-~]"
    r"|\x9b[0-?]*[ -/]*[@-~]"
)


class Html(str):
    """A text that is HTML of ours."""

    __slots__ = ()


NOTHING = Html("")


def element(name: str, *children: str, kind: str = "", **attributes: str) -> Html:
    """Return an element; ``kind`` is its class. Texts in it are escaped."""
    if kind:
        attributes["class"] = kind
    told = "".join(f' {key}="{safe(value)}"' for key, value in attributes.items())
    return Html(f"<{name}{told}>{joined(children)}</{name}>")


def joined(children: Iterable[str]) -> Html:
    """Return several parts as one."""
    return Html("".join(one if isinstance(one, Html) else text(one) for one in children))


def text(value: str) -> Html:
    """Return a text in which nothing means anything; one that is very long is cut."""
    if len(value) > _MOST:
        return Html(f"{safe(value[:_MOST])}{note(f' … {len(value) - _MOST:,} more characters')}")
    return Html(safe(value))


def lines(value: str, kind: str = "") -> Html:
    """Return a text of several lines, such as a note or an error; one that is very long is cut."""
    cut = note(f" … {len(value) - _PAGE:,} more characters") if len(value) > _PAGE else NOTHING
    told = Html(safe(value[:_PAGE], keep="\n"))
    return element("div", told, cut, kind=f"lines {kind}".strip())


def named(value: str) -> Html:
    """Return a name; one that is too long to be one is cut."""
    return text(value) if len(value) <= _NAME else joined([Html(safe(value[:_NAME])), note(" …")])


def note(value: str) -> Html:
    """Return a remark of ours."""
    return element("small", value)


def code(value: str) -> Html:
    """Return a text as a program reads it."""
    return element("code", value)


def block(value: str) -> Html:
    """Return lines of text as they are; control characters are shown."""
    return Html(f"<pre>{safe(value, keep=chr(10) + chr(9))}</pre>")


def image(media: str, data: bytes, name: str, pixels: tuple[int, int] | None) -> Html:
    """Return a picture; ``pixels`` are its width and height."""
    source = f"data:{media};base64,{base64.b64encode(data).decode()}"
    room = f' width="{pixels[0]}" height="{pixels[1]}"' if pixels else ""
    return Html(f'<img src="{source}" alt="{safe(name)}"{room}>')


def table(head: Sequence[str], rows: Iterable[Sequence[str]], kind: str = "") -> Html:
    """Return a table, in a box of its own that scrolls; a row that begins with Best stands out."""
    top = element("tr", *(element("th", one, scope="col") for one in head))
    body = [
        element("tr", *(element("td", cell, kind=_kind(cell)) for cell in row), kind=_marked(row))
        for row in rows
    ]
    whole = element("table", element("thead", top), element("tbody", *body), kind=kind)
    return element("div", whole, kind="scroll")


class Number(Html):
    """A number in a table; numbers stand below each other."""

    __slots__ = ()


class Best(Html):
    """The first cell of a row that stands out."""

    __slots__ = ()


def _kind(cell: str) -> str:
    if isinstance(cell, Number):
        return "number"
    told = _TAGS.sub("", cell) if isinstance(cell, Html) else cell
    return "long" if len(told) > _SHORT else ""


def _marked(row: Sequence[str]) -> str:
    return "best" if row and isinstance(row[0], Best) else ""


def facts(rows: Iterable[tuple[str, str]]) -> Html:
    """Return names and what stands for them."""
    return element(
        "dl", *(one for name, value in rows for one in (element("dt", name), element("dd", value)))
    )


def folded(summary: str, *children: str, opened: bool = False) -> Html:
    """Return what is shown when it is asked for; on paper it always is."""
    name = "details open" if opened else "details"
    return Html(f"<{name}>{element('summary', summary)}{joined(children)}</details>")


def printed(data: bytes, *, cut: bool) -> list[str]:
    """Return lines as a terminal would show them at the end.

    Colours and movements are left out; of a line that was written over, what was last.

    Args:
        data: what was printed.
        cut: whether its beginning is missing: the first line is not whole then.
    """
    lines = _ESCAPES.sub("", data.decode(errors="replace")).split("\n")
    if cut and len(lines) > 1:
        del lines[0]
    if not lines[-1]:
        del lines[-1]
    return [
        next((one for one in reversed(line.split("\r")) if one), "") if "\r" in line else line
        for line in lines
    ]
