"""The table of the 25 services, and the request and answer types of those that this version can run."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, create_model

from edged.contracts import face, image, masks, pairs, parts, product, speech, text
from edged.contracts.card import ModelCard
from edged.contracts.errors import NotFound
from edged.contracts.message import Envelope, StreamMessage
from edged.contracts.model import Options
from edged.contracts.result import result_schema
from edged.contracts.spelling import hint

Listens = Literal["utterance", "growing", "always"]
"""To what a service listens on a microphone: to each utterance once somebody has spoken, to it while it grows
too, or to all sound, piece by piece."""
Group = Literal["video", "image", "speech", "text", "face", "product"]


@dataclass(frozen=True)
class Types:
    """The types that make up one service's contract."""

    input: type[BaseModel]
    """Fields of the request that carry the item."""
    options: type[Options]
    """Fields of the request that may vary per call."""
    result: type[Any]
    """A dataclass whose fields are those of the answer, see `contracts/result.py`."""
    inside: frozenset[str] = frozenset()
    """Options that stand within a field of the input, which has them as attributes, not beside it."""
    on_streams: Mapping[str, Any] = field(default_factory=dict)
    """Options that are others on a stream, unless the stream says them itself."""
    listens: Listens = "utterance"
    """On a microphone."""
    joined: speech.Joined | None = None
    """For services that get a recording clip by clip: how `result`s of its clips become one answer."""


@dataclass(frozen=True)
class Service:
    """One of the 25 contracts."""

    name: str
    group: Group
    summary: str
    types: Types | None = None
    """None: this version knows the service by name only."""
    version: int = 1

    @property
    def schema_id(self) -> str:
        """Identity of the answer's schema, in every stream message."""
        return f"edged/{self.name}/{self.version}"

    @property
    def contract(self) -> Types:
        """The types. Raises `NotFound` while this version does not have them."""
        if self.types is None:
            raise NotFound(f"service {self.name!r} is not part of this version of edged yet")
        return self.types

    @property
    def wraps_answer(self) -> bool:
        """Whether `request_id` and `success` stand beside the fields of the answer."""
        return self.group in ("image", "face", "product")

    @property
    def takes_frames(self) -> bool:
        """Whether a single picture is the input, so that the service runs on a camera too."""
        return issubclass(self.contract.input, image.ImageInput)

    @property
    def takes_pictures(self) -> bool:
        """Whether a picture or two are the input, so that an answer can be drawn into them."""
        return issubclass(self.contract.input, image.ImageInput | pairs.PairInput | pairs.ProductInput)

    @property
    def takes_sound(self) -> bool:
        """Whether a recording is the input, so that the service runs on a microphone too."""
        return issubclass(self.contract.input, speech.SoundInput)

    @cached_property
    def request(self) -> type[BaseModel]:
        """The whole request: envelope, input, and the options, each of which may be left out.

        Types are strict: neither `"0.3"` nor `true` is a number, but a whole number is a float.
        """
        types = self.contract
        optional: dict[str, Any] = {
            name: (known.rebuild_annotation() | None, Field(default=None, description=known.description))
            for name, known in types.options.model_fields.items()
            if name not in types.inside
        }
        return create_model(
            f"{self.name.title().replace('-', '')}Request",
            __base__=(_Strict, Envelope, types.input),
            __doc__=f"Request of {self.name}.",
            **optional,
        )

    def request_schema(self) -> dict[str, Any]:
        """JSON Schema of the request."""
        return {"$id": f"{self.schema_id}/request", **self.request.model_json_schema()}

    def answer_schema(self) -> dict[str, Any]:
        """JSON Schema of the successful answer."""
        if self.contract.joined is not None:
            return {"$id": self.schema_id, **self.contract.joined.schema}
        schema = result_schema(self.contract.result)
        if self.wraps_answer:
            envelope = TypeAdapter(Wrapped).json_schema()["properties"]
            schema["properties"] = {**envelope, **schema["properties"]}
            schema["required"] = [*envelope, *schema["required"]]
        return {"$id": self.schema_id, **schema}

    def message_schema(self) -> dict[str, Any]:
        """JSON Schema of a message of a stream: `result` holds the fields of the answer."""
        schema = StreamMessage.model_json_schema(by_alias=True)
        joined = self.contract.joined
        result = dict(joined.schema) if joined is not None else result_schema(self.contract.result)
        schema["$defs"] |= result.pop("$defs", {})
        schema["properties"] |= {"schema": {**schema["properties"]["schema"], "const": self.schema_id}}
        schema["properties"] |= {"result": result}
        return {"$id": f"{self.schema_id}/message", **schema, "title": "StreamMessage"}

    def answer(self, request_id: str, fields: Any) -> Any:
        """The successful answer as it is encoded, of the fields of a result or of what `joined` made."""
        return {"request_id": request_id, "success": True, **fields} if self.wraps_answer else fields


