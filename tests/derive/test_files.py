"""Folding, quantizing and the manifest, on a graph with known answers."""

import json
import logging
import sys
from typing import Any

import numpy as np
import onnx
import pytest

from edged.contracts.errors import CardError, ChecksumError, VariantError
from edged.contracts.model import Model
from edged.derive import files as derive_module
from edged.derive.build import GraphSources
from edged.derive.files import derive
from edged.derive.manifest import Manifest
from edged.runtimes.devices import Concurrency
from edged.runtimes.opening import open_session
from tests.graphs import MEAN, SIZE, STD, card, normalised, pixels, scores, write_graph

ONE = Concurrency(1, 1)
SAMPLES = {"main": [{"pictures": pixels(seed)} for seed in range(16)]}


class Bare(Model[Any, Any, Any]):
    """A card and nothing else."""

    def __init__(self, of):
        self.card = of

    def infer(self, item, options, tools, run):
        raise AssertionError("nobody asks")


@pytest.fixture
def graph(tmp_path):
    return write_graph(tmp_path / "small.onnx")


@pytest.fixture
def root(tmp_path):
    return tmp_path / "models" / "small"


def made(of, variant, root, samples=SAMPLES):
    return derived(of, variant, {"small.onnx": of.folder / "small.onnx"}, samples, root)


def derived(of, variant, files, samples, root):
    with GraphSources(Bare(of), files) as graphs:
        return derive(of, variant, graphs, samples, root)


def opened(manifest, root):
    folder = root / manifest.variant
    return open_session(manifest.checked("main", folder), manifest.variant, "cpu", ONE)


