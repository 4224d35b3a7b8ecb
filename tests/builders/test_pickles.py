"""Pickles: what numpy wrote comes back, and whatever else a file asks for is refused by name."""

import collections
import os
import pickle
import pickletools
from typing import Any

import numpy as np
import pytest

from edged.builders import pickled_arrays
from edged.contracts.errors import RepositoryError
from tests.builders.pickling import (
    NDARRAY,
    ORDERED,
    array,
    call,
    dict_of,
    dtype,
    literal,
    name,
    write_pickle,
)

VALUES: dict[Any, Any] = {
    "weights": [np.arange(6, dtype=np.float32).reshape(2, 3), np.array([1, -2], np.int64)],
    "fortran": np.asfortranarray(np.arange(6, dtype=np.float64).reshape(2, 3)),
    "big-endian": np.arange(3, dtype=">f4"),
    "flags": np.array([True, False]),
    "empty": np.zeros((0, 4), np.float16),
    "scalar": np.array(7, np.uint8),
    "epoch": 12,
    "best": np.float64(0.5),
    "plain": (None, True, 2**80, -1.5, "ö", b"\x00\xff", ("a", ["b"])),
    3: {},
}


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_what_numpy_pickled_comes_back(tmp_path, protocol):
    path = tmp_path / "weights.ckpt"
    path.write_bytes(pickle.dumps(collections.OrderedDict(VALUES), protocol))
    found = pickled_arrays(path)
    assert list(found) == list(VALUES)
    for one in ("fortran", "big-endian", "flags", "empty", "scalar"):
        np.testing.assert_array_equal(found[one], VALUES[one])
        assert found[one].dtype == VALUES[one].dtype.newbyteorder("=")
    np.testing.assert_array_equal(found["weights"][0], VALUES["weights"][0])
    assert {key: found[key] for key in ("epoch", "best", "plain", 3)} == {
        key: VALUES[key] for key in ("epoch", "best", "plain", 3)
    }
    assert type(found) is dict


def test_an_array_that_is_named_twice_is_one_array(tmp_path):
    one = np.ones(3, np.float32)
    path = tmp_path / "twice.ckpt"
    path.write_bytes(pickle.dumps({"a": one, "b": one}))
    found = pickled_arrays(path)
    assert found["a"] is found["b"]


def test_arrays_of_python_2_are_text(tmp_path):
    body = dict_of(a=array((2,), "f4", np.array([1.5, -2], "<f4").tobytes().decode("latin1")))
    np.testing.assert_array_equal(pickled_arrays(write_pickle(tmp_path / "old.pkl", body))["a"], [1.5, -2])


class _Runs:
    """Pickled, it has a command run by whoever believes it."""

    def __init__(self, function, *arguments):
        self._made = function, arguments

    def __reduce__(self):
        return self._made


