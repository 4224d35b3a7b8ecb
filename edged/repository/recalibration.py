"""int8 of a model calibrated on what its user gives, judged on what it has not seen, and undone again."""

import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from edged.answers.kinds import measures
from edged.contracts.card import ModelCard, VariantName
from edged.contracts.errors import EdgedError, VariantError
from edged.contracts.model import Tools
from edged.contracts.services import any_service
from edged.derive.build import GraphSources
from edged.derive.files import Samples, derive, put_in_place
from edged.derive.manifest import CALIBRATED, Manifest, Measured, Own, own_variants
from edged.derive.tune import ON_CPU, Trial, contest, feeds
from edged.repository.comparison import Entrant, bare, inference, measured
from edged.repository.variants import WORTH, variants_of
from edged.repository.workshop import Workshop, alone
from edged.runtimes.devices import Device, devices
from edged.runtimes.opening import split

FEWEST = 20
"""Items; half of fewer would judge nothing."""
FEWEST_JUDGED = 5
"""Held-back items on which f32 finds anything at all; where nothing is, everything agrees."""
BLOCKS = 10
"""Stretches of time that are calibrated on and held back in turns: neighbouring frames are too much alike."""
ROOM = 4
"""Times the size of f32 that has to be free: what is made for two runtimes, and f32 beside it meanwhile."""
CARDS_OWN = ".card"
"""Folder within the model's, of the variants that were there before."""
_STAGING = ".own-"


class Side(NamedTuple):
    """What takes part: a variant, as it is in place or as it was made now."""

    variant: VariantName
    new: bool


@dataclass(frozen=True)
class Verdict:
    """What became of one variant."""

    variant: VariantName
    before: Measured | None
    """Of what was in place, on the same items; none: nothing was."""
    after: Measured | None
    """Of the new one; none: it could not be made."""
    why_not: str
    """Why it was not taken; empty: it is in place now."""


@dataclass(frozen=True)
class Judged:
    """All variants beside f32 on the held-back items."""

    reference: VariantName
    by_side: Mapping[Side, Measured]
    verdicts: Sequence[Verdict]


def can_be_quantized(card: ModelCard) -> str | None:
    """Why int8 of a model cannot be calibrated; none: it can. A card need not offer int8 for it."""
    if not card.graphs:
        return f"{card.id} has no graph of its own; it builds on {', '.join(card.uses.values())}"
    if all(graph.quantized for graph in card.graphs.values()):
        return f"the weights of {card.id} are int8 as published, so nothing of it is calibrated"
    if not any(variant.endswith("f32") for variant in variants_of(card)):
        return f"{card.id} has no f32 variant that could be calibrated"
    if any_service(card.service).media not in ("picture", "recording", "text"):
        return f"{card.id} takes whole videos or pairs, which no stream or folder gives"
    return None


