"""The contract of a session, held to both runtimes."""

import threading
from pathlib import Path

import numpy as np
import pytest

from edged.contracts.errors import InferenceError, VariantError
from edged.flow.footprint import give_back, resident
from edged.runtimes import ov, ov_core
from edged.runtimes.devices import Concurrency
from edged.runtimes.opening import open_session
from edged.runtimes.signature import Port
from tests.graphs import SIZE, scores, write_graph, write_int8

TWO = Concurrency(workers=2, threads=1)
BOTH = pytest.mark.parametrize("variant", ["onnxruntime-f32", "openvino-f32"])


@pytest.fixture(scope="module")
def graph(tmp_path_factory):
    return write_graph(tmp_path_factory.mktemp("graph") / "small.onnx")


@pytest.fixture(scope="module", params=["onnxruntime-f32", "openvino-f32"])
def session(request, graph):
    return open_session(graph, request.param, "cpu", TWO)


def planes(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(1, 3, SIZE, SIZE)).astype(np.float32)


def test_both_give_the_same_answer(session):
    given = planes(1)
    outputs = session.run({"pictures": given})
    assert set(outputs) == {"scores"}
    np.testing.assert_allclose(outputs["scores"], scores(given), atol=1e-5)


def test_it_says_what_really_runs(session):
    assert (session.device, session.precision) == ("cpu", "f32")


@BOTH
def test_it_tells_its_inputs_and_outputs(tmp_path, variant):
    graph = write_graph(tmp_path / "free.onnx", batch="n", sides=("h", "w"))
    told = open_session(graph, variant, "cpu", TWO).signature
    f32 = np.dtype(np.float32)
    assert told.inputs == {"pictures": Port("pictures", f32, (None, 3, None, None))}
    assert told.outputs == {"scores": Port("scores", f32, (None, 4))}


def test_outputs_are_free_to_keep(session):
    first = session.run({"pictures": planes(1)})["scores"]
    kept = first.copy()
    for seed in range(2, 8):
        session.run({"pictures": planes(seed)})
    np.testing.assert_array_equal(first, kept)
    first += 1  # and to write into


