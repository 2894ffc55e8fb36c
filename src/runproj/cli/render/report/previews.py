"""What is shown of the files that a run made."""

import codecs
import csv
import itertools

from runproj.cli.render.report.markup import (
    Html,
    block,
    element,
    folded,
    image,
    joined,
    named,
    note,
    table,
)
from runproj.cli.render.text import size
from runproj.engine.report import File, Shown
from runproj.record.picture import picture

_ROWS, _COLUMNS, _CELL = 20, 16, 80
_LINES, _WIDE = 60, 400
_ODD = 20  # of so many characters, one may be none


def artifact(shown: Shown) -> Html:
    """Return an artifact with what is shown of its files."""
    one = shown.artifact
    name = one.name or one.path
    head = element("h3", named(name), " ", note(f"{shown.role} of {shown.step}, {size(one.size)}"))
    parts = [_file(file) for file in shown.files]
    if one.kind == "folder":
        parts = [_member(file) for file in shown.files]
        if shown.more:
            parts.append(element("p", note(f"and {shown.more} more files")))
    facts = f"sha256 {one.sha256[:16]}" if one.path == name else f"{one.path}, {one.sha256[:16]}"
    return element("article", head, *parts, note(facts))


def _member(file: File) -> Html:
    head = joined([named(file.path), " ", note(size(file.size))])
    if file.missing is not None:
        return element("p", head, note(f", {file.missing}"))
    if picture(file.path, file.data) is not None:
        return joined([element("p", head), _file(file)])
    return folded(head, _file(file))


def _file(file: File) -> Html:
    """Return what is shown of a file."""
    if file.missing is not None:
        return element("p", note(file.missing))
    found = picture(file.path, file.data)
    if found is not None:
        return image(found.media, file.data, file.path, found.size)
    text = _text(file)
    if not text:
        return element("p", note("empty" if text == "" else "not a text"))
    ending = file.path.lower().rpartition(".")[2]
    if ending in ("csv", "tsv"):
        return _table(file, text, "\t" if ending == "tsv" else ",")
    return _lines(file, text)


def _is_cut(file: File) -> bool:
    return len(file.data) < file.size


def _text(file: File) -> str | None:
    """Return the beginning of a file as text; None: it is none."""
    data = file.data.removeprefix(b"\xef\xbb\xbf")
    if b"\0" in data:
        return None
    try:
        return codecs.getincrementaldecoder("utf-8")().decode(data, not _is_cut(file))
    except UnicodeDecodeError:
        text = data.decode(errors="replace")
        return text if text.count("\ufffd") * _ODD < len(text) else None


def _lines(file: File, text: str) -> Html:
    lines = text.splitlines()
    told = [f"{line[:_WIDE]} …" if len(line) > _WIDE else line for line in lines[:_LINES]]
    cut = _is_cut(file) or len(lines) > _LINES
    return joined([block("\n".join(told)), *([note("the beginning")] if cut else [])])


def _table(file: File, text: str, delimiter: str) -> Html:
    """Return the first rows of a table; a file that is none is shown as text."""
    lines = text.splitlines(keepends=True)
    if _is_cut(file) and len(lines) > 1:
        del lines[-1]  # it may not be whole
    try:
        rows = list(itertools.islice(csv.reader(lines, delimiter=delimiter), _ROWS + 2))
    except csv.Error:
        return _lines(file, text)
    wide = max(map(len, rows), default=0)
    head, *body = [[_cell(one) for one in row[:_COLUMNS]] for row in rows]
    more = []
    if len(body) > _ROWS or _is_cut(file):
        more.append(f"the first {min(len(body), _ROWS)} rows")
    if wide > _COLUMNS:
        more.append(f"{_COLUMNS} of {wide} columns")
    return joined(
        [table(head, body[:_ROWS], kind="data"), *([note(", ".join(more))] if more else [])]
    )


def _cell(value: str) -> str:
    return f"{value[:_CELL]}…" if len(value) > _CELL else value
