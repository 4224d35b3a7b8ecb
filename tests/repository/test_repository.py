"""From a folder with files to an instance that answers, on a graph with known answers."""

import gc
import threading
import weakref

import numpy as np
import pytest

from edged.contracts.accuracy import Evidence
from edged.contracts.errors import (
    CardError,
    InferenceError,
    NotReady,
    OriginError,
    RepositoryError,
    VariantError,
)
from edged.contracts.image import Classification
from edged.contracts.services import card_options
from edged.contracts.slot import Priority
from edged.derive.manifest import Manifest, recipe, sha256
from edged.media.frame import PictureFrame
from edged.repository import comparison, workshop
from edged.repository.admission import SANITY
from edged.repository.outline import outlined
from edged.runtimes.devices import Concurrency, devices
from edged.runtimes.ov import read_signature
from edged.testing import FakeRun
from tests.graphs import card, normalised, pixels, scores, write_graph
from tests.opened import models_in, silent
from tests.repository.small import Small

F32 = ("onnxruntime-f32", "openvino-f32")


@pytest.fixture
def of(files):
    found = card(files / "small.onnx")
    clip = files / "clip.mp4"
    weights = {
        **found.model_dump(mode="json")["weights"],
        "clip.mp4": {
            "sha256": sha256(clip),
            "size": clip.stat().st_size,
            "origins": [{"file": "clip.mp4"}],
        },
    }
    return card(files / "small.onnx", weights=weights, graph={"variants": [*F32, "openvino-bf16"]})


@pytest.fixture
def build(tmp_path):
    def make(*cards, root="models", kind=Small):
        models = {c.id: kind(c) for c in cards}
        return models_in(tmp_path / root, models, Concurrency(2, 1))

    return make


def frame(seed: int = 0) -> PictureFrame:
    return PictureFrame(np.random.default_rng(seed).integers(0, 256, (20, 30, 3), np.uint8), 0.0)


def infer(instance, item):
    return instance.infer(item, card_options(instance.card), FakeRun(), Priority.FRAME)


def test_before_the_pull(build, of):
    repository = build(of)
    assert not repository.catalogue.installed("small")
    with pytest.raises(NotReady, match="edged pull small"):
        repository.opener.acquire("small")
    with pytest.raises(NotReady, match="edged pull small"):
        repository.catalogue.preferred("image-classification")
    with pytest.raises(NotReady, match="edged pull small"):
        repository.catalogue.choice("small")
    assert {row.why_not for row in repository.catalogue.variants("small")} == {
        "not derived; `edged pull small` derives it where it can be"
    }


def test_from_the_pull_to_an_answer(build, of):
    repository = build(of)
    seen = []
    assert repository.puller.pull("small", lambda *step: seen.append(step)) == {}
    assert ("small: derive variants", 3, 3) in seen
    assert repository.catalogue.installed("small")
    assert repository.catalogue.preferred("image-classification") == "small"
    assert repository.catalogue.file("small", "clip.mp4").read_bytes()

    instance = repository.opener.acquire("small")
    given = frame().pixels(of.picture().format)[None]
    assert infer(instance, frame()).best == scores(normalised(given)).argmax()
    assert instance.facts.name == "small"
    assert instance.facts.variant in F32
    assert instance.facts.device == "cpu"
    assert instance.facts.variant == repository.catalogue.choice("small").variant


def test_every_variant_is_measured_against_f32(build, of):
    repository = build(of)
    repository.puller.pull("small", silent)
    rows = {row.variant: row for row in repository.catalogue.variants("small")}
    for name in F32:
        assert rows[name].derived
        assert rows[name].agreement == 1.0
        assert (rows[name].ms or 0) > 0
        assert rows[name].why_not == ""
    if not any("bf16" in d.capabilities for d in devices()):
        assert "no bf16 instructions" in rows["openvino-bf16"].why_not


