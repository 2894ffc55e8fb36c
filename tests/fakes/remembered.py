"""What was worked out before, in memory; it goes through bytes, as on a disk."""

import pickle


class FakeRemembered:
    """Values by key; ``taken`` counts those that were found."""

    def __init__(self) -> None:
        self.kept: dict[str, bytes] = {}
        self.taken = 0

    def get(self, key: str) -> object:
        if key not in self.kept:
            return None
        self.taken += 1
        found: object = pickle.loads(self.kept[key])  # noqa: S301 -- our own
        return found

    def put(self, key: str, value: object) -> None:
        self.kept[key] = pickle.dumps(value)
