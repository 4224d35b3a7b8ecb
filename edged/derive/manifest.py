"""What stands beside a derived variant: of what it was made, how, and how well it does on this machine."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from pydantic import ConfigDict, ValidationError, field_validator

from edged.contracts.card import Calibration, ModelCard, VariantName
from edged.contracts.described import Described
from edged.contracts.errors import ChecksumError, VariantError
from edged.runtimes.devices import Device

RECIPE_VERSION = 3
"""Raised whenever `derive` makes something else of the same weights and card."""

METHOD = 2
"""Raised whenever variants are measured in another way: a pull measures again what was measured before."""

FILE = "manifest.json"


class _Part(Described):
    """What another release wrote is read too, or a box without a network would lose its models.

    So a field that is not known here is ignored, and one that 0.1.0 did not write needs a default.
    """

    model_config = ConfigDict(extra="ignore", frozen=True)


class Recipe(_Part):
    """All that decides what is derived; another recipe means deriving anew."""

    version: int
    """`RECIPE_VERSION` of the edged that derived it."""
    sources: Mapping[str, str]
    """Checksums of the weights by name."""
    graphs: Mapping[str, Mapping[str, Any]]
    """As the card had them: what was folded, and what int8 left in f32."""
    calibration: Calibration | None
    """The frames that int8 was calibrated on."""

    @field_validator("calibration", mode="before")
    @classmethod
    def _as_known_here(cls, value: Any) -> Any:
        """A card refuses what it does not know; a manifest, here as elsewhere, does without it."""
        if not isinstance(value, dict):
            return value
        return {name: value[name] for name in value.keys() & Calibration.model_fields.keys()}

    @property
    def digest(self) -> str:
        """Equal for equal recipes: what shipped evidence names."""
        told = json.dumps(self.model_dump(mode="json"), sort_keys=True)
        return hashlib.sha256(told.encode()).hexdigest()[:16]


class Measured(_Part):
    """How a variant does on one device of one machine."""

    device: str
    """`cpu`, `gpu`, `npu`, `cuda:0`."""
    identity: str
    """Full name of the device, runtime and its version; a measurement from elsewhere does not count."""
    agreement: float | None = None
    """0 to 1 with f32, on items that int8 was not calibrated on; none: not measured, or there is no f32."""
    at_least: float | None = None
    """The agreement less two standard errors of its mean over the items; none: as `agreement`."""
    ms: float | None = None
    """One typical item through all graphs, without preparation, milliseconds; none: not measured."""
    items: int = 0
    """How many items the agreement is of; 0: an older edged did not tell."""
    full: bool = False
    """The owner had it measured on all items that there are: it counts before what the card tells."""
    mb: float | None = None
    """By how much the process grew when it was opened and had run once, megabytes of proportional set."""
    why_not: str = ""
    """Why it does not open on this device; empty when it does."""
    method: int = 0
    """`METHOD` of the edged that measured it."""

    def holds_for(self, device: Device) -> bool:
        """Whether it was measured on this very device."""
        return self.device == device.name and self.identity == device.identity


class Manifest(_Part):
    """`manifest.json` of one variant of one model."""

    model: str
    variant: VariantName
    recipe: Recipe
    tools: Mapping[str, str]
    """Versions of the packages that derived it, for people."""
    files: Mapping[str, Mapping[str, str]]
    """By graph: SHA-256 by path relative to the manifest; the first file is the one that is opened."""
    seconds: float
    """How long deriving took."""
    measured: tuple[Measured, ...] = ()

    @classmethod
    def load(cls, folder: Path) -> Self | None:
        """The manifest in `folder`, of whichever release; or none when there is none that can be read."""
        try:
            return cls.model_validate_json((folder / FILE).read_bytes())
        except (OSError, ValidationError):
            return None

    def save(self, folder: Path) -> None:
        """Write it whole or not at all."""
        beside = folder / f".{FILE}.partial"
        beside.write_text(json.dumps(self.model_dump(mode="json"), indent=1) + "\n", "utf-8")
        beside.replace(folder / FILE)

    def measurement(self, device: Device) -> Measured | None:
        """What was measured on this very device."""
        return next((m for m in self.measured if m.holds_for(device)), None)

    def with_measured(self, new: Measured) -> Self:
        """The same with one measurement replaced or added."""
        kept = tuple(m for m in self.measured if (m.device, m.identity) != (new.device, new.identity))
        return self.model_copy(update={"measured": (*kept, new)})

    def stale(self, card: ModelCard) -> str | None:
        """What of the recipe is no longer as the card and this version of edged say; none: nothing."""
        now = recipe(card, self.variant)
        changed = [name for name in Recipe.model_fields if getattr(now, name) != getattr(self.recipe, name)]
        return " and ".join(changed) or None

    @property
    def paths(self) -> list[str]:
        """All files, relative to the manifest."""
        return [name for files in self.files.values() for name in files]

    def fingerprint(self, graph: str) -> str:
        """Equal for equal derived files: what sessions are shared by."""
        return "+".join(self.files[graph].values())

    def checked(self, graph: str, folder: Path) -> Path:
        """The file to open, after the SHA-256 of all files. Raises `ChecksumError`, `VariantError`."""
        for name, expected in self.files[graph].items():
            path = folder / name
            if not path.is_file():
                raise VariantError(f"{path} is missing; run `edged pull {self.model}`")
            if sha256(path) != expected:
                raise ChecksumError(f"{path} is not the file that was derived; run `edged pull {self.model}`")
        return folder / next(iter(self.files[graph]))


def recipe(card: ModelCard, variant: VariantName) -> Recipe:
    """What `variant` of the model is derived by now."""
    quantized = variant.endswith("int8") and not all(graph.quantized for graph in card.graphs.values())
    names = [name for graph in card.graphs.values() for name in graph.weights]
    if quantized and card.calibration:
        names.extend(card.calibration.media)
    without = {"variants"} if quantized else {"variants", "keep_f32"}
    return Recipe(
        version=RECIPE_VERSION,
        sources={name: card.weights[name].checksum for name in names},
        graphs={
            name: graph.model_dump(mode="json", exclude=without, exclude_defaults=True)
            for name, graph in card.graphs.items()
        },
        calibration=card.calibration if quantized else None,
    )


def sha256(path: Path) -> str:
    """SHA-256 of a file, hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
