import shlex

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runproj.spec.command import ArgvCommand, Command, CommandError, ShellCommand, Slot, parse


def tokens(command: Command) -> list[str]:
    assert isinstance(command, ArgvCommand)
    return [str(token) for token in command.tokens]


def slots(text: str) -> dict[str, str]:
    """Return name and quoting of the references of a script."""
    command = parse(text)
    assert isinstance(command, ShellCommand), command
    return {
        piece.reference.name: piece.quoting for piece in command.pieces if isinstance(piece, Slot)
    }


def refusal(command: str | list[str]) -> CommandError:
    with pytest.raises(CommandError) as caught:
        parse(command)
    return caught.value


def test_a_list_is_its_tokens() -> None:
    assert tokens(parse(["a b", "", "*", "{x} y", "$(z)"])) == ["a b", "", "*", "{x} y", "$(z)"]


@pytest.mark.parametrize(
    ("text", "split"),
    [
        ("a b", ["a", "b"]), (" a\t b ", ["a", "b"]), ("a '' b", ["a", "", "b"]),
        ("a 'b c' \"d e\"", ["a", "b c", "d e"]), ("'a'\"b\"c", ["abc"]), (r"a\ b", ["a b"]),
        (r"a \\ b", ["a", "\\", "b"]), (r"'a\b'", [r"a\b"]), (r'"a\nb"', [r"a\nb"]),
        (r'"a\"b\\c\$d\`e"', [r'a"b\c$d`e']), ("a --x={x} '{y} z'", ["a", "--x={x}", "{y} z"]),
        ("a \\", ["a", "\\"]), ("a \"it's\"", ["a", "it's"]), ("a ''{x}''", ["a", "{x}"]),
        ("x '|' \";\"", ["x", "|", ";"]), ("a %b !c @d :e ,f ]g {h}", ["a", "%b", "!c", "@d", ":e",
         ",f", "]g", "{h}"]),
        ("echo {}", ["echo", "{}"]), ("find . -name '*.c'", ["find", ".", "-name", "*.c"]),
        ("awk '{print $1}' f", ["awk", "{print $1}", "f"]), ("a b=c", ["a", "b=c"]),
        (r"find x -exec rm {} \;", ["find", "x", "-exec", "rm", "{}", ";"]),
    ],
)  # fmt: skip
def test_a_string_without_shell_syntax_is_split_and_meets_no_shell(
    text: str, split: list[str]
) -> None:
    assert tokens(parse(text)) == split


@given(st.lists(st.text(alphabet="ab \t'\"\\%!{}", max_size=6), min_size=1, max_size=4))
def test_what_shlex_quotes_is_split_into_the_same_tokens(words: list[str]) -> None:
    text = "x " + " ".join(map(shlex.quote, words))
    assert [str(token) for token in _split(text)] == [str(token) for token in _list(words)]


def _split(text: str) -> tuple[object, ...]:
    command = parse(text, shell=False)
    assert isinstance(command, ArgvCommand)
    return command.tokens[1:]


def _list(words: list[str]) -> tuple[object, ...]:
    command = parse(["x", *words])
    assert isinstance(command, ArgvCommand)
    return command.tokens[1:]


@pytest.mark.parametrize(
    "text",
    ["a | b", "a & b", "a; b", "a < b", "a > b", "(a)", "a $HOME", "a *", "a b?", "a [b]", "a ~",
     "a # b", "a `b`", "A=1 a", "a\nb", 'a "$HOME"', 'a "$(b)"', 'a "`b`"', 'a "${B}"', "a b#c",
     'a "$1"', 'a "$?"', "a ${B}"],
)  # fmt: skip
def test_a_string_with_shell_syntax_runs_under_bash(text: str) -> None:
    command = parse(text)
    assert isinstance(command, ShellCommand)
    assert command.shell == "bash"


@pytest.mark.parametrize(
    "text",
    ["a '|' \"&\" \\;", "a '$HOME' '`b`'", 'a "$" "a$ b"', "a A=1", "\na\n", 'a "*"', r"a \$B",
     'a "$ b"', r'a "\$B"', "a {x}"],
)  # fmt: skip
def test_quoted_characters_are_no_shell_syntax(text: str) -> None:
    assert isinstance(parse(text), ArgvCommand)


def test_the_shell_is_what_is_asked_for() -> None:
    assert isinstance(parse("a {x}", "bash"), ShellCommand)
    sh = parse("a | b", "sh")
    assert isinstance(sh, ShellCommand)
    assert sh.shell == "sh"


def test_without_a_shell_its_syntax_is_plain_text() -> None:
    assert tokens(parse("a | b > {x}", shell=False)) == ["a", "|", "b", ">", "{x}"]


