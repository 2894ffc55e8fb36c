"""Environments that hold nothing, and remember what they were asked for."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from runproj.errors import EnvironmentFailed
from runproj.lock import pylock
from runproj.lock.lock import Declaration, Lock
from runproj.model import digest_of
from runproj.ports import Archive, Say


@dataclass
class FakeEnvironment:
    """An environment in memory; ``intact`` is what a test makes of it."""

    key: str
    description: str = "a fake environment"
    path: str = "/usr/bin:/bin"
    intact: bool = True

    @property
    def folders(self) -> Sequence[str]:
        return [f"/fake/{self.key[:8]}"]

    def variables(self, project_folder: str) -> Mapping[str, str]:
        del project_folder
        return {"PATH": self.path, "VIRTUAL_ENV": f"/fake/{self.key[:8]}"}

    def is_intact(self) -> bool:
        return self.intact


@dataclass
class FakeEnvironments:
    """A backend whose index is ``newest``: package → version.

    ``unreachable`` makes every lock fail, ``broken`` every build. Tests read ``locked`` and
    ``built``, what was asked for in order, and damage what is in ``there``.
    """

    newest: dict[str, str] = field(default_factory=dict)
    unreachable: bool = False
    broken: bool = False
    locked: list[Declaration] = field(default_factory=list)
    built: list[str] = field(default_factory=list)
    there: dict[str, FakeEnvironment] = field(default_factory=dict)

    def lock(self, declaration: Declaration, previous: Lock | None, say: Say) -> Lock:
        self.locked.append(declaration)
        if self.unreachable:
            raise EnvironmentFailed("the package index cannot be reached")
        pins = pylock.packages(previous.content) if previous else {}
        chosen = {}
        for wanted in sorted(self._wanted(declaration)):
            name, _, version = wanted.partition("==")
            if name not in self.newest:
                raise EnvironmentFailed(f"no such package: {name}")
            chosen[name] = version or pins.get(name, self.newest[name])
        blocks = [f'[[packages]]\nname = "{name}"\nversion = "{chosen[name]}"\n' for name in chosen]
        content = "\n".join(['lock-version = "1.0"\ncreated-by = "fake"\n', *blocks])
        say(f"locked {len(chosen)} packages")
        return Lock(
            kind=declaration.kind,
            content=pylock.with_declaration(content, declaration.digest),
            declaration=declaration.digest,
        )

    def facts(self, declaration: Declaration) -> Mapping[str, str]:
        return {"python": declaration.python or "3.0"}

    def key(self, declaration: Declaration, lock: Lock) -> str:
        return digest_of(["fake", declaration.python, pylock.identity(lock.content)])

    def prepare(self, declaration: Declaration, lock: Lock, say: Say) -> FakeEnvironment:
        key = self.key(declaration, lock)
        known = self.there.get(key)
        if known is not None and known.intact:
            return known
        if self.broken:
            raise EnvironmentFailed("the environment cannot be built")
        say("building")
        self.built.append(key)
        self.there[key] = FakeEnvironment(key)
        return self.there[key]

    def archives(self, declaration: Declaration, lock: Lock, say: Say) -> Sequence[Archive]:
        del declaration, lock, say
        return ()

    @staticmethod
    def _wanted(declaration: Declaration) -> set[str]:
        files = [text for name, text in declaration.files.items() if name.endswith(".txt")]
        return {*declaration.packages, *(line for text in files for line in text.split())}