REFUSED = {
    "a command": (pickle.dumps(_Runs(os.system, "exit"))[:-1], "system, which is no array"),
    "an expression": (call(name("builtins", "eval"), literal("1")), "builtins.eval"),
    "an attribute": (call(name("builtins", "getattr"), name("os", "system")), "builtins.getattr"),
    "a dotted name": (literal("numpy") + literal("ndarray.tofile") + b"\x93", "numpy.ndarray.tofile"),
    "an instance": (b"(iposix\nsystem\n", "INST"),
    "an object of a class": (name("numpy", "ndarray") + literal((2,)) + b"\x81", "NEWOBJ"),
    "an extension": (b"\x82\x01", "EXT1"),
    "a subclass": (
        call(name("numpy.core.multiarray", "_reconstruct"), name("numpy", "matrix")),
        "numpy.matrix",
    ),
    "a class that is called": (call(name("numpy", "ndarray"), literal((2,))), "it calls numpy.ndarray"),
    "an array that is called": (call(array((1,), "u1", b"a")), "it calls a ndarray"),
    "a name alone": (dict_of(a=name("numpy", "ndarray")), "holds numpy.ndarray"),
    "an array without content": (b"]" + NDARRAY + b"a", "ArrayInTheMaking"),
    "a type alone": (dict_of(a=dtype("f4")), "holds a .*DType"),
    "objects": (array((1,), "O8", b"12345678"), "the type 'O8'"),
    "records": (
        call(name("numpy", "dtype"), literal("V8")) + literal((3, "|", None, ("a",), {}, 8, 1, 0)) + b"b",
        "the type 'V8'",
    ),
    "a type that becomes records": (
        call(name("numpy", "dtype"), literal("f4")) + literal((3, "<", None, ("a",), {}, 4, 1, 0)) + b"b",
        "records",
    ),
    "a state of a name": (ORDERED + literal({"__defaults__": ()}) + b"b", "gives a state to collections"),
    "a state of an array": (
        array((1,), "u1", b"a") + literal((1, (9,), None)) + b"b",
        "a state to a ndarray",
    ),
    "more elements than bytes": (array((2**20, 2**20), "f4", b"1234"), "in 4 bytes"),
    "no element, and more": (array((-1, -4), "u1", b"1234"), "a shape"),
    "too many axes": (array((1,) * 60, "u1", b"1"), "a shape"),
    "an encoding": (call(name("_codecs", "encode"), literal("a"), literal("zlib")), "as zlib"),
    "a key that nests": (b"}" + b")" + b"\x85" * 100_000 + literal(1) + b"s", "a key of the kind a tuple"),
    "an item of an array": (array((1,), "u1", b"a") + literal(0) + literal(1) + b"s", "no dict"),
    "many bytes": (call(name("__builtin__", "bytes"), literal(2**40)), "takes 0 positional arguments"),
    "a persistent id": (literal("x") + b"Q", "persistent id"),
    "too little": (b"a", "pop from empty list"),
    "two objects": (b"]]", "one object"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_no_array_is_refused_by_name(tmp_path, case):
    body, reason = REFUSED[case]
    path = write_pickle(tmp_path / "hostile.pkl", body)
    with pytest.raises(
        RepositoryError, match=rf"hostile\.pkl cannot be read as a pickle of arrays: .*{reason}"
    ):
        pickled_arrays(path)


def test_nothing_is_executed(tmp_path):
    witness = tmp_path / "executed"
    path = tmp_path / "hostile.pkl"
    path.write_bytes(pickle.dumps({"a": np.ones(2), "b": _Runs(os.mkdir, str(witness))}))
    with pytest.raises(RepositoryError, match=r"names \w+\.mkdir"):
        pickled_arrays(path)
    assert not witness.exists()
    pickle.loads(path.read_bytes())
    assert witness.exists(), "the file is harmless, so the test shows nothing"


BOMBS = {
    "an index of the memo": b"]" + b"r\xff\xff\xff\xff",
    "a length of bytes": b"\x8e" + b"\xff" * 7 + b"\x00",
    "a length of text": b"X\xff\xff\xff\xff",
    "a long number": b"\x8b\xff\xff\xff\x7f",
    "a frame": b"\x95" + b"\xff" * 8 + b"]",
    "one text, encoded often": literal("x" * 100_000)
    + b"q\x09"
    + b"".join(call(name("_codecs", "encode"), b"h\x09", literal("latin1")) for _ in range(50)),
    "doubled lists": b"]q\x00" + b"".join(b"](h\x00h\x00eq\x00" for _ in range(60)),
    "nested tuples": b")" + b"\x85" * 200_000,
    "nested lists": b"]" * 200_000 + b"a" * 199_999,
}


@pytest.mark.parametrize("bomb", BOMBS)
def test_a_bomb_takes_no_more_than_its_own_size(tmp_path, bomb, monkeypatch):
    path = write_pickle(tmp_path / "bomb.pkl", BOMBS[bomb])
    resource = pytest.importorskip("resource")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    try:
        pickled_arrays(path)
    except RepositoryError as error:
        assert "bomb.pkl" in str(error)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 300_000, "kilobytes"


def test_every_cut_of_a_file_is_an_error_of_ours(tmp_path):
    whole = pickle.dumps({"a": np.arange(3), "b": [1.5, "x"]}, 4)
    assert pickletools.optimize(whole)
    path = tmp_path / "cut.pkl"
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        with pytest.raises(RepositoryError, match=r"cut\.pkl cannot be read"):
            pickled_arrays(path)


SMALL = pickle.dumps({"a": np.arange(3), "b": [1.5, "x"]}, 4)


@pytest.mark.filterwarnings("ignore:invalid escape sequence")  # Python warns of what protocol 0 may hold
@pytest.mark.parametrize(
    "changes",
    [
        np.random.default_rng(7).integers(0, (len(SMALL), 256), (3000, 2)),
        pytest.param(np.argwhere(np.ones((len(SMALL), 256))), marks=pytest.mark.long),
    ],
    ids=["some", "all"],
)
def test_every_changed_byte_is_read_or_an_error_of_ours(tmp_path, changes):
    whole, path = SMALL, tmp_path / "changed.pkl"
    for place, value in changes.tolist():
        path.write_bytes(whole[:place] + bytes([value]) + whole[place + 1 :])
        try:
            pickled_arrays(path)
        except RepositoryError as error:
            assert "changed.pkl" in str(error)


def test_a_file_that_is_not_there_and_an_empty_one(tmp_path):
    with pytest.raises(RepositoryError, match=r"none\.pkl .*No such file"):
        pickled_arrays(tmp_path / "none.pkl")
    (tmp_path / "empty.pkl").touch()
    with pytest.raises(RepositoryError, match=r"empty\.pkl"):
        pickled_arrays(tmp_path / "empty.pkl")


def test_a_file_that_is_too_large_is_not_read(tmp_path, monkeypatch):
    monkeypatch.setattr("edged.builders.reading.MAX_BYTES", 10)
    path = write_pickle(tmp_path / "large.pkl", literal("x" * 20))
    with pytest.raises(RepositoryError, match="at most 10 are read"):
        pickled_arrays(path)


def test_a_checkpoint_of_torch_is_not_taken_for_its_first_pickle(tmp_path):
    path = tmp_path / "row.pth"
    path.write_bytes(pickle.dumps(0x1950A86A20F9469CFC6C, 2) + pickle.dumps(1001, 2))
    with pytest.raises(RepositoryError, match="more behind the pickle"):
        pickled_arrays(path)
