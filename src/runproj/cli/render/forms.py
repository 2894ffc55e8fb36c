"""Tables for other programs: CSV, Markdown and HTML, safe against what a cell holds."""

import csv
import html
import io
import re
from collections.abc import Collection, Iterable, Sequence

from runproj.cli.render.style import visible

Cell = str | int | float | bool | None

_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_MARKDOWN = re.compile(r"([\\`*_{}\[\]<>()#+!|~-])")
_PAGE = """\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
:root {{ color-scheme: light dark; font: 15px/1.5 system-ui, sans-serif; }}
body {{ margin: 1.5rem; }}
div {{ overflow-x: auto; }}
table {{ border-collapse: collapse; }}
th, td {{ padding: .25rem .75rem; text-align: left; border-bottom: 1px solid #8884; }}
td {{ font-variant-numeric: tabular-nums; }}
.best {{ font-weight: bold; background: #3b82; }}
</style>
</head>
<body>
<h1>{title}</h1>
<div>
<table>
{rows}
</table>
</div>
</body>
</html>
"""


def csv_text(rows: Iterable[Sequence[Cell]]) -> str:
    r"""Return rows as CSV. Text that a spreadsheet would take for a formula gets an apostrophe.

    >>> csv_text([["a", "=1+1", -2.5, None]])
    "a,'=1+1,-2.5,\r\n"
    """
    file = io.StringIO()
    csv.writer(file).writerows([[_harmless(cell) for cell in row] for row in rows])
    return file.getvalue()


def _harmless(cell: Cell) -> Cell:
    if isinstance(cell, str):
        text = visible(cell, keep="\n\t\r", painted=False)
        return f"'{text}" if text.lstrip(" ").startswith(_FORMULA) else text
    return cell


def markdown(
    head: Sequence[str], rows: Iterable[Sequence[str]], bold: Collection[tuple[int, int]]
) -> str:
    """Return a table in Markdown; ``bold`` are cells by row and column."""
    lines = [head, ["---"] * len(head)]
    for at, row in enumerate(rows):
        cells = [_MARKDOWN.sub(r"\\\1", visible(cell, painted=False)) for cell in row]
        lines.append([f"**{cell}**" if (at, to) in bold else cell for to, cell in enumerate(cells)])
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def html_page(
    title: str,
    head: Sequence[str],
    rows: Iterable[Sequence[str]],
    bold: Collection[tuple[int, int]],
) -> str:
    """Return a page with a table; it needs nothing from elsewhere, and runs no script."""
    lines = ["<tr>" + "".join(f"<th>{_escaped(cell)}</th>" for cell in head) + "</tr>"]
    for at, row in enumerate(rows):
        cells = (
            f'<td class="best">{_escaped(cell)}</td>'
            if (at, to) in bold
            else f"<td>{_escaped(cell)}</td>"
            for to, cell in enumerate(row)
        )
        lines.append(f"<tr>{''.join(cells)}</tr>")
    return _PAGE.format(title=_escaped(title), rows="\n".join(lines))


def _escaped(text: str) -> str:
    return html.escape(visible(text, painted=False))
