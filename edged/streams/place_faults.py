"""Why a stream cannot count objects at its lines and zones."""

from collections.abc import Iterator

from edged.contracts.image import Detections
from edged.contracts.services import SERVICES
from edged.streams.gates import GateSettings
from edged.streams.lane import RunSettings
from edged.streams.places import PlacesSettings

LINES_S, ZONES_S = 0.5, 1.0
"""A line, and a zone, wants to be looked at as often: who is seen more seldom walks over a line between two
looks, and cannot be followed within a zone."""
NEEDS = "needs a service of this stream that finds objects in boxes, such as object-detection"


def finds_objects(name: str) -> bool:
    """Whether a service gives boxes with classes and scores."""
    known = SERVICES.get(name)
    return known is not None and issubclass(known.result, Detections)


def place_faults(
    places: PlacesSettings, run: RunSettings | None, gate: GateSettings
) -> Iterator[tuple[str, str]]:
    """Why objects cannot be counted there, by key. `run`: the service whose objects are followed; none: the
    stream has none that finds them."""
    counted = [key for key in ("lines", "zones") if getattr(places, key)]
    if run is None:
        yield from ((key, f"counts objects, and {NEEDS}") for key in counted)
    elif counted:
        yield from seldom_faults(run, gate, LINES_S if places.lines else ZONES_S, f"`{counted[0]}`")


def seldom_faults(
    run: RunSettings, gate: GateSettings, seldom: float, what: str
) -> Iterator[tuple[str, str]]:
    """Why objects are not looked at every so many seconds, by key. `what` wants that."""
    why = f"with {what} somebody must look every {seldom:g} s at least"
    if gate.key_frames_only is True:
        yield "gate.key_frames_only", f"key frames come too seldom: {why}; leave it out"
    if gate.fps is not None and gate.fps < 1 / seldom:
        yield "gate.fps", f"{gate.fps:g} frames a second are too few: {why}; say {1 / seldom:g} or more"
    if run.every is not None and run.every > seldom:
        yield "run", f"`every: {run.every:g}s` of {run.service} is too seldom: {why}; say {seldom:g}s or less"
