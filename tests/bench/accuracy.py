"""How accurate variants are: `python -m tests.bench.accuracy FOLDER [MODEL]... [--more PATH]...`.

FOLDER holds the models, pulled. Writes `accuracy.yaml` beside the cards: by model, variant and class of
instruction sets what each variant gets, against the truth where it is known, else against f32. Run it once
more with `OV_CPU_MAX_ISA=AVX2` for what OpenVINO does on such a CPU; ONNX Runtime cannot be told, so it is
left out then.
"""

import argparse
import datetime as dt
import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from conftest import ROOT
from edged.answers.detections import boxes_of, same_boxes
from edged.answers.kinds import agreement, measures
from edged.answers.texts import edits
from edged.cards import ACCURACY
from edged.contracts.card import ModelCard, VariantName
from edged.contracts.errors import EdgedError
from edged.contracts.image import Detections, Texts
from edged.contracts.masks import Segmentation
from edged.contracts.model import Tools
from edged.contracts.parts import Enlarged, Faces, Heard
from edged.contracts.services import any_service, card_options
from edged.contracts.slot import Priority
from edged.derive.manifest import Manifest
from edged.derive.tune import feeds
from edged.discovery import discover
from edged.ops.mandarin import sentences, simplified
from edged.repository.comparison import bare, cosine, inference
from edged.repository.instance import UsedModel
from edged.repository.variants import ANYTHING
from edged.repository.workshop import Workshop, references
from edged.runtimes.devices import Concurrency, Device, devices
from edged.runtimes.opening import split
from edged.testing import FakeRun
from tests.bench.ocr import joined
from tests.bench.samples import Library, Sample
from tests.opened import Models, models_in, silent

Scored = tuple[float, float]
"""What is right of an item, and of how much."""
JUDGES = {"yolox-nano": "picodet-416", "picodet-416": "yolox-nano"}
"""Detectors of other makers, whose f32 boxes stand for the truth that nobody has drawn."""
MOST = 250
CONCURRENCY = Concurrency(1, 2)


@dataclass(frozen=True)
class Ruler:
    """How results are scored."""

    measure: str
    score: Callable[[Any, Any], Scored]
    """Of what it shall be and what it is."""
    against: str = "f32"


def boxes(wanted: Any, found: Any) -> Scored:
    a, b = ((r.boxes, [0] * len(r)) if isinstance(r, Faces) else boxes_of(r) for r in (wanted, found))
    return 2 * len(same_boxes(a, b)), len(a[0]) + len(b[0])


def alike(wanted: Any, found: Any) -> Scored:
    return agreement([wanted], [found]) or 0.0, 1


def classes(wanted: Segmentation, found: Segmentation) -> Scored:
    """IoU of what either does not hold for background, on the model's grid."""
    a, b = (result.logits.argmax(axis=0) for result in (wanted, found))
    return int(((a == b) & (a > 0)).sum()), int(((a > 0) | (b > 0)).sum())


def same_vectors(wanted: Any, found: Any) -> Scored:
    return cosine(wanted, found), 1


def letters(wanted: str, found: str) -> Scored:
    return max(0, len(wanted) - edits(wanted, found)), len(wanted)


def read(wanted: str, found: Texts) -> Scored:
    return letters(wanted, joined(np.array([row.quad for row in found.rows]), [r.text for r in found.rows]))


def heard(wanted: str, found: Any) -> Scored:
    return letters(wanted, "".join(sentences(simplified(found.text))))


def pixels(wanted: np.ndarray, found: Enlarged) -> Scored:
    return alike(Enlarged(wanted), found)


NAMES = {"Classification": "top-1", "SceneClassification": "top-1", "ActionClassification": "top-1"}
NAMES |= {"Embedding": "cosine", "InstanceMasks": "matched masks"}
NAMES |= {"Foreground": "IoU", "FaceAttributes": "matched faces and genders"}


RULERS = {
    Texts: Ruler("1 - CER", read, "truth"),
    Heard: Ruler("1 - CER", heard, "truth"),
    Enlarged: Ruler("PSNR / 50 dB", pixels, "truth"),
    Faces: Ruler("matched boxes", boxes),
    Segmentation: Ruler("IoU", classes),
}


def ruler(card: ModelCard) -> Ruler:
    """By what a model is scored."""
    of = any_service(card.service)
    if of.result in RULERS:
        return RULERS[of.result]
    if of.result is Detections:
        return Ruler("matched boxes", boxes, JUDGES.get(card.id, "f32"))
    if measures(of.result):
        return Ruler(NAMES.get(of.result.__name__, of.result.__name__), alike)
    return Ruler("cosine", same_vectors)


