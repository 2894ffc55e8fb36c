"""Steps side by side, with real processes: overlaps, whole lines, the terminal, Ctrl-C."""

import fcntl
import json
import os
import pty
import re
import signal
import struct
import subprocess
import sys
import termios
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from tests.cli.commandline import Computer, Files, Project, argv, plain, until

MakeProject = Callable[[Files], Project]
NAP = "python -c 'import time; a=time.time(); time.sleep(0.3); print(a, time.time())'"


def project_of(steps: str, more: str = "") -> str:
    lines = "".join(f"      {line}\n" for line in steps.strip().splitlines())
    return f"runproj: 1\n{more}entry_points:\n  main:\n    steps:\n{lines}"


def times(demo: Project, *names: str) -> list[tuple[float, float]]:
    """Return when steps that nap began and ended."""
    found = []
    for name in names:
        began, ended = demo.run("logs", f"latest/{name}").ok().out.split()
        found.append((float(began), float(ended)))
    return found


def most_at_once(spans: list[tuple[float, float]]) -> int:
    return max(sum(one[0] <= start < one[1] for one in spans) for start, _ in spans)


@pytest.fixture
def demo(computer: Computer) -> Project:
    more = "resources: {licence: 2}\n"
    steps = "".join(
        f"n{index}: {{command: {json.dumps(NAP)}, env: {{N: '{index}'}}, "
        f"resources: {{licence: {1 + index % 2}}}}}\n"
        for index in range(5)
    )
    free = "".join(
        f"f{index}: {{command: {json.dumps(NAP)}, env: {{N: '{index}'}}}}\n" for index in range(4)
    )
    text = project_of(steps, more) + project_of(free).partition("entry_points:\n")[2].replace(
        "  main:", "  free:"
    )
    return computer.project({"runproj.yaml": text})


def test_steps_execute_at_the_same_time_and_never_more_than_wished(demo: Project) -> None:
    names = [f"f{index}" for index in range(4)]
    for jobs, least in (("3", 2), ("1", 1)):
        demo.run("run", ".", "-e", "free", "-f", "-j", jobs).ok()
        assert least <= most_at_once(times(demo, *names)) <= int(jobs)
    demo.run("rerun", "latest", env={"RUNPROJ_JOBS": "2"}).ok()
    assert most_at_once(times(demo, *names)) <= 2


def test_a_pool_is_never_overdrawn(demo: Project) -> None:
    demo.run("run", ".", "-j", "5").ok()
    spans = times(demo, *(f"n{index}" for index in range(5)))
    for start, _ in spans:
        held = [1 + n % 2 for n, one in enumerate(spans) if one[0] <= start < one[1]]
        assert sum(held) <= 2
    done = demo.run("run", ".", "-f", "--resources", "licence=1").ok(2)
    assert "the step 'n1' needs 2 licence, and there is 1 licence" in done.err
    assert "--resources licence=2 says that there is that much" in done.err


def test_what_is_asked_for_decides_about_no_result(computer: Computer) -> None:
    demo = computer.project({"runproj.yaml": project_of("a: {command: echo a}")})
    demo.run("run", ".").ok()
    asking = project_of("a: {command: echo a, resources: {cpus: 1, memory: 1MB, gpus: 0}}")
    demo.write({"runproj.yaml": asking})
    assert demo.run("run", ".", "--json").ok().steps() == {"a": "cached"}


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        (("-j", "0"), "0 is not in the range"),
        (("--resources", "licence"), "an amount is set as NAME=N"),
        (("--resources", "memory=lots"), "an amount is set as NAME=N"),
        (("--resources", "licence=-1"), "an amount is set as NAME=N"),
        (("--resources", "cpus=2"), "said by -j"),
        (("--resources", "licnece=1"), "--resources licnece: no step needs it"),
    ],
)
def test_a_mistake_is_told(demo: Project, typed: tuple[str, ...], words: str) -> None:
    assert words in demo.run("run", ".", *typed).ok(2).err


BYTEWISE = """\
import sys, time
for number in range(12):
    for byte in f"{sys.argv[1]} says {number} ".encode() + b"x" * 20 + b"\\n":
        sys.stdout.buffer.write(bytes([byte]))
        sys.stdout.flush()
    time.sleep(0.01)
sys.stdout.write(f"{sys.argv[1]} has no end")
"""


def test_no_line_is_torn_and_each_says_whose_it_is(computer: Computer) -> None:
    steps = "".join(f"{name}: {{command: [python, b.py, {name}]}}\n" for name in ("one", "three"))
    demo = computer.project({"runproj.yaml": project_of(steps), "b.py": BYTEWISE})
    said = demo.run("run", ".", "-j", "2", env={"FORCE_COLOR": "1"}).ok().err
    for name in ("one", "three"):
        lines = [f"{name} says {number} {'x' * 20}" for number in range(12)]
        lines.append(f"{name} has no end")
        prefix = f"{name:<5} │ "
        shown = [one for one in plain(said).splitlines() if one.startswith(prefix)]
        assert shown == [prefix + line for line in lines]
        assert demo.run("logs", f"latest/{name}").ok().out.splitlines() == lines
    alone = demo.run("run", ".", "-f", "-j", "1").ok().err
    assert "│" not in alone


