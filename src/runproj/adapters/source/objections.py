"""What speaks against keeping a file: it is large, or looks like a secret.

Untracked files are refused for it, so that nothing gets into a store by accident; about tracked
ones, which the user has put into a repository, there is a warning.
"""

import os
from collections.abc import Mapping, Sequence

from runproj.adapters.source import secrets
from runproj.adapters.source.listing import CodeFile
from runproj.errors import Problem, Refused

SIZE_LIMIT = 50_000_000
"""An untracked file of more bytes than this is data, until the user says otherwise."""

_SHOWN = 20  # more problems than this help nobody


def findings(
    root: str, files: Sequence[CodeFile], changed: Sequence[CodeFile], before: Mapping[str, str]
) -> dict[str, str]:
    """Return what files seem to hold, by path (in latin-1, which takes any bytes).

    Read are the files that changed; the others keep the judgement that they had ``before``.
    """
    fresh = {file.path for file in changed}
    present = {file.path.decode("latin-1") for file in files if file.path not in fresh}
    kept = {path: kind for path, kind in before.items() if path in present}
    found = ((file.path.decode("latin-1"), _secret(root, file)) for file in changed)
    return kept | {path: kind for path, kind in found if kind}


def to(
    files: Sequence[CodeFile], found: Mapping[str, str], size_limit: int
) -> list[tuple[CodeFile, str]]:
    """Return the files that something speaks against, and what, in order of their paths."""
    objected = []
    for file in files:
        kind = found.get(file.path.decode("latin-1"))
        if file.status.st_size > size_limit:
            objected.append((file, f"is large ({file.status.st_size / 1e6:,.0f} MB)"))
        elif kind:
            objected.append((file, f"looks like it holds {kind}"))
    return sorted(objected, key=lambda pair: pair[0].path)


def refuse_untracked(objected: Sequence[tuple[CodeFile, str]], *, tracking: bool) -> None:
    """Refuse the untracked ones, all at once.

    Args:
        objected: files and what speaks against them.
        tracking: whether there is a repository in which they could be tracked.

    Raises:
        Refused: there are some.
    """
    problems = [_problem(file, why, tracking) for file, why in objected if not file.tracked]
    more = len(problems) - _SHOWN
    if more > 0:
        problems[_SHOWN:] = [Problem(f"and {more} more untracked files")]
    if problems:
        raise Refused.of(problems)


def warnings(objected: Sequence[tuple[CodeFile, str]]) -> tuple[str, ...]:
    """Return a sentence for each tracked one."""
    return tuple(
        f"{_shown(file.path)} {why}; it is tracked by git, so it was kept with the code"
        for file, why in objected
        if file.tracked
    )


def _secret(root: str, file: CodeFile) -> str | None:
    if file.status.st_size >= secrets.LOOKED_AT:
        return None
    path = os.path.join(os.fsencode(root), file.path)  # noqa: PTH118 -- pathlib takes no bytes
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    except OSError:  # a link, or gone meanwhile, or unreadable: then writing it will tell
        return None
    with os.fdopen(descriptor, "rb") as stream:
        content = stream.read(secrets.LOOKED_AT)
    return secrets.kind(os.fsdecode(file.path.rpartition(b"/")[2]), content)


def _problem(file: CodeFile, why: str, tracking: bool) -> Problem:  # noqa: FBT001 -- private
    hint = "name it in .gitignore or .runprojignore, and declare it as an input if a step needs it"
    harmless = "; if it is meant to be code, 'git add' it" if tracking else ""
    return Problem(
        f"an untracked file {why}; it was not taken into the source snapshot",
        where=_shown(file.path),
        hint=hint + harmless,
    )


def _shown(path: bytes) -> str:
    """Return a path as it may stand in a message: one line, no strange bytes."""
    text = path.decode("utf-8", "backslashreplace")
    return text if text.isprintable() else repr(text)[1:-1]
