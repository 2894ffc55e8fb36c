"""The published schemas are those of the code, and say what an editor needs to know."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from tests.cli.commandline import Computer, Project
from tests.cli.projects import DEMO, FAILING, FILES

from runproj.cli.schemas import FILES as SCHEMA_FILES
from runproj.cli.schemas import schema_text

ROOT = Path(__file__).parents[2]
SCHEMAS = ROOT / "schemas"
EVERYTHING = """\
runproj: 1
name: everything
description: Whatever a project file can say.
source: {root: ..}
parameters: {seed: 42, names: [a, b], lr: {type: float, default: null, min: 0, max: 1, help: Rate.}}
environments:
  default:
    kind: venv
    python: "3.11"
    requirements: requirements.txt
    packages: ["a==1"]
    pyproject: {extras: train, groups: [dev]}
  own: {kind: venv, pyproject: true}
  r: {kind: conda, file: environment.yaml, virtual_packages: {__cuda: "12.4"}}
  s: {kind: conda, channels: [c], dependencies: [python, {pip: [x]}]}
  gpu: {kind: docker, image: "a:b", gpus: all, network: none, shm_size: 2GB, volumes: ["/d:/d"]}
  built: {kind: docker, build: {context: ., dockerfile: Dockerfile, args: {A: b}, target: t}}
  host: {kind: system}
entry_points:
  main:
    description: All of it.
    parameters:
      optimizer: {type: choice, choices: [sgd, adam], default: adam}
      data: {type: path}
      many: {type: list, items: int, default: [1]}
      tag: {type: string, pattern: "[a-z]+", default: a}
    steps:
      a:
        description: One.
        command: [python, a.py, "{seed}"]
        inputs: {data: {path: "{data}", keep: reference, link: true, sha256: %s}}
        outputs: {model: {path: m.bin, compare: json, rtol: 0.1, atol: 1}}
        metrics: m.json
        env: {A: "1"}
        pass_env: [B]
        secrets: [C]
        resources: {cpus: 2, memory: 4GB, gpus: 0, licences: 1}
        timeout: 1h30m
        retries: 1
        sources: ["src/**"]
        working_directory: src
        stdin: x.txt
        stdout: y.txt
        cache: false
        persist: checkpoints/
        trace: true
        hermetic: true
        network: false
        environment: gpu
        shell: false
      b: {command: "ls {matrix.fold}", matrix: {fold: [0, 1.5, x, true], n: "{many}", include: [{m: 1}], exclude: [{fold: 0}]}, needs: a, timeout: 30}
  one: {command: ls, inputs: x.csv, outputs: y.csv, shell: sh}
""" % ("a" * 64)


def schema(which: str) -> Any:  # noqa: ANN401 -- a JSON Schema
    """Return a published schema."""
    return json.loads((SCHEMAS / SCHEMA_FILES[which]).read_text(encoding="utf-8"))


@pytest.mark.parametrize("which", SCHEMA_FILES)
def test_a_published_schema_is_what_the_command_prints(computer: Computer, which: str) -> None:
    file = SCHEMAS / SCHEMA_FILES[which]
    printed = computer.run("schema", which).ok().out
    assert printed == schema_text(which)
    hint = f"runproj schema {which} > schemas/{file.name}"
    assert file.read_text(encoding="utf-8") == printed, hint


@pytest.mark.parametrize("which", SCHEMA_FILES)
def test_a_published_schema_is_a_schema(which: str) -> None:
    jsonschema.Draft202012Validator.check_schema(schema(which))


def objects(part: Any, place: str = "") -> Iterator[tuple[str, Any]]:  # noqa: ANN401 -- the same
    """Yield place and schema of every field below a part of a schema."""
    if isinstance(part, dict):
        fields = part.get("properties")
        if isinstance(fields, dict):
            yield from ((f"{place}.{name}", field) for name, field in fields.items())
        for key, value in part.items():
            yield from objects(value, f"{place}.{key}")
    if isinstance(part, list):
        for index, value in enumerate(part):
            yield from objects(value, f"{place}[{index}]")


def test_every_field_of_the_project_file_is_described() -> None:
    bare = [place for place, field in objects(schema("project")) if not field.get("description")]
    assert bare == []


EXAMPLES = [
    *sorted(ROOT.glob("example_projects/*/runproj.yaml")),
    *sorted(ROOT.glob("tests/projects/**/runproj.yaml")),
]


@pytest.mark.parametrize("file", EXAMPLES, ids=lambda file: file.parent.name)
def test_the_project_files_of_this_repository_fit_their_schema(file: Path) -> None:
    jsonschema.validate(yaml.safe_load(file.read_text(encoding="utf-8")), schema("project"))


@pytest.mark.parametrize("text", [DEMO, FAILING, EVERYTHING])
def test_what_the_program_accepts_fits_the_schema(computer: Computer, text: str) -> None:
    data = yaml.safe_load(text)
    jsonschema.validate(data, schema("project"))
    said = computer.project({"inner/runproj.yaml": text, "data.csv": ""}).run("check", "inner").err
    assert "unknown key" not in said
    assert "must be" not in said


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("runproj: 1", "runproj: 2"),
        ("command: sort data.csv", "comand: sort data.csv"),
        ("sources: [data.csv]", "sources: {a: b}"),
        ("type: float", "type: number"),
        ("metrics: [build/metrics.json]", "cache: sometimes"),
        ("entry_points:", "entrypoints:"),
    ],
)
def test_what_the_program_refuses_does_not_fit_the_schema(
    computer: Computer, old: str, new: str
) -> None:
    text = DEMO.replace(old, new)
    assert text != DEMO
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(yaml.safe_load(text), schema("project"))
    computer.project({"runproj.yaml": text, "data.csv": ""}).run("check").ok(3)


def records(project: Project) -> list[Any]:
    """Return the records of all runs of a project."""
    files = sorted((project.folder / ".runproj/runs").glob("*/run.json"))
    return [json.loads(file.read_text(encoding="utf-8")) for file in files]


def test_real_records_fit_the_schema_of_the_record(computer: Computer) -> None:
    demo = computer.project(FILES, git=True)
    for command in (("run", "."), ("run", ".", "--tag", "a=b"), ("rerun", "latest")):
        demo.run(*command).ok()
    failing = computer.project({"runproj.yaml": FAILING}, "failing")
    failing.run("run", ".").ok(1)
    found = [*records(demo), *records(failing)]
    assert len(found) == 4
    for record in found:
        jsonschema.validate(record, schema("run"))
