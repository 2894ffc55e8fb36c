import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runproj.errors import Problem, ProjectError
from runproj.spec.load import load

STEP = "runproj: 1\nentry_points:\n  main:\n    steps:\n      a:\n        command: python x.py\n"
STEP_PATH = "entry_points.main.steps.a"


def problems_of(text: str) -> tuple[Problem, ...]:
    with pytest.raises(ProjectError) as caught:
        load(text)
    return caught.value.problems


def said(text: str) -> list[str]:
    """Return place, message and hint of all that is wrong."""
    return [
        f"{(problem.where or '').removeprefix('runproj.yaml:')} {problem.message}"
        + (f" | {problem.hint}" if problem.hint else "")
        for problem in problems_of(text)
    ]


def wrong_in_step(line: str) -> str:
    """Return the one thing said about a line in a step: column, key in the step, message, hint."""
    (only,) = said(STEP + "        " + line + "\n")
    column = int(only.split(" ")[0].split(":")[1]) - 8
    return f"{column} {only.partition(' ')[2].removeprefix(STEP_PATH + '.')}"


def test_a_project_is_read() -> None:
    project, document = load(STEP)
    assert list(project.entry_points["main"].steps) == ["a"]
    assert document.name == "runproj.yaml"


def test_a_mistake_is_shown_with_its_line_and_a_caret() -> None:
    text = STEP + "        comand: x\n"
    (problem,) = problems_of(text)
    assert problem.where == "runproj.yaml:7:9"
    assert problem.message == f"{STEP_PATH}.comand: unknown key"
    assert problem.excerpt == "   7 |         comand: x\n     |         ^"
    assert problem.hint == "did you mean 'command'?"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the project file is empty"),
        ("# nothing", "the project file is empty"),
        ("- 1", "the project file is not a mapping of keys to values"),
        ("runproj 1", "the project file is not a mapping of keys to values"),
    ],
)
def test_what_is_no_mapping_is_no_project(text: str, message: str) -> None:
    assert said(text) == [f"1:1 {message} | start with 'runproj: 1'"]


def test_what_is_no_yaml_is_said_and_nothing_else() -> None:
    assert said("runproj: [1") == ["1:12 not valid YAML: did not find expected ',' or ']'"]


def test_yaml_mistakes_and_others_are_said_together_in_the_order_of_the_file() -> None:
    text = "runproj: 1\nnmae: x\nname: y\nname: z\nentry_points: {main: {comand: x}}\n"
    assert said(text) == [
        "2:1 nmae: unknown key | did you mean 'name'?",
        "4:1 name: the key is there already, at 3:1",
        "5:23 entry_points.main.comand: unknown key | did you mean 'command'?",
    ]


@pytest.mark.parametrize("version", ["2", "0", "'1'", "true", "1.0", "null", "[1]"])
def test_only_format_1_is_read(version: str) -> None:
    assert said(f"runproj: {version}\nentry_points: {{main: {{command: x}}}}") == [
        "1:10 runproj: this version reads format 1 only | write 'runproj: 1'"
    ]


def test_another_format_does_not_hide_other_mistakes() -> None:
    found = said("runproj: 2\nentry_points: {main: {command: 'x {y}'}}")
    assert [one.split(" ")[0] for one in found] == ["1:10", "2:32"]


