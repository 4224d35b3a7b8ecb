"""What a receiver gets of an event: no more than the action shares."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo

from edged.actions.settings import Shared
from edged.actions.words import details, title, when
from edged.contracts.happenings import EventMessage

Pictures = Callable[[str], bytes | None]
"""The JPEG at an address of ours; none: there is none. It may take seconds to be written."""

_FIELDS: Mapping[Shared, str] = {"text": "text", "picture": "snapshot", "recording": "recording"}
"""Of an event: what they tell leaves the box only where it is shared."""


class ActionMessage(EventMessage):
    """What a webhook gets by POST: an event, without what its action does not share.

    `text`, `snapshot` and `recording` are null then. The header `Idempotency-Key`, `<id>/<phase>`, is the
    same when a message comes again, as one may after a lost connection or a kill.
    """

    message: str
    """The same in plain words, by the box's `time_zone`: `queue began at door, 22:14`."""
    left_out: int = 0
    """So many messages before it were left out, for `at_most` allows no more."""
    picture: str | None = None
    """Where the action shares pictures: a JPEG of the moment in Base64; null where there is none."""


@dataclass(frozen=True, slots=True)
class Parcel:
    """A message to one receiver."""

    key: str
    """Of the message: a double has the same."""
    message: ActionMessage
    """Its picture is not written in yet."""
    title: str
    body: str
    picture: bytes | None
    """A JPEG, where it is shared."""


def parcel(
    event: EventMessage, share: Collection[Shared], left_out: int, zone: tzinfo, pictures: Pictures
) -> Parcel:
    """An event as it is told. Waits for its picture, where that is shared."""
    nulls = {field: None for of, field in _FIELDS.items() if of not in share}
    shared = event.model_copy(update=nulls)
    named, at = title(shared), when(shared, zone, datetime.now(UTC))
    told = {**shared.model_dump(by_alias=True), "message": f"{named}, {at}", "left_out": left_out}
    return Parcel(
        key=f"{event.id}/{event.phase}",
        message=ActionMessage.model_validate(told),
        title=named,
        body="\n".join([f"{at}.", *details(shared, left_out)]),
        picture=None if shared.snapshot is None else pictures(shared.snapshot),
    )
