"""What steps print side by side, as whole lines that begin with the step's name."""

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from runproj.cli.render.style import Style, visible

PAUSE_S = 5.0
"""How long the beginning of a line waits for its end."""
LONG = 1 << 20
"""How many bytes of a line are kept back at most."""
_WIDEST = 32
_MOVES = re.compile(rb"\x1b\[[0-9;?]*[@-ln-~]")  # all but colours
_COLOURS = ("cyan", "green", "yellow", "blue")


class _Begun(NamedTuple):
    """The beginning of a line, and when it last grew."""

    text: bytes
    at: float


class Lines:
    """Puts what several steps print into whole lines; times are in seconds of any clock."""

    def __init__(self, steps: Iterable[str], style: Style) -> None:
        """Give each of the steps a prefix, all of one width as far as names are not too long."""
        self._style = style
        self._width = 0
        self._prefixes: dict[str, bytes] = {}
        self.know(steps)
        self._begun: dict[str, _Begun] = {}

    def know(self, steps: Iterable[str]) -> None:
        """Give a prefix to these steps, too."""
        names = list(steps)
        self._width = min(max(map(len, names), default=self._width), _WIDEST)
        for index, name in enumerate(names, start=len(self._prefixes)):
            paint = getattr(self._style, _COLOURS[index % len(_COLOURS)])
            text = f"{visible(name, painted=False):<{self._width}} │"
            self._prefixes[name] = paint(text).encode()

    def add(self, step: str, chunk: bytes, now: float) -> bytes:
        """Return the lines that are whole now that a step printed something more."""
        before = self._begun.pop(step, None)
        text = chunk if before is None else before.text + chunk
        whole, newline, rest = text.rpartition(b"\n")
        if len(rest) > LONG:
            whole, newline, rest = text, b"\n", b""
        if rest:
            self._begun[step] = _Begun(rest, now)
        return self._shown(step, whole) if newline else b""

    def end(self, step: str) -> bytes:
        """Return the line that a step began and did not end."""
        begun = self._begun.pop(step, None)
        return b"" if begun is None else self._shown(step, begun.text)

    def due(self, now: float) -> bytes:
        """Return the lines whose end has not come for a while."""
        late = [step for step, one in self._begun.items() if now - one.at >= PAUSE_S]
        return b"".join(map(self.end, late))

    def due_in(self, now: float) -> float | None:
        """Return in how many seconds a line that was begun is due; None: there is none."""
        times = [one.at + PAUSE_S - now for one in self._begun.values()]
        return max(0.0, min(times)) if times else None

    def begun(self, step: str) -> str:
        """Return what a step has printed of a line that it has not ended."""
        one = self._begun.get(step)
        if one is None:
            return ""
        text = last_state(one.text[-1000:]).decode("utf-8", "replace")
        return visible(re.sub(r"\x1b\[[0-9;?]*[@-~]", "", text), painted=False)

    def _shown(self, step: str, text: bytes) -> bytes:
        return b"".join(self._lines(self._prefixes.get(step, step.encode()), text))

    def _lines(self, prefix: bytes, text: bytes) -> Iterator[bytes]:
        for line in text.split(b"\n"):
            shown = last_state(line)
            if b"\x1b" in shown:
                shown = _MOVES.sub(b"", shown)
                if self._style.colour:
                    shown += b"\x1b[0m"
            yield prefix + b" " + shown + b"\n" if shown else prefix + b"\n"


def last_state(line: bytes) -> bytes:
    r"""Return what is seen of a line in the end, such as the last state of a progress bar.

    >>> last_state(b"10 %\r20 %\r")
    b'20 %'
    """
    return line.rstrip(b"\r").rpartition(b"\r")[2]