def test_a_missing_format_does_not_hide_other_mistakes() -> None:
    missing, unknown = problems_of("entry_points: {main: {command: 'x {y}'}}")
    assert missing.message == "runproj.yaml: the key 'runproj' is missing"
    assert unknown.message == "entry_points.main.command: {y} refers to nothing"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("runproj: 1", ["1:1 runproj.yaml: the key 'entry_points' is missing"
         " | declare what can be started: entry_points: {main: {command: …}}"]),
        ("runproj: 1\nentry_points: {}", ["2:15 entry_points: must not be empty"]),
        ("runproj: 1\nentry_points: 5", ["2:15 entry_points: must be a mapping"]),
        ("runproj: 1\nentry_points: [a]", ["2:15 entry_points: must be a mapping"]),
        ("runproj: 1\nentry_points: {main: x}", ["2:22 entry_points.main: must be a mapping"]),
        ("runproj: 1\nentry_points: {main: }", ["2:22 entry_points.main: must be a mapping"]),
        ("runproj: 1\nentry_point: {main: {command: x}}",
         ["2:1 entry_point: unknown key | did you mean 'entry_points'?"]),
        ("runproj: 1\nname: 5\nentry_points: {main: {command: x}}",
         ['2:7 name: 5 is not text here | put it in quotes: "5"']),
        ("runproj: 1\nname: ''\nentry_points: {main: {command: x}}",
         ["2:7 name: must not be empty"]),
        ("runproj: 1\ndescription: 1.50\nentry_points: {main: {command: x}}",
         ['2:14 description: 1.50 is not text here | put it in quotes: "1.50"']),
        ("runproj: 1\nsource: {rot: x}\nentry_points: {main: {command: x}}",
         ["2:10 source.rot: unknown key | did you mean 'root'?"]),
        ("runproj: 1\nenvironments: {default: {kind: docker, image: i, memory: 2GB}}"
         "\nentry_points: {main: {command: x}}",
         ["2:50 environments.default.memory: unknown key | "
          "a step says what it may use: resources: {memory: …}"]),
        ("runproj: 1\nentry_points: {ma in: {command: x}}",
         ["2:16 entry_points.ma in: 'ma in' is not a name"
          " | names have letters, digits, '_' and '-'; no digit first"]),
        ("runproj: 1\nparameters: {matrix: 1}\nentry_points: {main: {command: x}}",
         ["2:14 parameters.matrix: a parameter cannot be called 'matrix', the name has a meaning of"
          " its own | call it something else, matrix_value"]),
        ("runproj: 1\nparameters: [lr]\nentry_points: {main: {command: x}}",
         ["2:13 parameters: must be a mapping"]),
    ],
)  # fmt: skip
def test_a_mistake_at_the_top_is_said_once(text: str, found: list[str]) -> None:
    assert said(text) == found


