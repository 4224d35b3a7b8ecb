"""Pictures, recordings and texts on the command line, as the request that they stand for."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson
import pybase64

from edged.contracts.errors import BadRequest, NotFound
from edged.contracts.image import ColourInput
from edged.contracts.pairs import ProductInput
from edged.contracts.service import Service
from edged.requests.settings import RequestSettings


def request_of(
    known: Service, items: Sequence[str], more: Mapping[str, Any], metric: str | None = None
) -> bytes:
    """The request, encoded; `more`: its other fields. Raises `BadRequest`, `NotFound`."""
    given = _fields(known, items, metric)
    both = {key: {**more[key], **given[key]} for key in given if _are_objects(more.get(key), given[key])}
    try:
        return orjson.dumps({**_unsaid(known), **more, **given, **both})
    except orjson.JSONEncodeError as error:  # arguments are bytes; Python lets through what is no text
        raise BadRequest("what was given on the command line is not UTF-8") from error


def readable(settings: RequestSettings, items: Sequence[str]) -> RequestSettings:
    """With the folders of these files, which their owner may read whatever the policy says."""
    folders = (Path(item).parent.resolve() for item in items)
    fetch = settings.fetch.model_copy(update={"folders": (*settings.fetch.folders, *folders)})
    return settings.model_copy(update={"fetch": fetch})


def _unsaid(known: Service) -> dict[str, Any]:
    """Fields that nobody cares to type."""
    if known.media in ("recording", "video"):
        return {"timeout_s": 86400}  # nobody else waits
    return {"id": "1"} if known.media == "text" else {}


def _are_objects(*values: object) -> bool:
    """Such as `input`, of which the item is `url`, and the rest may be said beside it."""
    return all(isinstance(value, dict) for value in values)


def _fields(known: Service, items: Sequence[str], metric: str | None) -> dict[str, Any]:
    if not items:
        return {}
    if known.media == "text":
        if len(items) > 2:
            raise BadRequest(f"{known.name} takes one text or two, not {len(items)}; quote them")
        return dict(zip(("first_sequence", "second_sequence"), items, strict=False))
    files = [Path(item) for item in items]
    if known.media in ("recording", "video"):
        if len(files) != 1:
            raise BadRequest(f"{known.name} takes one {known.media}, not {len(files)} files")
        return {"input": {"url": str(files[0].resolve())}}
    names, fewest, pictures = _pictures(known)
    if not fewest <= len(files) <= len(names):
        raise BadRequest(f"{known.name} takes {pictures}, not {len(files)} files")
    encoded = dict(zip(names, map(_encoded, files), strict=False))
    if known.input is not ProductInput:
        return encoded
    return {"function_name": "match", "function_params": {**encoded, "metric": metric or "L2"}}


def _pictures(known: Service) -> tuple[Sequence[str], int, str]:
    """The fields of a service's pictures, how many of them it takes at least, and all that in words."""
    if known.input is ColourInput:
        return ("image", "reference"), 1, "one picture, and a reference where its model wants one"
    if known.media == "picture":
        return ("image",), 1, "one picture"
    return ("imagea", "imageb"), 2, "two pictures"


def _encoded(path: Path) -> str:
    try:
        return str(pybase64.b64encode_as_string(path.read_bytes()))
    except OSError as error:
        raise NotFound(f"{path} cannot be read: {error.strerror}") from error