@pytest.mark.parametrize("variant", ["onnxruntime-f32", "openvino-f32"])
def test_it_eats_pixels_as_they_are(graph, root, variant):
    session = opened(made(card(graph), variant, root), root)
    for seed in range(3):
        given = pixels(seed)
        answer = session.run({"pictures": given})["scores"]
        np.testing.assert_allclose(answer, scores(normalised(given)), rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("variant", ["onnxruntime-f32", "openvino-f32"])
def test_a_batch_axis_stays_free(tmp_path, root, variant):
    write_graph(tmp_path / "small.onnx", batch="n")
    session = opened(made(card(tmp_path / "small.onnx", graph={"batch_axis": 0}), variant, root), root)
    given = pixels(5, batch=3)
    answer = session.run({"pictures": given})["scores"]
    np.testing.assert_allclose(answer, scores(normalised(given)), rtol=1e-4, atol=1e-3)


FREE = {"kind": "picture", "size": [None, None], "fit": "stretch", "colour": "rgb", "mean": MEAN, "std": STD}


@pytest.mark.parametrize("variant", ["onnxruntime-f32", "openvino-f32", "onnxruntime-int8", "openvino-int8"])
def test_batch_height_and_width_may_all_be_free(tmp_path, root, variant):
    if variant == "openvino-int8":
        pytest.importorskip("nncf")
    write_graph(tmp_path / "small.onnx", batch="n", sides=("h", "w"))
    of = card(tmp_path / "small.onnx", graph={"batch_axis": 0, "inputs": {"pictures": FREE}})
    samples = {"main": [{"pictures": pixels(seed, 1 + seed % 2, (8, 8 + seed))} for seed in range(16)]}
    session = opened(made(of, variant, root, samples), root)
    for batch, sides in [(1, (320, 320)), (3, (8, 40)), (2, (33, 7))]:
        given = pixels(5, batch, sides)
        answer = session.run({"pictures": given})["scores"]
        expected = scores(normalised(given))
        close = (
            {"atol": 0.15 * np.ptp(expected)} if variant.endswith("int8") else {"rtol": 1e-3, "atol": 1e-2}
        )
        np.testing.assert_allclose(answer, expected, **close)


PLAIN = {"kind": "picture", "size": [SIZE, SIZE], "fit": "stretch", "colour": "rgb"}


@pytest.mark.parametrize("variant", ["onnxruntime-f32", "openvino-f32"])
def test_a_graph_of_bytes_channels_last_is_left_as_it_is(tmp_path, root, variant):
    write_graph(tmp_path / "small.onnx", as_bytes=True)
    of = card(tmp_path / "small.onnx", graph={"inputs": {"pictures": PLAIN}})
    session = opened(made(of, variant, root), root)
    expected = scores(pixels(1).transpose(0, 3, 1, 2))
    np.testing.assert_allclose(session.run({"pictures": pixels(1)})["scores"], expected, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("variant", ["onnxruntime-f32", "openvino-f32"])
def test_bytes_cannot_be_normalised_before_the_graph(tmp_path, root, variant):
    write_graph(tmp_path / "small.onnx", as_bytes=True)
    with pytest.raises(CardError, match="u8 without mean and std"):
        made(card(tmp_path / "small.onnx"), variant, root)


@pytest.mark.parametrize("variant", ["onnxruntime-int8", "openvino-int8"])
def test_what_is_int8_as_published_is_converted_and_wants_no_samples(graph, root, variant):
    of = card(graph, graph={"quantized": True, "variants": ["openvino-int8", "onnxruntime-int8"]})
    manifest = made(of, variant, root, samples={})
    answer = opened(manifest, root).run({"pictures": pixels(1)})["scores"]
    np.testing.assert_allclose(answer, scores(normalised(pixels(1))), rtol=1e-4, atol=1e-3)
    assert manifest.recipe.calibration is None


@pytest.mark.parametrize("variant", ["onnxruntime-f32", "openvino-f32"])
def test_the_files_of_a_graph_lie_side_by_side_when_it_is_read(tmp_path, root, variant):
    model = onnx.load(str(write_graph(tmp_path / "whole.onnx")))
    kept = {"all_tensors_to_one_file": True, "location": "small.data", "size_threshold": 0}
    onnx.save(model, str(tmp_path / "small.onnx"), save_as_external_data=True, **kept)
    apart = tmp_path / "apart"
    apart.mkdir()
    (tmp_path / "small.data").rename(apart / "small.data")
    data = {"sha256": "0" * 64, "size": 1, "origins": [{"file": "small.data"}]}
    plain = card(tmp_path / "small.onnx")
    weights = {**plain.model_dump(mode="json")["weights"], "small.data": data}
    of = card(tmp_path / "small.onnx", weights=weights, graph={"weights": ["small.onnx", "small.data"]})
    sources = {"small.onnx": tmp_path / "small.onnx", "small.data": apart / "small.data"}
    session = opened(derived(of, variant, sources, SAMPLES, root), root)
    answer = session.run({"pictures": pixels(1)})["scores"]
    np.testing.assert_allclose(answer, scores(normalised(pixels(1))), rtol=1e-4, atol=1e-3)


def test_what_changes_nothing_is_not_folded(graph, root):
    made(card(graph, graph={"inputs": {"pictures": PLAIN}}), "onnxruntime-f32", root)
    kinds = [node.op_type for node in onnx.load(str(root / "onnxruntime-f32" / "main.onnx")).graph.node]
    assert kinds[:3] == ["Transpose", "Cast", "Conv"]


@pytest.mark.parametrize("variant", ["onnxruntime-f32", "openvino-f32"])
@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"outputs": ["logits"]}, r"outputs \['logits'\], but the graph has \['scores'\]"),
        ({"inputs": {"images": {"kind": "tensor", "shape": [1]}}}, "inputs"),
        (
            {"inputs": {"pictures": {"kind": "picture", "size": [4, 8], "fit": "stretch", "colour": "rgb"}}},
            r"\[n, 3, 4, 8\], but the graph has \[1, 3, 8, 8\]",
        ),
        (
            {"inputs": {"pictures": {"kind": "picture", "size": [8, 8], "fit": "stretch", "colour": "gray"}}},
            r"\[n, 1, 8, 8\]",
        ),
    ],
)
def test_card_and_graph_must_agree(graph, root, variant, changes, named):
    with pytest.raises(CardError, match=named):
        made(card(graph, graph=changes), variant, root)
    assert not list(root.iterdir())