@pytest.mark.parametrize(
    ("entry", "found"),
    [
        ("command: 5", '4:14 .command: 5 is not text here | put it in quotes: "5"'),
        ("command: true", '4:14 .command: true is not text here | put it in quotes: "true"'),
        ("command: []", "4:14 .command: must not be empty"),
        ("command: ''", "4:14 .command: must not be empty"),
        ("command: '  '", "4:14 .command: the command is empty"),
        ("command: ['', x]", "4:14 .command: the command is empty"),
        ("command: {a: b}", "4:14 .command: must be text or a list"),
        ("command: [x, 5]", '4:18 .command[1]: 5 is not text here | put it in quotes: "5"'),
        ("command: [x, ]", None),
        ("command: [5]", '4:15 .command[0]: 5 is not text here | put it in quotes: "5"'),
        ("command: [[a]]", "4:15 .command[0]: must be text"),
        ("command: [x, ~]", '4:18 .command[1]: ~ is not text here | put it in quotes: "~"'),
        ("command:", "4:5 : an entry point needs 'steps', or a 'command'"),
        ("description: x", "4:5 : an entry point needs 'steps', or a 'command'"),
        ("steps: {}", "4:5 : an entry point needs 'steps', or a 'command'"),
        ("steps: 5", "4:12 .steps: must be a mapping"),
        ("steps: [{command: x}]", "4:12 .steps: must be a mapping"),
        ("steps: {a: x}", "4:16 .steps.a: must be a mapping"),
        ("steps: {a: }", "4:16 .steps.a: must be a mapping"),
        ("steps: {a: {}}", "4:16 .steps.a: a step needs a 'command'"),
        ("steps: {a b: {command: x}}", "4:13 .steps.a b: 'a b' is not a name"
         " | names have letters, digits, '_' and '-'; no digit first"),
        ("steps: {a: {command: x}}\n    command: y",
         "5:5 .command: 'command' belongs into a step when there are 'steps'"),
        ("cache: false\n    steps: {a: {command: x}}",
         "4:5 .cache: 'cache' belongs into a step when there are 'steps'"),
        ("comand: x", "4:5 .comand: unknown key | did you mean 'command'?"),
        ("command: x\n    shell: zsh",
         "5:12 .shell: 'zsh' is not one of bash, sh, false | did you mean 'sh'?"),
        ("command: x\n    shell: true", "5:12 .shell: true is not one of bash, sh, false"),
        ("command: python 'x", "4:14 .command: a quote (') is opened and not closed"),
        ("command: [x]\n    shell: bash", "4:14 .command: a command that is a list never meets a"
         " shell | write it as one string"),
    ],
)  # fmt: skip
def test_a_mistake_in_an_entry_point_is_said_once(entry: str, found: str | None) -> None:
    text = f"runproj: 1\nentry_points:\n  main:\n    {entry}\n"
    if found is None:
        load(text)
    else:
        assert [one.replace("entry_points.main", "") for one in said(text)] == [found]


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("inputs: 5", "9 inputs: must be a list or a mapping"),
        ("inputs:", "8 inputs: must be a list or a mapping"),
        ("inputs: [5]", '10 inputs[0]: 5 is not text here | put it in quotes: "5"'),
        ("inputs: [[x]]", "10 inputs[0]: must be text"),
        ("inputs: ['']", "10 inputs[0]: must not be empty"),
        ("inputs: [{pth: x}]", "11 inputs[0].pth: unknown key | did you mean 'path'?"),
        ("inputs: [{path: 5}]", '17 inputs[0].path: 5 is not text here | put it in quotes: "5"'),
        ("inputs: [{path: x, keep: foo}]",
         "26 inputs[0].keep: 'foo' is not one of content, reference"),
        ("inputs: [{path: x, sha256: abc}]",
         "28 inputs[0].sha256: is not a sha256 (64 hexadecimal digits)"),
        ("inputs: [{path: x, link: yes}]", "26 inputs[0].link: must be true or false | write true"),
        ("inputs: {path: x, kep: y}", "19 inputs.kep: unknown key | did you mean 'keep'?"),
        ("inputs: {a: 5}", '13 inputs.a: 5 is not text here | put it in quotes: "5"'),
        ("inputs: {a: [x]}", "13 inputs.a: must be text"),
        ("inputs: {a-b: x}",
         "10 inputs.a-b: 'a-b' is not a name | names have letters, digits, '_'; no digit first"),
        ("outputs: 5", "10 outputs: must be a list or a mapping"),
        ("outputs: [{pth: x}]", "12 outputs[0].pth: unknown key | did you mean 'path'?"),
        ("outputs: {path: x, copmare: y}", "20 outputs.copmare: unknown key | did you mean 'compare'?"),
        ("outputs: {a: 5}", '14 outputs.a: 5 is not text here | put it in quotes: "5"'),
        ("outputs: {a: {compare: ignore}}", "11 outputs.a: the key 'path' is missing"),
        ("outputs: [{path: x, compare: jsn}]",
         "30 outputs[0].compare: 'jsn' is not one of bytes, json,"
         " csv, text, ignore | did you mean 'json'?"),
        ("outputs: [{path: x, rtol: 0.1}]",
         "21 outputs[0].rtol: 'rtol' and 'atol' need compare: json, csv or text"),
        ("outputs: [{path: x, atol: 0.1}]",
         "21 outputs[0].atol: 'rtol' and 'atol' need compare: json, csv or text"),
        ("outputs: [{path: x, compare: csv, rtol: -1}]", "41 outputs[0].rtol: must be at least 0"),
        ("outputs: [{path: x, compare: csv, rtol: a}]", "41 outputs[0].rtol: must be a number"),
        ("timeout: -1", "10 timeout: must be larger than 0"),
        ("timeout: 0", "10 timeout: must be larger than 0"),
        ("timeout: true", "10 timeout: must be a number"),
        ("timeout: .inf", "10 timeout: must be a finite number"),
        ("timeout: [1]", "10 timeout: must be a number"),
        ("timeout: soon",
         "10 timeout: 'soon' is not a duration; examples: 90, 30s, 5m, 2h, 1h30m"),
        ("env: {A: 1}", '10 env.A: 1 is not text here | put it in quotes: "1"'),
        ("env: {A: 1.50}", '10 env.A: 1.50 is not text here | put it in quotes: "1.50"'),
        ("env: {A: no, B: 0x10}", '17 env.B: 0x10 is not text here | put it in quotes: "0x10"'),
        ("env: {A: }", '10 env.A: null is not text here | put it in quotes: ""'),
        ("env: {A: [x]}", "10 env.A: must be text"),
        ("env: [A]", "6 env: must be a mapping"),
        ("env: {1A: x}", "7 env.1A: '1A' is not a name | names have letters, digits, '_'; no digit first"),
        ("env: {Aé: x}", "7 env.Aé: 'Aé' is not a name | names have letters, digits, '_'; no digit first"),
        ("pass_env: 5", "11 pass_env: must be a list"),
        ("pass_env: [A B]",
         "12 pass_env[0]: 'A B' is not a name | names have letters, digits, '_'; no digit first"),
        ("secrets: A=B",
         "10 secrets: 'A=B' is not a name | names have letters, digits, '_'; no digit first"),
        ("retries: many", "10 retries: must be a whole number or a mapping"),
        ("retries: 1.5", "10 retries: must be a whole number or a mapping"),
        ("retries: true", "10 retries: must be a whole number or a mapping"),
        ("retries: '2'", "10 retries: must be a whole number or a mapping"),
        ("retries: -1", "10 retries: must be at least 0"),
        ("retries: {delay: -1}", "18 retries.delay: must be at least 0"),
        ("cache: no", "8 cache: must be true or false | write false"),
        ("cache: 'on'", "8 cache: must be true or false | write true"),
        ("cache: 1", "8 cache: must be true or false"),
        ("needs: 5", "8 needs: must be a list"),
        ("needs: [1]", '9 needs[0]: 1 is not text here | put it in quotes: "1"'),
        ("sources: 5", "10 sources: must be a list"),
        ("working_directory: 5",
         '20 working_directory: 5 is not text here | put it in quotes: "5"'),
        ("resources: 5", "12 resources: must be a mapping"),
        ("resources: {cpus: many}", "19 resources.cpus: must be a number"),
        ("resources: {cpus: 0}", "19 resources.cpus: must be larger than 0"),
        ("resources: {memory: 4XB}",
         "21 resources.memory: '4XB' is not a size; examples: 512MB, 4GB, 4GiB"),
        ("resources: {licenses: many}", "23 resources.licenses: must be a whole number"),
        ("matrix: 5", "9 matrix: must be a mapping"),
        ("matrix: {a: 1}", "13 matrix.a: must be a list or text"),
        ("matrix: {a: []}", "13 matrix.a: must not be empty"),
        ("matrix: {}", "9 matrix: a matrix needs an axis: fold: [0, 1, 2]"),
        ("matrix: {a: x}", "10 matrix.a: an axis is a list of values, or a list parameter:"
         ' "{folds}"'),
        ("matrix: {a: [1], exclude: [{b: 1}]}", "18 matrix.exclude: there is no axis 'b'"),
        ("matrix: {a: [1], exclude: [{}]}", "18 matrix.exclude: an entry has no axis"),
        ("matrix: {include: [{}]}", "10 matrix.include: an entry has no key"),
        ("matrix: {a: [[1]]}", "14 matrix.a[0]: must be text or a number or true or false"),
        ("environment: a b", "14 environment: 'a b' is not a name"
         " | names have letters, digits, '_' and '-'; no digit first"),
        ("environment: 5", "14 environment: must be text"),
        ("comand: x", "1 comand: unknown key | did you mean 'command'?"),
        ("Command: x", "1 Command: unknown key | did you mean 'command'?"),
        ("description: 5", '14 description: 5 is not text here | put it in quotes: "5"'),
    ],
)  # fmt: skip
def test_a_mistake_in_a_step_is_said_once_and_well(line: str, found: str) -> None:
    assert wrong_in_step(line) == found


