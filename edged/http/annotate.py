"""`POST /api/annotate/<service>`: an answer drawn into the picture that it speaks of."""

import time
from typing import Any

import cv2
import orjson
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from edged.contracts.errors import BadRequest, NotFound, NotMedia, NotUsable
from edged.contracts.items import PixelFormat, Pixels
from edged.contracts.result import result_fields
from edged.contracts.services import service
from edged.media.picture import PictureLimits, decode_base64, decode_picture, encode_jpeg
from edged.ops.draw import annotate

MOST_ENTRIES = 1000
"""An answer with longer lists is no answer of ours; drawing it would take long."""
MOST_TEXT = 1000
"""Characters of one text in it, but for pictures."""
MASKS = frozenset({"probs", "preds", "mask", "detection_masks", "out_image", "class_probs"})
"""Fields as large as a picture: what draws them checks their size, and the limit of the body bounds them."""
DEEPEST = 6
"""Lists within lists; the polygons of a text are three deep."""


class AnnotateRequest(BaseModel):
    """A picture and what a service answered for it."""

    model_config = ConfigDict(extra="forbid", strict=True, use_attribute_docstrings=True)

    image: str | None = Field(default=None, min_length=1)
    """Base64 of the encoded picture that the service was asked about; for two pictures the next ones."""
    imagea: str | None = Field(default=None, min_length=1)
    """Base64 of the first of two pictures."""
    imageb: str | None = Field(default=None, min_length=1)
    """Base64 of the second."""
    answer: dict[str, Any]
    """The answer as it came from the service."""


def annotated(name: str, body: bytes, limits: PictureLimits) -> bytes:
    """A JPEG. Takes milliseconds and more: not for an event loop.

    Raises `NotFound` for an unknown service, `BadRequest` for a body of another form, `TooLarge` and
    `NotMedia` for the picture, `NotUsable` for an answer that is none of this service.
    """
    known = service(name)
    if not known.takes_pictures:
        raise NotFound(f"{name} has no picture to draw into")
    try:
        request = AnnotateRequest.model_validate(orjson.loads(body))
    except orjson.JSONDecodeError as error:
        raise BadRequest("the request is not JSON") from error
    except ValidationError as error:
        faults = (f"`{'.'.join(map(str, e['loc']))}`: {e['msg']}" for e in error.errors(include_input=False))
        raise BadRequest("; ".join(list(faults)[:5])) from error
    answer = _checked(name, known.contract.result, request.answer)
    fields = ("image",) if known.takes_frames else ("imagea", "imageb")
    pictures = [_picture(request, field, limits) for field in fields]
    try:
        return encode_jpeg(annotate(name, pictures, answer))
    except (ArithmeticError, IndexError, TypeError, ValueError, cv2.error) as error:
        raise NotUsable(
            f"the field `answer` cannot be drawn: it is none of {name} for this picture"
        ) from error


def _picture(request: AnnotateRequest, field: str, limits: PictureLimits) -> Pixels:
    """A picture of the request. Raises `BadRequest`, `TooLarge` or `NotMedia` that names its field."""
    given: str | None = getattr(request, field)
    if given is None:
        raise BadRequest(f"the field `{field}` is missing: it must be a picture in Base64")
    try:
        frame = decode_picture(decode_base64(given, field, limits), limits, time.time())
    except NotMedia as error:
        raise NotMedia(f"the field `{field}`: {error}") from error
    return frame.pixels(PixelFormat())


def _checked(name: str, kind: type[Any], answer: dict[str, Any]) -> dict[str, Any]:
    """The fields of the service's answer, of the right types and of bounded length."""
    if fault := _too_long({field: value for field, value in answer.items() if field not in MASKS}):
        raise NotUsable(f"the field `answer` cannot be drawn: {fault}")
    try:
        return result_fields(TypeAdapter(kind).validate_python(answer))
    except ValidationError as error:
        where = ".".join(map(str, error.errors(include_input=False)[0]["loc"]))
        raise NotUsable(f"the field `answer` is no answer of {name}: `{where[:100]}` is wrong") from error


def _too_long(value: Any, depth: int = 0) -> str:
    """Empty, or what is too long or too deep."""
    if depth > DEEPEST:
        return f"lists are more than {DEEPEST} deep"
    if isinstance(value, str) and len(value) > MOST_TEXT:
        return f"a text has more than {MOST_TEXT} characters"
    if isinstance(value, list | dict) and len(value) > MOST_ENTRIES:
        return f"a list has more than {MOST_ENTRIES} entries"
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return next(filter(None, (_too_long(one, depth + 1) for one in inner)), "")