@pytest.mark.parametrize("variant", ["onnxruntime-f32", "openvino-f32"])
def test_a_source_that_is_no_graph(tmp_path, root, variant):
    (tmp_path / "small.onnx").write_bytes(b"\x08no graph")
    with pytest.raises(VariantError, match=r"small\.onnx"):
        made(card(tmp_path / "small.onnx"), variant, root)
    assert not list(root.iterdir())


def test_bf16_borrows_the_files_of_f32(graph, root):
    manifest = made(card(graph), "openvino-bf16", root)
    assert [path.name for path in (root / "openvino-bf16").iterdir()] == ["manifest.json"]
    lender = Manifest.load(root / "openvino-f32")
    assert manifest.fingerprint("main") == lender.fingerprint("main")
    assert manifest.checked("main", root / "openvino-bf16").samefile(root / "openvino-f32" / "main.xml")


def test_what_is_up_to_date_is_left_alone(graph, root):
    first = made(card(graph), "onnxruntime-f32", root)
    path = root / "onnxruntime-f32" / "main.onnx"
    before = path.stat().st_mtime_ns
    assert made(card(graph), "onnxruntime-f32", root) == first
    assert path.stat().st_mtime_ns == before


def test_the_manifest_says_of_what_it_was_made(graph, root):
    of = card(graph)
    made(of, "onnxruntime-f32", root)
    written = json.loads((root / "onnxruntime-f32" / "manifest.json").read_text())
    assert written["recipe"]["sources"] == {"small.onnx": of.weights["small.onnx"].sha256}
    assert written["recipe"]["graphs"]["main"]["inputs"]["pictures"]["mean"] == [10.0, 20.0, 30.0]
    assert set(written["tools"]) == {"onnx", "onnxruntime", "openvino", "nncf"}
    assert Manifest.load(root / "onnxruntime-f32").stale(of) is None


def test_another_card_makes_it_stale(graph, root):
    manifest = made(card(graph), "onnxruntime-f32", root)
    picture = {"kind": "picture", "size": [SIZE, SIZE], "fit": "stretch", "colour": "rgb", "mean": [1, 1, 1]}
    other = card(graph, graph={"inputs": {"pictures": picture}})
    assert manifest.stale(other) == "graphs"
    assert made(other, "onnxruntime-f32", root) != manifest
    session = opened(Manifest.load(root / "onnxruntime-f32"), root)
    answer = session.run({"pictures": pixels(1)})["scores"]
    expected = scores(pixels(1).astype(float).transpose(0, 3, 1, 2) - 1)
    np.testing.assert_allclose(answer, expected, rtol=1e-4, atol=1e-3)


def test_what_concerns_int8_alone_leaves_f32_fresh(graph, root):
    manifest = made(card(graph), "onnxruntime-f32", root)
    assert manifest.stale(card(graph, graph={"keep_f32": ["Conv_0"]})) is None
    assert manifest.stale(card(graph, calibration={"media": "clip.mp4", "frames": 99})) is None
    int8 = made(card(graph), "onnxruntime-int8", root)
    assert int8.stale(card(graph, graph={"keep_f32": ["Conv_0"]})) == "graphs"
    assert int8.stale(card(graph, calibration={"media": "clip.mp4", "frames": 99})) == "calibration"


def test_a_changed_file_is_not_opened_and_is_derived_anew(graph, root):
    manifest = made(card(graph), "onnxruntime-f32", root)
    path = root / "onnxruntime-f32" / "main.onnx"
    path.write_bytes(path.read_bytes() + b"\0")
    with pytest.raises(ChecksumError, match="edged pull small"):
        manifest.checked("main", path.parent)
    path.unlink()
    with pytest.raises(VariantError, match="edged pull small"):
        manifest.checked("main", path.parent)
    made(card(graph), "onnxruntime-f32", root).checked("main", path.parent)


def test_nothing_half_made_is_left(graph, root, monkeypatch):
    def broken(*_):
        raise VariantError("no room")

    monkeypatch.setattr(derive_module, "quantize_onnxruntime", broken)
    with pytest.raises(VariantError, match="no room"):
        made(card(graph), "onnxruntime-int8", root)
    assert not list(root.iterdir())


def test_a_broken_manifest_is_none(tmp_path):
    assert Manifest.load(tmp_path) is None
    (tmp_path / "manifest.json").write_text('{"model": 1}')
    assert Manifest.load(tmp_path) is None


