"""What can be told of an installed model that is not open: its classes, its tensors, and what would run."""

from collections.abc import Mapping
from dataclasses import dataclass

from edged.contracts.card import ModelCard
from edged.contracts.message import ModelFacts
from edged.repository.catalogue import Catalogue
from edged.runtimes.ov import read_signature
from edged.runtimes.signature import Signature


@dataclass(frozen=True, slots=True)
class Outline:
    """As an instance tells it, but for the device and the precision, which are only what is tried first."""

    card: ModelCard
    facts: ModelFacts
    signatures: Mapping[str, Signature]
    """By graph of the card."""


def outlined(catalogue: Catalogue, model: str) -> Outline:
    """A model of the catalogue.

    Raises `NotReady` when nothing of it is derived, `VariantError` when that cannot be read.
    """
    card, first = catalogue.card(model), catalogue.choice(model)
    facts = ModelFacts(name=model, variant=first.variant, device=first.device)
    if not card.graphs:
        return Outline(card, facts, {})
    manifest, folder = catalogue.manifests(card)[first.variant], catalogue.root / model / first.variant
    paths = {graph: folder / next(iter(manifest.files[graph])) for graph in card.graphs}
    return Outline(card, facts, {graph: read_signature(path) for graph, path in paths.items()})
