"""How problems look: message, place, the line of text, a hint."""

from collections.abc import Sequence

from runproj.cli.render.style import stderr_style, visible
from runproj.errors import Problem


def error_text(problems: Sequence[Problem], kind: str = "error") -> str:
    """Return problems as text for standard error."""
    style = stderr_style()
    blocks = []
    for problem in problems:
        lines = [f"{style.red(style.bold(kind))}{style.bold(': ')}{_lines(problem.message)}"]
        if problem.where:
            lines.append(f"  {style.blue('-->')} {visible(problem.where, painted=False)}")
        if problem.excerpt:
            lines += [f"  {visible(line, painted=False)}" for line in problem.excerpt.split("\n")]
        if problem.hint:
            lines += ["", f"{style.cyan('hint')}: {_lines(problem.hint)}"]
        blocks.append("\n".join(lines) + "\n")
    text = "\n".join(blocks)
    return text if len(problems) == 1 else f"{text}\n{len(problems)} problems\n"


def _lines(text: str) -> str:
    return visible(text, keep="\n\t", painted=False)


def error_json(problems: Sequence[Problem], exit_code: int) -> str:
    """Return problems as the JSON document that takes the place of a result."""
    from runproj.cli.render import documents  # noqa: PLC0415 -- lazy

    every = [
        documents.ProblemDocument(message=one.message, where=one.where, hint=one.hint)
        for one in problems
    ]
    document = documents.ErrorDocument.of(
        every[0], code=exit_code, problems=every if len(every) > 1 else None
    )
    return documents.as_text(documents.ErrorResult(error=document))