@dataclass(frozen=True)
class Recalibration:
    """One model on its way to int8 of its user's. Until all is judged nothing of it changes."""

    shop: Workshop

    def run(self, items: Sequence[Any], own: Own) -> Judged:
        """Calibrate on half of the items, judge by the other half, and put in place what is worth it.

        `items`: in the order of time. Raises `VariantError` when no variant can be made or judged, and what
        the model raises on the items.
        """
        calibration, held_back = halves(items)
        self._check_room()
        with alone(self.shop.root), self._staging() as staging:
            failures = self._derived(calibration, staging, own)
            judged = self._judged(held_back, staging, failures)
            for verdict in judged.verdicts:
                if not verdict.why_not and verdict.after is not None:
                    self._take(verdict.variant, staging, own, verdict.after)
        return judged

    @contextmanager
    def _staging(self) -> Iterator[Path]:
        """A folder beside the variants; what somebody left who was killed goes."""
        for left in self.shop.root.glob(f"{_STAGING}*"):
            shutil.rmtree(left, ignore_errors=True)
        staging = Path(tempfile.mkdtemp(prefix=_STAGING, dir=self.shop.root))
        try:
            yield staging
        finally:
            shutil.rmtree(staging, ignore_errors=True)

    def _check_room(self) -> None:
        """Raises `VariantError` where the disk would be full before all is made."""
        root, made = self.shop.root, self.shop.root / self._first()[0]
        need = ROOM * sum(path.stat().st_size for path in made.iterdir())
        if (free := shutil.disk_usage(root).free) < need:
            raise VariantError(
                f"{root} has {free / 1e6:.0f} MB free, and {need / 1e6:.0f} are wanted; nothing was changed"
            )

    def _derived(self, items: Sequence[Any], staging: Path, own: Own) -> dict[VariantName, str]:
        """Make int8 for each runtime that has f32; why not, by variant that could not be made."""
        card, failures = self.shop.model.card, dict[VariantName, str]()
        wanted, task = _wanted(card), f"{card.id}: calibrate int8"
        self.shop.report(task, 0, len(wanted) + 1)
        samples = self._samples(items)
        with GraphSources(self.shop.model, self.shop.files, staging) as graphs:
            for done, variant in enumerate(wanted):
                self.shop.report(task, done + 1, len(wanted) + 1)
                try:
                    derive(card, variant, graphs, samples, staging, own=own)
                except EdgedError as error:
                    failures[variant] = str(error)
        self.shop.report(task, len(wanted) + 1, len(wanted) + 1)
        return failures

    def _samples(self, items: Sequence[Any]) -> Samples:
        infer = partial(inference, self.shop.model, slot_for=self.shop.slot_for)
        return feeds(infer, self.shop.tools(*self._first()), items)

    def _first(self) -> Entrant:
        first = self.shop.reference()
        if first is None:
            card = self.shop.model.card
            raise VariantError(f"no f32 variant of {card.id} is derived; run `edged pull {card.id}`")
        return first

    def _judged(self, items: Sequence[Any], staging: Path, failures: Mapping[VariantName, str]) -> Judged:
        variant, cpu = self._first()
        sides, first = self._sides(staging), Side(variant, new=False)
        trials = self._trials(items, sides, first)
        against = trials[first]
        if not isinstance(against, Trial):
            raise against
        if (telling := sum(map(_tells, against.results))) < min(FEWEST_JUDGED, len(items)):
            raise VariantError(
                f"f32 finds something in {telling} of {len(items)} held-back items only, so nothing can be "
                "judged by them; give some in which there is something to find"
            )
        by_side = {side: measured(cpu, trial, against) for side, trial in trials.items()}
        verdicts = [
            self._verdict(wanted, by_side, failures.get(wanted, ""))
            for wanted in _wanted(self.shop.model.card)
        ]
        return Judged(variant, by_side, verdicts)

    def _sides(self, staging: Path) -> dict[Side, tuple[Path, Device]]:
        """By what takes part: the folder in which it lies, and the CPU of its runtime."""
        card, root = self.shop.model.card, self.shop.root
        cpus = {device.runtime: device for device in devices() if device.name == "cpu"}
        return {
            Side(variant, new): (folder, cpus[split(variant)[0]])
            for new, folder in ((False, root), (True, staging))
            for variant in dict.fromkeys([*variants_of(card), *_wanted(card)])
            if (found := Manifest.load(folder / variant)) and found.stale(card) is None
        }

    def _trials(
        self, items: Sequence[Any], sides: Mapping[Side, tuple[Path, Device]], first: Side
    ) -> dict[Side, Trial | EdgedError]:
        """The whole model where its answers can be compared, else what its graphs give."""
        model, task = self.shop.model, f"{self.shop.model.card.id}: judge variants"

        def opener(side: Side) -> Tools:
            folder, device = sides[side]
            return replace(self.shop, root=folder).tools(side.variant, device)

        openers = {side: partial(opener, side) for side in sides}
        told = partial(self.shop.report, task)
        infer = partial(inference, model, slot_for=self.shop.slot_for)
        if measures(any_service(model.card.service).result):
            return contest(infer, openers, items, told, lambda _: ON_CPU)
        fed = feeds(infer, opener(first), items)
        runs = [dict(zip(fed, each, strict=True)) for each in zip(*fed.values(), strict=False)]
        if not runs:
            raise VariantError(f"nothing of what was held back reaches every graph of {model.card.id}")
        return contest(partial(bare, slot_for=self.shop.slot_for), openers, runs, told, lambda _: ON_CPU)

    def _verdict(self, variant: VariantName, by_side: Mapping[Side, Measured], failure: str) -> Verdict:
        before, after = (by_side.get(Side(variant, new)) for new in (False, True))
        if after is None:
            return Verdict(variant, before, None, failure)
        return Verdict(variant, before, after, _why_not(self.shop.model.card, variant, by_side))

    def _take(self, variant: VariantName, staging: Path, own: Own, after: Measured) -> None:
        """Put it in place; what the card made is kept aside until it is undone."""
        root = self.shop.root
        kept, present = root / CARDS_OWN / variant, Manifest.load(root / variant)
        if present is not None and present.own is None:
            shutil.rmtree(kept, ignore_errors=True)
            shutil.copytree(root / variant, kept)
        found = Manifest.load(staging / variant)
        if found is None:
            raise VariantError(f"{staging / variant} has gone")
        known = own.model_copy(update={"agreement": after.agreement, "at_least": after.at_least})
        found.model_copy(update={"own": known}).with_measured(after).save(staging / variant)
        put_in_place(staging / variant, root / variant)


