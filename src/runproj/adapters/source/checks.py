"""Reading all that source snapshots consist of, to see that it is what it should be.

``git fsck`` reads everything in the store, and says which objects are wrong, but not which trees
need them; and what reads a single object does not see whether its bytes are what its name says. So
the objects of trees are read by themselves, and hashed here.
"""

import os
import re
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from runproj.adapters.disk import is_left
from runproj.adapters.source.plumbing import Command, GitFailed, ask, run
from runproj.adapters.source.proof import object_id
from runproj.adapters.source.store import Store
from runproj.errors import StoreError
from runproj.ports import CheckedSource
from runproj.record.health import Note

_AT_ONCE = 32_000_000  # bytes of objects in one answer
_SIDE_BY_SIDE = 4
_HARMLESS = ("notice:", "warning in ", "error in ", "dangling ", "broken link", "to ", "hint:")
_ID = re.compile(r"\b[0-9a-f]{40}\b")
_THING = re.compile(r"\bpack-|\.pack\b|\.idx\b|\brefs/")
_LOOSE = re.compile(r"objects/([0-9a-f]{2})/([0-9a-f]{38})\b")


class GitChecks:
    """Checks the source store at a path, see :class:`~runproj.ports.SourceChecks`."""

    def __init__(self, path: str) -> None:
        """Check the store ``path``, which may not be there."""
        self.place = path
        self._store = Store(path)
        self._bad: dict[str, str] = {}

    def check(self, trees: Sequence[str], *, everything: bool) -> CheckedSource:
        """Read all objects of these trees, and everything else that is there if wanted."""
        if not (Path(self.place) / "objects").is_dir():
            return CheckedSource({tree: ["the source store is gone"] for tree in trees})
        objects, complete = self._objects(trees)
        self._bad = bad = dict(self._read(objects))
        flawed: dict[str, Sequence[str]] = {}
        if bad or not complete:
            flawed = {tree: flaws for tree in trees if (flaws := self._flaws(tree, bad))}
        if not everything:
            return CheckedSource(flawed)
        return CheckedSource(flawed, tuple(self._others(bad)), tuple(self._leftovers()))

    def let_go(self, trees: Sequence[str]) -> None:
        """Take out of the way what the last check found, see :class:`~runproj.ports.SourceChecks`.

        Loose objects are moved into the folder ``damaged``. Of a pack, what can be read is written
        as loose objects before it goes there. A tree that is not whole loses the reference that
        says it is, so that the next snapshot of the same code writes it anew.
        """
        aside = Path(self.place) / "damaged"
        try:
            aside.mkdir(exist_ok=True)
            packed = False
            for identity, state in self._bad.items():
                place = Path(self.place) / "objects" / identity[:2] / identity[2:]
                if place.exists():
                    place.replace(aside / identity)
                packed = packed or state == "damaged"
            for pack in (Path(self.place) / "objects/pack").glob("*.pack") if packed else ():
                self._recover(pack, aside)
            for tree in trees:
                run(self._store.command("update-ref", "-d", f"refs/snapshots/{tree}"))
        except (OSError, GitFailed) as error:
            raise StoreError(f"the source store: {error}", where=self.place) from error

    def _recover(self, pack: Path, aside: Path) -> None:
        """Take a pack apart if an object in it is damaged; nothing is missing meanwhile."""
        [answer] = ask(self._store.command("verify-pack", os.fspath(pack)))
        if answer.code == 0:
            return
        loose = Path(tempfile.mkdtemp(dir=aside, prefix="loose-"))
        command = self._store.command("unpack-objects", "-q", "-r", feed=pack.read_bytes())
        variables = {**command.variables, "GIT_OBJECT_DIRECTORY": str(loose)}
        ask(Command(command.argv, command.folder, variables, command.feed))
        for one in loose.glob("??/*"):
            target = Path(self.place) / "objects" / one.parent.name / one.name
            if not target.exists():
                target.parent.mkdir(exist_ok=True)
                one.replace(target)
        shutil.rmtree(loose, ignore_errors=True)
        for one in pack.parent.glob(f"{pack.stem}.*"):
            one.replace(aside / one.name)

    def _objects(self, trees: Sequence[str]) -> tuple[list[str], bool]:
        """Return the ids of all objects of trees that can be found, and whether that is all."""
        if not trees:
            return [], True
        feed = "".join(f"{tree}\n" for tree in trees).encode()
        command = self._store.command(
            "rev-list", "--objects", "--no-object-names", "--missing=print", "--stdin", feed=feed
        )
        [answer] = ask(command)
        if answer.code == 0:
            found = answer.out.decode().split()
            return [one for one in found if one[0] != "?"], not any(one[0] == "?" for one in found)
        # a tree among them cannot be read at all: ask for each by itself
        each: dict[str, None] = dict.fromkeys(trees)
        for tree in trees:
            each |= dict.fromkeys(identity for identity, _ in self._listed(tree)[0])
        return list(each), False

    def _listed(self, tree: str) -> tuple[list[tuple[str, str]], str]:
        """Return id and path of all below a tree, as far as it goes, and what git says of it."""
        [answer] = ask(self._store.command("ls-tree", "-r", "-t", "-z", "--full-tree", tree))
        found = []
        for line in answer.out.split(b"\0")[:-1]:
            meta, _, path = line.partition(b"\t")
            found.append((meta.decode().split(" ")[2], path.decode("utf-8", "backslashreplace")))
        return found, answer.said if answer.code else ""

    def _flaws(self, tree: str, bad: dict[str, str]) -> list[str]:
        """Return what is wrong with a tree; what is found to be missing is added to ``bad``."""
        listed, said = self._listed(tree)
        unknown = [identity for identity, _ in listed if identity not in bad]
        bad |= self._absent(unknown)
        flaws = [f"{path} is {bad[identity]}" for identity, path in listed if identity in bad]
        if tree in bad:
            flaws.insert(0, f"its list of files is {bad[tree]}")
        return flaws or ([said] if said else [])

    def _absent(self, objects: Sequence[str]) -> dict[str, str]:
        return {one: "missing" for one, size in self._sizes(objects) if size is None}

    def _sizes(self, objects: Sequence[str]) -> Iterator[tuple[str, int | None]]:
        """Yield id and size of objects; None for those that are not there."""
        if not objects:
            return
        feed = "".join(f"{one}\n" for one in objects).encode()
        sized = ("cat-file", "--batch-check=%(objectname) %(objectsize)")
        done = 0
        [answer] = ask(self._store.command(*sized, feed=feed))
        for line in answer.out.decode().splitlines():
            identity, _, size = line.partition(" ")
            yield identity, int(size) if size.isdigit() else None
            done += 1
        if answer.code and done < len(objects):  # git ends at what it cannot make sense of
            yield objects[done], None
            yield from self._sizes(objects[done + 1 :])

    def _read(self, objects: Sequence[str]) -> Iterator[tuple[str, str]]:
        """Yield id and state of the objects that are not as they should be."""
        groups: list[list[str]] = []
        room = 0
        for identity, size in self._sizes(objects):
            if size is None:
                groups.append([identity])  # read alone, to see what is wrong with it
                room = 0
                continue
            if size > room:
                groups.append([])
                room = _AT_ONCE
            groups[-1].append(identity)
            room -= size
        for start in range(0, len(groups), _SIDE_BY_SIDE):
            some = groups[start : start + _SIDE_BY_SIDE]
            feeds = ["".join(f"{one}\n" for one in group).encode() for group in some]
            answers = ask(*(self._store.command("cat-file", "--batch", feed=one) for one in feeds))
            for group, answer in zip(some, answers, strict=True):
                yield from self._judged(group, answer.out)

    def _judged(self, group: Sequence[str], out: bytes) -> Iterator[tuple[str, str]]:
        """Yield id and state of what is wrong in an answer with a group of objects."""
        place = 0
        for number, identity in enumerate(group):
            end = out.find(b"\n", place)
            head = out[place:end].decode().split(" ") if end >= 0 else []
            if len(head) == 2:  # noqa: PLR2004 -- ID "missing"
                yield identity, "damaged" if self._stands(identity) else "missing"
                place = end + 1
                continue
            size = int(head[2]) if head else 0
            content = out[end + 1 : end + 1 + size]
            if not head or len(content) < size:  # git ended in the middle of it
                yield identity, "damaged"
                yield from self._read(group[number + 1 :])
                return
            if object_id(head[1], content) != identity:
                yield identity, "damaged"
            place = end + 1 + size + 1

    def _stands(self, identity: str) -> bool:
        """Tell whether there is a file for an object, although git cannot read it."""
        return (Path(self.place) / "objects" / identity[:2] / identity[2:]).exists()

    def _others(self, known: dict[str, str]) -> Iterator[str]:
        """Yield what git says of objects of which nothing was said yet."""
        told, found = set[str](), bool(known)
        checked = self._store.command("fsck", "--full", "--no-dangling", "--no-progress")
        [answer] = ask(checked)
        said = [*answer.said.splitlines(), *answer.out.decode(errors="replace").splitlines()]
        for line in map(str.strip, said):
            loose = _LOOSE.search(line)
            named = {loose[1] + loose[2]} if loose else set(_ID.findall(line))
            if line.startswith(_HARMLESS) or named & (known.keys() | told):
                continue
            if not named and not _THING.search(line):
                continue  # it says more about the line after it
            told |= named
            found = True
            yield line.removeprefix("error: ").replace(f"{self.place}/", "")
        if answer.code and not found:
            yield f"git fsck failed: {said[0] if said else 'without a word'}"

    def _leftovers(self) -> Iterator[Note]:
        for place in self.left():
            yield Note(message="a file of a process that was ended", where=str(place))

    def set_aside_before(self) -> list[Path]:
        """Return what was set aside."""
        return sorted(Path(self.place).glob("damaged/*"))

    def left(self) -> list[Path]:
        """Return the files of processes that were killed."""
        found = [*Path(self.place).glob("passing-*"), *Path(self.place).glob("objects/*/tmp_*")]
        found += Path(self.place).parent.glob(".source-*")
        found += Path(self.place).glob("refs/snapshots/*.lock")
        return [place for place in found if is_left(place)]