@dataclass(frozen=True)
class Bench:
    """The models of a folder, and what they are tried on."""

    models: Models
    library: Library

    def measured(self, name: str, most: int) -> dict[VariantName, dict[str, dict[str, Any]]]:
        """Evidence by variant and class of instruction sets."""
        model, catalogue = self.models.catalogue.model(name), self.models.catalogue
        card = model.card
        with ExitStack() as stack:
            used = self.models.opener.acquire_used(card, ANYTHING, stack)
            parts = {key: UsedModel(instance) for key, instance in used.items()}
            shop = Workshop(model, parts, self._files(card), catalogue.root / name, CONCURRENCY, silent)
            samples = self.library.samples(card, most)
            infer: Callable[[Tools], Any] = partial(inference, model)
            by, f32 = ruler(card), next(iter(references(card)), None)
            if by.score is same_vectors:
                if f32 is None:
                    return {}
                samples = [Sample(fed) for fed in self._fed(shop, f32, infer, samples)]
                infer = partial(bare, slot_for=shop.slot_for)
            results: dict[VariantName, tuple[Device, list[Any]]] = {}
            for variant, device in shop.entrants():
                if left_out(device):
                    continue
                try:
                    run = infer(shop.tools(variant, device))
                    results[variant] = device, [run(sample.item) for sample in samples]
                except EdgedError as error:
                    print(f"{name}: {variant} does not run: {error}", flush=True)
        ran = next((variant for variant in references(card) if variant in results), None)
        return self._written(card, by, ran, samples, results)

    def _files(self, card: ModelCard) -> dict[str, Path]:
        return {file: self.models.catalogue.store.verified(card, file) for file in card.weights}

    def _fed(self, shop: Workshop, f32: VariantName, infer: Any, samples: Sequence[Sample]) -> list[Any]:
        device = next(d for d in devices() if d.runtime == split(f32)[0] and d.name == "cpu")
        kept = feeds(infer, shop.tools(f32, device), [sample.item for sample in samples])
        return [dict(zip(kept, row, strict=True)) for row in zip(*kept.values(), strict=False)]

    def _truths(self, by: Ruler, samples: Sequence[Sample], of_f32: Sequence[Any] | None) -> Sequence[Any]:
        if by.against == "truth":
            return [sample.truth for sample in samples]
        if by.against == "f32":
            return of_f32 or ()
        judge = self.models.opener.acquire(by.against, precision="f32", strict=True)
        options = card_options(judge.card)
        return [judge.infer(sample.item, options, FakeRun(), Priority.JOB) for sample in samples]

    def _written(
        self,
        card: ModelCard,
        by: Ruler,
        f32: VariantName | None,
        samples: Sequence[Sample],
        results: Mapping[VariantName, tuple[Device, list[Any]]],
    ) -> dict[VariantName, dict[str, dict[str, Any]]]:
        of_f32 = results[f32][1] if f32 in results else None
        truths = self._truths(by, samples, of_f32)
        if not truths:
            return {}
        best = scores(by, truths, of_f32) if of_f32 else None
        written = {}
        for variant, (device, found) in results.items():
            if by.against == "f32" and variant == f32:
                continue
            manifest = Manifest.load(self.models.catalogue.root / card.id / variant)
            known = evidence(scores(by, truths, found), None if by.against == "f32" else best)
            if manifest is not None:
                fixed = {
                    "date": dt.datetime.now(dt.UTC).date(),
                    "runtime": device.version,
                    "recipe": manifest.recipe.digest,
                }
                row = {"measure": by.measure, "against": by.against, **known, "items": len(truths), **fixed}
                if by.against not in ("f32", "truth"):
                    same = evidence(scores(by, of_f32, found), None) if of_f32 else {}
                    row |= {"agreement": same["value"]} if same else {}
                written[variant] = {device.arithmetic: row}
        return written


def left_out(device: Device) -> bool:
    """ONNX Runtime takes the instructions that there are, whatever OpenVINO is told."""
    return device.name != "cpu" or ("OV_CPU_MAX_ISA" in os.environ and device.runtime == "onnxruntime")


def scores(by: Ruler, truths: Sequence[Any], found: Sequence[Any]) -> np.ndarray:
    """[items, 2]."""
    return np.array([by.score(*pair) for pair in zip(truths, found, strict=True)], np.float64)


def evidence(mine: np.ndarray, f32: np.ndarray | None) -> dict[str, float]:
    """The share that is right, its bound, and what is lost beside f32 at most."""
    value, away = share(mine)
    facts = {"value": value, "at_least": max(0.0, value - 2 * error(away))}
    if f32 is not None:
        of_f32, theirs = share(f32)
        facts |= {"f32": of_f32, "loses_at_most": of_f32 - value + 2 * error(theirs - away)}
    return {name: round(float(number), 4) for name, number in facts.items()}


def share(scored: np.ndarray) -> tuple[float, np.ndarray]:
    """What is right over all items, and how far each of them moves it."""
    right, of = scored.T
    value = right.sum() / of.sum() if of.sum() else 1.0
    return value, (right - value * of) / max(of.mean(), 1e-9)


def error(away: np.ndarray) -> float:
    """Standard error of a share over the items."""
    return float(away.std(ddof=1) / np.sqrt(len(away)))


def save(card: ModelCard, found: Mapping[VariantName, Mapping[str, Any]]) -> None:
    """Put it beside the card; what was measured with other instructions stays."""
    path = card.folder / ACCURACY
    before = yaml.safe_load(path.read_text()) if path.is_file() else {}
    known = before.setdefault(card.id, {})
    for variant, by_class in found.items():
        known.setdefault(variant, {}).update(by_class)
    text = yaml.safe_dump(dict(sorted(before.items())), sort_keys=False, allow_unicode=True)
    path.write_text("# Made by `python -m tests.bench.accuracy`; not to be written by hand.\n" + text)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("models", nargs="*")
    parser.add_argument("--more", type=Path, action="append", default=[], help="further pictures and videos")
    parser.add_argument("--most", type=int, default=MOST, help="items of a model at most")
    chosen = parser.parse_args()
    plugins = discover([ROOT / "plugins"], entry_points=False).models
    models = models_in(chosen.folder, plugins, CONCURRENCY)
    bench = Bench(models, Library(plugins, models.catalogue.store, chosen.more))
    for card in models.catalogue.cards:
        if card.graphs and (card.id in chosen.models or not chosen.models):
            if not models.catalogue.installed(card.id):
                print(f"{card.id}: not pulled", flush=True)
                continue
            found = bench.measured(card.id, chosen.most)
            save(card, found)
            for variant, by_class in found.items():
                print(card.id, variant, by_class, flush=True)


if __name__ == "__main__":
    main()
