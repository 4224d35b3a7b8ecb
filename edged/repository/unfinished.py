"""What is still to be made of a model that is open already: variants that lack, or are not measured here."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256

from edged.contracts.card import ModelCard, VariantName
from edged.contracts.errors import EdgedError
from edged.derive.files import TOOLS
from edged.derive.manifest import METHOD, Manifest, recipe
from edged.repository.catalogue import Catalogue
from edged.repository.variants import variants_of
from edged.runtimes.devices import Device, devices, tool_version
from edged.runtimes.opening import split

FILE = "complete.json"
"""Beside the variants: what all was tried with, so that what cannot be made is not tried at every start."""


@dataclass(frozen=True, slots=True)
class Unfinished:
    """What is missing of a model."""

    derive: tuple[VariantName, ...]
    """Variants that are not derived, or not as they would be now; f32 first."""
    measure: bool
    """Whether one that is derived, or will be, is not measured here."""

    def __bool__(self) -> bool:
        return bool(self.derive) or self.measure


NOTHING = Unfinished((), False)


def unfinished(catalogue: Catalogue, model: str) -> Unfinished:
    """Of a model by its id; nothing of one that has no graphs, or whose weights are not kept."""
    card = catalogue.card(model)
    if not card.graphs or not catalogue.store.installed(card, card.weights) or _tried(catalogue, card):
        return NOTHING
    manifests = catalogue.manifests(card)
    fresh = {name: found for name, found in manifests.items() if found.stale(card) is None}
    missing = sorted(
        (name for name in variants_of(card) if name not in fresh), key=lambda name: not name.endswith("f32")
    )
    measured = all(_is_measured(fresh[name], name, devices()) for name in fresh)
    return Unfinished(tuple(missing), bool(missing) or not measured)


def all_tried(catalogue: Catalogue, model: str) -> None:
    """Remember that nothing more can be made of a model with what is installed now. Raises `OSError`."""
    card = catalogue.card(model)
    beside = catalogue.root / card.id / f".{FILE}.partial"
    beside.write_text(json.dumps({"tried": _state(card)}) + "\n", "utf-8")
    beside.replace(catalogue.root / card.id / FILE)


def bytes_of(catalogue: Catalogue, model: str) -> int:
    """Of the weights of a model, without its media."""
    card = catalogue.card(model)
    names = {name for graph in card.graphs.values() for name in graph.weights}
    found = (catalogue.store.find(card, name) for name in names)
    try:
        return sum(path.stat().st_size for path in found if path is not None)
    except OSError:
        return 0


def used_first(catalogue: Catalogue, models: Sequence[str]) -> list[str]:
    """The models, each after those that it uses; what the catalogue does not have is left out."""
    found: dict[str, None] = {}
    for model in models:
        try:
            found.update(dict.fromkeys([*catalogue.used(model), model]))
        except EdgedError:
            continue
    return list(found)


def _is_measured(manifest: Manifest, variant: VariantName, here: Sequence[Device]) -> bool:
    runtime = split(variant)[0]
    found = [manifest.measurement(device) for device in here if device.runtime == runtime]
    return all(measured is not None and measured.method == METHOD for measured in found)


def _tried(catalogue: Catalogue, card: ModelCard) -> bool:
    try:
        kept = json.loads((catalogue.root / card.id / FILE).read_bytes())
        return bool(kept["tried"] == _state(card))
    except (OSError, ValueError, LookupError, TypeError):
        return False


def _state(card: ModelCard) -> str:
    """All that decides what can be made of it here."""
    state = {
        "recipes": {name: recipe(card, name).model_dump(mode="json") for name in variants_of(card)},
        "tools": {tool: tool_version(tool) for tool in TOOLS},
        "devices": [f"{device.name}: {device.identity}" for device in devices()],
        "method": METHOD,
    }
    return sha256(json.dumps(state, sort_keys=True).encode()).hexdigest()