class _Strict(BaseModel):
    model_config = ConfigDict(strict=True)


class Wrapped(BaseModel):
    """What stands beside the fields of an answer of the groups image, face and product."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    request_id: str
    """Echo of the request's, or the UUID4 that was made."""
    success: Literal[True]
    """Always true; a failed request has `success: false` and an error instead."""


def any_service(name: str) -> Service:
    """The service or the part of that name. Raises `NotFound` that lists close names."""
    return PARTS[name] if name in PARTS else service(name)


def card_options(card: ModelCard) -> Options:
    """The options of its service as a card sets them. Raises `CardError` with every fault, or `NotFound`."""
    return card.options_as(any_service(card.service).contract.options)


def service(name: str) -> Service:
    """The service of that name. Raises `NotFound` that lists close names."""
    try:
        return SERVICES[name]
    except KeyError:
        meant = hint(name, SERVICES, "`edged services` lists all of them")
        raise NotFound(f"no service is called {name!r}; {meant}") from None


_CLASSIFICATION = Types(image.ImageInput, Options, image.Classification)
_DETECTION = Types(image.ImageInput, image.DetectionOptions, image.Detections)
_SEGMENTATION = Types(
    image.ImageInput, masks.SegmentationOptions, masks.Segmentation, on_streams={"mask_encoding": "rle"}
)
_INSTANCES = Types(image.ImageInput, image.DetectionOptions, masks.InstanceMasks)
_OCR = Types(image.ImageInput, image.OcrOptions, image.Texts)
_FOREGROUND = Types(
    image.ImageInput, masks.ForegroundOptions, masks.ForegroundMask, on_streams={"mask_encoding": "rle"}
)
_SCENES = Types(image.ImageInput, Options, image.SceneClassification)
_INVENTORY = Types(image.ImageInput, product.InventoryOptions, product.ShelfCount)
_SIMILARITY = Types(pairs.PairInput, Options, pairs.ImageSimilarity)
_COLORIZATION = Types(image.ImageInput, face.PictureOptions, face.OutImage)
_FACE_SIMILARITY = Types(pairs.PairInput, face.FaceOptions, face.FaceSimilarity)
_FACE_ATTRIBUTES = Types(image.ImageInput, face.FacesOptions, face.FaceAttributes)
_FACE_ENHANCEMENT = Types(image.ImageInput, face.EnhancementOptions, face.OutImage)
_PRODUCTS = Types(
    pairs.ProductInput, pairs.ComparisonOptions, pairs.ProductMatch, inside=frozenset({"metric"})
)
_SPEAKER = Types(speech.SoundInput, speech.LabelOptions, speech.SpeakerClass, joined=speech.BY_START_LABEL)
_RECOGNITION = Types(
    speech.SoundInput, speech.RecognitionOptions, speech.Transcript, joined=speech.BY_START_TEXT
)
_LIVE_RECOGNITION = replace(_RECOGNITION, listens="growing")
_SPEECH_VECTOR = Types(speech.SoundInput, Options, speech.SpeechVector, joined=speech.ONE_VECTOR)
_YES_NO = Types(speech.SoundInput, speech.DetectionThreshold, speech.YesNo, joined=speech.BY_START_LABEL)
_TEXT = Types(text.TextInput, text.TextOptions, text.TextVectors)
_MUSIC = replace(_YES_NO, listens="always")

