"""JUnit reports, which CI systems read: of a run, of a verdict, of what kept a run from starting.

The format is that of https://github.com/testmoapp/junitxml.
"""

import re
import shlex
from collections.abc import Iterable, Mapping, Sequence
from xml.etree import ElementTree as ET

from runproj.errors import Problem
from runproj.record.run import Run, StepRun

_COLOURS = re.compile(r"\x1b\[[0-9;?]*[@-~]")
# what is no character of XML 1.0, section 2.2
_FORBIDDEN = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def clean(text: str) -> str:
    r"""Return text as XML can have it: without colours, with escapes for what is no character.

    >>> clean("\x1b[31mred\x1b[0m\x00")
    'red\\x00'
    """
    plain = _COLOURS.sub("", text)
    return _FORBIDDEN.sub(lambda found: ascii(found[0])[1:-1], plain)


def report(name: str, cases: Sequence[ET.Element], timestamp: str | None = None) -> str:
    """Return a report with one suite of test cases."""
    counts = {
        kind: str(sum(case.find(tag) is not None for case in cases))
        for kind, tag in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped"))
    }
    suite = ET.Element("testsuite", {"name": clean(name), "tests": str(len(cases)), **counts})
    if timestamp is not None:
        suite.set("timestamp", timestamp)
    suite.extend(cases)
    suites = ET.Element("testsuites")
    suites.append(suite)
    ET.indent(suites)
    return ET.tostring(suites, encoding="unicode", xml_declaration=True) + "\n"


def run_report(run: Run, tails: Mapping[str, str]) -> str:
    """Return the report of a run: a test case for each step, with the end of its log."""
    cases = [_case(run, step, tails.get(step.name, "")) for step in run.steps]
    if run.error is not None and all(case.find("failure") is None for case in cases):
        cases.append(_error(run.project, f"run {run.id}", [Problem(run.error)]))
    return report(f"runproj run {run.id}", cases, run.started_at)


def error_report(project: str, problems: Iterable[Problem]) -> str:
    """Return the report of a run that did not come to be."""
    return report("runproj run", [_error(project, "run", list(problems))])


def _case(run: Run, step: StepRun, tail: str) -> ET.Element:
    case = ET.Element(
        "testcase", classname=clean(f"{run.project}.{run.entry_point}"), name=clean(step.name),
        time=f"{step.duration_s:.3f}",
    )  # fmt: skip
    properties = ET.SubElement(case, "properties")
    facts = {"run": run.id, "status": step.status}
    if step.cached_from is not None:
        facts["cached_from"] = step.cached_from
    facts["reason"] = ", ".join(reason.text for reason in step.reasons)
    for name, value in facts.items():
        if value:
            ET.SubElement(properties, "property", name=name, value=clean(value))
    if step.status in ("skipped", "interrupted"):
        ET.SubElement(case, "skipped", message=clean(step.error or step.status))
    elif not step.done:
        failure = ET.SubElement(case, "failure", message=clean(step.error or step.status))
        lines = [f"command: {shlex.join(step.argv)}", *([step.hint] if step.hint else []), tail]
        failure.text = clean("\n".join(lines))
    if step.cached_from is not None:
        ET.SubElement(case, "system-out").text = f"cached: taken from {step.cached_from}"
    return case


def _error(project: str, name: str, problems: Sequence[Problem]) -> ET.Element:
    case = ET.Element("testcase", classname=clean(project), name=clean(name))
    error = ET.SubElement(case, "error", message=clean(problems[0].message))
    lines = (
        "\n".join(filter(None, (one.where, one.message, one.excerpt, one.hint))) for one in problems
    )
    error.text = clean("\n\n".join(lines))
    return case
