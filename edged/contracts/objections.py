"""What is wrong with what somebody wrote, place by place, in plain words."""

from collections.abc import Iterator, Mapping, Sequence
from inspect import isclass
from itertools import islice
from typing import Any, get_args, get_origin

from pydantic import BaseModel, ValidationError

from edged.contracts.settings import MISSING, NO_KEYS, UNKNOWN, worded
from edged.contracts.wording import either

MOST = 100
"""So many faults are looked at; who makes more on purpose shall not keep us busy."""
_NAME = 100
"""Characters of a name that is not ours."""

Tree = Mapping[str, object]


def objections(model: type[BaseModel], tree: object, error: ValidationError) -> dict[str, str]:
    """A sentence by place (keys joined by dots), in the order of the fields of `model`.

    `tree` is what was read. Where a value may be one or the other, one sentence says what is wrong.
    """
    found = list(islice(error.errors(include_url=False), MOST))
    ways: dict[tuple[Any, ...], set[Any]] = {}
    """Of a value that may be one or the other: by its place what pydantic calls those that it tried."""
    for fault in found:
        for end, is_there in enumerate(_steps(tree, fault["loc"])):
            if not is_there:
                ways.setdefault(fault["loc"][:end], set()).add(fault["loc"][end])
    told: dict[str, list[str]] = {}
    for fault in found:
        holder = {UNKNOWN: fault["loc"][:-1], NO_KEYS: fault["loc"]}.get(fault["type"])
        known = known_keys(model, holder) if holder is not None else ()
        place = _place(tree, fault["loc"], fault["type"], ways)
        told.setdefault(place, []).append(worded(fault, known))
    return {place: either(sentences) for place, sentences in told.items()}


def _steps(tree: Any, loc: Sequence[Any]) -> Iterator[bool]:
    """Of each part of a place, whether it leads on in the tree."""
    for part in loc:
        is_there = part in (tree if isinstance(tree, dict) else range(len(tree)) if isinstance(tree, list) else ())
        if is_there:
            tree = tree[part]
        yield is_there


def _place(tree: Any, loc: Sequence[Any], kind: str, ways: Mapping[tuple[Any, ...], set[Any]]) -> str:
    """As far as it is one place for all that was tried there."""
    parts = []
    for end, (part, is_there) in enumerate(zip(loc, _steps(tree, loc), strict=True)):
        if is_there or (kind == MISSING and end == len(loc) - 1):
            parts.append(str(part)[:_NAME])
        elif len(ways[tuple(loc[:end])]) > 1:
            break
    return ".".join(parts)


def known_keys(model: type[BaseModel], loc: Sequence[Any]) -> Sequence[str]:
    """The keys that there are at a place."""
    parts, found = iter(loc), model
    for part in parts:
        field = next((f for name, f in found.model_fields.items() if part in (name, f.alias)), None)
        inside = field and _model_in(field.annotation)
        if field is None or inside is None:
            return ()
        found = inside
        if get_origin(field.annotation) in (Mapping, tuple, list):
            next(parts, None)  # its keys are the user's
    return tuple(field.alias or name for name, field in found.model_fields.items())


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isclass(annotation) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for part in get_args(annotation) if (found := _model_in(part))), None)
