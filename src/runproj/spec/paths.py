"""Paths and globs within a project, and which step makes what is there."""

import bisect
from collections.abc import Iterable, Iterator, Mapping
from fnmatch import fnmatchcase


def is_glob(text: str) -> bool:
    """Tell whether a path is a pattern."""
    return any(char in text for char in "*?[")


def glob_matches(pattern: str, path: str) -> bool:
    """Match a path against a glob: ``*`` stays within a folder, ``**`` does not.

    >>> glob_matches("src/**/*.py", "src/a.py"), glob_matches("*.py", "src/a.py")
    (True, False)
    """
    return _matches(pattern.split("/"), path.split("/"))


def _matches(pattern: list[str], path: list[str]) -> bool:
    if not pattern:
        return not path
    if pattern[0] == "**":
        return any(_matches(pattern[1:], path[index:]) for index in range(len(path) + 1))
    return bool(path) and fnmatchcase(path[0], pattern[0]) and _matches(pattern[1:], path[1:])


def matches_any(path: str, patterns: Iterable[str]) -> bool:
    """Tell whether a path is one of these, below one of these folders, or matched by a glob."""
    return any(
        path == pattern or path.startswith(pattern.rstrip("/") + "/") or glob_matches(pattern, path)
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
        if is_glob(wanted) or wanted == ".":
            yield from ((step, path) for path, step in self.maker.items() if takes(wanted, path))
            return
        above = wanted
        while above:
            if above in self.maker:
                yield self.maker[above], above
            above = above.rpartition("/")[0]
        below = wanted + "/"
        for path in self._sorted[bisect.bisect_left(self._sorted, below) :]:
            if not path.startswith(below):
                break
            yield self.maker[path], path
