"""The model card: one YAML file that says all there is to say about a model."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, Self, TypeVar

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

from edged.contracts.accuracy import Evidence
from edged.contracts.described import Described
from edged.contracts.errors import CardError
from edged.contracts.graph_input import GraphInput, PictureInput
from edged.contracts.objections import card_faults

Runtime = Literal["onnxruntime", "openvino"]
Precision = Literal["f32", "bf16", "int8"]
VariantName = Literal["openvino-f32", "openvino-bf16", "openvino-int8", "onnxruntime-f32", "onnxruntime-int8"]


class _Part(Described):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Parameters(_Part):
    """Base of what a plugin or a decoder reads from the card's `parameters`; documents every field."""


ParametersT = TypeVar("ParametersT", bound=Parameters)
OptionsT = TypeVar("OptionsT", bound=BaseModel)


class Licence(_Part):
    """Under which terms the weights may be used."""

    id: str
    """SPDX identifier."""
    permissive: bool
    """False: shown at `pull`, which then needs `--accept-licence`."""
    note: str = ""
    """Where it was read, or that it is known but was not read in the package."""


class Origin(_Part):
    """One place where a file can be had; exactly one of `pypi`, `npm`, `https` and `file` is given."""

    pypi: str | None = None
    """`name==version` of a package in the registry that the user's pip is configured with."""
    npm: str | None = None
    """`name@version` of a package in the registry that the user's npm is configured with."""
    member: str | None = None
    """Path of the file within the package."""
    https: str | None = None
    """URL of the file itself, beginning with `https://`."""
    file: str | None = None
    """Path relative to the card's folder, or absolute: weights that the user brings along."""
    verified: bool = True
    """False until somebody has fetched the file from here and its SHA-256 was right."""

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        if sum(place is not None for place in (self.pypi, self.npm, self.https, self.file)) != 1:
            raise ValueError("name exactly one of pypi, npm, https, file")
        if self.pypi is not None and (self.member is None or "==" not in self.pypi):
            raise ValueError("pypi wants `name==version` and `member`")
        if self.npm is not None and (self.member is None or "@" not in self.npm[1:]):
            raise ValueError("npm wants `name@version` and `member`")
        if self.https is not None and not self.https.startswith("https://"):
            raise ValueError("https wants a URL that begins with https://")
        return self


UNKNOWN_SIZE = 100_000_000
"""Bytes at which a file of unknown size is refused."""


class Weights(_Part):
    """One file as published by its maker."""

    sha256: str | None = Field(default=None, pattern=r"^[0-9a-f]{64}$")
    """Of the file; checked after the download and before every opening."""
    sha384: str | None = Field(default=None, pattern=r"^[0-9a-f]{96}$")
    """In its place, where the maker published this one and nobody has fetched the file yet."""
    size: int | None = Field(default=None, gt=0)
    """Bytes; none where the maker published the checksum alone and nobody has fetched the file yet."""
    origins: tuple[Origin, ...] = Field(min_length=1)
    """Tried in this order."""

    @model_validator(mode="after")
    def _one_checksum(self) -> Self:
        if (self.sha256 is None) == (self.sha384 is None):
            raise ValueError("name exactly one of sha256 and sha384")
        return self

    @property
    def most(self) -> int:
        """Bytes that it has at most."""
        return self.size or UNKNOWN_SIZE

    @property
    def algorithm(self) -> Literal["sha256", "sha384"]:
        """Of the checksum, as `hashlib` names it."""
        return "sha384" if self.sha256 is None else "sha256"

    @property
    def checksum(self) -> str:
        """What the file is known by, hexadecimal."""
        return self.sha256 or self.sha384 or ""


