"""What the host does with one kind of result, and nobody else does."""

from collections.abc import Callable, Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, Generic, TypeVar

from edged.contracts.items import Pixels

ResultT = TypeVar("ResultT")


class State(Enum):
    """What a result shows, beside the gists of what is seen."""

    SILENT = "silent"
    """There is nothing to tell: nobody has said anything."""
    NEW = "new"
    """Not to be compared with another one, such as a picture: each is news."""


def news(found: Any, options: Any) -> Hashable:
    """The gist of what nobody can compare."""
    return State.NEW


@dataclass(frozen=True, slots=True)
class Kind(Generic[ResultT]):
    """Everything but inference that a kind of result needs. Pure functions of the result and its options."""

    result: type[ResultT]
    """As the service's record names it; of speech the result of a clip."""
    fields: type[Any] | Mapping[str, Any]
    """What is published: a dataclass of `fields.py`, or the JSON Schema of an answer that has no fields."""
    write: Callable[[Any, Any], Any]
    """The answer of a result (of speech: of `Clips`) under these options: rounded, encoded, of that type.

    Raises `TooLarge` that names the option, `NotUsable`.
    """
    gist: Callable[[Any, Any], Hashable]
    """What it says, without scores and coordinates: two results of one gist are no event."""
    only: Callable[[ResultT, Collection[str]], tuple[ResultT, bool]] | None = None
    """Narrows it to some classes, and says whether any of them is left; none: it has no classes."""
    agreement: Callable[[Sequence[ResultT], Sequence[ResultT]], float] | None = None
    """0 to 1: how far the second results are those of the first, item by item; none: nobody measures it."""
    shrink: str = "`requests.max_answer_bytes` of the configuration may be raised"
    """How a request asks for a shorter answer, as the end of a sentence."""
    draw: Callable[[Sequence[Pixels], ResultT, Any], Pixels] | None = None
    """A new picture, for people, of the picture or both pictures, BGR, and what was found; none: there is
    nothing to draw."""
