"""What of a service's outcome the rules of its stream want to know."""

from dataclasses import dataclass, field
from typing import Any

from edged.answers.finding import Finding
from edged.answers.kinds import KINDS
from edged.contracts.image import Texts
from edged.contracts.items import LiveClip
from edged.contracts.speech import Transcript
from edged.events.look import Heard, Read, Shown
from edged.streams.message import Outcome


@dataclass(frozen=True)
class Interest:
    """What the rules of one stream want to know of its services, beside the objects that are followed."""

    classes: frozenset[str] = field(default_factory=frozenset)
    """Whether these are shown, by services that follow no objects."""
    texts: bool = False
    """What is read."""
    speech: bool = False
    """What is said."""

    def __bool__(self) -> bool:
        return bool(self.classes or self.texts or self.speech)


def concerns(result: type[Any], wanted: Interest) -> bool:
    """Whether outcomes of a service with such results tell the rules anything."""
    if result is Texts:
        return wanted.texts
    if result is Transcript:
        return wanted.speech
    return bool(wanted.classes) and result in KINDS and KINDS[result].only is not None


def noticed(outcome: Outcome, wanted: Interest) -> Shown | Read | Heard | None:
    """What an outcome tells the rules; none: nothing that one of them wants."""
    kind, name = outcome.service.result, outcome.service.name
    if not concerns(kind, wanted):
        return None
    found = outcome.finding if isinstance(outcome.finding, Finding) else None
    if kind is Texts:
        return Read(name, None if found is None else [row.text for row in found.result.rows])
    if kind is Transcript:
        return None if found is None else _heard(outcome, found)
    return Shown(name, None if found is None else frozenset(c for c in wanted.classes if found.only([c])[1]))


def _heard(outcome: Outcome, found: Finding) -> Heard | None:
    """Of an utterance that has ended, unless nothing was said in it."""
    if not isinstance(outcome.item, LiveClip) or not outcome.item.final:
        return None
    said = ";".join(text for _, clip in found.result.results for text in clip.texts)
    return Heard(said) if said else None