class Graph(_Part):
    """One graph of a model: where it comes from and what it eats and gives."""

    weights: tuple[str, ...] = Field(min_length=1)
    """Names in `weights` that make it up; the first is the one that is opened."""
    inputs: Mapping[str, GraphInput]
    """By name in the graph."""
    outputs: tuple[str, ...] = Field(min_length=1)
    """Names in the graph."""
    batch_axis: Literal[0] | None = None
    """0: a run may hold several items along that axis; none: several items are several runs."""
    variants: tuple[VariantName, ...] = Field(min_length=1)
    """Runtime x precision that can be derived, in order of preference where nothing was measured."""
    builder: int | None = Field(default=None, ge=1)
    """For weights that are no graph: the plugin's `build_graph` makes one of them at `pull`. Raised by one
    whenever it makes another one of the same weights."""
    quantized: bool = False
    """The weights are int8 as published: an int8 variant is a conversion, for which nothing is calibrated.
    Where all that flows is rounded, too ("dynamic" quantization), it stays f32."""
    alone: bool = False
    """One run at a time, on the threads of all workers: for a large graph, of which a second run beside the
    first would cost more memory than it gains."""
    keep_f32: tuple[str, ...] = ()
    """Nodes that int8 leaves in f32, as they cost too much agreement: names with `*`, `?` and `[0-9]`."""

    @model_validator(mode="after")
    def _int8_stays_int8(self) -> Self:
        others = [name for name in self.variants if not name.endswith("int8")]
        if self.quantized and others:
            raise ValueError(f"a graph that is `quantized` has no variant {', '.join(others)}")
        return self

    def single(self) -> tuple[str, str]:
        """Names of the one input and the one output. Raises `CardError` when there is another number."""
        if len(self.inputs) != 1 or len(self.outputs) != 1:
            raise CardError("the plugin wants a graph with exactly one input and one output")
        return next(iter(self.inputs)), self.outputs[0]


class Calibration(_Part):
    """Representative media for quantization and for measuring the agreement of variants."""

    media: tuple[str, ...] = Field(min_length=1)
    """Names in `weights` of videos and pictures; a single one may stand without a list."""
    frames: int = Field(default=48, ge=8, le=1000)
    """How many frames to take of each video, evenly spread."""

    @field_validator("media", mode="before")
    @classmethod
    def _one_or_many(cls, value: object) -> object:
        return (value,) if isinstance(value, str) else value


class Agreement(_Part):
    """How far a variant may be away from f32 before `precision: auto` passes it over."""

    minimum: float = Field(default=0.9, ge=0, le=1)
    """0 to 1: share of f32's answers that the variant gives too (detection: same class, IoU at least 0.5;
    OCR: letters), after two standard errors over the items are taken off."""
    loss: float = Field(default=0.02, ge=0, le=1)
    """How much less than f32 it may get where the truth is known, two standard errors included."""


class GalleryUse(_Part):
    """How a model sees the pictures that the shop enrolled."""

    embedding: str
    """Name in `uses` of the model that embeds them."""
    sides: tuple[int, ...] = ()
    """Each picture is also embedded reduced to so many pixels of its longer side, as seen from afar."""


API: Literal[2] = 2
"""Edition of the plugin contract that this version of edged knows."""


