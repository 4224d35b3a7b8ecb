"""ncnn: layers with their arrays; whatever is stored in an unknown way is refused."""

import struct
from typing import Any

import numpy as np
import pytest

from edged.builders import ncnn_layers
from edged.contracts.errors import RepositoryError

PARAM = """7767517
4 4
Input            data  0 1 data
MemoryData       mean  0 1 mean 0=1 1=1 2=3
BinaryOp         minus 2 1 data mean minus 0=1
Convolution      conv  1 1 minus conv 0=2 1=3 4=1 5=1 6=54 9=2 -23310=2,1.0e-01,6
"""
MEAN = np.array([0.5, 0.25, 0.125], "<f4")
WEIGHT = np.arange(54, dtype="<f4").reshape(2, 3, 3, 3)
BIAS = np.array([1, -1], "<f4")
ARRAYS = MEAN.tobytes() + bytes(4) + WEIGHT.tobytes() + BIAS.tobytes()
F16 = struct.pack("<I", 0x01306B47)


@pytest.fixture
def network(tmp_path):
    """Writes both files; returns their paths."""

    def make(param=PARAM, arrays=ARRAYS):
        (tmp_path / "net.param").write_text(param)
        (tmp_path / "net.bin").write_bytes(arrays)
        return tmp_path / "net.param", tmp_path / "net.bin"

    return make


def test_layers_come_with_names_parameters_and_arrays(network):
    data, mean, minus, conv = ncnn_layers(*network())
    assert (data.kind, data.inputs, data.outputs) == ("Input", (), ("data",))
    assert (minus.inputs, minus.outputs, dict(minus.parameters)) == (("data", "mean"), ("minus",), {0: 1})
    np.testing.assert_array_equal(mean.arrays[0], MEAN.reshape(3, 1, 1))
    assert conv.parameters == {0: 2, 1: 3, 4: 1, 5: 1, 6: 54, 9: 2, 10: (0.1, 6)}
    np.testing.assert_array_equal(conv.arrays[0], WEIGHT)
    np.testing.assert_array_equal(conv.arrays[1], BIAS)


def test_f16_is_padded_to_four_bytes(network):
    param = PARAM.replace("0=2 1=3", "0=1 1=3").replace("6=54", "6=27")
    halves = WEIGHT[0].astype("<f2").tobytes()
    conv = ncnn_layers(*network(param, MEAN.tobytes() + F16 + halves + b"\0\0" + BIAS[:1].tobytes()))[-1]
    np.testing.assert_array_equal(conv.arrays[0][0], WEIGHT[0])
    np.testing.assert_array_equal(conv.arrays[1], BIAS[:1])
    assert conv.arrays[0].dtype == np.float32


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "another file": ({"param": "Input data 0 1 data\n"}, "net.param"),
    "another number of layers": ({"param": PARAM.replace("4 4", "5 5")}, "another number of layers"),
    "an unknown kind": ({"param": PARAM.replace("BinaryOp", "LSTM")}, "minus is a layer of the kind LSTM"),
    "fewer names than it says": ({"param": PARAM.replace("minus 2 1", "minus 2 9")}, "minus"),
    "a negative number": ({"param": PARAM.replace("minus 2 1", "minus -2 1")}, "minus"),
    "int8": ({"param": PARAM.replace("9=2", "8=1")}, "quantized to int8"),
    "an unknown flag": (
        {"arrays": MEAN.tobytes() + struct.pack("<I", 0x000D4B38) + WEIGHT.tobytes()},
        "0x000d4b38",
    ),
    "too little": ({"arrays": ARRAYS[:-8]}, "net.bin .*cut off"),
    "nothing": ({"arrays": b""}, "net.bin"),
    "too much": (
        {"arrays": ARRAYS + b"x"},
        "1 bytes are left over: it does not belong to net.param",
    ),
    "a length of lies": ({"param": PARAM.replace("6=54", "6=99999999999999999999")}, "net.bin"),
    "a negative length": ({"param": PARAM.replace("6=54", "6=-54")}, "cut off"),
    "a length that is no number": ({"param": PARAM.replace("6=54", "6=many")}, "net.param"),
    "no length": ({"param": PARAM.replace("6=54", "")}, "net.bin"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_does_not_fit_is_refused_by_name(network, case):
    given, reason = WRONG[case]
    with pytest.raises(RepositoryError, match=reason):
        ncnn_layers(*network(**given))
