"""A picture that is given back."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from edged.answers.fields import PUBLISHED
from edged.answers.kind import Kind, news
from edged.contracts.image import OutImage, PictureOptions
from edged.contracts.items import Pixels
from edged.media.picture import encoded_base64
from edged.ops.draw.pictures import before_and_after


@dataclass(frozen=True, slots=True)
class PictureFields:
    """Answer of the services that give a picture back."""

    __pydantic_config__ = PUBLISHED

    out_image: str
    """Base64 of the encoded picture, of the size of the original upright one."""


def write_picture(found: OutImage, options: PictureOptions) -> PictureFields:
    """The picture in the format that is asked for."""
    return PictureFields(encoded_base64(found.pixels, options.image_format))


def _drawn(pictures: Sequence[Pixels], found: OutImage, _: Any) -> Pixels:
    return before_and_after(pictures[0], found.pixels)


KIND = Kind(
    OutImage,
    PictureFields,
    write=write_picture,
    gist=news,
    draw=_drawn,
    shrink="ask for `image_format: jpeg`",
)
