"""Faulty settings: every fault at once, and what is sound of the rest, so that no fault hides another."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from edged.contracts.objections import known_keys
from edged.contracts.settings import LACKING, MISSING, NO_KEYS, UNKNOWN, meant, worded
from edged.contracts.wording import either

T = TypeVar("T", bound=BaseModel)

_Trail = Sequence[tuple[Any, Any]]
"""The way to a place in a tree: containers, and the key in each that leads on."""


@dataclass(frozen=True)
class _Fault:
    kind: str
    """As pydantic names it."""
    key: Any
    """Of what is wrong, unknown or missing."""
    message: str
    meant: str | None
    """Instead of an unknown key."""
    trail: _Trail
    """As far as the tree goes."""

    @property
    def place(self) -> str:
        """Keys joined by dots."""
        return _place(self.trail, *([self.key] if self.kind == MISSING else []))

    @property
    def holder(self) -> dict[Any, Any]:
        """Of a key that is missing; an empty one where another fault has taken it away, or of an entry."""
        container, key = self.trail[-1]
        found = container.get(key) if isinstance(container, dict) else container[key]
        return found if isinstance(found, dict) else {}


def mended(
    model: type[T],
    tree: object,
    context: dict[str, object],
    faults: dict[str, str],
    stand_ins: Mapping[str, object],
) -> T | None:
    """The settings that stand in a tree, which is changed; none where nothing of it can be read.

    A misspelt key counts as the one that was meant; any other unknown key, and a wrong value, as not given.
    `stand_ins`: right values for keys that must be given. `faults`, by place (keys joined by dots), gets what
    is found, a line each; of a place that is in it already nothing more is told.
    """
    settled = set(faults)
    while True:
        try:
            return model.model_validate(tree, context=context)
        except ValidationError as error:
            found = [_fault(model, tree, details) for details in error.errors(include_url=False)]
        found.sort(key=lambda fault: fault.kind != UNKNOWN)  # what was misspelt is not missing then
        told: dict[str, list[str]] = {}
        changed = set[str]()
        for fault in found:
            if fault.kind == MISSING and fault.key in fault.holder:
                continue
            if fault.place not in settled and not _follows(fault, found, settled):
                told.setdefault(fault.place, []).append(fault.message)
            changed.update(_mend(fault, stand_ins))
        faults |= {place: either(messages) for place, messages in told.items()}
        if not changed:
            return None
        settled |= told.keys() | changed


def _fault(model: type[BaseModel], tree: object, details: ErrorDetails) -> _Fault:
    loc = details["loc"]
    holder = {UNKNOWN: loc[:-1], NO_KEYS: loc}.get(details["type"])
    known = known_keys(model, holder) if holder is not None else ()
    key = loc[-1] if loc else None
    close = meant(str(key), known) if details["type"] == UNKNOWN else None
    return _Fault(details["type"], key, worded(details, known), close, list(_trail(tree, loc)))


def _trail(tree: Any, loc: Sequence[Any]) -> Iterator[tuple[Any, Any]]:
    for part in loc:
        if isinstance(tree, dict) and part not in tree and len(tree) == 1:
            (inside,) = tree.values()
            if isinstance(inside, dict) and part in inside:
                tree = inside  # a short form: `{object-detection: {every: 2s}}`
        known = tree if isinstance(tree, dict) else range(len(tree)) if isinstance(tree, list) else ()
        if part not in known:
            return  # pydantic goes on with the members of a union, or what is told is missing
        yield tree, part
        tree = tree[part]


def _follows(fault: _Fault, others: Sequence[_Fault], settled: Collection[str]) -> bool:
    """Whether something is too little only since what stands in it is faulty, or was."""
    within = {"too_short": [other.place for other in others], LACKING: settled}.get(fault.kind, ())
    return any(place.startswith(f"{fault.place}.") for place in within)


def _mend(fault: _Fault, stand_ins: Mapping[str, object]) -> Iterator[str]:
    """Change the tree so that the fault is gone; yields the place that was changed, if one could be."""
    if fault.kind == MISSING and fault.key in stand_ins:
        fault.holder[fault.key] = stand_ins[fault.key]
        yield fault.place
        return
    trail = list(fault.trail)
    while trail and not isinstance(trail[-1][0], dict):
        trail.pop()  # without one item the others of a list would have other numbers: the list goes
    if not trail:
        return
    container, key = trail[-1]
    value = container.pop(key, None)
    if fault.meant is not None and fault.meant not in container:
        container[fault.meant] = value
    yield _place(trail)


def _place(trail: _Trail, *more: object) -> str:
    return ".".join(map(shown_key, [*(key for _, key in trail), *more]))


def shown_key(key: object) -> str:
    """A key as it may be shown; `password:x` without a space is YAML for one key, which holds the value."""
    name, colon, _ = str(key).partition(":")
    return f"{name}: (want a space after the colon)" if colon else name
