"""How the times of a run look as text."""

from runproj.cli.render.style import Style, visible
from runproj.cli.render.text import duration, size, status_word, table
from runproj.record.timing import Span, Timing

_WIDTH = 40


def timing_text(found: Timing, style: Style) -> str:
    """Return when each step executed, what it used, and the chain that takes longest."""
    if not found.spans:
        return "no step was executed\n"
    head = ["step", "status", "began", "took", "CPU", "memory", "read", "written", "when"]
    rows = [[style.bold(cell) for cell in head]]
    for one in found.spans:
        used = one.outcome
        rows.append(
            [
                visible(one.step, painted=False), status_word(one.status, style),
                f"+{duration(one.start_s)}",
                duration(one.duration_s), _known(used.cpu_s, duration(used.cpu_s)),
                _known(used.peak_memory, size(used.peak_memory)),
                _known(used.read, size(used.read)),
                _known(used.written, size(used.written)), _bar(one, found.duration_s, style),
            ]
        )  # fmt: skip
    path = " → ".join(visible(name, painted=False) for name in found.critical_path)
    closing = [
        ("critical path", f"{path}  {duration(found.critical_s)}"),
        ("run", f"{duration(found.duration_s)}, all steps together {duration(found.steps_s)}"),
    ]
    return (
        table(rows, indent="")
        + "\n"
        + table([(style.dim(name), text) for name, text in closing], indent="")
    )


def _known(value: float, text: str) -> str:
    return text if value else "-"


def _bar(one: Span, whole_s: float, style: Style) -> str:
    """Return where in the run a step executed; what is on the critical path is solid."""
    scale = _WIDTH / max(whole_s, one.start_s + one.duration_s, 1e-9)
    left = min(int(one.start_s * scale), _WIDTH - 1)
    length = max(1, round(one.duration_s * scale))
    bar = ("█" if one.critical else "░") * min(length, _WIDTH - left)
    return " " * left + (style.yellow(bar) if one.critical else bar)
