"""Steps that tell of themselves, on a disk in memory."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from tests.fakes.disk import FakeDisk

from runproj.errors import StoreError
from runproj.ports import Told
from runproj.record.points import Points, no_points, told


@dataclass
class FakeTracking:
    """Hears by way of a folder of a disk; ``broken`` is why it cannot."""

    disk: FakeDisk
    broken: str | None = None
    contexts: list[Mapping[str, object]] = field(default_factory=list)

    def begin(self, folder: str, context: Mapping[str, object], client: str | None) -> None:
        self.disk.mkdir(folder)
        self.disk.write(f"{folder}/context.json", json.dumps(context).encode())
        self.contexts.append(context)
        if client is not None:
            self.disk.mkdir(f"{client}/python")
            self.disk.mkdir(f"{client}/bin")

    def end(self, folder: str) -> Told:
        if self.broken is not None:
            raise StoreError(self.broken)
        if not self.disk.exists(folder):
            return Told()
        below = self.disk.below(folder)
        points: dict[str, Points] = {}
        for name in sorted(below):
            if name.startswith("points-"):
                for metric, block in told(memoryview(below[name].content)):
                    points.setdefault(metric, no_points()).extend(block)
        models = [
            (name, json.loads(below[f"models/{name}/model.json"].content)["flavor"])
            for name in self._names(folder, "models")
        ]
        return Told(
            below["events.jsonl"].content if "events.jsonl" in below else b"",
            points,
            tuple((one, f"{folder}/artifacts/{one}") for one in self._names(folder, "artifacts")),
            tuple((name, flavor, f"{folder}/models/{name}") for name, flavor in models),
        )

    def _names(self, folder: str, kind: str) -> list[str]:
        paths = (path.split("/") for path in self.disk.below(folder))
        return sorted({path[1] for path in paths if path[0] == kind and len(path) > 1})

    def write(self, folder: str, chunks: Iterable[bytes]) -> str:
        self.disk.write(f"{folder}/kept", b"".join(chunks))
        return f"{folder}/kept"