@pytest.mark.parametrize("name", ["build", "pyproject", "inputs", "parameters", "source"])
def test_a_step_may_be_called_like_a_key(name: str) -> None:
    text = f"runproj: 1\nentry_points:\n  {name}:\n    steps:\n      {name}: {{comand: x}}\n"
    assert said(text) == [
        f"5:{10 + len(name)} entry_points.{name}.steps.{name}.comand: unknown key"
        " | did you mean 'command'?"
    ]


def test_a_key_like_no_other_is_answered_with_all_keys() -> None:
    assert " | known: cache, command, description, env," in wrong_in_step("xyz: 1")


@pytest.mark.parametrize(
    ("fields", "found"),
    [
        ("", "12 : the key 'kind' is missing | kind is one of venv, conda, docker, system"),
        ("python: '3'", "12 : the key 'kind' is missing | kind is one of venv, conda, docker, system"),
        ("kind: ven", "19 .kind: unknown kind 'ven' | did you mean 'venv'?"),
        ("kind: Venv", "19 .kind: unknown kind 'Venv' | did you mean 'venv'?"),
        ("kind: 5", "19 .kind: unknown kind '5' | known: conda, docker, system, venv"),
        ("kind: [x, y]", "19 .kind: unknown kind ['x', 'y'] | known: conda, docker, system, venv"),
        ("kind: venv, python: 3.10",
         '33 .python: 3.10 is not text here | put it in quotes: "3.10"'),
        ("kind: venv, python: 3", '33 .python: 3 is not text here | put it in quotes: "3"'),
        ("kind: venv, python: abc",
         "33 .python: 'abc' is not a version; examples: \"3.12\", \">=3.10,<3.14\""),
        ("kind: venv, pyton: x", "25 .pyton: unknown key | did you mean 'python'?"),
        ("kind: venv, packages: [a, 5]",
         '39 .packages[1]: 5 is not text here | put it in quotes: "5"'),
        ("kind: venv, pyproject: 5", "36 .pyproject: must be a mapping"),
        ("kind: venv, pyproject: {extra: x}",
         "37 .pyproject.extra: unknown key | did you mean 'extras'?"),
        ("kind: conda", "12 : needs 'file', or 'channels' and 'dependencies'"),
        ("kind: conda, file: x, channels: [y]",
         "12 : give either 'file', or 'channels' and 'dependencies'"),
        ("kind: conda, dependencies: [{pp: [x]}]",
         "42 .dependencies[0].pp: 'pp' is not one of pip | did you mean 'pip'?"),
        ("kind: conda, file: x, virtual_packages: {__cuda: 12.4}",
         '62 .virtual_packages.__cuda: 12.4 is not text here | put it in quotes: "12.4"'),
        ("kind: docker", "12 : needs either 'image' or 'build'"),
        ("kind: docker, image: x, build: {}", "12 : needs either 'image' or 'build'"),
        ("kind: docker, build: {contxt: x}",
         "35 .build.contxt: unknown key | did you mean 'context'?"),
        ("kind: docker, build: {args: {A: 1}}",
         '45 .build.args.A: 1 is not text here | put it in quotes: "1"'),
        ("kind: docker, image: x, gpus: some",
         "43 .gpus: 'some' is not one of all, a whole number"),
        ("kind: docker, image: x, gpus: -1", "43 .gpus: must be at least 0"),
        ("kind: docker, image: x, network: false",
         '46 .network: false is not text here | put it in quotes: "false"'),
        ("kind: system, python: '3'", "27 .python: unknown key | known: kind"),
    ],
)  # fmt: skip
def test_a_mistake_in_an_environment_is_said_once_and_well(fields: str, found: str) -> None:
    text = (
        f"runproj: 1\nenvironments:\n  default: {{{fields}}}\nentry_points: {{m: {{command: x}}}}\n"
    )
    (only,) = said(text)
    assert only.removeprefix("3:").replace("environments.default", "") == found


