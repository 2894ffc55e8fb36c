"""Programs of the machine that a step was seen to name: which they were, and what changed."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from runproj.model import Model


class Program(Model):
    """A program that a command names, as it was found on ``PATH``.

    ``sha256`` is that of its file; ``version`` is there for well-known interpreters only.
    """

    name: str
    path: str
    sha256: str
    version: str | None = None

    @property
    def text(self) -> str:
        """Where it is, and which one.

        >>> Program(name="perl", path="/bin/perl", sha256="ab" * 32, version="5.36.0").text
        '/bin/perl 5.36.0'
        """
        return f"{self.path} {self.version or self.short}"

    @property
    def short(self) -> str:
        """The first digits of its digest."""
        return f"sha256 {self.sha256[:12]}"


class Replaced(NamedTuple):
    """A program that is another one than it was."""

    name: str
    before: str
    after: str

    @property
    def text(self) -> str:
        """What changed, in words.

        >>> Replaced("/usr/bin/jq", "1.6", "1.7").text
        '/usr/bin/jq 1.6 → 1.7'
        """
        return f"{self.name} {self.before} → {self.after}"


def replaced(before: Iterable[Program], after: Iterable[Program]) -> Iterator[Replaced]:
    """Yield what differs between the programs that two step runs both name."""
    now = {one.name: one for one in after}
    for old in before:
        new = now.get(old.name)
        if new is None or (new.path, new.sha256) == (old.path, old.sha256):
            continue
        if new.path != old.path:
            yield Replaced(old.name, old.text, new.text)
        elif old.version and new.version and old.version != new.version:
            yield Replaced(old.path, old.version, new.version)
        else:
            yield Replaced(old.path, old.short, new.short)
