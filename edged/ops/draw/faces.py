"""Pictures of faces, and of none."""

from edged.contracts.items import Pixels
from edged.ops.draw.pen import NEUTRAL, Pen, listed


def say_no_face(canvas: Pixels) -> Pixels:
    """The picture itself, with words that there is nobody to be seen."""
    listed(canvas, [("no face", NEUTRAL)], Pen.for_picture(canvas))
    return canvas