@pytest.mark.parametrize("value", ["5", "venv", "", "[venv]"])
def test_an_environment_is_a_mapping(value: str) -> None:
    text = f"runproj: 1\nenvironments: {{default: {value}}}\nentry_points: {{m: {{command: x}}}}\n"
    assert said(text) == ["2:25 environments.default: must be a mapping"]


@pytest.mark.parametrize(
    ("declared", "found"),
    [
        ("{type: flot}", "21 .type: 'flot' is not one of string, int, float, bool, choice, path, uri,"
         " list, json | did you mean 'float'?"),
        ("{typ: float}", "15 .typ: unknown key | did you mean 'type'?"),
        ("null", "14 : a parameter is a value, or a mapping such as {type: float, default: 0.1}"),
        ("[1, a]", "14 : write a list parameter as {type: list, items: …, default: […]}"),
        ("{type: float, default: abc}", "37 .default: 'abc' is not a number"),
        ("{default: [1, a]}", "24 .default: [1, 'a'] is not text"),
        ("{default: 5}", "24 .default: 5 is not text: put it in quotes"),
        ("{type: choice}", "10 : type 'choice' needs 'choices', a list of texts"),
        ("{type: choice, choices: 5}", "38 .choices: must be a list"),
        ("{type: int, choices: [1, true]}", "39 .choices[1]: must be text or a number"),
        ("{type: float, min: x}", "33 .min: must be a number"),
        ("{type: float, min: .nan}", "33 .min: must be a finite number"),
        ("{type: string, max: 1}", "29 .max: 'max' needs type int or float, this is 'string'"),
        ("{type: list, items: json}",
         "34 .items: 'json' is not one of string, int, float, bool, choice, path, uri"),
        ("{help: 5}", '21 .help: 5 is not text here | put it in quotes: "5"'),
        (".inf", "14 : inf is not a finite number"),
    ],
)  # fmt: skip
def test_a_mistake_in_a_parameter_is_said_once_and_well(declared: str, found: str) -> None:
    text = f"runproj: 1\nentry_points: {{main: {{command: x}}}}\nparameters:\n         lr: {declared}\n"
    (only,) = said(text)
    assert only.removeprefix("4:").replace("parameters.lr", "") == found