class ModelCard(_Part):
    """Identity, licence, provenance, graphs, labels and options of one model."""

    api: Literal[2] = API
    """Edition of the plugin contract that the card and its plugin are written for. A file must say it."""
    id: str = Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$")
    """Name of the model; unique."""
    service: str
    """The service that it fulfils."""
    rank: int = Field(ge=1)
    """1 is used first when the configuration names no model."""
    summary: str
    """One line for people."""
    source: str
    """Paper or project, as a link or citation."""
    licence: Licence
    weights: Mapping[str, Weights] = Field(default_factory=dict)
    """By file name."""
    graphs: Mapping[str, Graph] = Field(default_factory=dict)
    """By the name under which a plugin gets the session; a single pass model has `main`. None: the model
    is made of those that it uses."""
    uses: Mapping[str, str] = Field(default_factory=dict)
    """Other models that this one builds on: an id by the name under which the plugin gets it. `uses` of a
    service in the configuration may name others."""
    resources: Mapping[str, str] = Field(default_factory=dict)
    """What the model needs beside sessions (a dictionary, a tokenizer), opened once: a name in `weights`,
    by the name under which the plugin gets it."""
    reference: bool = False
    """Of image-colorization: it eats a `FramePair`, the picture and the `reference` of the request, so no
    camera can feed it. Models that do not say so take no reference."""
    gallery: GalleryUse | None = None
    """For a model that knows what the shop enrolled; the plugin gets it as the resource `gallery`, see
    `contracts/gallery.py`."""
    labels: tuple[str, ...] = ()
    """By class id; one label may be several synonyms, separated by a comma and a space."""
    options: Mapping[str, Any] = Field(default_factory=dict)
    """Defaults of the service's options."""
    isolation: Literal["none", "process"] = "none"
    """`process`: it lives in a process of its own, which it may end, hang or fill with no harm to others,
    unless `isolation` of the service in the configuration says otherwise. It costs memory and some
    milliseconds."""
    decoder: str | None = None
    """For a card without code: the named decoder of the raw outputs."""
    parameters: Mapping[str, Any] = Field(default_factory=dict)
    """Numbers that the plugin or the decoder needs to read the outputs; see `parameters_as`."""
    calibration: Calibration | None = None
    agreement: Agreement = Agreement()
    accuracy: Mapping[VariantName, Mapping[str, Evidence]] = Field(default_factory=dict)
    """By variant and class of instruction sets (`avx2`, `vnni`): from `accuracy.yaml` beside the card, which
    `tests/bench/accuracy.py` writes."""
    folder: Path = Field(default=Path(), exclude=True)
    """Where the card stands."""

    @field_validator("labels", mode="before")
    @classmethod
    def _labels_from_text(cls, value: object) -> object:
        return value.split("\n") if isinstance(value, str) else value

    @model_validator(mode="after")
    def _names_exist(self) -> Self:
        if not self.graphs and not self.uses:
            raise ValueError("a model has `graphs`, or `uses` other models, or both")
        for graph in self.graphs.values():
            for name in graph.weights:
                if name not in self.weights:
                    raise ValueError(f"graph wants the weights {name!r}, which are not listed")
        for name in self.resources.values():
            if name not in self.weights:
                raise ValueError(f"a resource wants the weights {name!r}, which are not listed")
        if self.gallery is not None and self.gallery.embedding not in self.uses:
            raise ValueError(f"`gallery` wants {self.gallery.embedding!r}, which is not among `uses`")
        for name in self.calibration.media if self.calibration else ():
            if name not in self.weights:
                raise ValueError(f"calibration wants {name!r}, which is not listed")
        return self

    @property
    def verified(self) -> bool:
        """Whether every file has an origin from which it was fetched and checked at least once."""
        return all(any(o.verified for o in w.origins) for w in self.weights.values())

    def class_names(self) -> tuple[str, ...]:
        """One name a class, by class id: a label's first synonym.

        Where classes share it the second synonym is added, and where that does not help the class id.
        """
        names = [label.split(", ")[0] for label in self.labels]
        longer = [", ".join(label.split(", ")[:2]) for label in self.labels]
        names = [long if names.count(name) > 1 else name for name, long in zip(names, longer, strict=True)]
        return tuple(f"{n} ({i})" if names.count(n) > 1 else n for i, n in enumerate(names))

    def picture(self, graph: str = "main") -> PictureInput:
        """The picture input of a graph that has exactly one."""
        (found,) = (i for i in self.graphs[graph].inputs.values() if isinstance(i, PictureInput))
        return found

    def options_as(self, kind: type[OptionsT]) -> OptionsT:
        """`options`, checked and typed. Raises `CardError` that names every missing or wrong field."""
        try:
            return kind.model_validate(self.options)
        except ValidationError as error:
            raise CardError(*self._faults(kind, error, "options")) from error

    def parameters_as(self, kind: type[ParametersT]) -> ParametersT:
        """`parameters`, checked and typed. Raises `CardError` that names every wrong field."""
        try:
            return kind.model_validate(self.parameters)
        except ValidationError as error:
            raise CardError(*self._faults(kind, error, "parameters")) from error

    def _faults(self, kind: type[BaseModel], error: ValidationError, part: str) -> Iterator[str]:
        return card_faults(self.folder / "card.yaml", kind, getattr(self, part), error, part)