def test_a_script_without_references_is_itself() -> None:
    command = parse("a | b\n# it's {} ${c}\n")
    assert isinstance(command, ShellCommand)
    assert command.pieces == ("a | b\n# it's {} ${c}",)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("a {x} | b", {"x": "bare"}),
        ("a '{x}' \"{y}\" | b", {"x": "single", "y": "double"}),
        ("a \"b {x} c\"'d {y}'{z} | b", {"x": "double", "y": "single", "z": "bare"}),
        ('a "$(b {x} "{y}")" {z}', {"x": "bare", "y": "double", "z": "bare"}),
        ("a $(b '{x}') | c", {"x": "single"}),
        ("v={x}; a", {"x": "bare"}),
        ("a > {x}", {"x": "bare"}),
        ("a <<< {x}", {"x": "bare"}),
        ("diff <(a {x}) <(b {y})", {"x": "bare", "y": "bare"}),
        ("(a {x}); { b {y}; }", {"x": "bare", "y": "bare"}),
        ("for i in {x}; do a {y}; done", {"x": "bare", "y": "bare"}),
        ("case {x} in a) b {y};; esac; c {z}", {"x": "bare", "y": "bare", "z": "bare"}),
        ('"$(case {x} in a) b {y};; esac)" {z} "{w}"',
         {"x": "bare", "y": "bare", "z": "bare", "w": "double"}),
        ('"$(case a in (a) b {y};; esac)" "{z}"', {"y": "bare", "z": "double"}),
        ('"$(if a; then case b in c) d {x};; esac; fi)" "{z}"', {"x": "bare", "z": "double"}),
        ("echo case | a {x}; b $(esac) {y}", {"x": "bare", "y": "bare"}),
        ("a # it's {ignored}\nb {x}", {"x": "bare"}),
        ("a b#c {x} | d", {"x": "bare"}),
        ("# don't\na '{x}'", {"x": "single"}),
        ("$(# don't {ignored}\na) {x}", {"x": "bare"}),
        ("cat <<EOF\nit's\nEOF\na {x}", {"x": "bare"}),
        ("cat <<-EOF\nit's\n\tEOF\na {x}", {"x": "bare"}),
        ("cat <<'A' - << B\n'\nA\n\"\nB\na {x}", {"x": "bare"}),
        ('cat <<EOF | a {x}\n"\nEOF\nb', {"x": "bare"}),
        ("a {x}; cat <<EOF", {"x": "bare"}), ("a {x}; cat <<EOF\nb", {"x": "bare"}),
        ("a {x}; cat <<EOF\nb\n", {"x": "bare"}), ("a $(( (${b} + $(c)) )) {x}", {"x": "bare"}),
        ("a ${b:-'}'} ${c:-\"}\"} ${d:-\\}} ${e:-$(f)} {x}", {"x": "bare"}),
        ("a \"${b:-'c}\" '{x}'", {"x": "single"}),
        ("a $((1 + (2) + $(b) + ${c})) {x}", {"x": "bare"}),
        ("(( a > (1) )) && b {x}", {"x": "bare"}),
        ("a $[1 + 2] {x}", {"x": "bare"}),
        ("a $'it\\'s' {x} | b", {"x": "bare"}),
        ("a `b \\` c` {x}", {"x": "bare"}),
        ('a "`b`" {x}', {"x": "bare"}),
        ("a \\' {x} | b", {"x": "bare"}),
        ('a "\\"" {x} | b', {"x": "bare"}),
        ('[[ {x} == a* && -n "{y}" ]] && b {z}', {"x": "bare", "y": "double", "z": "bare"}),
        ("[[ a =~ (b|#c) ]]; d {x}", {"x": "bare"}),
        ("if [[ -f {x} ]]; then a; fi", {"x": "bare"}),
        ("echo [[ {x} -eq | b", {"x": "bare"}),
        ("[ {x} -eq 1 ] && a", {"x": "bare"}),
        ("let a=1; b {x}", {"x": "bare"}),
        ("declare a={x}; b", {"x": "bare"}),
        ("a[1]={x}; b", {"x": "bare"}),
        ("ls a[{x}] | b", {"x": "bare"}),
        ('a $"{x}" | b', {"x": "double"}),
        ("f() { a {x}; }; f", {"x": "bare"}),
    ],
)  # fmt: skip
def test_a_script_knows_the_quotes_around_each_reference(text: str, found: dict[str, str]) -> None:
    assert slots(text) == found


def test_a_script_is_cut_at_its_references_and_nothing_else_changes() -> None:
    text = "a '{x}' | b \"{y}\" # {z}\nc {x}{y} ${x} {{x}}"
    command = parse(text)
    assert isinstance(command, ShellCommand)
    shown = "".join(p if isinstance(p, str) else str(p.reference) for p in command.pieces)
    assert shown == text.replace("{{x}}", "{x}")


