"""JSON outputs, checked against the schemas of the documentation."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

SCHEMAS = Path(__file__).parents[1] / "docs/schemas"


def check_json(content: Any) -> None:
    """Check a JSON object against the schema that it names; a key that the schema does not explain is a fault."""
    name, _, _ = content["schema"].removeprefix("pcqtool.").partition("/")
    _validator(name).validate(json.loads(json.dumps(content, allow_nan=False)))


@cache
def _validator(name: str) -> Draft202012Validator:
    def retrieve(file: str) -> Resource[Any]:
        return DRAFT202012.create_resource(_closed(json.loads((SCHEMAS / file).read_text(encoding="utf-8"))))

    registry: Registry[Any] = Registry(retrieve=retrieve)
    return Draft202012Validator(retrieve(f"{name}.json").contents, registry=registry)


def _closed(schema: Any) -> Any:
    """Forbid unknown keys, which readers must accept, in all objects whose keys are listed."""
    if isinstance(schema, list):
        return [_closed(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    rest = {"additionalProperties": False} if isinstance(schema.get("properties"), dict) else {}
    return rest | {key: _closed(value) for key, value in schema.items()}
