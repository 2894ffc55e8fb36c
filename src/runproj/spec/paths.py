"""Paths and globs within a project, and which step makes what is there."""

import bisect
import itertools
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase

_OWN = frozenset({"runproj.yaml", "runproj.yml", ".runproj", ".git"})


def is_own(path: str) -> bool:
    """Tell whether a path is the project file, the store or the repository, or in one of these.

    Upper and lower case count the same, as they do on some file systems.

    >>> is_own("runproj.yaml"), is_own(".git/config"), is_own("docs/runproj.yaml")
    (True, True, False)
    """
    return path.partition("/")[0].casefold() in _OWN


def is_glob(text: str) -> bool:
    """Tell whether a path is a pattern."""
    return any(char in text for char in "*?[")


def literal(path: str) -> str:
    """Return a glob that takes a path and nothing else.

    >>> literal("parts/a*"), glob_matches(literal("[a]*"), "[a]*"), literal("parts/a")
    ('parts/a[*]', True, 'parts/a')
    """
    return re.sub(r"[*?[]", r"[\g<0>]", path) if is_glob(path) else path


def glob_matches(pattern: str, path: str) -> bool:
    """Match a path against a glob: ``*`` stays within a folder, ``**`` does not.

    >>> glob_matches("src/**/*.py", "src/a.py"), glob_matches("*.py", "src/a.py")
    (True, False)
    """
    parts = path.split("/")
    reached = {0}  # how many parts of the path the pattern can have taken so far
    for piece in pattern.split("/"):
        if piece == "**":
            reached = set(range(min(reached), len(parts) + 1))
        else:
            reached = {
                index + 1
                for index in reached
                if index < len(parts) and fnmatchcase(parts[index], piece)
            }
        if not reached:
            return False
    return len(parts) in reached


def matches_any(path: str, patterns: Iterable[str]) -> bool:
    """Tell whether a path is one of these, below one of these folders, or matched by a glob."""
    return any(
        pattern in (path, ".")
        or path.startswith(pattern.rstrip("/") + "/")
        or glob_matches(pattern, path)
        for pattern in patterns
    )


def takes(wanted: str, made: str) -> bool:
    """Tell whether an input (a path or a glob) takes something of what an output names.

    >>> takes("build/cv/*.json", "build/cv/1.json"), takes("build", "build/a.csv")
    (True, True)
    >>> takes("build/a.csv", "build"), takes("build/a.csv", "build/a.json")
    (True, False)
    """
    if wanted == made or made.startswith(wanted + "/") or wanted == ".":
        return True
    return is_within(wanted, made) or (is_glob(wanted) and glob_matches(wanted, made))


def is_within(wanted: str, folder: str) -> bool:
    """Tell whether an input (a path or a glob) means something inside of a folder.

    >>> is_within("build/*.png", "build"), is_within("build", "build")
    (True, False)
    """
    if wanted.startswith(folder + "/"):
        return True
    parts, above = wanted.split("/"), folder.split("/")
    if not is_glob(wanted) or len(parts) <= len(above):
        return False
    return glob_matches("/".join(parts[: len(above)]), folder)


def is_such(path: str, pattern: str) -> bool:
    """Tell whether a path is like a pattern in which each ``*`` stands for any text.

    >>> is_such("build/a/b.json", "build/*.json"), is_such("build/a.csv", "build/*.json")
    (True, False)
    """
    pieces = "(.*)".join(map(re.escape, pattern.split("*")))
    return re.fullmatch(pieces, path, re.DOTALL) is not None


def may_take(wanted: str, pattern: str) -> bool:
    """Tell whether an input may take something of an output, ``*`` in it standing for any text.

    Of two globs that cannot be told without knowing the files: where their beginnings and their
    ends fit each other, they may mean the same.

    >>> may_take("cv/*.json", "cv/*.json"), may_take("cv", "cv/*.json"), may_take("cv/1", "cv/*")
    (True, True, True)
    >>> may_take("cv/*.csv", "cv/*.json"), may_take("data.csv", "cv/*")
    (False, False)
    """
    if not is_glob(wanted):
        return (
            wanted == "."
            or any(is_such(wanted, outer) for outer in above(pattern))
            or any(is_such(outer, pattern) for outer in above(wanted))
        )
    starts = re.split(r"[*?\[]", wanted, maxsplit=1)[0], pattern.partition("*")[0]
    ends = re.split(r"[*?\]]", wanted)[-1], pattern.rpartition("*")[2]
    return _fit(*starts, str.startswith) and _fit(*ends, str.endswith)


def _fit(one: str, other: str, fits: Callable[[str, str], bool]) -> bool:
    return fits(one, other) or fits(other, one)


class Makers:
    """Which step makes which path; finds the makers of an input without looking at all of them."""

    def __init__(self, made: Mapping[str, Iterable[str]]) -> None:
        """Take the paths that each step makes; the first maker of a path counts."""
        self.maker: dict[str, str] = {}
        for step, paths in made.items():
            for path in paths:
                self.maker.setdefault(path, step)
        self._sorted = sorted(self.maker)

    def __contains__(self, path: str) -> bool:
        return path in self.maker

    def of(self, wanted: str) -> Iterator[tuple[str, str]]:
        """Yield step and output path of all that an input takes something of."""
        fixed = _fixed(wanted)
        for path in (*above(fixed), *below(fixed, self._sorted)):
            if path in self.maker and takes(wanted, path):
                yield self.maker[path], path

    def makes(self, path: str) -> bool:
        """Tell whether a path is made, or stands in a folder that is made."""
        return any(outer in self.maker for outer in above(path))


def _fixed(wanted: str) -> str:
    """Return the folders of a glob before its first special character; a path is itself."""
    if not is_glob(wanted):
        return "" if wanted == "." else wanted
    parts = wanted.split("/")
    return "/".join(itertools.takewhile(lambda part: not is_glob(part), parts))


def above(path: str) -> Iterator[str]:
    """Yield a path and the folders around it, the innermost first.

    >>> list(above("a/b/c"))
    ['a/b/c', 'a/b', 'a']
    """
    while path:
        yield path
        path = path.rpartition("/")[0]


def below(folder: str, ordered: Sequence[str]) -> Iterator[str]:
    """Yield those of some sorted paths that stand in a folder; "" is the folder of all.

    >>> list(below("a", ["a", "a-b", "a/b", "c"]))
    ['a/b']
    """
    prefix = folder + "/" if folder else ""
    for index in range(bisect.bisect_left(ordered, prefix), len(ordered)):
        if not ordered[index].startswith(prefix):
            return
        yield ordered[index]