def restore(card: ModelCard, root: Path) -> list[VariantName]:
    """Put back what was there before `Recalibration`: of those that come back nothing is left to put back.

    `root`: the folder of the model. They can be derived again. Raises `VariantError` when there is nothing to
    undo.
    """
    again = []
    with alone(root):
        if not (found := own_variants(root)):
            raise VariantError(f"{card.id} is not calibrated on anything of yours: nothing to undo")
        for variant in found:
            kept = root / CARDS_OWN / variant
            before = Manifest.load(kept)
            if before is not None and before.stale(card) is None:
                put_in_place(kept, root / variant)
                continue
            shutil.rmtree(root / variant)
            if variant in variants_of(card):
                again.append(variant)
        shutil.rmtree(root / CARDS_OWN, ignore_errors=True)
    return again


def halves(items: Sequence[Any]) -> tuple[list[Any], list[Any]]:
    """What is calibrated on and what is held back: stretches in turns. Raises `VariantError` for too few."""
    if len(items) < FEWEST:
        raise VariantError(
            f"{len(items)} items are too few to calibrate on and to judge by; {FEWEST} are wanted at least"
        )
    blocks = [position * BLOCKS // len(items) for position in range(len(items))]
    return (
        [item for item, block in zip(items, blocks, strict=True) if block % 2 == 0],
        [item for item, block in zip(items, blocks, strict=True) if block % 2 == 1],
    )


def _wanted(card: ModelCard) -> list[VariantName]:
    """int8 of each runtime in which the card has f32, whether it offers int8 or not."""
    offered = variants_of(card)
    with_f32 = {split(variant)[0] for variant in offered if variant.endswith("f32")}
    return [variant for variant in CALIBRATED if variant in offered or split(variant)[0] in with_f32]


def _why_not(card: ModelCard, variant: VariantName, by_side: Mapping[Side, Measured]) -> str:
    """Why a new variant is not taken; empty when it is."""
    after, before = by_side[Side(variant, new=True)], by_side.get(Side(variant, new=False))
    if after.why_not:
        return after.why_not
    if after.agreement is None or after.at_least is None or after.ms is None:
        return "it cannot be compared with f32"
    if after.at_least < card.agreement.minimum:
        return (
            f"agrees with f32 by {after.agreement:.3f}, surely by {after.at_least:.3f} only, and the card "
            f"wants {card.agreement.minimum:.2f}"
        )
    if before is not None and (before.agreement or 0.0) > after.agreement:
        return f"what is in place agrees better, by {before.agreement:.3f}"
    f32 = _f32_ms(split(variant)[0], by_side)
    if f32 is not None and after.ms * WORTH > f32:
        return f"{after.ms:.1f} ms, not {WORTH:g} times as fast as f32 with {f32:.1f} ms"
    return ""


def _f32_ms(runtime: str, by_side: Mapping[Side, Measured]) -> float | None:
    """Of the same runtime, else of whichever is fastest."""
    found = {side.variant: one.ms for side, one in by_side.items() if side.variant.endswith("f32") and one.ms}
    return found.get(f"{runtime}-f32", min(found.values(), default=None))  # type: ignore[call-overload, no-any-return]


def _tells(result: Any) -> bool:
    """Whether a result shows anything: no boxes, texts or people are nothing."""
    shown = getattr(result, "rows", getattr(result, "parts", result))
    return not hasattr(shown, "__len__") or len(shown) > 0
