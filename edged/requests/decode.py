"""From the fields of a request to the item that a model eats."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import singledispatch
from typing import NamedTuple

from pydantic import BaseModel

from edged.contracts.errors import NotMedia, RequestError, TooLarge
from edged.contracts.image import ColourInput, ImageInput
from edged.contracts.items import Frame, FramePair, Item, PixelFormat, TextPair
from edged.contracts.media import UrlInput
from edged.contracts.pairs import PairInput, ProductInput
from edged.contracts.service import Media
from edged.contracts.speech import SoundInput
from edged.contracts.text import MOST_TOKENS, TextInput, TextToEmbed
from edged.contracts.transcription import BroughtSound
from edged.contracts.video import VideoInput
from edged.flow.budget import Share
from edged.media.fetch import ByteLimit, Fetched, Uploads, fetch
from edged.media.frame import EncodedFrame
from edged.media.picture import DECODED, PictureLimits, decode_base64, decode_picture, decoding_bytes
from edged.media.policy import FetchSettings
from edged.requests.recording import Recording
from edged.requests.screening import Screening
from edged.requests.settings import RequestSettings

Room = Callable[[int], Share]
"""Waits for so many bytes of memory. Raises `TooLarge`, `TimedOut` or `Cancelled`."""


class Wanted(NamedTuple):
    """Media that a request names but does not bring."""

    url: str
    limit: ByteLimit


def wanted_of(request: BaseModel, settings: RequestSettings) -> Wanted | None:
    """What must be fetched before `item_of`; none when the request brings all of it."""
    given = getattr(request, "input", None)
    if not isinstance(given, UrlInput):
        return None
    media: Media = "picture"
    if isinstance(request, SoundInput | VideoInput):
        media = "recording" if isinstance(request, SoundInput) else "video"
    return Wanted(given.url, byte_limit(media, settings))


def byte_limit(media: Media, settings: RequestSettings) -> ByteLimit:
    """How many bytes of it are fetched."""
    match media:
        case "recording":
            return ByteLimit(settings.sound.max_bytes, "requests.sound.max_bytes")
        case "video":
            return ByteLimit(settings.video.max_bytes, "requests.video.max_bytes")
    return ByteLimit(settings.picture.max_bytes, "requests.picture.max_bytes")


def fetched(
    wanted: Wanted, settings: FetchSettings, deadline: float | None, uploads: Uploads | None = None
) -> Fetched:
    """Fetch it, until `deadline` at most. Raises what `fetch` does; the error names the field."""
    try:
        return fetch(wanted.url, settings, wanted.limit, deadline, uploads)
    except RequestError as error:
        raise type(error)(f"the field `input.url`: {error}") from error


@singledispatch
def item_of(
    request: BaseModel,
    settings: RequestSettings,
    media: Fetched | None,
    room: Room,
    wanted: PixelFormat | None = None,
) -> Item | Recording | Screening:
    """The item that a validated request carries, or that was fetched for it.

    `wanted` is how a picture will be asked for, where that is known. Raises `BadRequest`, `TooLarge` or
    `NotMedia` that names the field, and what `room` does. The kind of input decides which of the functions
    below does it.
    """
    raise TypeError(f"no decoder for {type(request).__name__}")


@item_of.register
def _(
    request: ImageInput,
    settings: RequestSettings,
    media: Fetched | None,
    room: Room,
    wanted: PixelFormat | None = None,
) -> Item:
    [picture] = _pictures(_only(request, settings.picture, media), settings.picture, room, wanted)
    return picture


@item_of.register
def _(
    request: ColourInput,
    settings: RequestSettings,
    media: Fetched | None,
    room: Room,
    wanted: PixelFormat | None = None,
) -> Item:
    encoded = _only(request, settings.picture, media)
    if request.reference is not None:
        encoded["reference"] = decode_base64(request.reference, "reference", settings.picture)
    picture, *reference = _pictures(encoded, settings.picture, room, wanted)
    return FramePair(picture, *reference) if reference else picture


@item_of.register
def _(
    request: PairInput,
    settings: RequestSettings,
    media: Fetched | None,
    room: Room,
    wanted: PixelFormat | None = None,
) -> Item:
    return _pair(request, "", settings.picture, room, wanted)


@item_of.register
def _(
    request: ProductInput,
    settings: RequestSettings,
    media: Fetched | None,
    room: Room,
    wanted: PixelFormat | None = None,
) -> Item:
    return _pair(request.function_params, "function_params.", settings.picture, room, wanted)


@item_of.register
def _(
    request: SoundInput,
    settings: RequestSettings,
    media: Fetched | None,
    room: Room,
    wanted: PixelFormat | None = None,
) -> Recording:
    if media is None:
        raise TypeError("a recording is fetched before it is decoded")
    return Recording(media.file, request.input.play_duration)


@item_of.register
def _(
    request: BroughtSound,
    settings: RequestSettings,
    media: Fetched | None,
    room: Room,
    wanted: PixelFormat | None = None,
) -> Recording:
    if media is None:
        raise TypeError("the recording has not come along")
    return Recording(media.file, None)


@item_of.register
def _(
    request: VideoInput,
    settings: RequestSettings,
    media: Fetched | None,
    room: Room,
    wanted: PixelFormat | None = None,
) -> Screening:
    if media is None:
        raise TypeError("a video is fetched before it is decoded")
    return Screening(media.file, request.input.play_duration)


@item_of.register
def _(
    request: TextInput,
    settings: RequestSettings,
    media: Fetched | None,
    room: Room,
    wanted: PixelFormat | None = None,
) -> Item:
    return TextPair(request.id, request.first_sequence, request.second_sequence, request.sequence_length)


@item_of.register
def _(
    request: TextToEmbed,
    settings: RequestSettings,
    media: Fetched | None,
    room: Room,
    wanted: PixelFormat | None = None,
) -> Item:
    return TextPair("", request.text, "", MOST_TOKENS)


def _only(request: ImageInput, limits: PictureLimits, media: Fetched | None) -> dict[str, bytes]:
    """The picture that is asked about, encoded, by its field."""
    if media is not None:
        return {"input.url": media.file.read(limits.max_bytes + 1)}
    return {"image": decode_base64(request.image or "", "image", limits)}


def _pair(
    given: PairInput, within: str, limits: PictureLimits, room: Room, wanted: PixelFormat | None
) -> FramePair:
    """Both pictures; `within` is where they stand in the request."""
    fields = {f"{within}{name}": getattr(given, name) for name in ("imagea", "imageb")}
    encoded = {field: decode_base64(text, field, limits) for field, text in fields.items()}
    return FramePair(*_pictures(encoded, limits, room, wanted))


def _pictures(
    encoded: Mapping[str, bytes], limits: PictureLimits, room: Room, wanted: PixelFormat | None
) -> list[Frame]:
    """The pictures in some fields; errors name the field."""
    needed = 0
    for field, data in encoded.items():
        with _named(field):
            needed += decoding_bytes(data, limits)
    share = room(needed)  # at once: two requests that each hold one picture could wait for each other
    frames = []
    for field, data in encoded.items():
        with _named(field):
            frames.append(decode_picture(data, limits, time.time(), wanted=wanted))
    if not any(isinstance(frame, EncodedFrame) for frame in frames):  # they may yet be decoded more finely
        share.keep(sum(frame.width * frame.height for frame in frames) * DECODED)
    return frames


@contextmanager
def _named(field: str) -> Iterator[None]:
    try:
        yield
    except (NotMedia, TooLarge) as error:
        raise type(error)(f"the field `{field}`: {error}") from error
