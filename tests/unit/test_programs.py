"""Which programs a command names, and what changed of them."""

import pytest

from runproj.plan.programs import programs
from runproj.record.program import Program, replaced

SH = ("sh", "-eu", "-c")


@pytest.mark.parametrize(
    ("argv", "named"),
    [
        ([], ()),
        (["jq", "."], ("jq",)),
        (["./tool", "jq"], ()),
        (["scripts/tool"], ()),
        (["/opt/tool", "jq"], ("/opt/tool",)),
        (["env", "-i", "A=b", "nice", "-n", "jq"], ("env", "nice", "jq")),
        (["env"], ("env",)),
        (["sh", "script.sh"], ("sh",)),
        (["sh", "-c"], ("sh",)),
        (["echo", "-c", "jq"], ("echo",)),
    ],
)
def test_an_argument_vector_names_its_first_word(argv: list[str], named: tuple[str, ...]) -> None:
    assert programs(argv) == named


@pytest.mark.parametrize(
    ("script", "named"),
    [
        ("a b | c d && e; f & g || h", "acefgh"),
        ("a <x >y 2>&1 z\nb", "ab"),
        ("<x a; > y b", "ab"),
        ("if a; then b; elif c; then d; else e; fi", ["a", "b", "c", "d", "e", "fi"]),
        ("X=1 Y='2 3' a; (b $(c d)); x=$(e)", "abce"),
        ("'my tool' a; \"$TOOL\" b; $TOOL", ["my tool"]),
        ("# it's a comment\na # b\n  # c 'd\ne", "ae"),
        ("a; python3 -c 'import os; b", ["a", "python3"]),
        ("echo a; test b; [ c ]; a; a", "a"),
        ("a '' b; ''", "a"),
        ("", ""),
    ],
)
def test_of_a_script_each_command_names_its_first_word(script: str, named: str | list[str]) -> None:
    assert programs([*SH, script]) == ("sh", *named)


def program(path: str = "/bin/jq", sha256: str = "1", version: str | None = None) -> Program:
    return Program(name="jq", path=path, sha256=sha256, version=version)


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        (program(), program(), []),
        (program(), program(sha256="2"), ["/bin/jq sha256 1 → sha256 2"]),
        (program(version="1.6"), program(sha256="2", version="1.7"), ["/bin/jq 1.6 → 1.7"]),
        (program(version="1"), program(sha256="2", version="1"), ["/bin/jq sha256 1 → sha256 2"]),
        (program(), program(path="/opt/jq"), ["jq /bin/jq sha256 1 → /opt/jq sha256 1"]),
    ],
)
def test_a_program_that_is_another_one_is_named(
    before: Program, after: Program, said: list[str]
) -> None:
    assert [one.text for one in replaced([before], [after])] == said
    assert list(replaced([before], [])) == list(replaced([], [after])) == []