SERVICES: Mapping[str, Service] = {
    s.name: s
    for s in (
        Service("video-classification", "video", "what happens in a video"),
        Service("video-highlight", "video", "the most interesting five seconds of a video"),
        Service("video-super-resolution", "video", "a video at two or four times its size"),
        Service("image-classification", "image", "what a picture shows, of 1000 classes", _CLASSIFICATION),
        Service("object-detection", "image", "boxes around objects of 80 classes", _DETECTION),
        Service("semantic-segmentation", "image", "the class of every pixel", _SEGMENTATION),
        Service("instance-segmentation", "image", "a mask for every object", _INSTANCES),
        Service("ocr", "image", "the text in a picture, Chinese and English", _OCR),
        Service("foreground-segmentation", "image", "people against the background", _FOREGROUND),
        Service("scene-classification", "image", "the kind of place, of 365", _SCENES),
        Service("inventory-counting", "image", "how many of each product stand on a shelf", _INVENTORY),
        Service("image-similarity", "image", "how alike two pictures are", _SIMILARITY),
        Service("image-colorization", "image", "colour for a gray picture", _COLORIZATION),
        Service("speech-recognition-zh", "speech", "Mandarin speech to text", _RECOGNITION),
        Service("speech-recognition-zh-live", "speech", "Mandarin live streaming to text", _LIVE_RECOGNITION),
        Service("speech-vectorization-zh", "speech", "a feature vector of Mandarin speech", _SPEECH_VECTOR),
        Service("speech-vectorization-en", "speech", "a feature vector of English speech", _SPEECH_VECTOR),
        Service("speaker-classification-zh", "speech", "whether a woman or a man speaks", _SPEAKER),
        Service("speech-detection-zh", "speech", "whether Mandarin is spoken", _YES_NO),
        Service("music-detection", "speech", "whether there is background music", _MUSIC),
        Service("text-vectorization", "text", "vectors of a text or of a pair of texts", _TEXT),
        Service("face-similarity", "face", "whether two faces are the same person", _FACE_SIMILARITY),
        Service("face-attributes", "face", "age, gender and emotion of every face", _FACE_ATTRIBUTES),
        Service("face-enhancement", "face", "restored faces in a picture", _FACE_ENHANCEMENT),
        Service("product-comparison", "product", "how alike two products are", _PRODUCTS),
    )
}
"""By name; 25 of them."""

_FACE_DETECTION = Types(image.ImageInput, parts.FaceDetectionOptions, parts.Faces)
_EMBEDDING = Types(image.ImageInput, Options, parts.Embedding)
_VOICE = Types(speech.SoundInput, Options, parts.VoiceActivity)
_HEARING = Types(speech.SoundInput, parts.HearingOptions, parts.Heard)
_ENLARGEMENT = Types(image.ImageInput, Options, parts.Enlarged)

PARTS: Mapping[str, Service] = {
    s.name: s
    for s in (
        Service("face-detection", "face", "every face with its five landmarks", _FACE_DETECTION),
        Service("image-embedding", "image", "what a picture shows, as a vector of length 1", _EMBEDDING),
        Service("picture-enlargement", "image", "a picture at several times its size", _ENLARGEMENT),
        Service("voice-activity", "speech", "when somebody speaks", _VOICE),
        Service("speech-understanding", "speech", "what is said, and in which language", _HEARING),
    )
}
"""By name: what models offer to other models. Nobody can request them, and they have no topic."""
