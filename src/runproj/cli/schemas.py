"""The published JSON Schemas, made from the models."""

import json
from typing import Any

from runproj.cli.render.documents import Result
from runproj.record.run import Run
from runproj.spec.fields import adapter
from runproj.spec.project import Project

FILES = {
    "project": "runproj.schema.json",
    "run": "run.schema.json",
    "output": "output.schema.json",
}
_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_TITLES = {
    "project": "runproj.yaml: a project that runproj runs",
    "run": "run.json: the record of a run, format 0",
    "output": "what runproj prints with --json",
}


def schema_text(which: str) -> str:
    """Return a schema as text: ``project``, ``run`` or ``output``."""
    made = _SCHEMAS[which]()
    made = {
        "$schema": _DIALECT,
        "$id": f"urn:runproj:{FILES[which]}",
        **made,
        "title": _TITLES[which],
    }
    return json.dumps(made, indent=2, ensure_ascii=False) + "\n"


def _project() -> dict[str, Any]:
    """Return the schema of the project file, with the short forms that the models accept."""
    made = adapter(Project).json_schema()
    definitions = made["$defs"]
    for name in ("Input", "Output"):
        definitions[name] = _or_text(definitions[name], "The path.")
    definitions["Parameter"] = {
        "anyOf": [
            definitions["Parameter"],
            {"type": ["string", "number", "boolean", "array"], "description": "The default."},
        ]
    }
    resources = definitions["Resources"]
    resources["additionalProperties"] = resources["properties"].pop("pools")["additionalProperties"]
    matrix = definitions["Matrix"]
    (values,) = matrix["properties"].pop("axes")["patternProperties"].values()
    matrix["additionalProperties"] = values
    _also_text(made)
    return made


def _or_text(schema: dict[str, Any], description: str) -> dict[str, Any]:
    return {"anyOf": [{"type": "string", "description": description}, schema]}


def _also_text(schema: Any) -> None:  # noqa: ANN401 -- any part of a JSON Schema
    """Say where a single text may stand for a list with one, and text for a duration or size."""
    if isinstance(schema, list):
        for part in schema:
            _also_text(part)
    if not isinstance(schema, dict):
        return
    for name, part in schema.get("properties", {}).items():
        if name in ("timeout", "memory"):
            for choice in part.get("anyOf", []):
                if choice.get("type") in ("number", "integer"):
                    choice["type"] = [choice["type"], "string"]
        elif name in _TEXTS:
            _one_text(part)
        elif name in ("inputs", "outputs"):
            part["anyOf"].append({"$ref": f"#/$defs/{name.title().removesuffix('s')}"})
        elif name == "pyproject":
            part.setdefault("anyOf", []).append({"type": "boolean"})
    for part in list(schema.values()):
        _also_text(part)


_TEXTS = frozenset({
    "requirements", "packages", "extras", "groups", "metrics", "needs", "pass_env", "secrets",
    "sources", "persist", "channels", "volumes",
})  # fmt: skip


def _one_text(part: dict[str, Any]) -> None:
    if "anyOf" in part:
        part["anyOf"].append({"type": "string"})
    elif part.get("type") == "array":
        items = {key: part.pop(key) for key in ("type", "items") if key in part}
        part["anyOf"] = [items, {"type": "string"}]


def _run() -> dict[str, Any]:
    return adapter(Run).json_schema(by_alias=True, mode="serialization")


def _output() -> dict[str, Any]:
    every = adapter(Result)
    return every.json_schema(by_alias=True, mode="serialization")


_SCHEMAS = {"project": _project, "run": _run, "output": _output}
