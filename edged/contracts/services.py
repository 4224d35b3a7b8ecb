"""The table of the 25 services, of the inner ones, and of the parts."""

from collections.abc import Mapping

from edged.contracts import face, image, masks, pairs, parts, product, speech, text, transcription, video
from edged.contracts.card import ModelCard
from edged.contracts.errors import NotFound
from edged.contracts.model import Options
from edged.contracts.service import Service
from edged.contracts.spelling import hint


def any_service(name: str) -> Service:
    """The service, inner ones too, or the part of that name. Raises `NotFound` that lists close names."""
    return PARTS.get(name) or INNER.get(name) or service(name)


def card_options(card: ModelCard) -> Options:
    """The options of its service as a card sets them. Raises `CardError` with every fault, or `NotFound`."""
    return card.options_as(any_service(card.service).options)


def service(name: str) -> Service:
    """The service of that name. Raises `NotFound` that lists close names."""
    try:
        return SERVICES[name]
    except KeyError:
        meant = hint(name, SERVICES, "`edged services` lists all of them")
        raise NotFound(f"no service is called {name!r}; {meant}") from None


_AS_RUNS = {"mask_encoding": "rle"}
_IMAGE, _PAIR, _SOUND = image.ImageInput, pairs.PairInput, speech.SoundInput
_VIDEO, _TEXT = video.VideoInput, text.TextInput

SERVICES: Mapping[str, Service] = {
    s.name: s
    for s in (
        Service(
            "video-classification",
            "video",
            "what happens in a video",
            _VIDEO,
            video.ActionOptions,
            video.ActionClassification,
            watches=True,
        ),
        Service(
            "video-highlight",
            "video",
            "the most interesting five seconds of a video",
            _VIDEO,
            video.HighlightOptions,
            video.Highlight,
        ),
        Service(
            "video-super-resolution",
            "video",
            "a video at two or four times its size",
            _VIDEO,
            video.EnlargementOptions,
            video.EnlargedVideo,
        ),
        Service(
            "image-classification",
            "image",
            "what a picture shows, of 1000 classes",
            _IMAGE,
            Options,
            image.Classification,
        ),
        Service(
            "object-detection",
            "image",
            "boxes around objects of 80 classes",
            _IMAGE,
            image.DetectionOptions,
            image.Detections,
        ),
        Service(
            "semantic-segmentation",
            "image",
            "the class of every pixel",
            _IMAGE,
            masks.SegmentationOptions,
            masks.Segmentation,
            on_streams=_AS_RUNS,
        ),
        Service(
            "instance-segmentation",
            "image",
            "a mask for every object",
            _IMAGE,
            image.DetectionOptions,
            masks.InstanceMasks,
        ),
        Service(
            "ocr",
            "image",
            "the text in a picture, Chinese and English",
            _IMAGE,
            image.OcrOptions,
            image.Texts,
        ),
        Service(
            "foreground-segmentation",
            "image",
            "people against the background",
            _IMAGE,
            masks.ForegroundOptions,
            masks.Foreground,
            on_streams=_AS_RUNS,
        ),
        Service(
            "scene-classification",
            "image",
            "the kind of place, of 365",
            _IMAGE,
            Options,
            image.SceneClassification,
        ),
        Service(
            "inventory-counting",
            "image",
            "how many of each product stand on a shelf",
            _IMAGE,
            product.InventoryOptions,
            product.ShelfCount,
            version=2,
        ),
        Service(
            "image-similarity", "image", "how alike two pictures are", _PAIR, Options, pairs.ImageSimilarity
        ),
        Service(
            "image-colorization",
            "image",
            "colour for a gray picture",
            image.ColourInput,
            image.PictureOptions,
            image.OutImage,
        ),
        Service(
            "speech-recognition-zh",
            "speech",
            "Mandarin speech to text",
            _SOUND,
            speech.RecognitionOptions,
            speech.Transcript,
            version=2,
        ),
        Service(
            "speech-recognition-zh-live",
            "speech",
            "Mandarin live streaming to text",
            _SOUND,
            speech.RecognitionOptions,
            speech.Transcript,
            version=2,
            listens="growing",
        ),
        Service(
            "speech-vectorization-zh",
            "speech",
            "a feature vector of Mandarin speech",
            _SOUND,
            Options,
            speech.SpeechVector,
        ),
        Service(
            "speech-vectorization-en",
            "speech",
            "a feature vector of English speech",
            _SOUND,
            Options,
            speech.SpeechVector,
        ),
        Service(
            "speaker-classification-zh",
            "speech",
            "whether a woman or a man speaks",
            _SOUND,
            speech.LabelOptions,
            speech.SpeakerClass,
            version=2,
        ),
        Service(
            "speech-detection-zh",
            "speech",
            "whether Mandarin is spoken",
            _SOUND,
            speech.DetectionThreshold,
            speech.YesNo,
        ),
        Service(
            "music-detection",
            "speech",
            "whether there is background music",
            _SOUND,
            speech.DetectionThreshold,
            speech.YesNo,
            listens="always",
        ),
        Service(
            "text-vectorization",
            "text",
            "vectors of a text or of a pair of texts",
            _TEXT,
            text.TextOptions,
            text.TextVectors,
        ),
        Service(
            "face-similarity",
            "face",
            "whether two faces are the same person",
            _PAIR,
            face.FaceOptions,
            face.FaceSimilarity,
        ),
        Service(
            "face-attributes",
            "face",
            "age, gender and emotion of every face",
            _IMAGE,
            face.FacesOptions,
            face.FaceAttributes,
        ),
        Service(
            "face-enhancement",
            "face",
            "restored faces in a picture",
            _IMAGE,
            face.EnhancementOptions,
            face.EnhancedFaces,
        ),
        Service(
            "product-comparison",
            "product",
            "how alike two products are",
            pairs.ProductInput,
            pairs.ComparisonOptions,
            pairs.ProductMatch,
            version=2,
            inside=frozenset({"metric"}),
        ),
    )
}
"""By name; 25 of them."""