def test_references_are_those_that_get_values() -> None:
    assert [str(one) for one in parse("a {x} # {z}\nb {y}").references] == ["{x}", "{y}"]
    assert [str(one) for one in parse("a {x}{y} {x}").references] == ["{x}", "{y}", "{x}"]


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("a ${b:-{x}}", "inside ${…}"), ('a "${b:-"{x}"}"', "inside ${…}"),
        ("a $(( {x} + 1 ))", "in arithmetic"), ("(( {x} ))", "in arithmetic"),
        ("for ((i=0; i<{x}; i++)); do a; done", "in arithmetic"), ("a $[ {x} ]", "in arithmetic"),
        ("a $(( (1 + {x}) ))", "in arithmetic"), ("a $((1 + ((2) + {x})))", "in arithmetic"),
        ("let a={x}; b", "in arithmetic"), ("declare -i a={x}; b", "in arithmetic"),
        ("a[{x}]=1; b", "in arithmetic"), ("unset 'a[{x}]'; b", "in arithmetic"),
        ("[[ {x} -eq 1 ]]", "in arithmetic"), ('[[ a && 1 -lt "{x}" ]]', "in arithmetic"),
        ("[[ -v {x} ]]", "in arithmetic"), ("if a; then let {x}; fi", "in arithmetic"),
        ("a `b {x}`", "inside backticks"), ('a "`b {x}`"', "inside backticks"),
        ("a $'{x}'", "inside $'…'"),
        ("cat <<EOF\n{x}\nEOF", "in a here-document"), ("cat <<'EOF'\n{x}\nEOF",
         "in a here-document"),
        ("cat <<{x}\na", "in a here-document"), ("cat <<-EOF\n\t{x}\n\tEOF", "in a here-document"),
        ("a \\{x} | b", "after a backslash"), ('a "\\{x}" | b', "after a backslash"),
    ],
)  # fmt: skip
def test_a_reference_where_a_shell_would_parse_its_value_is_refused(text: str, where: str) -> None:
    error = refusal(text)
    assert str(error) == f"the reference {{x}} stands {where}"
    assert error.hint


@pytest.mark.parametrize(
    "command",
    ["bash -c '{x}'", "a | bash -c '{x}'", "find a -exec sh -c '{x}' {} \\;",
    "if a; then eval {x}; fi",
     ["python", "-c", "{x}"], ["env", "A=1", "perl", "-e{x}"], "x=$(bash -c '{x}')"],
)  # fmt: skip
def test_a_reference_in_the_code_of_another_interpreter_is_refused(
    command: str | list[str],
) -> None:
    error = refusal(command)
    assert str(error) == "the reference {x} stands in the code of another interpreter"
    assert "sys.argv" in (error.hint or "")
    assert "'env'" in (error.hint or "")
    assert "{{x}}" in (error.hint or "")


@pytest.mark.parametrize(
    ("text", "opened"),
    [
        ("a 'b", "a quote (')"), ('a "b', 'a quote (")'), ("a | 'b", "'"), ('a | "b', '"'),
        ("a $(b", "("), ("a | (b", "("), ("a ${b", "${"), ("a `b", "`"), ("a $'b", "$'"),
        ("a $((b", "("), ("a $[b", "$["), ("[[ a | b", "[["),
    ],
)  # fmt: skip
def test_what_is_opened_must_be_closed(text: str, opened: str) -> None:
    assert str(refusal(text)) == f"{opened} is opened and not closed"


@pytest.mark.parametrize("command", ["", "  ", "\n", "''", "'' a", [], [""], ["", "a"]])
def test_a_command_must_not_be_empty(command: str | list[str]) -> None:
    assert str(refusal(command)) == "the command is empty"


def test_a_shell_needs_a_command_too() -> None:
    with pytest.raises(CommandError, match="the command is empty"):
        parse(" ", "sh")


def test_a_list_cannot_have_a_shell() -> None:
    with pytest.raises(CommandError, match="never meets a shell") as caught:
        parse(["a"], "bash")
    assert caught.value.hint == "write it as one string"


@pytest.mark.parametrize(
    ("text", "partial"),
    [
        ("a {x} | b", []), ("a {x}|b", []), ("a $({x}) | b", []), ("{x} | a", []), ("a; {x}", []),
        ("a '{x}' | b", ["x"]), ('a "{x}" | b', ["x"]), ("a --x={x} | b", ["x"]),
        ("a {x}{y} | b", ["x", "y"]), ("a {x}.csv | b", ["x"]), ("v={x}; a", ["x"]),
    ],
)  # fmt: skip
def test_a_script_knows_which_references_are_no_whole_words(text: str, partial: list[str]) -> None:
    command = parse(text)
    assert isinstance(command, ShellCommand)
    assert [slot.reference.name for slot in command.partial] == partial


@given(st.text(alphabet="ab {x}'\"\\$()`#<>|;&[]\n-=EOF", max_size=25))
def test_no_text_makes_it_raise_anything_else(text: str) -> None:
    for shell in (None, "bash", False):
        try:
            parse(text, shell)
        except CommandError as error:
            assert str(error)  # noqa: PT017 -- a command is as good as a refusal
