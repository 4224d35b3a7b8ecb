"""Which variant on which device is tried first, and why others are not tried. Pure: no file, no runtime."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce

from edged.contracts.card import ModelCard, VariantName
from edged.derive.manifest import Manifest
from edged.repository.admission import Estimate, refused, standing
from edged.runtimes.devices import Device
from edged.runtimes.opening import split

WORTH = 1.2
"""By itself a lower precision is taken only where it is so many times as fast as f32, and as any that agrees
with f32 better: it costs accuracy."""


_LAST = 100


@dataclass(frozen=True, slots=True)
class Preference:
    """What the configuration asks for."""

    device: str = "auto"
    """`auto`, or the name of a device."""
    precision: str = "auto"
    """`auto`, `f32`, `bf16` or `int8`."""
    strict: bool = False
    """Refuse rather than fall back to another device or precision."""
    uses: tuple[tuple[str, str], ...] = ()
    """Models to use in the place of those that the card names: pairs of its name and an id."""

    def __str__(self) -> str:
        return f"device {self.device}, precision {self.precision}{', strictly' if self.strict else ''}"


ANYTHING = Preference()
"""Whatever is best."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A variant on a device."""

    variant: VariantName
    device: str

    def __str__(self) -> str:
        return f"{self.variant} on {self.device}"


@dataclass(frozen=True, slots=True)
class Ranking:
    """What to try, best first, and why the rest is not tried."""

    candidates: tuple[Candidate, ...]
    skipped: Mapping[str, str]
    """Reason by candidate, or by what there is none of."""


def variants_of(card: ModelCard) -> tuple[VariantName, ...]:
    """The variants that every graph of the model offers, in the order of the first graph."""
    offered = [graph.variants for graph in card.graphs.values()]
    if not offered:
        return ()
    common = reduce(set.intersection, (set(names) for names in offered))
    return tuple(name for name in offered[0] if name in common)


def candidates(
    card: ModelCard, devices: Sequence[Device], wish: Preference, manifests: Mapping[VariantName, Manifest]
) -> Ranking:
    """Rank the variants of a model on the devices of this machine.

    What matches the wish comes first. Where the wish leaves the precision open, the fastest that was
    measured here and agrees enough with f32 goes first, then f32, then the card's order; what agrees too
    little, is hardly faster than f32 or did not open is passed over. An explicit precision is taken at its
    word.
    """
    rows = list(_rows(card, devices, wish, manifests))
    tried = sorted((row for row in rows if row.why_not is None), key=lambda row: row.order)
    skipped = {str(row.candidate): row.why_not for row in rows if row.why_not is not None}
    for missing in _not_there(rows, wish):
        skipped[missing] = "not offered by the model on this machine"
    return Ranking(tuple(row.candidate for row in tried), skipped)


@dataclass(frozen=True, slots=True)
class _Row:
    candidate: Candidate
    precision: str
    why_not: str | None
    order: tuple[bool, bool, bool, float]
    """Another device, another precision, not measured, then milliseconds or the card's order."""


def _rows(
    card: ModelCard, devices: Sequence[Device], wish: Preference, manifests: Mapping[VariantName, Manifest]
) -> Iterator[_Row]:
    own = (name for name, manifest in manifests.items() if manifest.own)
    for position, variant in enumerate(dict.fromkeys([*variants_of(card), *own])):
        runtime, precision = split(variant)
        other_precision = wish.precision not in ("auto", precision)
        found = manifests.get(variant)
        for device in (device for device in devices if device.runtime == runtime):
            other_device = wish.device not in ("auto", device.name)
            if wish.strict and (other_device or other_precision):
                why_not: str | None = "strict: not what was asked for"
            elif found is None or found.stale(card):
                why_not = _not_derived(card, found)
            else:
                why_not = _kept_off(card, found, device, wish)
                if why_not is None and wish.precision != precision:
                    why_not = _passed_over(card, devices, manifests, variant, device)
            measured = found.measurement(device) if found else None
            ms = measured.ms if measured else None
            rank = position if precision == "f32" else position + _LAST  # nobody knows how far it agrees
            order = (other_device, other_precision, ms is None, rank if ms is None else ms)
            yield _Row(Candidate(variant, device.name), precision, why_not, order)


def _not_derived(card: ModelCard, found: Manifest | None) -> str:
    if found is None:
        return f"not derived; `edged pull {card.id}` derives it where it can be"
    if found.own:
        again = f"edged quantize {card.id} --from {found.own.source}"
        return f"calibrated on {found.own}, for another state of {found.stale(card)}; run `{again}`"
    return f"derived for another state of {found.stale(card)}; run `edged pull {card.id}`"


def _kept_off(card: ModelCard, found: Manifest, device: Device, wish: Preference) -> str | None:
    """Why a GPU of ONNX Runtime's is not taken, whatever precision is wished for; none when it may.

    It may be slower than the CPU, so only its measurement admits it where nobody names it; and a driver may
    compute wrong, so who does not agree with the CPU is not taken even then.
    """
    if device.name == "cpu" or device.runtime != "onnxruntime":
        return None
    measured = found.measurement(device)
    if measured is None:
        return None if wish.device == device.name else f"not measured on {device.name}"
    return measured.why_not or refused(card, found, device)


def _passed_over(
    card: ModelCard,
    devices: Sequence[Device],
    manifests: Mapping[VariantName, Manifest],
    variant: VariantName,
    device: Device,
) -> str | None:
    """Why the precision `auto` does not take a variant; none when it may."""
    measured = manifests[variant].measurement(device)
    if measured is None:
        return refused(card, manifests[variant], device)
    if measured.why_not:
        return measured.why_not
    if fault := refused(card, manifests[variant], device):
        return fault
    if split(variant)[1] == "f32" or measured.ms is None:
        return None
    better = _fastest_of_better(card, devices, manifests, device, standing(card, manifests[variant], device))
    if better and measured.ms * WORTH > better[1]:
        return f"{measured.ms:.1f} ms, not {WORTH:g} times as fast as {better[0]} with {better[1]:.1f} ms"
    return None


def _fastest_of_better(
    card: ModelCard,
    devices: Sequence[Device],
    manifests: Mapping[VariantName, Manifest],
    like: Device,
    than: Estimate | None,
) -> tuple[str, float] | None:
    """What is nearer to f32 on the same device, f32 itself included, and the milliseconds of its fastest.

    By whichever runtime; of what the card admits.
    """
    found = (
        (measured.ms, "f32" if split(variant)[1] == "f32" else variant)
        for variant, manifest in manifests.items()
        for device in devices
        if device.name == like.name and device.runtime == split(variant)[0]
        if (measured := manifest.measurement(device)) and measured.ms is not None
        if split(variant)[1] == "f32" or _nearer(standing(card, manifest, device), than)
    )
    ms, name = min(found, default=(None, ""))
    return None if ms is None else (name, ms)


def _nearer(one: Estimate | None, other: Estimate | None) -> bool:
    """Whether one is admitted, and surely stands nearer to f32 than the other may by chance."""
    if one is None or other is None:
        return False
    return one.admitted and one.at_least >= other.value and one.value > other.value


def _not_there(rows: Sequence[_Row], wish: Preference) -> Iterator[str]:
    if wish.device not in ("auto", *(row.candidate.device for row in rows)):
        yield f"device {wish.device}"
    if wish.precision not in ("auto", *(row.precision for row in rows)):
        yield f"precision {wish.precision}"
