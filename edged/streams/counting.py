"""From the tracks of a camera to its counts: who crossed its lines, and who is in its zones."""

from collections.abc import Callable, Sequence

from edged.contracts.items import Frame
from edged.counts.stream import StreamCounts
from edged.ops.movements import Crossing, Movements
from edged.ops.tracks import SIGHTINGS, Step
from edged.streams.places import PlacesSettings, movements_in


class Counting:
    """Of one camera; `see` is called by one thread at a time."""

    def __init__(
        self, places: PlacesSettings, counts: StreamCounts, crossed: Callable[[Sequence[Crossing]], None]
    ) -> None:
        """`crossed` is called with those of one look."""
        self._places = places
        self._counts = counts
        self._crossed = crossed
        self._movements: Movements | None = None
        self._looks = 0
        """Since everything began anew."""

    def see(self, frame: Frame, step: Step) -> None:
        """The next frame, and what it changed."""
        if self._movements is None or step.is_cut:
            self._movements = movements_in(self._places, (frame.width, frame.height))
            self._looks = 0
        self._looks += 1
        alive, ended = step.tracks.alive, () if step.is_cut else step.ended
        moved = self._movements.step(alive, ended, frame.captured_at)
        if crossings := [one for one in moved if isinstance(one, Crossing)]:
            self._crossed(crossings)
        self._counts.looked(frame.captured_at)
        if self._looks < SIGHTINGS:  # nobody has an id yet
            self._counts.unknown()
        else:
            zones = {zone: self._movements.inside(zone) for zone in self._places.zones}
            self._counts.occupied({zone: sorted(inside.values()) for zone, inside in zones.items()})

    def still(self, at: float) -> None:
        """Nothing moved in a frame that was captured then: who was there is there."""
        self._counts.looked(at)
