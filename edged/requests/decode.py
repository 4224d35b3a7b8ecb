"""From the fields of a request to the item that a model eats."""

import time
from functools import singledispatch
from typing import NamedTuple

from pydantic import BaseModel

from edged.contracts.errors import NotMedia, RequestError, TooLarge
from edged.contracts.image import ImageInput
from edged.contracts.items import Frame, FramePair, Item, PixelFormat, TextPair
from edged.contracts.media import UrlInput
from edged.contracts.pairs import PairInput, ProductInput
from edged.contracts.speech import SoundInput
from edged.contracts.text import TextInput
from edged.media.fetch import ByteLimit, Fetched, fetch
from edged.media.picture import PictureLimits, decode_base64, decode_picture
from edged.media.policy import FetchSettings
from edged.media.sound import SoundLimits
from edged.requests.recording import Recording


class Wanted(NamedTuple):
    """Media that a request names but does not bring."""

    url: str
    limit: ByteLimit


def wanted_of(request: BaseModel, limits: PictureLimits, sound: SoundLimits) -> Wanted | None:
    """What must be fetched before `item_of`; none when the request brings all of it."""
    given = getattr(request, "input", None)
    if not isinstance(given, UrlInput):
        return None
    if isinstance(request, SoundInput):
        return Wanted(given.url, ByteLimit(sound.max_bytes, "requests.sound.max_bytes"))
    return Wanted(given.url, ByteLimit(limits.max_bytes, "requests.picture.max_bytes"))


def fetched(wanted: Wanted, settings: FetchSettings, deadline: float | None) -> Fetched:
    """Fetch it, until `deadline` at most. Raises what `fetch` does; the error names the field."""
    try:
        return fetch(wanted.url, settings, wanted.limit, deadline)
    except RequestError as error:
        raise type(error)(f"the field `input.url`: {error}") from error


@singledispatch
def item_of(
    request: BaseModel, limits: PictureLimits, media: Fetched | None, wanted: PixelFormat | None = None
) -> Item | Recording:
    """The item that a validated request carries, or that was fetched for it.

    `wanted` is how a picture will be asked for, where that is known. Raises `BadRequest`, `TooLarge` or
    `NotMedia` that names the field. The kind of input decides which of the functions below does it.
    """
    raise TypeError(f"no decoder for {type(request).__name__}")


@item_of.register
def _(
    request: ImageInput, limits: PictureLimits, media: Fetched | None, wanted: PixelFormat | None = None
) -> Item:
    if media is not None:
        return _picture(media.file.read(limits.max_bytes + 1), "input.url", limits, wanted)
    return _picture(decode_base64(request.image or "", "image", limits), "image", limits, wanted)


@item_of.register
def _(
    request: PairInput, limits: PictureLimits, media: Fetched | None, wanted: PixelFormat | None = None
) -> Item:
    return _pair(request, "", limits, wanted)


@item_of.register
def _(
    request: ProductInput, limits: PictureLimits, media: Fetched | None, wanted: PixelFormat | None = None
) -> Item:
    return _pair(request.function_params, "function_params.", limits, wanted)


@item_of.register
def _(
    request: SoundInput, limits: PictureLimits, media: Fetched | None, wanted: PixelFormat | None = None
) -> Recording:
    if media is None:
        raise TypeError("a recording is fetched before it is decoded")
    return Recording(media.file, request.input.play_duration)


@item_of.register
def _(
    request: TextInput, limits: PictureLimits, media: Fetched | None, wanted: PixelFormat | None = None
) -> Item:
    return TextPair(request.id, request.first_sequence, request.second_sequence, request.sequence_length)


def _pair(given: PairInput, within: str, limits: PictureLimits, wanted: PixelFormat | None) -> FramePair:
    """Both pictures; `within` is where they stand in the request."""
    a, b = (
        _picture(
            decode_base64(getattr(given, name), f"{within}{name}", limits), f"{within}{name}", limits, wanted
        )
        for name in ("imagea", "imageb")
    )
    return FramePair(a, b)


def _picture(data: bytes, field: str, limits: PictureLimits, wanted: PixelFormat | None) -> Frame:
    """The picture in a field; errors name the field."""
    try:
        return decode_picture(data, limits, time.time(), wanted=wanted)
    except (NotMedia, TooLarge) as error:
        raise type(error)(f"the field `{field}`: {error}") from error
