"""From the tracks of a camera to what is known of its lines and zones: who crossed, and who is where."""

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from edged.contracts.items import Frame
from edged.events.look import Moved
from edged.ops.movements import Movement, Movements
from edged.ops.tracks import SIGHTINGS, Step, Track
from edged.streams.places import PlacesSettings, movements_in

HIDDEN_S = 1.25
"""Who is in a zone and is not seen counts for so long, and where nobody looks so often until the second look:
somebody went by in front. Rules wait as long as a track lasts: an event would have an end that is none."""


class Census(Protocol):
    """Who wants to know who is in the zones, and that somebody looks."""

    def looked(self, at: float) -> None:
        """A frame that was captured then was looked at, or nothing moved in it."""

    def occupied(self, inside: Mapping[str, Sequence[tuple[str, float]]]) -> None:
        """By zone, of everyone who is in it, hidden for a moment at most: class, and since when."""

    def unknown(self) -> None:
        """Nobody knows who is in the zones."""


class Counting:
    """Of one camera; `see` is called by one thread at a time."""

    def __init__(self, places: PlacesSettings, census: Census, moved: Callable[[float, Moved], None]) -> None:
        """`moved` is called with the `captured_at` of each frame, and with what its objects did."""
        self._places = places
        self._census = census
        self._tell = moved
        self._movements: Movements | None = None
        self._looks = 0
        """Since everything began anew."""
        self._looked_at = 0.0
        """At the frame before."""

    def see(self, frame: Frame, step: Step) -> None:
        """The next frame, and what it changed."""
        if self._movements is None or step.is_cut:
            self._movements = movements_in(self._places, (frame.width, frame.height))
            self._looks, self._looked_at = 0, frame.captured_at
        self._looks += 1
        alive, ended = step.tracks.alive, () if step.is_cut else step.ended
        movements = self._movements.step(alive, ended, frame.captured_at)
        moved = self._moved(self._movements, movements, step)
        self._tell(frame.captured_at, moved)
        self._census.looked(frame.captured_at)
        if moved.inside is None:
            self._census.unknown()
        else:
            there = self._there(alive, frame.captured_at)
            self._census.occupied(
                {
                    zone: sorted(one for number, one in who.items() if number in there)
                    for zone, who in moved.inside.items()
                }
            )
        self._looked_at = frame.captured_at

    def still(self, at: float) -> None:
        """Nothing moved in a frame that was captured then: who was there is there."""
        self._census.looked(at)

    def _there(self, alive: Sequence[Track], at: float) -> set[int]:
        """Numbers of those who are in the picture, as far as anybody can tell."""
        since = min(self._looked_at, at - HIDDEN_S)
        return {track.id for track in alive if track.seen_at >= since}

    def _moved(self, known: Movements, movements: Sequence[Movement], step: Step) -> Moved:
        if self._looks < SIGHTINGS:  # nobody has an id yet
            return Moved(movements)
        present = {track.id: track.class_name for track in step.tracks.alive if track.id}
        return Moved(movements, {zone: known.inside(zone) for zone in self._places.zones}, present)
