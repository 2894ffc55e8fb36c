"""How a run stands: what executes, for how long, how much is done, when it may end."""

import unicodedata
from collections.abc import Callable, Iterator

from runproj.cli.render.style import Style, visible
from runproj.cli.render.text import duration
from runproj.record.events import Grown, Planned

_MOST = 6
_SURE = 1.0  # seconds; what is nearer cannot be foreseen


class Standing:
    """Follows a run; times are in seconds of any clock."""

    def __init__(self, planned: Planned) -> None:
        """Begin with the plan."""
        self.planned = planned
        self.total = len(planned.decisions)
        self.done = 0
        self.running: dict[str, float] = {}
        self._waiting = {one.step for one in planned.decisions}
        self._waiting_s = sum(planned.seconds.get(name, 0.0) for name in self._waiting)

    def grown(self, event: Grown) -> None:
        """Note that instances take the place of a step."""
        self._leaves(event.step)
        self._waiting.update(one.step for one in event.decisions)
        self.total += len(event.decisions) - 1

    def started(self, step: str, now: float) -> None:
        """Note that a step starts."""
        self.running[step] = now
        self._leaves(step)

    def finished(self, step: str) -> None:
        """Note that a step ended, or was not needed."""
        self.running.pop(step, None)
        self._leaves(step)
        self.done += 1

    def _leaves(self, step: str) -> None:
        if step in self._waiting:
            self._waiting.discard(step)
            self._waiting_s -= self.planned.seconds.get(step, 0.0)

    def left_s(self, now: float) -> float | None:
        """Return in how many seconds the run may end; None: that cannot be told."""
        if not self.planned.seconds:
            return None
        work, path = self._waiting_s, 0.0
        for step, since in self.running.items():
            elapsed = now - since
            work += max(0.0, self.planned.seconds.get(step, 0.0) - elapsed)
            path = max(path, self.planned.paths.get(step, 0.0) - elapsed)
        return max(work / (self.planned.jobs if self.planned.side_by_side else 1), path)

    def lines(
        self, now: float, columns: int, rows: int, style: Style, begun: Callable[[str], str]
    ) -> list[str]:
        """Return how it stands, in lines that fit into a terminal; ``begun`` adds to a step."""
        most = max(1, min(_MOST, rows - 3))
        names = list(self.running)
        shown = names if len(names) <= most else names[: most - 1]
        width = max((len(visible(name, painted=False)) for name in shown), default=0)
        texts = [
            f"{visible(name, painted=False):<{width}}  {clock(now - self.running[name])}"
            f"  {begun(name)}".rstrip()
            for name in shown
        ]
        if len(names) > len(shown):
            texts.append(f"and {len(names) - len(shown)} more")
        lines = [style.cyan(cut(f"▸ {text}", columns)) for text in texts]
        return [*lines, style.dim(cut(", ".join(self._summary(now)), columns))]

    def _summary(self, now: float) -> Iterator[str]:
        yield f"{self.done} of {self.total} steps done"
        left = self.left_s(now)
        if left is not None and left >= _SURE:
            yield f"about {clock(left)} left"


def clock(seconds: float) -> str:
    """Return a time that goes on, without parts of seconds.

    >>> clock(3.7), clock(61)
    ('3 s', '1 min 1 s')
    """
    return duration(int(seconds)) if seconds >= 60 else f"{int(seconds)} s"  # noqa: PLR2004 -- a minute


def cut(text: str, columns: int) -> str:
    """Return the part of a text that fits into a line of a terminal, one column left free.

    >>> cut("training", 6), cut("train", 6)
    ('trai…', 'train')
    """
    room = columns - 1
    if len(text) <= room and text.isascii():
        return text
    width = 0
    end = 0  # where the text is cut if it does not fit: the mark needs a column
    for index, character in enumerate(text):
        width += 2 if unicodedata.east_asian_width(character) in "WF" else 1
        if width > room:
            return text[:end] + "…" if room > 0 else ""
        if width < room:
            end = index + 1
    return text
