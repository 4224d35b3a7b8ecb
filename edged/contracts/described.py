"""What a field means, from the docstring below it, for JSON Schemas and documents: read when they are wanted.

pydantic's own way, `use_attribute_docstrings`, reads the source of every class that is made, at each start: a
fifth of what importing edged took.
"""

import ast
import inspect
import sys
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from pydantic import BaseModel, GetJsonSchemaHandler
from pydantic_core import CoreSchema


class Described(BaseModel):
    """Base of models whose fields have docstrings: these stand in its JSON Schema."""

    @classmethod
    def __get_pydantic_json_schema__(
        cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        schema = handler(core_schema)
        properties = handler.resolve_ref_schema(schema).get("properties", {})
        for name, told in descriptions(cls).items():
            field = cls.model_fields[name]
            for key in {name, field.alias, field.serialization_alias} & properties.keys():
                if handler.resolve_ref_schema(properties[key]).get("description") != told:
                    properties[key]["description"] = told
        return schema


def descriptions(model: type[BaseModel]) -> dict[str, str]:
    """By name of the field: what `Field` says, else the docstring where the field was annotated last."""
    said = {}
    for name, field in model.model_fields.items():
        owner = next((base for base in model.__mro__ if name in vars(base).get("__annotations__", {})), model)
        told = field.description or _told(owner.__module__).get(owner.__qualname__, {}).get(name)
        if told is not None:
            said[name] = told
    return said


@cache
def _told(module: str) -> Mapping[str, Mapping[str, str]]:
    """Docstrings by qualified name of the class and name of the field; none where there is no source."""
    try:
        tree = ast.parse(inspect.getsource(sys.modules[module]))
    except (KeyError, OSError, TypeError):
        return {}
    return {name: dict(_docstrings(node)) for name, node in _classes(tree, "")}


def _classes(node: ast.AST, inside: str) -> Iterator[tuple[str, ast.ClassDef]]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.ClassDef):
            yield inside + child.name, child
            yield from _classes(child, f"{inside}{child.name}.")
        elif isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
            yield from _classes(child, f"{inside}{child.name}.<locals>.")
        else:
            yield from _classes(child, inside)


def _docstrings(node: ast.ClassDef) -> Iterator[tuple[str, str]]:
    for field, below in zip(node.body, node.body[1:], strict=False):
        match field, below:
            case (
                ast.AnnAssign(target=ast.Name(id=name)),
                ast.Expr(value=ast.Constant(value=str() as text)),
            ):
                yield name, inspect.cleandoc(text)
