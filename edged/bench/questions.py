"""Which services are asked, and with what."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import orjson
import pybase64

from edged.bench import clip
from edged.config.settings import Config
from edged.contracts.errors import EdgedError, NotReady
from edged.contracts.items import Pixels
from edged.contracts.pairs import ProductInput
from edged.contracts.service import Media, Service
from edged.contracts.services import SERVICES, service
from edged.media.picture import encode_jpeg
from edged.media.video import sample_frames
from edged.opening import open_catalogue
from edged.repository.catalogue import Catalogue
from edged.serving.unit import named

_SAMPLES = 3
_SIZE = (720, 1280)
_TEXT = "今天天气很好 我们去公园 The camera at the door saw two people and a bicycle."
_WANT_FILES: Mapping[Media, str] = {
    "recording": "how long it takes depends on what is said",
    "video": "takes minutes",
}
"""Media of which none is made here, and why."""


@dataclass(frozen=True, slots=True)
class ServiceQuestion:
    """A service that is installed, and a request to it."""

    service: Service
    model: str
    shown: str
    """What the request brings."""
    body: bytes
    reference: bool = False
    """Whether the model wants what no camera gives: a reference."""


def questions(settings: Config, names: Collection[str]) -> tuple[list[ServiceQuestion], dict[str, str]]:
    """For each of these services, none named: each that is installed; and why others are left out.

    Raises `NotFound`, `NotReady` for a named one that there is not or that is not installed.
    """
    catalogue = open_catalogue(settings)
    asked: list[ServiceQuestion] = []
    left_out: dict[str, str] = {}
    for known in [service(name) for name in names] or SERVICES.values():
        try:
            model = _model(settings, catalogue, known)
        except EdgedError as error:
            if names:
                raise
            if not isinstance(error, NotReady):  # not to be installed is no fault
                left_out[known.name] = str(error)
            continue
        if known.media in _WANT_FILES:
            left_out[known.name] = f"{_WANT_FILES[known.media]}: `edged bench {known.name} FILE`"
        else:
            asked.append(_question(catalogue, known, model))
    return asked, left_out


def _model(settings: Config, catalogue: Catalogue, known: Service) -> str:
    model, uses = named(known.name, settings.service(known.name), catalogue)
    model = model or catalogue.preferred(known.name, uses)
    if not catalogue.installed(model, uses):
        raise NotReady(f"{model} is not installed; run `edged pull {model}`")
    return model


def _question(catalogue: Catalogue, known: Service, model: str) -> ServiceQuestion:
    if known.media == "text":
        text = {"id": "1", "first_sequence": _TEXT}
        return ServiceQuestion(known, model, f"{len(_TEXT)} characters", orjson.dumps(text))
    name, pictures = _pictures(catalogue, model)
    height, width = pictures[0].shape[:2]
    first, second = (pybase64.b64encode_as_string(encode_jpeg(pixels)) for pixels in pictures)
    reference = catalogue.card(model).reference
    body = orjson.dumps(_fields(known, first, second, reference=reference))
    return ServiceQuestion(known, model, f"{name} {width} x {height}", body, reference)


def _fields(known: Service, first: str, second: str, *, reference: bool) -> dict[str, Any]:
    if known.media == "picture":
        return {"image": first, "reference": second} if reference else {"image": first}
    pair = {"imagea": first, "imageb": second}
    if known.input is not ProductInput:
        return pair
    return {"function_name": "match", "function_params": {**pair, "metric": "L2"}}


def _pictures(catalogue: Catalogue, model: str) -> tuple[str, tuple[Pixels, Pixels]]:
    """Two that the model, or one that it uses, is measured on at `pull`; else two of our clip."""
    for name in (model, *catalogue.used(model)):
        if (calibration := catalogue.card(name).calibration) is not None:
            media = calibration.media[0]
            return media, _sampled(catalogue.file(name, media))
    first, second = clip.pictures(_SIZE, 2)
    return "made", (first, second)


@lru_cache(maxsize=4)
def _sampled(media: Path) -> tuple[Pixels, Pixels]:
    """The one in the middle, and the last; of a picture twice the same."""
    found = sample_frames(media, _SAMPLES)
    return found[len(found) // 2], found[-1]
