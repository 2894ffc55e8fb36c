"""Whatever text a user gives, the program gets it byte for byte. These tests run programs."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runproj.plan.binding import Folders, Given, bind
from runproj.plan.command import render
from runproj.spec.command import ArgvCommand, ShellCommand, ShellName, parse
from runproj.spec.parameter import Parameter
from runproj.spec.template import Reference

RUNS_PROGRAMS = True

pytestmark = pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not installed")

NASTY = [
    "", " ", "  a  b ", "'", '"', "it's", '"quoted"', "'\"'\"'", "\\", "\\\\", "a\\", "\\n", "\\'",
    "\n", "a\nb", "trailing\n", "\n\n", "\t", "a\tb", "\r", "a\r\n", "$(touch hacked)", "`touch x`",
    "$HOME", "${HOME}", "$((1+1))", "$$", "$", "$'a'", "a; touch x", "a && b", "a | b", "a > b",
    "<(x)", "*", "?", "[a-z]", "**/*", "~", "~/x", "~root", "!", "!!", "!x", "%", "%s", "%d%n",
    "#", "# x", "{x}", "{s0}", "{{s0}}", "{a,b}", "{1..3}", "${RUNPROJ_VALUE_1}", "-n", "-e", "--",
    "--help", "-", "7e013608", "123_456", "2020-10-10", "0x10", "1e5", "null", "true", "no", "NaN",
    "é", "e\u0301", "日本語", "😀", "👩\u200d👩\u200d👧", "\u202e", "\ufeff", "\u2028", "\x85", "\x01",
    "\x1b[31m", "\x7f", "\xa0", "a=b", "=", "A=1", "@", "^", "&", "()", "[", "]", ":", ",", "run:x",
    "\U0010ffff", "\ue000", "\ufffe", "x" * 5000,
]  # fmt: skip
TEXTS = st.text(alphabet=st.characters(codec="utf-8", exclude_characters="\0"), max_size=12)
SIGNS = st.text(alphabet="ab \n\t\r'\"\\$`(){}[]<>|&;*?~!#%=-^@,:0", max_size=12)
VALUES = st.lists(st.one_of(TEXTS, SIGNS, st.sampled_from(NASTY)), min_size=1, max_size=30)

Build = Callable[[Sequence[str]], str]  # the references → a command string
PRINT = r"printf '%s\0'"


def words(template: str, end: str = "") -> Build:
    """Print one word for each reference, which stands in it as ``@``."""
    return lambda names: " ".join([PRINT, *(template.replace("@", one) for one in names)]) + end


def statements(template: str) -> Build:
    """Execute a statement for each reference."""
    return lambda names: "; ".join(template.replace("@", one) for one in names)


# name: how the command is built, and what the program gets for a value
SIMPLE: dict[str, tuple[Build, str]] = {
    "bare": (words("@"), "@"),
    "in single quotes": (words("'@'"), "@"),
    "in double quotes": (words('"@"'), "@"),
    "after an option": (words("--x=@"), "--x=@"),
    "in text in double quotes": (words('"a @ b"'), "a @ b"),
    "in text in single quotes": (words("'a @ b'"), "a @ b"),
    "between other quotes": (words("''@\"\""), "@"),
    "twice in a word": (words("@@"), "@@"),
}
SCRIPTS: dict[str, tuple[Build, str]] = {
    "bare": (words("@", "; :"), "@"),
    "in single quotes": (words("'@'", "; :"), "@"),
    "in double quotes": (words('"@"', "; :"), "@"),
    "after an option": (words("--x=@", "; :"), "--x=@"),
    "in text in double quotes": (words('"a @ b"', "; :"), "a @ b"),
    "in text in single quotes": (words("'a @ b'", "; :"), "a @ b"),
    "between other quotes": (words("''@\"\"", "; :"), "@"),
    "twice in a word": (words("@@", "; :"), "@@"),
    "in a pipe": (words("@", " | cat"), "@"),
    "in a substitution": (words('"$(printf %s @; printf x)"'), "@x"),
    "in quotes in a substitution": (words("\"$(printf %s \"@\" '@'; printf x)\""), "@@x"),
    "in a case in a substitution": (
        words('"$(case a in b) :;; *) printf %s @; printf x;; esac)"'), "@x",
    ),
    "in an assignment": (statements("v=@; " + PRINT + ' "$v"'), "@"),
    "in a quoted assignment": (statements("v='a'@\"b\"; " + PRINT + ' "$v"'), "a@b"),
    "in a loop": (lambda names: f'for v in {" ".join(names)}; do {PRINT} "$v"; done', "@"),
    "in a case": (statements("case @ in *) " + PRINT + " @;; esac"), "@"),
    "after a comment": (lambda names: "# don't\n" + words("@")(names) + " # it's {s0}\n:", "@"),
    "after a here-document": (lambda names: "cat <<'X' >/dev/null\nit's $1\nX\n" + words("@")(names), "@"),
    "in a group": (lambda names: f"{{ {words('@')(names)}; }} && (:)", "@"),
}  # fmt: skip
BASH: dict[str, tuple[Build, str]] = {
    "in a here-string": (
        statements('IFS= read -r -d "" v <<< @ || true; ' + PRINT + ' "$v"'), "@\n",
    ),
    "in a test": (statements("[[ @ == @ && -n x@ ]] && " + PRINT + " @"), "@"),
    "in an array": (lambda names: f'v=({" ".join(names)}); {PRINT} "${{v[@]}}"', "@"),
}  # fmt: skip


def bound(values: Sequence[str]) -> dict[str, str]:
    """Give text to string parameters ``s0``, ``s1`` …, as ``-P`` does."""
    parameters = {f"s{index}": Parameter(type="string") for index in range(len(values))}
    given = Given(texts=[(f"s{index}", value) for index, value in enumerate(values)])
    folders = Folders("/project", "/caller", "/home/me")
    texts = {}
    for value in bind(parameters, given, folders, lambda text: text):
        assert isinstance(value.texts, str)
        texts[value.name] = value.texts
    return texts


def executed(
    command: ArgvCommand | ShellCommand, values: Sequence[str], folder: str | None = None
) -> bytes:
    """Return what a command prints when these values are put in."""
    texts = bound(values)

    def lookup(reference: Reference) -> str:
        return texts[reference.name]

    argv, variables = render(command, lookup)
    caller = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", "HOME": "/nonexistent"}
    done = subprocess.run(
        argv, env=caller | variables, stdout=subprocess.PIPE, check=True, cwd=folder
    )
    return done.stdout


def check(build: Build, expected: str, values: Sequence[str], shell: ShellName | None) -> None:
    command = parse(build([f"{{s{index}}}" for index in range(len(values))]), shell)
    assert isinstance(command, ArgvCommand if shell is None else ShellCommand)
    printed = executed(command, values).split(b"\0")
    assert printed == [*(expected.replace("@", value).encode() for value in values), b""]


@pytest.mark.parametrize("shape", SIMPLE)
@pytest.mark.parametrize("values", [NASTY], ids=["nasty"])
def test_a_simple_command_gets_every_nasty_value(shape: str, values: list[str]) -> None:
    check(*SIMPLE[shape], values, None)


@settings(max_examples=8)
@given(VALUES)
@pytest.mark.parametrize("shape", SIMPLE)
def test_a_simple_command_gets_any_value(shape: str, values: list[str]) -> None:
    check(*SIMPLE[shape], values, None)


@pytest.mark.parametrize("shell", ["bash", "sh"])
@pytest.mark.parametrize("shape", SCRIPTS)
def test_a_script_gets_every_nasty_value(shape: str, shell: ShellName) -> None:
    check(*SCRIPTS[shape], NASTY, shell)


@settings(max_examples=8)
@given(VALUES)
@pytest.mark.parametrize("shell", ["bash", "sh"])
@pytest.mark.parametrize("shape", SCRIPTS)
def test_a_script_gets_any_value(shape: str, shell: ShellName, values: list[str]) -> None:
    check(*SCRIPTS[shape], values, shell)


@pytest.mark.parametrize("shape", BASH)
def test_what_only_bash_has_gets_every_nasty_value(shape: str) -> None:
    check(*BASH[shape], NASTY, "bash")


@settings(max_examples=8)
@given(VALUES)
@pytest.mark.parametrize("shape", BASH)
def test_what_only_bash_has_gets_any_value(shape: str, values: list[str]) -> None:
    check(*BASH[shape], values, "bash")


@pytest.mark.parametrize("shape", SCRIPTS)
def test_a_script_runs_in_bash_without_being_asked_to(shape: str) -> None:
    command = parse(SCRIPTS[shape][0](["{s0}"]))
    assert isinstance(command, ShellCommand)
    assert command.shell == "bash"


ECHO = "import os, sys; sys.stdout.buffer.write(b'\\0'.join(map(os.fsencode, sys.argv[1:])))"


@settings(max_examples=15)
@given(VALUES)
def test_a_list_command_gets_any_value(values: list[str]) -> None:
    references = [f"{{s{index}}}" for index in range(len(values))]
    command = parse([sys.executable, "-c", ECHO, *references, *(f"-x{one}" for one in references)])
    assert isinstance(command, ArgvCommand)
    wanted = [*values, *(f"-x{value}" for value in values)]
    assert executed(command, values) == b"\0".join(value.encode() for value in wanted)


def test_a_list_command_gets_every_nasty_value() -> None:
    command = parse([sys.executable, "-c", ECHO, *(f"{{s{i}}}" for i in range(len(NASTY)))])
    assert isinstance(command, ArgvCommand)
    assert executed(command, NASTY) == b"\0".join(value.encode() for value in NASTY)


@pytest.mark.parametrize("shell", ["bash", "sh"])
@pytest.mark.parametrize("template", ["printf x > {s0}", "printf x >'{s0}'", 'printf x >"a{s0}"'])
@pytest.mark.parametrize(
    "name", ["a b", "it's", '"', "$(x)", "*", "~", "-n", "é", "a\nb", "#", "&1", "{x}", "!", "\\"]
)
def test_a_value_can_be_the_file_of_a_redirection(
    name: str, template: str, shell: ShellName, tmp_path: Path
) -> None:
    command = parse(template, shell)
    executed(command, [name], str(tmp_path))
    assert [path.name for path in tmp_path.iterdir()] == ["a" * ("a{" in template) + name]
