"""A result of each of the 25 services, small and made by hand: for tests, and for whoever shows an answer.

`finding("object-detection", 3)` has three objects, `finding("object-detection", 0)` is what an empty picture
gives. Where nothing can be counted `n` makes another result, so that `n` from 0 to `LAST` differ everywhere.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import orjson

from edged.answers.finding import Finding
from edged.contracts.face import (
    EnhancedFaces,
    EnhancementOptions,
    FaceAttributes,
    FaceOptions,
    FaceSimilarity,
    FacesOptions,
)
from edged.contracts.image import (
    Classification,
    DetectionOptions,
    Detections,
    OcrOptions,
    OutImage,
    PictureOptions,
    SceneClassification,
    TextRow,
    Texts,
)
from edged.contracts.items import Pixels
from edged.contracts.masks import (
    Foreground,
    ForegroundOptions,
    InstanceMasks,
    Opacity,
    PartMask,
    Segmentation,
    SegmentationOptions,
)
from edged.contracts.model import Options
from edged.contracts.pairs import ComparisonOptions, ImageSimilarity, ProductMatch
from edged.contracts.product import UNKNOWN, InventoryOptions, ShelfCount
from edged.contracts.services import service
from edged.contracts.speech import (
    Clips,
    DetectionThreshold,
    LabelOptions,
    RecognitionOptions,
    SpeakerClass,
    SpeechVector,
    Transcript,
    YesNo,
)
from edged.contracts.text import TextOptions, TextVectors
from edged.contracts.video import (
    ActionClassification,
    ActionOptions,
    EnlargedVideo,
    EnlargementOptions,
    Highlight,
    HighlightOptions,
)

SIZE = HEIGHT, WIDTH = 60, 80
"""Of the picture of which the results speak, pixels."""
GRID = 6, 8
"""Of the model that makes the maps."""
LAST = 4
"""The largest `n`."""

OBJECTS = ("person", "bicycle", "car", "dog", "cat")
SCENES = ("attic", "bar", "beach", "cave", "dam", "field", "zoo")
ACTIONS = ("Archery", "Basketball", "Biking", "juggling balls", "skydiving", "yoga")
MAPPED = ("background", "aeroplane", "bicycle", "bird", "boat", "bottle")
SHELVES = {0: UNKNOWN, 1: "cola-330", 2: "water-500"}
SHARES = np.array([0.4, 0.2, 0.15, 0.1, 0.08, 0.05, 0.02])
SENTENCES = ("今天天气很好", "我们去公园", "明天见")
SIGNS = (("出口", (7, 9)), ("EXIT", (31, 54, 35, 50)), ("3", (17,)), ("<", (5,)))


def picture(n: int = 0) -> Pixels:
    """The picture, BGR: a gray one that is lighter to the right."""
    row = np.linspace(40, 200, WIDTH).astype(np.uint8) + np.uint8(10 * n)
    return np.ascontiguousarray(np.broadcast_to(row[None, :, None], (HEIGHT, WIDTH, 3)))


def _boxes(n: int) -> np.ndarray:
    """[n, 4]: beside each other."""
    left = 4.0 + 19 * np.arange(n)
    return np.stack([left, np.full(n, 10.0), left + 16.5, np.full(n, 50.25)], axis=1).astype(np.float32)


def _scores(n: int) -> np.ndarray:
    return (0.95 - 0.1 * np.arange(n)).astype(np.float32)


def _shares(n: int, names: tuple[str, ...]) -> np.ndarray:
    """Probabilities of which the largest is that of the class `n`."""
    shares = SHARES[: len(names)]
    return np.roll(shares / shares.sum(), n)


def detections(n: int) -> Detections:
    """`n` objects of different classes."""
    return Detections(_boxes(n), _scores(n), np.arange(n), OBJECTS)


def instances(n: int) -> InstanceMasks:
    """`n` objects, each an oval in its box."""
    rows, columns = np.ogrid[-1:1:40j, -1:1:16j]  # type: ignore[misc]
    oval = rows**2 + columns**2 <= 1
    masks = [PartMask(10, int(left), oval) for left in _boxes(n)[:, 0]]
    return InstanceMasks.of(detections(n), masks, SIZE)


def shelf(n: int) -> ShelfCount:
    """`n` products, of which every third is unknown."""
    return ShelfCount(_boxes(n), _scores(n), np.arange(1, n + 1) % len(SHELVES), SHELVES, SIZE)


def classification(n: int) -> Classification:
    """Most probably the class `n`."""
    return Classification(_shares(n, OBJECTS), OBJECTS)


def scene(n: int) -> SceneClassification:
    """Most probably the scene `n`; the five best are others each time."""
    return SceneClassification(_shares(n, SCENES), SCENES)


def action(n: int) -> ActionClassification:
    """Most probably the action `n`; half of them are named as in UCF101, half as in Kinetics-400."""
    return ActionClassification(_shares(n, ACTIONS), ACTIONS, ("ucf101",) * 3 + ("kinetics400",) * 3)


def segmentation(n: int) -> Segmentation:
    """The class `n` on the left, else background; of 0 background alone."""
    logits = np.zeros((len(MAPPED), *GRID), np.float32)
    logits[0] = 2
    logits[n, :, : GRID[1] // 2] += 4
    return Segmentation(logits, SIZE, MAPPED)


def foreground(n: int) -> Foreground:
    """`n` people, each in the middle of a box."""
    values = np.zeros((4, 4), np.float32)
    values[1:3, 1:3] = 1
    return Foreground([Opacity(values, box) for box in _boxes(n)], GRID, SIZE)


def texts(n: int) -> Texts:
    """`n` texts, one below the other; the last one reads upwards and reaches over the edge."""
    down = np.array([0, 14], np.float32)
    level = np.array([[5, 4], [45, 4], [45, 12], [5, 12]], np.float32)
    upwards = np.array([[70, 58], [70, 20], [84, 20], [84, 58]], np.float32)
    quads = [level, level + down, level + 2 * down, upwards]
    rows = [
        TextRow(quad, 0.9 - 0.1 * i, text, ids, 0.98765)
        for i, (quad, (text, ids)) in enumerate(zip(quads, SIGNS, strict=True))
    ]
    return Texts(rows[:n], SIZE, ("background", "text"))


def faces(n: int) -> FaceAttributes:
    """`n` faces."""
    genders, emotions = ("female", "male"), ("Happiness", "Neutral", "Surprise")
    return FaceAttributes(
        31.4 + 7.25 * np.arange(n),
        [genders[i % 2] for i in range(n)],  # type: ignore[misc]
        [emotions[i % 3] for i in range(n)],  # type: ignore[misc]
        _boxes(n),
        _scores(n),
        SIZE,
    )


def vectors(n: int) -> TextVectors:
    """Of a text of `n` tokens, and the marks around it."""
    states = np.linspace(-1, 1, 4 * (n + 2), dtype=np.float32).reshape(-1, 4)
    return TextVectors("7", np.tanh(states[0]), states, truncated=n == LAST)


def transcript(n: int) -> Clips[Transcript]:
    """A recording of two clips: nothing is said in the first, and `n` times something in the second."""
    said = tuple(SENTENCES[i % len(SENTENCES)] for i in range(n))
    return Clips([(0, Transcript(())), (20_000_000, Transcript(said))])


def speaker(n: int) -> Clips[SpeakerClass]:
    """A recording of `n` clips, in which a woman and a man speak in turns; of 0 nobody speaks in it."""
    turns = [SpeakerClass((0.9, 0.2)[i % 2]) for i in range(n)]
    return Clips([(20_000_000 * i, clip) for i, clip in enumerate([*turns, SpeakerClass(None)])])


def yes_no(n: int) -> Clips[YesNo]:
    """A recording of a clip, that holds what was looked for unless `n` is 0."""
    return Clips([(0, YesNo(0.9 if n else 0.1))])


def speech_vector(n: int) -> Clips[SpeechVector]:
    """A recording of `n` clips in which somebody speaks, and one in which nobody does."""
    spoken = [SpeechVector(np.array([0.5, -0.25, i]), 2.0) for i in range(n)]
    return Clips([(20_000_000 * i, c) for i, c in enumerate([*spoken, SpeechVector(np.zeros(0), 0.0)])])


RESULTS: Mapping[str, Callable[[int], Any]] = {
    "video-classification": action,
    "video-highlight": lambda n: Highlight(
        1_000_000 * n, 1_000_000 * n + 5_000_000, uri=f"edged:clips/{n}.mp4"
    ),
    "video-super-resolution": lambda n: EnlargedVideo(iter([(picture(n), 0)]), f"edged:videos/{n}.mp4"),
    "image-classification": classification,
    "object-detection": detections,
    "semantic-segmentation": segmentation,
    "instance-segmentation": instances,
    "ocr": texts,
    "foreground-segmentation": foreground,
    "scene-classification": scene,
    "inventory-counting": shelf,
    "image-similarity": lambda n: ImageSimilarity(92.456 - 5 * n, 0.2512345 + 0.1 * n),
    "image-colorization": lambda n: OutImage(picture(n + 1)),
    "speech-recognition-zh": transcript,
    "speech-recognition-zh-live": transcript,
    "speech-vectorization-zh": speech_vector,
    "speech-vectorization-en": speech_vector,
    "speaker-classification-zh": speaker,
    "speech-detection-zh": yes_no,
    "music-detection": yes_no,
    "text-vectorization": vectors,
    "face-similarity": lambda n: FaceSimilarity(93.7 - 10 * n),
    "face-attributes": faces,
    "face-enhancement": lambda n: EnhancedFaces(picture(n), _boxes(n)),
    "product-comparison": lambda n: ProductMatch(0.75 - 0.25 * n),
}
"""By service: its `n`th result."""

_OPTIONS: Mapping[type[Options], Options] = {
    type(options): options
    for options in (
        Options(),
        ActionOptions(taxonomy="auto"),
        EnlargementOptions(scale=2),
        HighlightOptions(explain=False),
        DetectionOptions(score_threshold=0.3, iou_threshold=0.45, max_detections=100),
        SegmentationOptions(output_size="model", mask_encoding="list", return_all_probs=False),
        ForegroundOptions(output_size="model", mask_encoding="list", threshold=0.5, person_threshold=0.3),
        OcrOptions(score_threshold=0.6, text_score_threshold=0.5, max_detections=1000, longest_side=960),
        InventoryOptions(score_threshold=0.3, iou_threshold=0.5, max_detections=300, max_distance=0.8),
        PictureOptions(image_format="jpeg"),
        RecognitionOptions(beam=1),
        LabelOptions(language="zh"),
        DetectionThreshold(language="zh", threshold=0.5),
        TextOptions(padded=False),
        FaceOptions(score_threshold=0.7),
        FacesOptions(score_threshold=0.7, max_faces=100),
        EnhancementOptions(score_threshold=0.7, max_faces=100, image_format="jpeg", strength=1.0),
        ComparisonOptions(metric="L2"),
    )
}


def options_of(name: str) -> Options:
    """Options of a service, as a card might set them."""
    return _OPTIONS[service(name).options]


def finding(name: str, n: int = 2, **options: Any) -> Finding:
    """The `n`th result of a service, 0 to `LAST`, with options of which some may be given."""
    return Finding(service(name), RESULTS[name](n), options_of(name).model_copy(update=options))


def written(of: Finding) -> bytes:
    """The answer without envelope, as the host encodes it; what is not finite becomes null."""
    return orjson.dumps(of.answer(), option=orjson.OPT_SERIALIZE_NUMPY)
