"""How a verdict looks: as text, and as a JUnit report."""

from xml.etree import ElementTree as ET

from runproj.cli.render.junit import report
from runproj.cli.render.style import Style, visible
from runproj.cli.render.text import table
from runproj.errors import CannotRerun
from runproj.record.run import Run
from runproj.record.verdict import Judgement, OutputLabel, Stability, Verdict

DIFFERENT = 6
_COLOUR = {
    "identical": "green", "equivalent": "green", "different": "red", "cannot rerun": "yellow",
    "ignored": "dim", "stable": "green", "stable within rtol": "green", "unstable": "red",
}  # fmt: skip


def exit_code(verdict: Verdict, *, strict: bool) -> int:
    """Return the exit code of a verdict."""
    if verdict.word == "cannot rerun":
        return CannotRerun.exit_code
    fine = verdict.word == "identical" or (verdict.word == "equivalent" and not strict)
    return 0 if fine else DIFFERENT


_TODAY = {
    "identical": "today's code gives the same result",
    "equivalent": "today's code gives the same result, within what is allowed",
    "different": "today's code gives another result",
    "cannot rerun": "the run cannot be done again with today's code",
}


def verdict_text(
    run: Run,
    verdict: Verdict,
    style: Style,
    stability: Stability | None = None,
    *,
    current_code: bool = False,
) -> str:
    """Return a verdict for a person; ``current_code``: it is about the code of today."""
    again = f", done again as {verdict.rerun}" if verdict.rerun else ""
    if stability is not None:
        again = f", repeated {_repeats(stability)}"
    rows = [
        ("verdict", painted(style, verdict.word)
         + (f"  {_TODAY[verdict.word]}" if current_code else "")),
        ("run", f"{style.bold(run.id)}{again}"),
        *([("first", f"{verdict.first_different} is the first step that differs")]
          if verdict.first_different else []),
        *(("note", visible(note, painted=False)) for note in verdict.notes),
        *(("not perturbed", visible(one, painted=False))
          for one in (stability.unperturbed if stability else ())),
    ]  # fmt: skip
    text = table([(style.dim(name), value) for name, value in rows], indent="")
    if stability is not None:
        return f"{text}\noutputs\n{_labels(verdict, stability, style)}"
    judged = table(
        (style.bold(one.step), visible(_what(one), painted=False), painted(style, one.likeness),
         visible(one.difference or "", painted=False))
        for one in verdict.judgements
    )  # fmt: skip
    return text + (f"\noutputs\n{judged}" if judged else "")


def _repeats(stability: Stability) -> str:
    whole = [one for one in stability.repeats if one.step is None]
    more = len(stability.repeats) - len(whole)
    runs = ", ".join(one.run for one in whole)
    steps = "1 repeat of a single step" if more == 1 else f"{more} repeats of single steps"
    times = "once" if len(whole) == 1 else f"{len(whole)} times"
    return f"{times}: {runs}" + (f", and {steps}" if more else "")


def _labels(verdict: Verdict, stability: Stability, style: Style) -> str:
    """Return the labels of outputs, and those outputs that have none."""
    labelled = {(one.step, one.path) for one in stability.labels}
    rows = [
        (style.bold(one.step), visible(one.path or "metrics", painted=False),
         painted(style, one.label), _why(one))
        for one in stability.labels
    ]  # fmt: skip
    rows += [
        (style.bold(one.step), visible(_what(one), painted=False), painted(style, one.likeness), "")
        for one in verdict.judgements
        if one.likeness == "ignored" and (one.step, one.path) not in labelled
    ]
    return table(rows)


def _why(one: OutputLabel) -> str:
    words = ": ".join(part for part in (one.cause, one.difference) if part)
    return visible(words, painted=False)


def painted(style: Style, word: str) -> str:
    """Return a verdict, or how an output compares, in its colour."""
    paint = getattr(style, _COLOUR[word])
    return str(paint(word))


def junit(
    run: Run, verdict: Verdict, stability: Stability | None = None, *, strict: bool = False
) -> str:
    """Return a verdict as a JUnit report: a test case for each output, with its label.

    With ``strict``, what is only equivalent is a failure.
    """
    labels = {(one.step, one.path): one for one in stability.labels} if stability else {}
    judged = [_strictly(one) if strict else one for one in verdict.judgements]
    cases = [_case(run, one, labels.pop((one.step, one.path), None)) for one in judged]
    cases += [  # what was judged as a part of its step
        _case(run, Judgement(step=one.step, path=one.path, likeness="identical"), one)
        for one in labels.values()
    ]
    if verdict.word == "cannot rerun":
        case = ET.Element("testcase", classname=run.project, name=f"rerun of {run.id}")
        error = ET.SubElement(case, "error", message="cannot rerun")
        error.text = "\n".join(visible(note, painted=False) for note in verdict.notes)
        cases = [case]
    return report(f"runproj verify {run.id}", cases, verdict.at)


def _strictly(one: Judgement) -> Judgement:
    if one.likeness != "equivalent":
        return one
    why = one.difference or "equivalent, and not identical"
    return one.replace(likeness="different", difference=why)


def _case(run: Run, one: Judgement, label: OutputLabel | None = None) -> ET.Element:
    case = ET.Element(
        "testcase", classname=f"{run.project}.{one.step}", name=visible(_what(one), painted=False)
    )
    if label is not None:
        properties = ET.SubElement(case, "properties")
        ET.SubElement(properties, "property", name="stability", value=label.label)
    if label is not None and label.label == "unstable":
        ET.SubElement(case, "failure", message=f"unstable: {_why(label)}")
    elif one.likeness == "different":
        ET.SubElement(
            case, "failure", message=visible(one.difference or "different", painted=False)
        )
    elif one.likeness == "ignored":
        ET.SubElement(case, "skipped", message="compare: ignore")
    return case


def _what(one: Judgement) -> str:
    if one.path is not None:
        return one.path
    said = one.difference or "metric "
    return "metrics" if said.startswith("metric ") else "step"
