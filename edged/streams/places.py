"""Lines and zones of a camera as the configuration says them, in shares of its picture."""

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from edged.contracts.settings import Settings
from edged.ops.movements import LinePlace, Movements, ZonePlace
from edged.ops.places import Line, Point, Zone, area, crosses_itself

MOST_CORNERS = 64
MOST_PLACES = 32
"""Lines, and zones, of one camera."""
SMALLEST = 1e-4
"""Share of the picture below which a zone has no area, and of its side below which a line has no length."""


def _is_inside(share: float) -> float:
    if not 0 <= share <= 1:
        raise ValueError("a share of the picture goes from 0 to 1; divide pixels by its width, or its height")
    return share


Share = Annotated[float, AfterValidator(_is_inside)]
Place = tuple[Share, Share]
"""A point [x, y] in shares of the picture's width and height: [0, 0] is top left, [1, 1] is bottom right."""


class CountedSettings(Settings):
    """What a line and a zone have in common."""

    classes: tuple[str, ...] = ()
    """Only objects of these classes count; empty: all."""
    anchor: Literal["foot", "centre"] = "foot"
    """The point of an object that counts: the middle of its lower edge, where somebody stands, or of its
    box."""


class LineSettings(CountedSettings):
    """A line across which objects are counted. Looking from `from` to `to` on the screen, who goes from the
    left hand to the right comes `in`: with `from` on the left and `to` on the right whoever walks down the
    picture."""

    begin: Place = Field(alias="from")
    """Its first end, [x, y]: shares of the picture, from 0, 0 top left to 1, 1 bottom right."""
    end: Place = Field(alias="to")
    """Its second end."""

    @model_validator(mode="after")
    def _has_a_length(self) -> "LineSettings":
        if max(abs(a - b) for a, b in zip(self.begin, self.end, strict=True)) < SMALLEST:
            raise ValueError("`from` and `to` are the same point; a line needs two")
        return self


def _is_simple(corners: tuple[Place, ...]) -> tuple[Place, ...]:
    if crosses_itself(corners):
        raise ValueError("its sides cross each other; name the corners in the order of a walk around it")
    if area(corners) < SMALLEST:
        raise ValueError("it has no area; its corners lie on one line")
    return corners


class ZoneSettings(CountedSettings):
    """A zone in which objects are counted."""

    polygon: Annotated[
        tuple[Place, ...], Field(min_length=3, max_length=MOST_CORNERS), AfterValidator(_is_simple)
    ]
    """Its corners, [x, y] each, in the order of a walk around it."""
    events: bool = False
    """An event when somebody comes into it, and one when they have gone."""


class PlacesSettings(Settings):
    """What is counted of a camera."""

    lines: Mapping[str, LineSettings] = Field(default_factory=dict, max_length=MOST_PLACES)
    """Lines by a name of your choice: `{entrance: {from: [0.2, 0.8], to: [0.7, 0.8], classes: [person]}}`."""
    zones: Mapping[str, ZoneSettings] = Field(default_factory=dict, max_length=MOST_PLACES)
    """Zones by a name of your choice: `{till: {polygon: [[0.1, 0.5], [0.4, 0.5], [0.4, 0.9]]}}`."""

    def wanted(self) -> dict[str, tuple[str, ...]]:
        """The classes that count, by key of the line or zone."""
        counted = {f"lines.{name}": line.classes for name, line in self.lines.items()}
        return counted | {f"zones.{name}": zone.classes for name, zone in self.zones.items()}


def movements_in(places: PlacesSettings, size: tuple[int, int]) -> Movements:
    """What tells who crosses and who comes in, in a picture of this width and height in pixels."""

    def pixels(place: Place) -> Point:
        return place[0] * size[0], place[1] * size[1]

    lines = {
        name: LinePlace(Line(pixels(line.begin), pixels(line.end)), line.classes, line.anchor)
        for name, line in places.lines.items()
    }
    zones = {
        name: ZonePlace(Zone([pixels(corner) for corner in zone.polygon]), zone.classes, zone.anchor)
        for name, zone in places.zones.items()
    }
    return Movements(lines, zones, size)
