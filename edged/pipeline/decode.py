"""From the fields of a request to the item that a model eats."""

import time
from functools import singledispatch

from pydantic import BaseModel

from edged.contracts.image import ImageInput
from edged.contracts.items import Item
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
    data = decode_base64(request.image, "image", limits)
    return decode_picture(data, limits, time.time())
