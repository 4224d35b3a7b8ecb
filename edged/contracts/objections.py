"""What is wrong with what somebody wrote, place by place, in plain words."""

from collections.abc import Iterator, Mapping, Sequence
from inspect import isclass
from itertools import islice
from pathlib import Path
from typing import Any, get_args, get_origin

from pydantic import BaseModel, ValidationError

from edged.contracts.settings import MISSING, NO_KEYS, UNKNOWN, worded
from edged.contracts.wording import either

MOST = 100
"""So many faults are looked at; who makes more on purpose shall not keep us busy."""
_NAME = 100
"""Characters of a name that is not ours."""


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


def card_faults(
    path: Path, model: type[BaseModel], said: object, error: ValidationError, *within: str
) -> Iterator[str]:
    """Each wrong field of what a card said, with the file; `within`: where that stands in it."""
    for place, sentence in objections(model, said, error).items():
        where = ".".join(filter(None, (*within, place)))
        yield f"{path}: {where}: {sentence}" if where else f"{path}: {sentence}"


def _steps(tree: Any, loc: Sequence[Any]) -> Iterator[bool]:
    """Of each part of a place, whether it leads on in the tree."""
    for part in loc:
        is_there = part in (
            tree if isinstance(tree, dict) else range(len(tree)) if isinstance(tree, list) else ()
        )
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
    """The keys that there are at a place, as pydantic tells it."""
    parts, found, kinds = iter(loc), model, list[type[BaseModel]]()
    for part in parts:
        if (kind := next((kind for kind in kinds if kind.__name__ == part), None)) is not None:
            found = kind  # of a value that may be one or the other
            continue
        field = next((f for name, f in found.model_fields.items() if part in (name, f.alias)), None)
        kinds = [] if field is None else list(_models_in(field.annotation))
        if field is None or not kinds:
            return ()
        found = kinds[0]
        if get_origin(field.annotation) in (Mapping, tuple, list):
            next(parts, None)  # its keys are the user's
    return tuple(field.alias or name for name, field in found.model_fields.items())


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isclass(annotation) and issubclass(annotation, BaseModel):
        yield annotation
    for part in get_args(annotation):
        yield from _models_in(part)
