"""How far a variant may be trusted: by what was measured where its card was made, or on this box. Pure."""

from dataclasses import dataclass

from edged.contracts.accuracy import Evidence
from edged.contracts.card import ModelCard
from edged.derive.manifest import Manifest, Measured
from edged.runtimes.devices import Device

SANITY = 4
"""Items on which a variant is tried here that was measured where its card was made."""
ABSURD = 0.5
"""On so few items chance does much; who agrees with f32 by less than this does not compute as it shall."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """How a variant stands beside f32: 1 is as good, 0 is nothing."""

    value: float
    at_least: float
    """What is sure of it."""
    wanted: float
    """How much the card wants."""
    told: str
    """The measure with its bound, for people."""

    @property
    def admitted(self) -> bool:
        """Whether it is surely as good as the card wants."""
        return self.at_least >= self.wanted


def evidence(card: ModelCard, manifest: Manifest, device: Device) -> Evidence | None:
    """What the card tells of this very variant with the instructions of this device."""
    found = card.accuracy.get(manifest.variant, {}).get(device.arithmetic)
    return found if found and found.recipe == manifest.recipe.digest else None


def standing(card: ModelCard, manifest: Manifest, device: Device) -> Estimate | None:
    """By the card, unless the owner had it measured in full here; else by what was measured here.

    None where neither tells anything.
    """
    shipped, measured = evidence(card, manifest, device), manifest.measurement(device)
    if shipped is not None and not (measured and measured.full):
        return _shipped(card, shipped)
    return _own(card, measured) if measured and measured.agreement is not None else None


def _shipped(card: ModelCard, found: Evidence) -> Estimate | None:
    if found.against == "f32":
        return Estimate(found.value, found.at_least, card.agreement.minimum, found.sentence)
    if found.f32 is None or found.loses_at_most is None:
        return Estimate(1.0, 1.0, 1.0 - card.agreement.loss, found.sentence)
    lost, at_most = max(0.0, found.f32 - found.value), max(0.0, found.loses_at_most)  # a gain is chance
    return Estimate(1.0 - lost, 1.0 - at_most, 1.0 - card.agreement.loss, found.sentence)


def _own(card: ModelCard, measured: Measured) -> Estimate:
    value = measured.agreement or 0.0
    sure = measured.at_least is not None
    at_least = value if measured.at_least is None else measured.at_least
    of = f" of {measured.items} items" if measured.items else ""
    surely = f"{value:.3f}, surely by {at_least:.3f}{of}" if sure else f"{value:.2f}"
    return Estimate(value, at_least, card.agreement.minimum, f"agrees with f32 by {surely}")


def refused(card: ModelCard, manifest: Manifest, device: Device) -> str | None:
    """Why a variant is not accurate enough for `precision: auto`; none when it is, or nobody knows."""
    found, measured = standing(card, manifest, device), manifest.measurement(device)
    if found is not None and not found.admitted:
        return f"{found.told}, and the card wants {found.wanted:.2f}"
    few = measured is not None and 0 < measured.items <= SANITY and not measured.full
    if few and measured and measured.agreement is not None and measured.agreement < ABSURD:
        return f"agrees with f32 by {measured.agreement:.2f} only here, though elsewhere it does"
    return None