def test_a_failure_lets_what_runs_come_to_its_end(computer: Computer) -> None:
    demo = computer.project({
        "runproj.yaml": project_of("""
bad: {command: "sleep 0.2; exit 3"}
slow: {command: "sleep 0.6; echo done", stdout: slow.txt}
later: {command: echo later, needs: [slow]}
"""),
    })  # fmt: skip
    done = demo.run("run", ".", "-j", "2", "--json").ok(1)
    assert done.steps() == {"bad": "failed", "slow": "succeeded", "later": "skipped"}
    assert demo.run("run", ".", "-j", "2", "--json").ok(1).steps()["slow"] == "cached"


def marked(word: str) -> list[int]:
    """Return the processes that have a word in their command line."""
    found = []
    for place in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            text = place.read_bytes()
        except OSError:
            continue
        if word.encode() in text:
            found.append(int(place.parent.name))
    return found


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="it looks into /proc")
def test_ctrl_c_leaves_no_process_of_any_step(computer: Computer) -> None:
    word = f"marked-{os.getpid()}"
    steps = "".join(
        f"s{index}: {{command: \"python -c 'import time; time.sleep(99)' {word} & "
        f'echo ready; sleep 99; echo {index}"}}\n'
        for index in range(3)
    )
    demo = computer.project({"runproj.yaml": project_of(steps)})
    process = demo.start("run", ".", "-j", "3")
    until(lambda: sum(one != process.pid for one in marked(word)) >= 6, "all steps run")
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert process.returncode == 130
    assert marked(word) == []
    shown = demo.run("show", "--json").ok().run
    assert {step["status"] for step in shown["steps"]} == {"interrupted"}


class Screen:
    """As much of a terminal as the command line uses; it does not wrap lines again."""

    def __init__(self) -> None:
        self.lines = [""]
        self.row = self.column = 0
        self.sequences: set[str] = set()

    def feed(self, text: str) -> None:
        for part in re.findall(r"\x1b\[[0-9;?]*[A-Za-z]|[\r\n]|[^\x1b\r\n]+", text):
            if part.startswith("\x1b"):
                self.sequences.add(part[-1])
                self._obey(part)
            elif part == "\r":
                self.column = 0
            elif part == "\n":
                self.row += 1
                self.lines += [""] * (self.row + 1 - len(self.lines))
            else:
                line = self.lines[self.row].ljust(self.column)
                self.lines[self.row] = line[: self.column] + part + line[self.column + len(part) :]
                self.column += len(part)

    def _obey(self, sequence: str) -> None:
        if sequence.endswith("A"):
            self.row -= int(sequence[2:-1])
            assert self.row >= 0
        elif sequence.endswith(("J", "K")):
            self.lines[self.row] = self.lines[self.row][: self.column]
            if sequence.endswith("J"):
                del self.lines[self.row + 1 :]


def on_a_terminal(
    demo: Project, *typed: str, stop: bool = False, env: Mapping[str, str] | None = None
) -> str:
    """Type a command on a terminal that gets narrower meanwhile; return what it writes there."""
    here, there = pty.openpty()
    fcntl.ioctl(there, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    process = subprocess.Popen(
        argv(typed), cwd=demo.folder, stdin=there, stdout=subprocess.DEVNULL, stderr=there,
        env={**demo.computer.variables_for(demo.folder), "TERM": "xterm", **(env or {})},
    )  # fmt: skip
    os.close(there)
    written, acted = b"", False
    while True:
        try:
            chunk = os.read(here, 65536)
        except OSError:
            break
        if not chunk:
            break
        written += chunk
        if "▸".encode() in written and not acted:
            acted = True
            fcntl.ioctl(here, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 40, 0, 0))
            if stop:
                process.send_signal(signal.SIGINT)
    os.close(here)
    assert process.wait(60) == (130 if stop else 0)
    return written.decode().replace("\r\n", "\n\r")


SLOW = """
one: {command: "for i in 1 2 3 4 5; do echo one $i; sleep 0.2; done"}
two: {command: "for i in 1 2 3 4 5; do printf two; sleep 0.2; echo \\" $i\\"; done"}
"""


@pytest.mark.parametrize("stop", [False, True])
@pytest.mark.parametrize("jobs", ["1", "2"])
def test_on_a_terminal_the_run_stands_below_and_goes(
    computer: Computer, jobs: str, *, stop: bool
) -> None:
    demo = computer.project({"runproj.yaml": project_of(SLOW)})
    text = on_a_terminal(demo, "run", ".", "-j", jobs, stop=stop)
    assert "of 2 steps done" in text
    screen = Screen()
    screen.feed(text)
    shown = [line.rstrip() for line in screen.lines if line.strip()]
    assert not any("▸" in line or "steps done" in line for line in shown)
    if not stop:
        for name in ("one", "two"):
            prefix = f"{name} │ " if jobs == "2" else ""
            wanted = [f"{prefix}{name} {number}" for number in range(1, 6)]
            assert [line for line in shown if line in wanted] == wanted


@pytest.mark.parametrize("variable", ["NO_COLOR", "CI"])
def test_who_wants_no_movement_gets_plain_lines(computer: Computer, variable: str) -> None:
    demo = computer.project({"runproj.yaml": project_of(SLOW)})
    text = on_a_terminal(demo, "run", ".", "-j", "2", env={variable: "1"})
    assert "steps done" not in text
    screen = Screen()
    screen.feed(text)
    assert screen.sequences <= {"m"}
