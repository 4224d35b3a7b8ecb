"""A picture with its faces restored."""

from collections.abc import Hashable, Sequence
from typing import Any

from edged.answers.kind import Kind
from edged.answers.out_image import PictureFields, write_picture
from edged.contracts.face import EnhancedFaces
from edged.contracts.items import Pixels
from edged.ops.draw.faces import say_no_face
from edged.ops.draw.pen import readable
from edged.ops.draw.pictures import before_and_after


def _gist(found: EnhancedFaces, _: Any) -> Hashable:
    """How many faces there are."""
    return len(found.boxes)


def _drawn(pictures: Sequence[Pixels], found: EnhancedFaces, _: Any) -> Pixels:
    if len(found.boxes):
        return before_and_after(pictures[0], found.pixels)
    return say_no_face(readable(pictures[0])[0])


KIND = Kind(
    EnhancedFaces,
    PictureFields,
    write=write_picture,
    gist=_gist,
    draw=_drawn,
    shrink="ask for `image_format: jpeg`",
)
