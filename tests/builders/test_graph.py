"""Graphs that are assembled: both runtimes compute what they should, and they always are the same bytes."""

import numpy as np
import onnxruntime
import openvino
import pytest

from edged.builders import GraphBuilder, fold_batch_norm

RANDOM = np.random.default_rng(3)
PICTURE = RANDOM.normal(size=(1, 3, 9, 7)).astype(np.float32)
WEIGHT = RANDOM.normal(size=(4, 3, 3, 3)).astype(np.float32)
BIAS = RANDOM.normal(size=4).astype(np.float32)


def computed(model, value):
    """The first output, by ONNX Runtime and by OpenVINO, which agree."""
    data = model.SerializeToString()
    (ort,) = onnxruntime.InferenceSession(data).run(None, {"x": value})
    core = openvino.Core()
    ov = core.compile_model(core.read_model(data), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})([value])[0]
    np.testing.assert_allclose(ov, ort, atol=1e-4)
    return ort


def convolved(picture, weight, stride, before, after):
    """By its definition, slowly."""
    padded = np.pad(picture[0], ((0, 0), *((before, after),) * 2))
    windows = np.lib.stride_tricks.sliding_window_view(padded, weight.shape[2:], (1, 2))
    return np.einsum("chwij,ocij->ohw", windows[:, ::stride, ::stride], weight)[None]


@pytest.mark.parametrize(("stride", "pad", "ends"), [(1, 1, (1, 1)), (2, 0, (0, 0)), (2, "same", (1, 1))])
def test_convolutions(stride, pad, ends):
    graph = GraphBuilder()
    graph.conv("x", WEIGHT, BIAS, stride=stride, pad=pad, name="y")
    found = computed(graph.build({"x": (1, 3, 9, 7)}, {"y": (1, 4, "h", "w")}), PICTURE)
    wanted = convolved(PICTURE, WEIGHT, stride, *ends) + BIAS.reshape(1, -1, 1, 1)
    np.testing.assert_allclose(found, wanted, atol=1e-4)


def test_a_convolution_over_time_too():
    graph = GraphBuilder()
    weight = RANDOM.normal(size=(2, 3, 3, 1, 1)).astype(np.float32)
    graph.conv("x", weight, stride=(2, 1, 1), pad="same", name="y")
    clip = RANDOM.normal(size=(1, 3, 4, 5, 5)).astype(np.float32)
    found = computed(graph.build({"x": (1, 3, 4, 5, 5)}, {"y": (1, 2, 2, 5, 5)}), clip)
    padded = np.pad(clip, ((0, 0), (0, 0), (0, 1), (0, 0), (0, 0)))  # of one the odd end is the last
    wanted = [np.einsum("cthw,oct->ohw", padded[0, :, t : t + 3], weight[..., 0, 0]) for t in (0, 2)]
    np.testing.assert_allclose(found[0].transpose(1, 0, 2, 3), wanted, atol=1e-4)


def test_a_folded_batch_normalisation_is_the_same():
    scale, shift, mean = RANDOM.normal(size=(3, 4)).astype(np.float32)
    variance = RANDOM.uniform(0.1, 2, 4).astype(np.float32)
    apart, folded = GraphBuilder(), GraphBuilder()
    value = apart.conv("x", WEIGHT, BIAS)
    apart.node("BatchNormalization", value, scale, shift, mean, variance, epsilon=1e-3, name="y")
    folded.conv(
        "x", *fold_batch_norm(WEIGHT, scale, shift, mean, variance, epsilon=1e-3, bias=BIAS), name="y"
    )
    shapes = {"x": (1, 3, 9, 7)}, {"y": (1, 4, 7, 5)}
    np.testing.assert_allclose(
        computed(folded.build(*shapes), PICTURE), computed(apart.build(*shapes), PICTURE), atol=1e-4
    )


def made():
    graph = GraphBuilder()
    first, second = graph.nodes("Split", graph.conv("x", WEIGHT), names=["first", "second"], axis=1)
    graph.node(
        "Add", graph.node("Relu", first), graph.node("Mul", second, np.array(0.5, np.float16)), name="y"
    )
    return graph.build({"x": ("batch", 3, 9, 7)}, {"y": ("batch", 2, 7, 5)})


def test_constants_become_f32_and_the_batch_stays_free():
    both = convolved(PICTURE, WEIGHT, 1, 0, 0)
    wanted = np.maximum(both[:, :2], 0) + both[:, 2:] / 2
    np.testing.assert_allclose(computed(made(), PICTURE), wanted, atol=1e-4)
    twice = np.concatenate([PICTURE, PICTURE])
    np.testing.assert_allclose(computed(made(), twice)[1:], wanted, atol=1e-4)


def test_the_same_arrays_give_the_same_bytes():
    assert made().SerializeToString() == made().SerializeToString()


def test_integers_stay_integers_and_scalars_have_no_axis():
    graph = GraphBuilder()
    flat = graph.node("Reshape", "x", np.array([1, -1]))
    graph.node("Gather", flat, np.array(5), axis=1, name="y")
    found = computed(graph.build({"x": (1, 3, 9, 7)}, {"y": (1,)}), PICTURE)
    np.testing.assert_array_equal(found, PICTURE.reshape(1, -1)[:, 5])


@pytest.mark.parametrize(
    "spoil",
    [
        lambda graph: graph.node("Relu", "nothing", name="y"),
        lambda graph: graph.node("NoSuchOperation", "x", name="y"),
        lambda graph: graph.node("Relu", "x", name="z"),
        lambda graph: graph.node("MatMul", "x", WEIGHT, name="y"),
    ],
    ids=[
        "an input that is not there",
        "an unknown operation",
        "an output that is not there",
        "a wrong shape",
    ],
)
def test_a_graph_that_does_not_fit_is_refused(spoil):
    graph = GraphBuilder()
    spoil(graph)
    with pytest.raises(ValueError, match="the graph is wrong"):
        graph.build({"x": (1, 3, 9, 7)}, {"y": (1, 4, "h", "w")})