def close_to_f32(manifest, root):
    session = opened(manifest, root)
    span = np.ptp([scores(normalised(pixels(seed))) for seed in range(20, 30)])
    for seed in range(20, 30):
        answer = session.run({"pictures": pixels(seed)})["scores"]
        assert abs(answer - scores(normalised(pixels(seed)))).max() < 0.25 * span
    return session


def test_int8_of_onnxruntime(graph, root):
    manifest = made(card(graph), "onnxruntime-int8", root)
    close_to_f32(manifest, root)
    model = onnx.load(str(root / "onnxruntime-int8" / "main.onnx"))
    assert any(node.op_type == "QuantizeLinear" for node in model.graph.node)
    assert {path.name for path in (root / "onnxruntime-int8").iterdir()} == {"main.onnx", "manifest.json"}


def test_nodes_that_stay_f32(graph, root):
    made(
        card(graph, graph={"keep_f32": ["Conv_?", "MatMul*", "Pool_1", "Flatten_2"]}),
        "onnxruntime-int8",
        root,
    )
    model = onnx.load(str(root / "onnxruntime-int8" / "main.onnx"))
    (convolution,) = (node for node in model.graph.node if node.op_type == "Conv")
    assert not any("Quantize" in name for name in convolution.input)


def test_onnxruntime_advice_is_kept_from_the_log(graph, root, caplog):
    handlers = list(logging.getLogger().handlers)
    made(card(graph), "onnxruntime-int8", root)
    assert [r for r in caplog.records if r.name == "root"] == []
    assert logging.getLogger().handlers == handlers


def test_int8_of_openvino_is_made_in_silence(graph, root, capsys):
    pytest.importorskip("nncf")
    loggers = logging.getLoggerClass()
    manifest = made(card(graph), "openvino-int8", root)
    close_to_f32(manifest, root)
    assert capsys.readouterr().out == ""
    assert logging.getLoggerClass() is loggers
    assert "FakeQuantize" in (root / "openvino-int8" / "main.xml").read_text()


def test_batch_normalisation_is_fused_before_openvino_is_calibrated(graph, root):
    """Apart, as Paddle leaves it, nothing of an int8 PicoDet agreed with f32."""
    pytest.importorskip("nncf")
    model = onnx.load(str(graph))
    convolution = model.graph.node[0]
    convolution.output[0] = "raw"
    ones, zeros = np.ones(3, np.float32), np.zeros(3, np.float32)
    for name, numbers in {"gain": 4 * ones, "shift": zeros, "average": zeros, "spread": 16 * ones}.items():
        model.graph.initializer.append(onnx.numpy_helper.from_array(numbers, name))
    terms = ["raw", "gain", "shift", "average", "spread"]
    made_of = onnx.helper.make_node("BatchNormalization", terms, ["planes"], name="Norm", epsilon=0.0)
    model.graph.node.insert(1, made_of)
    onnx.save(model, str(graph))
    for variant in ("openvino-f32", "openvino-int8"):
        close_to_f32(made(card(graph), variant, root), root)
    assert "BatchNorm" in (root / "openvino-f32" / "main.xml").read_text()
    assert "BatchNorm" not in (root / "openvino-int8" / "main.xml").read_text()


@pytest.mark.slow
def test_nncf_cannot_phone_home():
    pytest.importorskip("nncf")
    import subprocess

    code = (
        "from edged.derive.quantize import _quiet_nncf\n"
        "with _quiet_nncf(): pass\n"
        "from nncf.telemetry import telemetry\n"
        "print(type(telemetry).__name__)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() != "NNCFTelemetry"


def test_without_nncf_the_error_says_what_to_install(graph, root, monkeypatch):
    monkeypatch.setattr("edged.derive.quantize.find_spec", lambda _: None)
    with pytest.raises(VariantError, match=r"edged\[quantize\]"):
        made(card(graph), "openvino-int8", root)


def test_int8_wants_samples(graph, root):
    with pytest.raises(VariantError, match="calibration"):
        made(card(graph), "onnxruntime-int8", root, samples={})
