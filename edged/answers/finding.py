"""A result with the service and the options of which it was asked: what an answer is written of."""

from collections.abc import Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass, is_dataclass, replace
from difflib import get_close_matches
from typing import Any, Self

import orjson

from edged.answers.fields import is_finite, published
from edged.answers.kind import Kind
from edged.answers.kinds import KINDS
from edged.contracts.errors import InferenceError
from edged.contracts.items import Pixels
from edged.contracts.model import Options
from edged.contracts.service import Service

_NAMES, _NAMES_AS_IN_PAI = "detection_class_names", "detection_classe_names"


@dataclass(frozen=True, slots=True, eq=False)
class Finding:
    """Nothing is encoded, compared or drawn before somebody asks for it."""

    service: Service
    result: Any
    """Of the type that the service's record names; of a recording, `Clips` of it."""
    options: Options
    pai_spelling: bool = False
    """Whether the field that the original misspells is written in that spelling as well."""

    @property
    def kind(self) -> Kind[Any]:
        """What can be done with it."""
        return KINDS[self.service.result]

    def answer(self) -> Any:
        """The answer without envelope: fields by their published names, or one string.

        Raises `TooLarge` that names the option, `NotUsable`, and `InferenceError` that names the field for a
        number that is not finite.
        """
        written = self.kind.write(self.result, self.options)
        if not is_dataclass(written):
            return written
        fields = published(written)
        if wrong := [name for name, value in fields.items() if not is_finite(value)]:
            raise InferenceError(f"the model gives numbers that are not finite, in `{wrong[0]}`")
        if self.pai_spelling and _NAMES in fields:
            fields[_NAMES_AS_IN_PAI] = fields[_NAMES]
        return fields

    def encoded(self, around: Mapping[str, Any], within: str = "") -> bytes:
        """JSON of the answer: its fields behind those of `around`, or as the value of the field `within`.

        Raises as `answer`.
        """
        answer = self.answer()
        whole = {**around, within: answer} if within else {**around, **answer} if around else answer
        return orjson.dumps(whole, option=orjson.OPT_SERIALIZE_NUMPY)

    def gist(self) -> Hashable:
        """What it says: two findings of one gist are no event."""
        return self.kind.gist(self.result, self.options)

    def only(self, classes: Collection[str]) -> tuple[Self, bool]:
        """Narrowed to some classes, and whether any of them is left; as it is where it has no classes."""
        if self.kind.only is None:
            return self, True
        result, left = self.kind.only(self.result, classes)
        return replace(self, result=result), left

    def drawn(self, pictures: Sequence[Pixels]) -> Pixels:
        """A new picture of the picture or of both, BGR, with what was found; the first one as it is where
        there is nothing to draw."""
        draw = self.kind.draw
        return pictures[0] if draw is None else draw(pictures, self.result, self.options)


def class_fault(of: Service, wanted: Collection[str], known: Collection[str]) -> str | None:
    """Why these classes cannot be wanted of a model that knows the others; none: they can.

    A model without labels, such as one that names what the shop enrolled, may know any.
    """
    if not wanted:
        return None
    if KINDS[of.result].only is None:
        return f"the answers of {of.name} have no classes, so `classes` leaves them as they are"
    if not known:
        return None
    lower = {name.lower(): name for name in known}
    for name in (name for name in wanted if name not in known):
        close = [lower[found] for found in get_close_matches(name.lower(), lower, 3, 0.6)]
        hint = f"did you mean {', '.join(close)}?" if close else f"it knows {len(known)} others"
        return f"the model knows no class {name!r}; {hint}"
    return None
