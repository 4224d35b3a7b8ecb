"""What a service is: one record holds all that the host must know of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, create_model

from edged.contracts import image, pairs, speech, text, transcription, video
from edged.contracts.described import descriptions
from edged.contracts.message import Envelope, FailedAnswer, FailedVideoAnswer
from edged.contracts.model import Options

Listens = Literal["utterance", "growing", "always"]
"""To what a service listens on a microphone: to each utterance once somebody has spoken, to it while it grows
too (an `UtteranceModel` does), or to all sound, piece by piece."""
Group = Literal["video", "image", "speech", "text", "face", "product"]
Media = Literal["picture", "pictures", "recording", "video", "text"]
"""What a request brings: one picture, two of them, sound, a video, or a text or two."""

_MEDIA: Mapping[type[BaseModel], Media] = {
    image.ImageInput: "picture",
    image.ColourInput: "picture",  # a reference is no second picture to ask about
    pairs.PairInput: "pictures",
    pairs.ProductInput: "pictures",
    speech.SoundInput: "recording",
    video.VideoInput: "video",
    text.TextInput: "text",
    text.TextToEmbed: "text",
    transcription.BroughtSound: "recording",
}


@dataclass(frozen=True)
class Service:
    """One of the 25 contracts, an inner service, or a part."""

    name: str
    group: Group
    summary: str
    input: type[BaseModel]
    """Fields of the request that carry the item."""
    options: type[Options]
    """Fields of the request that may vary per call."""
    result: type[Any]
    """What a model of it returns: a value; of a recording that of one clip."""
    version: int = 1
    """Of the answer's form."""
    inside: frozenset[str] = frozenset()
    """Options that stand within a field of the input, which has them as attributes, not beside it."""
    on_streams: Mapping[str, Any] = field(default_factory=dict)
    """Options that are others on a stream, unless the stream says them itself."""
    listens: Listens = "utterance"
    """On a microphone."""
    watches: bool = False
    """A service of videos that runs on a camera too: its model remembers the frames (a `StreamModel`)."""

    @property
    def schema_id(self) -> str:
        """Identity of the answer's schema, in every stream message."""
        return f"edged/{self.name}/{self.version}"

    @property
    def media(self) -> Media:
        """What a request brings."""
        return _MEDIA[self.input]

    @property
    def wraps_answer(self) -> bool:
        """Whether `request_id` and `success` stand beside the fields of the answer."""
        return self.group in ("image", "face", "product")

    @property
    def failure(self) -> type[FailedAnswer]:
        """Form of the answer of a failed request."""
        return FailedVideoAnswer if self.group == "video" else FailedAnswer

    @property
    def takes_frames(self) -> bool:
        """Whether a single picture is the input, so that the service runs on a camera too."""
        return self.media == "picture"

    @property
    def on_cameras(self) -> bool:
        """Whether a camera can feed it: frame by frame, or as a video that goes on."""
        return self.takes_frames or self.watches

    @property
    def takes_pictures(self) -> bool:
        """Whether a picture or two are the input, so that an answer can be drawn into them."""
        return self.media in ("picture", "pictures")

    @property
    def takes_sound(self) -> bool:
        """Whether a recording is the input, so that the service runs on a microphone too."""
        return self.media == "recording"

    @property
    def is_job(self) -> bool:
        """Whether a request of it may well take minutes."""
        return self.media == "video"

    @property
    def makes_video(self) -> bool:
        """Whether an answer comes with a video that was made for it."""
        return self.result in (video.Highlight, video.EnlargedVideo)

    @cached_property
    def request(self) -> type[BaseModel]:
        """The whole request: envelope, input, and the options, each of which may be left out.

        Types are strict: neither `"0.3"` nor `true` is a number, but a whole number is a float.
        """
        said = descriptions(self.options)
        optional: dict[str, Any] = {
            name: (known.rebuild_annotation() | None, Field(default=None, description=said.get(name)))
            for name, known in self.options.model_fields.items()
            if name not in self.inside
        }
        return create_model(
            f"{self.name.title().replace('-', '')}Request",
            __base__=(_Strict, Envelope, self.input),
            __doc__=f"Request of {self.name}.",
            **optional,
        )

    def request_schema(self) -> dict[str, Any]:
        """JSON Schema of the request."""
        return {"$id": f"{self.schema_id}/request", **self.request.model_json_schema()}


class _Strict(BaseModel):
    model_config = ConfigDict(strict=True)
