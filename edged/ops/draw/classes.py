"""The most probable classes."""

from collections.abc import Mapping

from edged.contracts.items import Pixels
from edged.ops.draw.pen import Pen, colour_of, listed, readable

_TOP = 5  # so many are listed


def draw_classes(bgr: Pixels, probabilities: Mapping[str, float]) -> Pixels:
    """A new picture with the most probable classes written at the top left, best first."""
    canvas, _ = readable(bgr)
    best = sorted(probabilities.items(), key=lambda pair: -pair[1])[:_TOP]
    listed(
        canvas, [(f"{name} {share:.1%}", colour_of(name)) for name, share in best], Pen.for_picture(canvas)
    )
    return canvas