def test_a_second_pull_does_nothing(build, of, tmp_path):
    repository = build(of)
    repository.puller.pull("small", silent)
    before = {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*") if p.is_file() and p.name != ".lock"}
    repository.puller.pull("small", silent)
    after = {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*") if p.is_file() and p.name != ".lock"}
    assert before == after


def test_only_some_variants(build, of):
    repository = build(of)
    repository.puller.pull("small", silent, variants=["openvino-f32"])
    assert [row.variant for row in repository.catalogue.variants("small") if row.derived] == ["openvino-f32"]
    with pytest.raises(RepositoryError, match="no variant openvino-int8; it has"):
        repository.puller.pull("small", silent, variants=["openvino-int8"])


def test_from_a_folder_and_nowhere_else(build, of, files, tmp_path):
    build(of).puller.pull("small", silent, folder=files)
    with pytest.raises(OriginError):
        build(of, root="other").puller.pull("small", silent, folder=tmp_path / "empty")


def test_a_variant_that_cannot_be_derived_is_left_out(build, of, monkeypatch):
    real = workshop.derive

    def without_openvino(card, variant, *rest):
        if variant.startswith("openvino"):
            raise VariantError("no room")
        return real(card, variant, *rest)

    monkeypatch.setattr(workshop, "derive", without_openvino)
    repository = build(of)
    assert repository.puller.pull("small", silent) == {"openvino-f32": "no room", "openvino-bf16": "no room"}
    assert repository.opener.acquire("small").facts.variant == "onnxruntime-f32"


def test_others_are_compared_with_the_f32_that_is_there(build, of, monkeypatch):
    real = workshop.derive

    def without_onnxruntime(card, variant, *rest):
        if variant.startswith("onnxruntime"):
            raise VariantError("no room")
        return real(card, variant, *rest)

    monkeypatch.setattr(workshop, "derive", without_onnxruntime)
    repository = build(of)
    repository.puller.pull("small", silent)
    rows = {row.variant: row for row in repository.catalogue.variants("small")}
    assert rows["openvino-f32"].agreement == 1.0


def test_int8_is_calibrated_and_measured(build, of):
    with_int8 = of.model_copy(
        update={
            "graphs": {"main": of.graphs["main"].model_copy(update={"variants": (*F32, "onnxruntime-int8")})}
        }
    )
    repository = build(with_int8)
    assert repository.puller.pull("small", silent, variants=["onnxruntime-int8"]) == {}
    rows = {row.variant: row for row in repository.catalogue.variants("small")}
    assert rows["onnxruntime-f32"].derived  # what it is compared with
    assert not rows["openvino-f32"].derived
    assert rows["onnxruntime-int8"].agreement is not None
    instance = repository.opener.acquire("small", precision="int8", strict=True)
    assert instance.facts.variant == "onnxruntime-int8"


def test_what_is_int8_as_published_needs_no_f32_and_is_measured(build, of):
    published = {"quantized": True, "variants": ("onnxruntime-int8",)}
    graph = of.graphs["main"].model_copy(update=published)
    repository = build(of.model_copy(update={"graphs": {"main": graph}}))
    assert repository.puller.pull("small", silent) == {}
    (row,) = repository.catalogue.variants("small")
    assert (row.derived, row.agreement, row.why_not) == (True, None, "")
    assert (row.ms or 0) > 0
    assert repository.opener.acquire("small").facts.variant == "onnxruntime-int8"


@pytest.mark.parametrize("variant", F32)
def test_a_graph_of_free_size_is_warmed_up(build, of, tmp_path, variant):
    files = tmp_path / "free"
    files.mkdir()
    write_graph(files / "small.onnx", batch="n", sides=("h", "w"))
    free = {"kind": "picture", "size": [None, None], "fit": "stretch", "colour": "rgb"}
    found = card(
        files / "small.onnx",
        calibration=None,
        graph={"batch_axis": 0, "inputs": {"pictures": free}, "variants": [variant]},
    )
    weights = {"small.onnx": found.weights["small.onnx"]}
    repository = build(found.model_copy(update={"weights": weights}))
    repository.puller.pull("small", silent)
    session = repository.opener.acquire("small").tools.sessions["main"]
    given = pixels(3, 2, (20, 30))
    expected = scores(given.transpose(0, 3, 1, 2))
    np.testing.assert_allclose(session.run({"pictures": given})["scores"], expected, rtol=1e-3, atol=1e-2)


def test_a_pull_without_any_variant_fails(build, of, monkeypatch):
    def never(*_):
        raise VariantError("no room")

    monkeypatch.setattr(workshop, "derive", never)
    with pytest.raises(VariantError, match="onnxruntime-f32: no room"):
        build(of).puller.pull("small", silent)


def test_a_card_that_lies_fails_the_pull(build, of):
    graph = of.graphs["main"].model_copy(update={"outputs": ("logits",)})
    with pytest.raises(CardError, match="logits"):
        build(of.model_copy(update={"graphs": {"main": graph}})).puller.pull("small", silent)


def test_a_model_that_fails_on_the_frames_fails_the_pull(build, of, monkeypatch):
    monkeypatch.setattr(Small, "postprocess", lambda *_: 1 / 0)
    with pytest.raises(InferenceError, match="ZeroDivisionError"):
        build(of).puller.pull("small", silent)


def measured(repository):
    """Milliseconds and agreement by variant, of those that run on this CPU."""
    rows = repository.catalogue.variants("small")
    return {row.variant: (row.ms, row.agreement) for row in rows if "bf16 instructions" not in row.why_not}


def test_without_a_clip_it_is_measured_on_what_is_made_up(build, of):
    repository = build(of.model_copy(update={"calibration": None}))
    assert repository.puller.pull("small", silent) == {}
    assert {"onnxruntime-f32", "openvino-f32"} <= measured(repository).keys()
    assert all(ms > 0 and agreement == 1 for ms, agreement in measured(repository).values())
    repository.opener.release(repository.opener.acquire("small"))


@pytest.mark.parametrize("unfit", ["fails", "never asks its graph", "has results that nobody compares"])
def test_where_the_model_cannot_be_tried_its_graphs_are(build, of, monkeypatch, unfit):
    if unfit == "fails":
        monkeypatch.setattr(Small, "postprocess", lambda *_: 1 / 0)
    elif unfit == "never asks its graph":
        nothing = Classification(np.full(3, 1 / 3), ["a", "b", "c"])
        monkeypatch.setattr(Small, "infer", lambda *_: nothing, raising=False)
    else:
        monkeypatch.setattr(comparison, "measures", lambda _: False)
    repository = build(of.model_copy(update={"calibration": None}))
    assert repository.puller.pull("small", silent) == {}
    assert {"onnxruntime-f32", "openvino-f32"} <= measured(repository).keys()
    assert all(ms > 0 and agreement > 0.99 for ms, agreement in measured(repository).values())


def test_what_another_edged_measured_is_measured_again(build, of, tmp_path):
    repository = build(of)
    repository.puller.pull("small", silent)
    folder = tmp_path / "models" / "small" / "onnxruntime-f32"
    manifest = Manifest.load(folder)
    assert manifest is not None
    (fact,) = manifest.measured
    manifest.with_measured(fact.model_copy(update={"method": 0, "ms": 1e6})).save(folder)
    assert measured(repository)["onnxruntime-f32"][0] == 1e6, "it counts until then"
    repository.puller.pull("small", silent)
    assert measured(repository)["onnxruntime-f32"][0] < 1e6


def shipped(of, **facts):
    """The card with what was measured of its OpenVINO f32 on a CPU like this one."""
    device = next(d for d in devices() if (d.name, d.runtime) == ("cpu", "openvino"))
    known = {"measure": "top-1", "against": "f32", "value": 1.0, "at_least": 0.99, "items": 200}
    known |= {"date": "2026-11-26", "runtime": "1", "recipe": recipe(of, "openvino-f32").digest, **facts}
    evidence = Evidence.model_validate(known)
    told = {name: {device.arithmetic: evidence} for name in ("openvino-f32", "openvino-bf16")}
    return of.model_copy(update={"accuracy": told})


def facts_of(repository, variant):
    manifest = repository.catalogue.manifests(repository.catalogue.card("small"))[variant]
    (fact,) = manifest.measured
    return fact


def test_what_the_card_tells_is_not_measured_but_for_a_few_items(build, of):
    repository = build(shipped(of))
    repository.puller.pull("small", silent)
    fact = facts_of(repository, "openvino-f32")
    assert (fact.items, fact.full, fact.agreement) == (SANITY, False, 1.0)
    row = next(row for row in repository.catalogue.variants("small") if row.variant == "openvino-f32")
    assert row.accuracy == "top-1 1.000, at least 0.990, against f32"
    repository.puller.tune("small", silent, full=True)
    fact = facts_of(repository, "openvino-f32")
    assert fact.full
    assert fact.items > SANITY
    repository.puller.pull("small", silent)
    assert facts_of(repository, "openvino-f32") == fact


def test_f32_of_which_the_card_tells_answers_all_where_others_are_unknown(build, of):
    told = shipped(of).accuracy["openvino-f32"]
    evidence = {"vnni": next(iter(told.values())), "avx2": next(iter(told.values()))}
    known = of.model_copy(update={"accuracy": {"onnxruntime-f32": evidence}})
    repository = build(known)
    repository.puller.pull("small", silent)
    assert facts_of(repository, "openvino-f32").items > SANITY


def test_evidence_that_is_gone_leaves_a_few_items_that_are_not_enough(build, of):
    build(shipped(of)).puller.pull("small", silent)
    without = build(of)
    without.puller.pull("small", silent)
    assert facts_of(without, "openvino-f32").items > SANITY


def test_where_memory_is_short_two_are_open_at_a_time(build, of, monkeypatch):
    groups = []
    real = comparison.contest

    def watched(opened, entrants, *rest, **more):
        groups.append([variant for variant, _ in entrants])
        return real(opened, entrants, *rest, **more)

    monkeypatch.setattr(comparison, "contest", watched)
    monkeypatch.setattr(workshop, "usable_memory", lambda: 1)
    repository = build(of)
    repository.puller.pull("small", silent)
    assert groups == [["onnxruntime-f32", "openvino-f32"], ["onnxruntime-f32", "openvino-bf16"]]
    assert all(ms > 0 and agreement > 0.9 for ms, agreement in measured(repository).values())


@pytest.fixture
def pulled(build, of):
    repository = build(of)
    repository.puller.pull("small", silent)
    return repository


def test_who_asks_for_the_same_gets_the_same(pulled):
    a, b = pulled.opener.acquire("small"), pulled.opener.acquire("small")
    assert a is b
    other = pulled.opener.acquire("small", precision="f32")
    assert other is not a
    if other.facts.variant == a.facts.variant:
        assert other.tools.sessions["main"] is a.tools.sessions["main"]
    for instance in (a, b, other):
        pulled.opener.release(instance)
    assert len(pulled.opener._instances) == len(pulled.opener.sessions) == 0


def test_two_models_share_the_session_of_one_graph(build, of):
    twin = of.model_copy(update={"id": "twin"})
    repository = build(of, twin)
    for name in ("small", "twin"):
        repository.puller.pull(name, silent, variants=["onnxruntime-f32"])
    a, b = repository.opener.acquire("small"), repository.opener.acquire("twin")
    assert a.tools.sessions["main"] is b.tools.sessions["main"]
    repository.opener.release(a)
    infer(b, frame())


def test_an_instance_outlives_its_release_while_it_infers(pulled):
    instance = pulled.opener.acquire("small")
    pulled.opener.release(instance)
    infer(instance, frame())


def test_many_threads_open_it_once(pulled, monkeypatch):
    opened = []
    real = pulled.opener.sessions._opened

    def counting(*args):
        opened.append(args)
        return real(*args)

    monkeypatch.setattr(pulled.opener.sessions, "_opened", counting)
    got = []
    threads = [threading.Thread(target=lambda: got.append(pulled.opener.acquire("small"))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(opened) == 1
    assert len(set(map(id, got))) == 1


def test_what_does_not_open_is_skipped_with_its_reason(pulled, of, tmp_path):
    best = pulled.catalogue.choice("small").variant
    (path,) = (tmp_path / "models" / "small" / best).glob("main.[ox][nm]*")
    path.write_bytes(b"damaged")
    instance = pulled.opener.acquire("small")
    assert instance.facts.variant != best
    assert "edged pull small" in instance.skipped[f"{best} on cpu"]
    infer(instance, frame())


def test_asked_for_against_real(pulled, caplog):
    if any("bf16" in d.capabilities for d in devices()):
        pytest.skip("this CPU has bf16")
    with caplog.at_level("WARNING"):
        instance = pulled.opener.acquire("small", precision="bf16")
    assert instance.asked.precision == "bf16"
    assert instance.facts.variant in F32
    assert "no bf16 instructions" in instance.skipped["openvino-bf16 on cpu"]
    assert any("asked for: device auto, precision bf16" in r.getMessage() for r in caplog.records)
    with pytest.raises(VariantError, match="no bf16 instructions"):
        pulled.opener.acquire("small", precision="bf16", strict=True)


def test_strict_on_a_device_that_is_not_here(pulled):
    with pytest.raises(VariantError, match="device npu"):
        pulled.opener.acquire("small", device="npu", strict=True)
    assert pulled.opener.acquire("small", device="npu").facts.device == "cpu"


def test_a_card_that_changed_after_the_pull(build, of, pulled):
    graph = of.graphs["main"].model_copy(update={"batch_axis": 0})
    changed = build(of.model_copy(update={"graphs": {"main": graph}}))
    assert not changed.catalogue.up_to_date("small")
    rows = changed.catalogue.variants("small")
    assert {row.why_not for row in rows if row.derived} == {
        "derived for another state of graphs; run `edged pull small`"
    }
    changed.puller.pull("small", silent)
    assert changed.catalogue.up_to_date("small")
    changed.opener.acquire("small")


def test_a_measurement_from_another_machine_is_made_anew(build, of, pulled, tmp_path):
    folder = tmp_path / "models" / "small" / "onnxruntime-f32"
    manifest = Manifest.load(folder)
    assert manifest is not None
    foreign = tuple(m.model_copy(update={"identity": "elsewhere"}) for m in manifest.measured)
    manifest.model_copy(update={"measured": foreign}).save(folder)
    rows = {row.variant: row for row in pulled.catalogue.variants("small")}
    assert rows["onnxruntime-f32"].ms is None
    pulled.puller.pull("small", silent)
    rows = {row.variant: row for row in pulled.catalogue.variants("small")}
    assert rows["onnxruntime-f32"].ms is not None


def test_a_model_that_nobody_knows(pulled):
    with pytest.raises(RepositoryError, match="did you mean small"):
        pulled.catalogue.card("smal")
    with pytest.raises(NotReady, match="ocr is not installed: no plugin has a model for it"):
        pulled.catalogue.best("ocr")


def test_models_are_listed_by_rank(build, of):
    second = of.model_copy(update={"id": "another", "rank": 2})
    repository = build(second, of)
    assert [c.id for c in repository.catalogue.cards] == ["small", "another"]
    assert repository.catalogue.best("image-classification") == "small"
    repository.puller.pull("another", silent, variants=["onnxruntime-f32"])
    assert repository.catalogue.preferred("image-classification") == "another"


def test_a_read_only_repository_serves(pulled, monkeypatch):
    monkeypatch.setattr("pathlib.Path.mkdir", lambda *_, **__: (_ for _ in ()).throw(OSError("read-only")))
    infer(pulled.opener.acquire("small"), frame())


def test_what_is_closed_is_gone_at_once(build, of):
    """Its sessions hold much memory, and nobody can say when the next full collection will be."""
    models = build(of)
    models.puller.pull(of.id, silent)
    instance = models.opener.acquire(of.id)
    instance.infer(frame(), card_options(of), FakeRun(), Priority.REQUEST)
    left = weakref.ref(instance)
    gc.disable()
    try:
        models.opener.release(instance)
        del instance
        assert left() is None
    finally:
        gc.enable()


def test_what_is_not_open_is_described_as_the_open_one_tells_it(build, of):
    models = build(of)
    with pytest.raises(NotReady):
        outlined(models.catalogue, of.id)
    models.puller.pull(of.id, silent)
    for variant in F32:
        path = models.catalogue.root / of.id / variant
        found = next(path / name for name in models.catalogue.manifests(of)[variant].files["main"])
        assert read_signature(found).inputs.keys() == {"pictures"}
    told, instance = outlined(models.catalogue, of.id), models.opener.acquire(of.id)
    assert told.facts == instance.facts
    assert told.signatures.keys() == instance.signatures.keys()
    for name, signature in instance.signatures.items():
        assert told.signatures[name].inputs == signature.inputs
        assert told.signatures[name].outputs.keys() >= set(of.graphs[name].outputs)
    models.opener.release(instance)
