"""Why the streams of the configuration cannot tell what a rule wants to know."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Protocol

from edged.answers.kinds import KINDS
from edged.contracts.image import Texts
from edged.contracts.services import SERVICES
from edged.contracts.speech import Transcript
from edged.contracts.spelling import hint
from edged.events.settings import RuleSettings
from edged.streams.gates import GateSettings
from edged.streams.lane import RunSettings
from edged.streams.place_faults import NEEDS, ZONES_S, finds_objects, seldom_faults


class Watched(Protocol):
    """A stream, as far as rules look at it."""

    @property
    def run(self) -> Sequence[RunSettings]:
        """Its services."""

    @property
    def gate(self) -> GateSettings:
        """How often they look."""

    @property
    def lines(self) -> Mapping[str, object]:
        """By name."""

    @property
    def zones(self) -> Mapping[str, object]:
        """By name."""

    @property
    def tracked(self) -> RunSettings | None:
        """The service whose objects are followed."""


def sees_objects(rule: RuleSettings, run: Sequence[RunSettings]) -> bool:
    """Whether a rule wants objects of a stream with these services followed, and no line or zone does."""
    return rule.when.subject == "seen" and any(finds_objects(one.service) for one in run)


def rule_faults(
    rules: Mapping[str, RuleSettings], streams: Mapping[str, Watched], actions: Collection[str]
) -> Iterator[tuple[str, str]]:
    """What there is not, and what no service of the stream can tell, with the place of each fault."""
    for name, rule in rules.items():
        where = f"rules.{name}"
        for number, action in enumerate(rule.actions):
            if action not in actions:
                yield f"{where}.actions.{number}", f"no action is called {_named(action, actions)}"
        stream = streams.get(rule.stream)
        key = rule.when.subject if rule.when.stream is None else "stream"
        if stream is None:
            yield f"{where}.when.{key}", f"no stream is called {_named(rule.stream, streams)}"
        elif fault := _stream_fault(rule, stream):
            yield f"{where}.when.{rule.when.subject}", fault
        elif stream.tracked is not None and sees_objects(rule, stream.run):
            faults = seldom_faults(stream.tracked, stream.gate, ZONES_S, f"the rule {name!r}")
            yield from ((f"streams.{rule.stream}.{at}", fault) for at, fault in faults)


def _stream_fault(rule: RuleSettings, stream: Watched) -> str | None:
    """Why a stream cannot tell what a rule is about; none: it can."""
    subject, place = rule.when.subject, rule.when.place
    known = [SERVICES[run.service] for run in stream.run if run.service in SERVICES]
    if place is not None:
        places = stream.lines if subject == "line" else stream.zones
        there_is_none = f"the stream {rule.stream!r} has no {subject} {_named(place, places)}"
        return None if place in places else there_is_none
    if subject == "text" and not any(one.result is Texts for one in known):
        return "is about what is read, and needs a service of its stream that reads, such as ocr"
    if subject == "said" and not any(one.result is Transcript for one in known):
        return "is about what is said, and needs a service of its stream such as speech-recognition-zh"
    if subject == "seen" and not any(one.on_cameras and KINDS[one.result].only for one in known):
        return f"is about classes, and {NEEDS}, or that says what a picture shows, as scene-classification"
    return None


def _named(name: str, known: Collection[str]) -> str:
    there_are = f"there are {', '.join(known) or 'none'}"
    return f"{name!r}; {hint(name, known, there_are)}"