def test_a_cut_out_mistake_makes_no_noise_about_what_refers_to_it() -> None:
    text = """\
runproj: 1
environments: {gpu: {kid: venv}}
entry_points:
  main:
    parameters: {lr: {type: flot}}
    steps:
      a: {comand: x, outputs: {m: y}}
      b: {command: "x {lr} {steps.a.outputs.m}", needs: [a, d], environment: gpu}
      c: {command: "x {outputs.n} {inputs.n}", outputz: {n: y}, inputs: 5}
"""
    assert [one.split(" ")[0] for one in said(text)] == [
        "2:21",
        "5:29",
        "7:11",
        "8:61",
        "9:48",
        "9:73",
    ]


def test_a_hundred_mistakes_are_said_at_once() -> None:
    steps = "".join(f"      s{index}: {{comand: x}}\n" for index in range(100))
    assert len(problems_of(f"runproj: 1\nentry_points:\n  m:\n    steps:\n{steps}")) == 100


LINES = st.sampled_from(
    """runproj: 1|name: x|parameters:|  lr: 0.1|  data: {type: path}|environments:|  default:
    kind: venv|    kind: docker|    python: 3.10|entry_points:|  main:|    command: x {lr}|    steps:
      a:|        command: [x, "{data}"]|        inputs: [{path: y}]|        outputs: {m: z}
        needs: [a]|      b:|        outputs: 5|        env: {A: 1}|- x|  - y|: |    inputs: {path: 1}
        matrix: {a: []}|<<: *x|&x a: 1|        stdin: null|  null: null|        timeout: 1x""".replace(
        "\n", "|"
    ).split("|")
)


@given(st.lists(LINES, max_size=14))
def test_no_file_makes_it_raise_anything_else(lines: list[str]) -> None:
    try:
        load("\n".join(lines))
    except ProjectError as error:
        for problem in error.problems:
            assert re.fullmatch(r"runproj\.yaml:\d+:\d+", problem.where or "")
            assert problem.excerpt
            assert "validation" not in problem.message