def test_eight_threads_get_their_own_answers(session):
    wrong: list[int] = []

    def hammer(seed: int) -> None:
        given = planes(seed)
        expected = scores(given)
        for _ in range(100):
            if not np.allclose(session.run({"pictures": given})["scores"], expected, atol=1e-4):
                wrong.append(seed)

    threads = [threading.Thread(target=hammer, args=(seed,)) for seed in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


@pytest.mark.parametrize("view", ["strided", "read-only"])
def test_any_layout_in_memory_is_understood(session, view):
    given = planes(3)
    if view == "strided":
        given = np.repeat(given, 2, axis=3)[..., ::2]
        assert not given.flags.c_contiguous
    else:
        given.flags.writeable = False
    np.testing.assert_allclose(session.run({"pictures": given})["scores"], scores(given), atol=1e-5)


@pytest.mark.parametrize(
    ("inputs", "named"),
    [
        ({}, "lacks the input 'pictures'"),
        ({"picture": planes(0)}, "lacks the input 'pictures'"),
        ({"pictures": planes(0), "mask": planes(0)}, "has no input 'mask'"),
        (
            {"pictures": planes(0)[0]},
            r"'pictures' should be float32 \[1, 3, 8, 8\], but is float32 \[3, 8, 8\]",
        ),
        ({"pictures": planes(0)[..., :4]}, "'pictures' should be"),
        ({"pictures": planes(0).astype(np.float64)}, "'pictures' should be .* but is float64"),
        ({"pictures": [[0.0]]}, "'pictures' should be .* but is list"),
    ],
)
def test_a_wrong_input_is_named(session, inputs, named):
    with pytest.raises(InferenceError, match=named):
        session.run(inputs)
    session.run({"pictures": planes(0)})  # the request went back to the pool


@BOTH
def test_a_free_axis_takes_any_length(tmp_path, variant):
    session = open_session(write_graph(tmp_path / "free.onnx", batch="n"), variant, "cpu", TWO)
    for length in (1, 3):
        given = np.concatenate([planes(seed) for seed in range(length)])
        np.testing.assert_allclose(session.run({"pictures": given})["scores"], scores(given), atol=1e-5)


@BOTH
def test_a_file_that_is_no_graph(tmp_path, variant):
    path = tmp_path / "broken.onnx"
    path.write_bytes(b"no graph")
    with pytest.raises(VariantError, match=r"cannot open broken\.onnx on cpu"):
        open_session(path, variant, "cpu", TWO)


@BOTH
def test_a_device_that_is_not_here(graph, variant):
    with pytest.raises(VariantError, match="npu"):
        open_session(graph, variant, "npu", TWO)


@pytest.mark.parametrize("dequantize", [False, True])
@pytest.mark.parametrize("variant", ["onnxruntime-int8", "openvino-int8"])
def test_what_flows_between_int8_weights_is_f32(tmp_path, variant, dequantize):
    """On CPUs with VNNI either runtime rounds it to 8 bits, unless it is told not to."""
    path, weights = write_int8(tmp_path / "int8.onnx", dequantize)
    session = open_session(path, variant, "cpu", TWO)
    given = np.random.default_rng(4).normal(size=(1, 8, 64)).astype(np.float32)
    right = given.astype(np.float64) @ weights
    assert np.abs(session.run({"x": given})["y"] - right).max() < 1e-5 * np.abs(right).max()


def test_bf16_never_runs_as_f32_in_silence(graph, monkeypatch):
    monkeypatch.setattr(ov, "capabilities", lambda _: ("f32", "int8"))
    with pytest.raises(VariantError, match="no bf16 instructions"):
        open_session(graph, "openvino-bf16", "cpu", TWO)


def test_bf16_where_the_cpu_has_it(graph):
    if "bf16" in ov_core.capabilities("CPU"):
        assert open_session(graph, "openvino-bf16", "cpu", TWO).precision == "bf16"
    else:
        with pytest.raises(VariantError):
            open_session(graph, "openvino-bf16", "cpu", TWO)


def test_onnxruntime_offers_no_bf16(graph):
    with pytest.raises(VariantError, match="no bf16"):
        open_session(graph, "onnxruntime-bf16", "cpu", TWO)  # type: ignore[arg-type]


def test_a_runtime_that_is_not_installed(graph, monkeypatch):
    monkeypatch.setattr("edged.runtimes.opening.find_spec", lambda _: None)
    with pytest.raises(VariantError, match="openvino is not installed"):
        open_session(graph, "openvino-f32", "cpu", TWO)


def test_compiled_graphs_are_kept(graph, tmp_path):
    for _ in range(2):
        session = open_session(graph, "openvino-f32", "cpu", TWO, tmp_path)
        np.testing.assert_allclose(
            session.run({"pictures": planes(1)})["scores"], scores(planes(1)), atol=1e-5
        )
    assert list(tmp_path.glob("*.blob"))


def test_no_cache_folder_is_no_fault(graph):
    open_session(graph, "openvino-f32", "cpu", TWO, Path("/nowhere/at/all"))


def test_who_rests_gives_up_what_it_keeps_for_its_next_run_and_answers_alike(tmp_path):
    graph = write_graph(tmp_path / "free.onnx", batch="n", sides=("h", "w"))
    session = open_session(graph, "openvino-f32", "cpu", TWO)
    given = {"pictures": np.random.default_rng(0).normal(size=(1, 3, 2048, 2048)).astype(np.float32)}
    before = session.run(given)["scores"]

    def held():
        give_back()
        return resident()[0]

    kept = held()
    session.rest()  # it ran since nobody asked, as it may again soon
    assert held() > kept - 5_000_000
    session.rest()
    assert held() < kept - 20_000_000
    np.testing.assert_array_equal(session.run(given)["scores"], before)
    session.rest(at_once=True)
    assert held() < kept - 20_000_000


def test_who_is_told_to_rest_while_others_ask_answers_them(graph):
    session = open_session(graph, "openvino-f32", "cpu", TWO)
    wrong, over = [], threading.Event()

    def ask(seed):
        given = planes(seed)
        for _ in range(100):
            if not np.allclose(session.run({"pictures": given})["scores"], scores(given), atol=1e-5):
                wrong.append(seed)

    def rest():
        while not over.wait(0.001):
            session.rest(at_once=True)

    resting = threading.Thread(target=rest)
    asking = [threading.Thread(target=ask, args=(seed,)) for seed in range(4)]
    for thread in (resting, *asking):
        thread.start()
    for thread in asking:
        thread.join()
    over.set()
    resting.join()
    assert not wrong
