"""A shelf of locks in memory."""


class FakeLocks:
    """Keeps locks by declaration; tests read ``kept``."""

    def __init__(self) -> None:
        self.kept: dict[str, str] = {}

    def get(self, declaration: str) -> str | None:
        return self.kept.get(declaration)

    def put(self, declaration: str, content: str) -> None:
        self.kept[declaration] = content
