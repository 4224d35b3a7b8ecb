"""edged: run small models next to the camera and the microphone.

What a plugin author needs is importable from here, from `edged.ops` and from `edged.media`; nothing else
is public.
"""

from edged.contracts.card import ModelCard, Parameters
from edged.contracts.errors import CardError, EdgedError, InferenceError, NotUsable, PluginError, TooLarge
from edged.contracts.face import (
    EnhancementOptions,
    FaceAttributes,
    FaceOptions,
    FaceSimilarity,
    FacesOptions,
    OutImage,
    PictureOptions,
)
from edged.contracts.gallery import Gallery, GalleryIndex
from edged.contracts.image import (
    Classification,
    DetectionOptions,
    Detections,
    OcrOptions,
    SceneClassification,
    TextRow,
    Texts,
)
from edged.contracts.items import (
    AudioClip,
    Colour,
    Fit,
    Frame,
    FramePair,
    PixelFormat,
    Pixels,
    TextPair,
    Video,
)
from edged.contracts.masks import (
    ForegroundMask,
    ForegroundOptions,
    InstanceMasks,
    MaskEncoding,
    MaskOptions,
    Rle,
    Runs,
    Segmentation,
    SegmentationOptions,
)
from edged.contracts.model import (
    Model,
    Options,
    Part,
    Prepared,
    Run,
    Session,
    SinglePassModel,
    StreamModel,
    Tensors,
    Tools,
)
from edged.contracts.pairs import ComparisonOptions, ImageSimilarity, ProductMatch
from edged.contracts.parts import Embedding, Enlarged, FaceDetectionOptions, Faces
from edged.contracts.product import UNKNOWN, InventoryOptions, ShelfCount
from edged.hookspecs import Decoder, Register, RegisterDecoder, hookimpl

__version__ = "0.1.0"

__all__ = [
    "UNKNOWN",
    "AudioClip",
    "CardError",
    "Classification",
    "Colour",
    "ComparisonOptions",
    "Decoder",
    "DetectionOptions",
    "Detections",
    "EdgedError",
    "Embedding",
    "EnhancementOptions",
    "Enlarged",
    "FaceAttributes",
    "FaceDetectionOptions",
    "FaceOptions",
    "FaceSimilarity",
    "Faces",
    "FacesOptions",
    "Fit",
    "ForegroundMask",
    "ForegroundOptions",
    "Frame",
    "FramePair",
    "Gallery",
    "GalleryIndex",
    "ImageSimilarity",
    "InferenceError",
    "InstanceMasks",
    "InventoryOptions",
    "MaskEncoding",
    "MaskOptions",
    "Model",
    "ModelCard",
    "NotUsable",
    "OcrOptions",
    "Options",
    "OutImage",
    "Parameters",
    "Part",
    "PictureOptions",
    "PixelFormat",
    "Pixels",
    "PluginError",
    "Prepared",
    "ProductMatch",
    "Register",
    "RegisterDecoder",
    "Rle",
    "Run",
    "Runs",
    "SceneClassification",
    "Segmentation",
    "SegmentationOptions",
    "Session",
    "ShelfCount",
    "SinglePassModel",
    "StreamModel",
    "Tensors",
    "TextPair",
    "TextRow",
    "Texts",
    "TooLarge",
    "Tools",
    "Video",
    "__version__",
    "hookimpl",
]
