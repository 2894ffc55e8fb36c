"""A watcher that sees what tests say processes did."""

import hashlib

from tests.fakes.disk import FakeDisk

from runproj.errors import Refused
from runproj.ports import Accesses, Confinement


class FakeWatcher:
    """Tells what was noted in ``traces`` by the file of the trace; ``unable`` is why it cannot."""

    def __init__(self, disk: FakeDisk) -> None:
        self.disk = disk
        self.traces: dict[str, Accesses | Exception] = {}
        self.checked: list[tuple[Confinement, bool]] = []
        self.unable: str | None = None

    def check(self, confinement: Confinement, *, trace: bool) -> None:
        self.checked.append((confinement, trace))
        if self.unable is not None:
            raise Refused(self.unable, hint="install it")

    def accesses(self, trace: str, directory: str) -> Accesses:
        del directory
        seen = self.traces.get(trace, Accesses())
        if isinstance(seen, Exception):
            raise seen
        return seen

    def state(self, path: str) -> str | None:
        if path.endswith("/"):
            names = {name.partition("/")[0] for name in self.disk.below(path.rstrip("/"))}
            return ",".join(sorted(names)) if names else None
        node = self.disk.find(path)
        if node is None or node.kind != "file":
            return "folder" if self.disk.below(path) else None
        return hashlib.sha256(node.content).hexdigest()
