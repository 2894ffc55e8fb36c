"""Proving that code that was written out is what its tree's name says.

Git does not see when an object that it reads is whole, but another one: it hashes only what it
checks with ``git fsck``.
"""

import hashlib
import os
from collections.abc import Collection, Mapping, Sequence

from runproj.adapters.source.plumbing import run
from runproj.adapters.source.store import Store

_LINK = "120000"
_FEW = 100  # files are hashed sooner than a process is started


def first_wrong(
    store: Store, tree: str, manifest: Mapping[str, str], folder: str, paths: Collection[str]
) -> str | None:
    """Return what is not as the tree's name says, in words; None when all is.

    Args:
        store: whose git is asked.
        tree: the id of the tree.
        manifest: what the tree is said to consist of: path → ``"MODE OBJECTID"``.
        folder: where it was written to.
        paths: what was written.
    """
    if tree_id(manifest) != tree:
        return "its list of files is damaged"
    links = [path for path in paths if manifest[path].startswith(_LINK)]
    files = [path for path in paths if not manifest[path].startswith(_LINK)]
    odd = [path for path in files if path.startswith('"') or "\n" in path]
    asked = [path for path in files if not path.startswith('"') and "\n" not in path]
    if len(asked) <= _FEW:
        odd, asked = files, []
    found = dict(zip(asked, _hashed(store, folder, asked), strict=True))
    for path in odd:
        with open(_joined(folder, path), "rb") as file:  # noqa: PTH123 -- bytes
            found[path] = object_id("blob", file.read())
    for path in links:
        found[path] = object_id("blob", os.readlink(_joined(folder, path)))  # noqa: PTH115 -- bytes
    wrong = (path for path in paths if manifest[path].rpartition(" ")[2] != found[path])
    return next((f"{path} is damaged" for path in wrong), None)


def _joined(folder: str, path: str) -> bytes:
    return os.fsencode(folder) + b"/" + path.encode("utf-8", "surrogateescape")


def _hashed(store: Store, folder: str, paths: Sequence[str]) -> list[str]:
    if not paths:
        return []
    feed = b"".join(_joined(folder, path) + b"\n" for path in paths)
    return (
        run(store.command("hash-object", "--no-filters", "--stdin-paths", feed=feed))
        .decode()
        .split()
    )


def object_id(kind: str, content: bytes) -> str:
    """Return the id that git gives to an object."""
    digest = hashlib.sha1(f"{kind} {len(content)}\0".encode(), usedforsecurity=False)
    digest.update(content)
    return digest.hexdigest()


def tree_id(manifest: Mapping[str, str]) -> str:
    """Return the id of the tree that holds these files, as ``git write-tree`` makes it."""
    root: dict[bytes, object] = {}
    for path, entry in manifest.items():
        *folders, name = path.encode("utf-8", "surrogateescape").split(b"/")
        inner = root
        for folder in folders:
            inner = inner.setdefault(folder, {})  # type: ignore[assignment] # a path is no folder, too
        inner[name] = entry
    return _folder_id(root)


def _folder_id(entries: Mapping[bytes, object]) -> str:
    lines: list[tuple[bytes, bytes]] = []
    for name, entry in entries.items():
        if isinstance(entry, dict):
            line = b"40000 %s\0%s" % (name, bytes.fromhex(_folder_id(entry)))
            lines.append((name + b"/", line))
        else:
            mode, _, identity = str(entry).partition(" ")
            lines.append((name, b"%s %s\0%s" % (mode.encode(), name, bytes.fromhex(identity))))
    return object_id("tree", b"".join(line for _, line in sorted(lines)))
