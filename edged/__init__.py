"""edged: run small models next to the camera and the microphone.

What a plugin author needs is importable from here, from `edged.ops` and from `edged.media`; nothing else
is public.
"""

from edged.contracts.card import ModelCard, Parameters
from edged.contracts.errors import CardError, EdgedError, InferenceError, NotUsable, PluginError
from edged.contracts.image import (
    Classification,
    DetectionOptions,
    Detections,
    OcrOptions,
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
from edged.contracts.model import (
    Model,
    Options,
    Prepared,
    Run,
    Session,
    SinglePassModel,
    StreamModel,
    Tensors,
    Tools,
)
from edged.hookspecs import Decoder, Register, RegisterDecoder, hookimpl

__version__ = "0.1.0"

__all__ = [
    "AudioClip",
    "CardError",
    "Classification",
    "Colour",
    "Decoder",
    "DetectionOptions",
    "Detections",
    "EdgedError",
    "Fit",
    "Frame",
    "FramePair",
    "InferenceError",
    "Model",
    "ModelCard",
    "NotUsable",
    "OcrOptions",
    "Options",
    "Parameters",
    "PixelFormat",
    "Pixels",
    "PluginError",
    "Prepared",
    "Register",
    "RegisterDecoder",
    "Run",
    "Session",
    "SinglePassModel",
    "StreamModel",
    "Tensors",
    "TextPair",
    "TextRow",
    "Texts",
    "Tools",
    "Video",
    "__version__",
    "hookimpl",
]
