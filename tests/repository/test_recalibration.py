"""int8 on what the user gives: judged, taken or not, kept over pulls, undone; nothing changes before."""

import logging
import shutil
from collections import namedtuple
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edged.contracts.errors import NotReady, VariantError
from edged.contracts.image import Detections
from edged.derive.manifest import Manifest, Measured, Own, sha256
from edged.media.frame import PictureFrame
from edged.repository import recalibration
from edged.repository.recalibration import (
    CARDS_OWN,
    FEWEST,
    Side,
    can_be_quantized,
    halves,
    restore,
)
from tests.graphs import card
from tests.opened import models_in, silent
from tests.repository.small import Small

F32 = ("onnxruntime-f32", "openvino-f32")
INT8 = "onnxruntime-int8"
OWN = Own(source="stream:door", items=40, day="2026-11-26")


class Blind(Small):
    """The same as a detector that finds nothing."""

    def postprocess(self, outputs, context, options):
        none = np.zeros(0, np.float32)
        return Detections(none.reshape(0, 4), none, none.astype(int), self.card.class_names())


@pytest.fixture
def make(tmp_path, files, monkeypatch):
    """A model that is pulled; of one so small no variant is faster than another."""
    monkeypatch.setattr(recalibration, "WORTH", 0.0)

    def made(variants=(*F32, INT8), kind=Small, **changes):
        found = card(files / "small.onnx")
        weights = found.model_dump(mode="json")["weights"]
        clip = files / "clip.mp4"
        weights["clip.mp4"] |= {"sha256": sha256(clip), "size": clip.stat().st_size}
        of = card(files / "small.onnx", weights=weights, graph={"variants": variants}, **changes)
        models = models_in(tmp_path / "models", {"small": kind(of)})
        models.puller.pull("small", silent)
        return models

    return made


def frames(count=40, seed=0):
    chance = np.random.default_rng(seed)
    return [
        PictureFrame(
            np.full((20, 30, 3), chance.integers(0, 256, 3), np.uint8)
            + chance.integers(0, 9, (20, 30, 3), np.uint8),
            0.0,
            seq,
        )
        for seq in range(count)
    ]


def tree(models):
    """What lies in the model's folder, by path."""
    root = models.catalogue.root / "small"
    return {
        str(path.relative_to(root)): sha256(path)
        for path in root.rglob("*")
        if path.is_file() and path.name != ".lock"
    }


def manifest(models) -> Any:
    """The one of int8."""
    return Manifest.load(models.catalogue.root / "small" / INT8)


def row(models, variant=INT8):
    return next(row for row in models.catalogue.variants("small") if row.variant == variant)


def test_it_is_taken_and_the_manifest_says_of_what(make):
    models = make()
    before = manifest(models)
    steps = []
    judged = models.puller.calibrate("small", frames(), OWN, lambda *step: steps.append(step))
    verdicts = {verdict.variant: verdict for verdict in judged.verdicts}
    assert verdicts[INT8].why_not == ""
    assert verdicts[INT8].before.agreement is not None
    assert ("small: calibrate int8", 3, 3) in steps
    found = manifest(models)
    assert str(found.own) == "stream:door, 40 items, 2026-11-26"
    assert found.own.agreement == verdicts[INT8].after.agreement
    assert found.files != before.files
    assert found.stale(models.catalogue.card("small")) is None
    assert row(models).own == "stream:door, 40 items, 2026-11-26"
    instance = models.opener.acquire("small", precision="int8", strict=True)
    assert instance.facts.variant.endswith("int8")


def test_int8_that_the_card_does_not_offer_is_offered_then(make):
    models = make(F32)
    models.puller.calibrate("small", frames(), OWN, silent)
    assert {row.variant for row in models.catalogue.variants("small")} == {*F32, INT8, "openvino-int8"}
    assert models.catalogue.installed("small")
    assert models.opener.acquire("small", precision="int8", strict=True).facts.variant.endswith("int8")
    assert restore(models.catalogue.card("small"), models.catalogue.root / "small") == []
    assert {row.variant for row in models.catalogue.variants("small")} == {*F32}


def test_a_pull_leaves_it_and_measures_it_anew_without_its_frames(make):
    models = make()
    models.puller.calibrate("small", frames(), OWN, silent)
    before = tree(models)
    models.puller.pull("small", silent)
    found = manifest(models)
    assert {n: s for n, s in tree(models).items() if not n.endswith("manifest.json")} == {
        n: s for n, s in before.items() if not n.endswith("manifest.json")
    }
    elsewhere = Measured(device="cpu", identity="another", agreement=0.1, at_least=0.0, ms=3.0)
    now = found.with_measured(elsewhere).measured[-1]
    assert (now.ms, now.agreement, now.at_least) == (3.0, found.own.agreement, found.own.at_least)


def test_undone_it_is_what_it_was(make):
    models = make()
    before = tree(models)
    models.puller.calibrate("small", frames(), OWN, silent)
    models.puller.calibrate("small", frames(seed=1), OWN, silent)  # what is kept aside stays
    assert restore(models.catalogue.card("small"), models.catalogue.root / "small") == []
    assert tree(models) == before
    assert row(models).own == ""
    with pytest.raises(VariantError, match="nothing to undo"):
        restore(models.catalogue.card("small"), models.catalogue.root / "small")