INNER: Mapping[str, Service] = {
    s.name: s
    for s in (
        Service(
            "transcription",
            "speech",
            "what is said, in any language",
            transcription.BroughtSound,
            transcription.TranscriptionOptions,
            transcription.Passages,
        ),
        Service(
            "text-embedding",
            "text",
            "what a text means, as a vector",
            text.TextToEmbed,
            Options,
            text.TextEmbedding,
        ),
    )
}
"""By name: what outside worlds ask for whose clients have a contract of their own (`/v1`, Wyoming). They may
be configured; they have no topic, and `/api/predict` does not know them."""

ASKED: Mapping[str, Service] = {**SERVICES, **INNER}
"""By name: all of which there are requests."""

PARTS: Mapping[str, Service] = {
    s.name: s
    for s in (
        Service(
            "face-detection",
            "face",
            "every face with its five landmarks",
            _IMAGE,
            parts.FaceDetectionOptions,
            parts.Faces,
        ),
        Service(
            "image-embedding",
            "image",
            "what a picture shows, as a vector of length 1",
            _IMAGE,
            Options,
            parts.Embedding,
        ),
        Service(
            "picture-enlargement",
            "image",
            "a picture at several times its size",
            _IMAGE,
            Options,
            parts.Enlarged,
        ),
        Service("voice-activity", "speech", "when somebody speaks", _SOUND, Options, parts.VoiceActivity),
        Service(
            "sound-events", "speech", "which sounds are heard, and when", _SOUND, Options, parts.SoundEvents
        ),
        Service(
            "speech-understanding",
            "speech",
            "what is said, and in which language",
            _SOUND,
            parts.HearingOptions,
            parts.Heard,
        ),
    )
}
"""By name: what models offer to other models. Nobody can request them, and they have no topic."""
