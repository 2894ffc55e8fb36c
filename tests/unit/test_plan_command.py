import pytest

from runproj.plan.command import RUN_ID, WORKSPACE, Texts, fill, render, resolve_symbols, tokens
from runproj.spec import template
from runproj.spec.command import parse
from runproj.spec.template import Reference

VALUES: dict[str, Texts] = {
    "s": "a b", "t": "t", "e": "", "n": None, "l": ("1", "2 3"), "z": (), "one": ("x",)
}  # fmt: skip


def lookup(reference: Reference) -> Texts:
    return VALUES[reference.name]


@pytest.mark.parametrize(
    ("text", "argv"),
    [
        ("{s}", ("a b",)), ("x{s}y", ("xa by",)), ("{e}", ("",)), ("x{e}", ("x",)), ("", ("",)),
        ("{n}", ()), ("x{n}", ()), ("{s}{n}", ()), ("{l}", ("1", "2 3")), ("{z}", ()),
        ("{one}", ("x",)), ("plain", ("plain",)), ("{s}{t}", ("a bt",)), ("x{l}", ("x1,2 3",)),
    ],
)  # fmt: skip
def test_a_token_becomes_arguments(text: str, argv: tuple[str, ...]) -> None:
    assert tokens(template.parse(text), lookup) == argv


def test_text_with_a_null_value_is_null() -> None:
    assert fill(template.parse("x {n}"), lookup) is None
    assert fill(template.parse("x {s}"), lookup) == "x a b"


def test_a_command_without_a_shell_needs_no_variables() -> None:
    assert render(parse("a {s} --x={t} {n} {l}"), lookup) == (("a", "a b", "--x=t", "1", "2 3"), {})


@pytest.mark.parametrize(
    ("script", "rendered", "values"),
    [
        ("a {s} | b", 'a "${1}" | b', ["a b"]),
        ("a '{s}' | b", "a ''\"${1}\"'' | b", ["a b"]),
        ('a "{s}" | b', 'a "${1}" | b', ["a b"]),
        ("a --x={s}y | b", 'a --x="${1}"y | b', ["a b"]),
        ("a {s} {t} {s} | b", 'a "${1}" "${2}" "${1}" | b', ["a b", "t"]),
        ("a {l} | b", 'a "${1}" "${2}" | b', ["1", "2 3"]),
        ("a {n} {z} | b", "a   | b", []),
        ('a "x{n}" | b', 'a "x" | b', []),
        ("a {e} | b", 'a "${1}" | b', [""]),
        ("a | b", "a | b", []),
    ],
)  # fmt: skip
def test_a_script_expands_values_out_of_variables(
    script: str, rendered: str, values: list[str]
) -> None:
    argv, variables = render(parse(script), lookup)
    assert argv[:-1] == ("bash", "-euo", "pipefail", "-c")
    assert argv[-1].replace("RUNPROJ_VALUE_", "") == rendered
    assert list(variables.values()) == values


def test_sh_has_no_pipefail() -> None:
    assert render(parse("a {t}", "sh"), lookup)[0] == ("sh", "-eu", "-c", 'a "${RUNPROJ_VALUE_1}"')


def test_what_is_known_only_now_is_put_in() -> None:
    text = f"{RUN_ID}-{WORKSPACE}/x {{run.id}}"
    assert resolve_symbols(text, "r1", "/w") == "r1-/w/x {run.id}"