def test_undone_it_is_derived_again_where_nothing_was_kept(make):
    models = make()
    before = tree(models)
    models.puller.calibrate("small", frames(), OWN, silent)
    root = models.catalogue.root / "small"
    shutil.rmtree(root / CARDS_OWN)
    assert restore(models.catalogue.card("small"), root) == [INT8]
    models.puller.pull("small", silent, variants=[INT8])
    assert tree(models).keys() == before.keys()
    assert row(models).own == ""


def test_new_weights_fall_back_to_the_card_and_it_is_told(make, files, caplog):
    models = make()
    models.puller.calibrate("small", frames(), OWN, silent)
    root = models.catalogue.root / "small"
    found = manifest(models)
    other = found.recipe.model_copy(update={"sources": {"small.onnx": "0" * 64}})
    found.model_copy(update={"recipe": other}).save(root / INT8)
    assert "calibrated on stream:door, 40 items, 2026-11-26" in row(models).why_not
    with caplog.at_level(logging.WARNING):
        models.puller.pull("small", silent)
    assert "`edged quantize small --from stream:door` does it again" in caplog.text
    assert row(models).own == ""
    assert row(models).agreement is not None


@pytest.mark.parametrize("breaks", [KeyboardInterrupt, OSError(28, "No space left on device")])
def test_broken_off_it_changes_nothing(make, monkeypatch, breaks):
    models = make()
    before = tree(models)

    def stop(*_):
        raise breaks

    monkeypatch.setattr(recalibration, "contest", stop)
    with pytest.raises((KeyboardInterrupt, OSError)):
        models.puller.calibrate("small", frames(), OWN, silent)
    assert tree(models) == before
    assert not [path for path in Path(models.catalogue.root / "small").iterdir() if ".own-" in path.name]


def test_what_was_left_by_who_was_killed_goes(make):
    models = make()
    left = models.catalogue.root / "small" / ".own-left"
    left.mkdir()
    models.puller.calibrate("small", frames(), OWN, silent)
    assert not left.exists()


def test_a_full_disk_is_told_before_anything_is_made(make, monkeypatch):
    models = make()
    before = tree(models)
    usage = namedtuple("usage", "free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(10))
    with pytest.raises(VariantError, match="has 0 MB free"):
        models.puller.calibrate("small", frames(), OWN, silent)
    assert tree(models) == before


def test_where_nothing_is_found_nothing_is_judged(make):
    models = make(kind=Blind, service="object-detection", options=OPTIONS)
    before = tree(models)
    with pytest.raises(VariantError, match="f32 finds something in 0 of 20 held-back items only"):
        models.puller.calibrate("small", frames(), OWN, silent)
    assert tree(models) == before


OPTIONS = {"score_threshold": 0.3, "iou_threshold": 0.5, "max_detections": 10}


def test_a_model_that_is_not_pulled(make, files, tmp_path):
    models = make()
    shutil.rmtree(models.catalogue.root / "small")
    with pytest.raises((NotReady, VariantError), match="edged pull small"):
        models.puller.calibrate("small", frames(), OWN, silent)


def test_halves_share_no_stretch_of_time():
    calibration, held_back = halves(list(range(100)))
    assert sorted(calibration + held_back) == list(range(100))
    assert calibration[:11] == [*range(10), 20]
    assert held_back[0] == 10
    assert len(halves(list(range(FEWEST)))[0]) == FEWEST // 2
    with pytest.raises(VariantError, match=f"{FEWEST} are wanted at least"):
        halves(list(range(FEWEST - 1)))


def figures(ms=1.0, agreement=1.0, at_least=None):
    at_least = agreement if at_least is None else at_least
    return Measured(device="cpu", identity="x", ms=ms, agreement=agreement, at_least=at_least)


@pytest.mark.parametrize(
    ("new", "before", "why_not"),
    [
        (figures(1.0, 0.95, 0.91), None, ""),
        (figures(1.0, 0.95, 0.89), None, "surely by 0.890 only, and the card wants 0.90"),
        (figures(1.0, 0.95, 0.91), figures(1.0, 0.96), "what is in place agrees better, by 0.960"),
        (figures(1.0, 0.95, 0.91), figures(1.0, 0.95, 0.5), ""),
        (figures(9.0, 0.95, 0.91), None, "9.0 ms, not 1.2 times as fast as f32 with 10.0 ms"),
        (Measured(device="cpu", identity="x", why_not="no such instruction"), None, "no such instruction"),
        (Measured(device="cpu", identity="x", ms=1.0), None, "it cannot be compared with f32"),
    ],
)
def test_what_is_taken(files, new, before, why_not):
    by_side = {
        Side("onnxruntime-f32", new=False): figures(10.0),
        Side("openvino-f32", new=False): figures(1.0),  # another runtime: `auto` weighs them, not this
        Side(INT8, new=True): new,
        **({Side(INT8, new=False): before} if before else {}),
    }
    said = recalibration._why_not(card(files / "small.onnx"), INT8, by_side)
    assert said.endswith(why_not)
    assert bool(said) == bool(why_not)


def test_what_cannot_be_quantized_says_why(files):
    small = files / "small.onnx"
    assert can_be_quantized(card(small)) is None
    assert can_be_quantized(card(small, graph={"variants": F32})) is None
    published = card(small, graph={"quantized": True, "variants": ["openvino-int8"]})
    assert "int8 as published" in str(can_be_quantized(published))
    assert "no f32" in str(can_be_quantized(card(small, graph={"variants": ["openvino-bf16"]})))
    assert "pairs" in str(can_be_quantized(card(small, service="image-similarity")))
    above = card(small, graphs={}, uses={"other": "sface"}, calibration=None)
    assert "builds on sface" in str(can_be_quantized(above))
