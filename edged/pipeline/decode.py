"""From the fields of a request to the item that a model eats."""

import time
from functools import singledispatch

from pydantic import BaseModel

from edged.contracts.errors import NotAllowed, NotMedia, TooLarge
from edged.contracts.image import ImageInput
from edged.contracts.items import Frame, Item
from edged.media.picture import PictureLimits, decode_base64, decode_picture


@singledispatch
def item_of(request: BaseModel, limits: PictureLimits) -> Item:
    """The item that a validated request carries.

    Raises `BadRequest`, `TooLarge` or `NotMedia` that names the field. The kind of input decides which
    of the functions below does it.
    """
    raise TypeError(f"no decoder for {type(request).__name__}")


@item_of.register
def _(request: ImageInput, limits: PictureLimits) -> Item:
    if request.image is None:  # not yet: media/fetch.py opens `input.url`
        raise NotAllowed("`input.url` is not allowed by this box")
    return _picture(request.image, "image", limits)


def _picture(text: str, field: str, limits: PictureLimits) -> Frame:
    """The picture in a field; errors name the field."""
    data = decode_base64(text, field, limits)
    try:
        return decode_picture(data, limits, time.time())
    except (NotMedia, TooLarge) as error:
        raise type(error)(f"the field `{field}`: {error}") from error
