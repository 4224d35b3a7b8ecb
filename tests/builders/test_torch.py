"""Checkpoints of torch, both formats: tensors come back, and none reaches beyond its storage."""

import zipfile

import numpy as np
import pytest

from edged.builders import torch_arrays
from edged.contracts.errors import RepositoryError
from tests.builders.pickling import (
    ORDERED,
    call,
    dict_of,
    literal,
    name,
    storage,
    tensor,
    write_row,
    write_zip,
)

SIX = np.arange(6, dtype="<f4")


def written(form, folder, body, **storages):
    """A checkpoint with storages given as arrays."""
    path = folder / f"net.{form}"
    if form == "zip":
        return write_zip(path, body, {key: a.tobytes() for key, a in storages.items()})
    return write_row(path, body, {key: (a.size, a.tobytes()) for key, a in storages.items()})


both = pytest.mark.parametrize("form", ["zip", "row"])


@both
def test_tensors_come_back_with_shape_strides_and_offset(tmp_path, form):
    of = storage("0", 6)
    body = dict_of(
        state_dict=dict_of(
            plain=tensor(of, (2, 3), (3, 1)),
            turned=tensor(of, (3, 2), (1, 3)),
            tail=tensor(of, (2,), (1,), 4),
            scalar=tensor(of, (), (), 5),
            empty=tensor(of, (0, 3), (3, 1)),
            parameter=call(
                name("torch._utils", "_rebuild_parameter"),
                tensor(of, (1,), (1,)),
                literal(True),
                call(ORDERED),
            ),
            old=call(name("torch._utils", "_rebuild_tensor"), of, literal(0), literal((6,)), literal((1,))),
        ),
        epoch=literal(7),
        size=call(name("torch", "Size"), literal((2, 3))),
    )
    found = torch_arrays(written(form, tmp_path, body, **{"0": SIX}))
    wanted = {
        "plain": SIX.reshape(2, 3),
        "turned": SIX.reshape(2, 3).T,
        "tail": SIX[4:],
        "scalar": SIX[5],
        "empty": np.zeros((0, 3)),
        "parameter": SIX[:1],
        "old": SIX,
    }
    assert found["state_dict"].keys() == wanted.keys()
    for key, value in wanted.items():
        np.testing.assert_array_equal(found["state_dict"][key], value)
        assert found["state_dict"][key].dtype == np.float32
    assert (found["epoch"], found["size"]) == (7, (2, 3))


KINDS = {
    "FloatStorage": ("<f4", np.float32),
    "DoubleStorage": ("<f8", np.float64),
    "HalfStorage": ("<f2", np.float32),
    "LongStorage": ("<i8", np.int64),
    "IntStorage": ("<i4", np.int32),
    "ShortStorage": ("<i2", np.int16),
    "CharStorage": ("i1", np.int8),
    "ByteStorage": ("u1", np.uint8),
    "BoolStorage": ("?", np.bool_),
}


@both
@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_number_is_read(tmp_path, form, kind):
    stored, read = KINDS[kind]
    numbers = np.array([0, 1, 100]).astype(stored)
    body = dict_of(a=tensor(storage("s", 3, kind), (3,), (1,)))
    found = torch_arrays(written(form, tmp_path, body, s=numbers))["a"]
    np.testing.assert_array_equal(found, numbers)
    assert found.dtype == read


@both
def test_bf16_becomes_f32(tmp_path, form):
    numbers = np.array([1.5, -2.0, 3e38], np.float32).view(np.uint32) >> 16
    body = dict_of(a=tensor(storage("s", 3, "BFloat16Storage"), (3,), (1,)))
    found = torch_arrays(written(form, tmp_path, body, s=numbers.astype("<u2")))["a"]
    np.testing.assert_allclose(found, [1.5, -2.0, 3e38], rtol=2**-8)


def test_what_torch_remembers_beside_a_dict_is_passed_over(tmp_path):
    body = call(ORDERED) + literal("a") + tensor(storage("0", 6), (6,), (1,)) + b"s"
    body += dict_of(_metadata=literal({"": {"version": 1}})) + b"b"
    np.testing.assert_array_equal(torch_arrays(written("zip", tmp_path, body, **{"0": SIX}))["a"], SIX)


REFUSED = {
    "beyond the end": (tensor(storage("0", 6), (2, 3), (3, 1), 1), "reaches beyond its storage"),
    "far beyond": (tensor(storage("0", 6), (2,), (2**40,)), "reaches beyond its storage"),
    "before the start": (tensor(storage("0", 6), (2,), (1,), -1), "begins nowhere"),
    "backwards": (tensor(storage("0", 6), (2,), (-1,), 5), "a shape"),
    "repeated": (tensor(storage("0", 6), (2**20, 2**20), (0, 0)), "reaches beyond its storage"),
    "other strides than axes": (tensor(storage("0", 6), (6,), (1, 1)), "zip"),
    "a length by words": (tensor(storage("0", 6), ("6",), (1,)), "a shape"),
    "no storage": (tensor(literal(None), (6,), (1,)), "without a storage"),
    "a storage alone": (storage("0", 6), "holds a _Storage"),
    "a class": (call(name("models.yolo", "Model")), "names models.yolo.Model"),
    "a module of torch": (
        call(name("torch.nn.modules.conv", "Conv2d")),
        "names torch.nn.modules.conv.Conv2d",
    ),
    "a loader": (call(name("torch", "load"), literal("x")), "names torch.load"),
    "a storage that is called": (
        call(name("torch", "FloatStorage"), literal(9)),
        "it calls torch.FloatStorage",
    ),
    "an unknown storage": (tensor(storage("0", 6, "QInt8Storage"), (6,), (1,)), "names torch.QInt8Storage"),
    "an id that is none": (b"(" + literal("module") * 5 + b"tQ", "no storage"),
    "an id of one word": (literal("x") + b"Q", "unpack"),
    "a storage as a type": (
        b"(" + literal("storage") + name("torch", "Size") + literal("0") * 2 + literal(6) + b"tQ",
        "torch.Size",
    ),
    "twice, differently": (
        b"]" + tensor(storage("0", 6), (6,), (1,)) + b"a" + tensor(storage("0", 5), (5,), (1,)) + b"a",
        "named twice",
    ),
    "larger than the file": (tensor(storage("0", 2**40), (6,), (1,)), "larger than the file"),
    "longer than it is": (tensor(storage("0", 7), (6,), (1,)), "cut off|another length"),
    "shorter than it is": (tensor(storage("0", 5), (5,), (1,)), "cut off|another length"),
    "a missing storage": (
        dict_of(a=tensor(storage("0", 6), (6,), (1,)), b=tensor(storage("1", 6), (6,), (1,))),
        "no item named|does not hold the storages",
    ),
}


@both
@pytest.mark.parametrize("case", REFUSED)
def test_what_lies_is_refused(tmp_path, form, case):
    body, reason = REFUSED[case]
    path = written(form, tmp_path, body, **{"0": SIX})
    with pytest.raises(
        RepositoryError, match=rf"(?s)net\.\w+ cannot be read as a checkpoint of torch.*({reason})"
    ):
        torch_arrays(path)


@pytest.mark.parametrize("form", ["zip", "row"])
def test_big_endian_files_are_refused(tmp_path, form):
    body = dict_of(a=tensor(storage("0", 6), (6,), (1,)))
    path = tmp_path / "net"
    if form == "zip":
        write_zip(path, body, {"0": SIX.tobytes()}, byteorder=b"big")
    else:
        write_row(path, body, {"0": (6, SIX.tobytes())}, little=False)
    with pytest.raises(RepositoryError, match="little-endian"):
        torch_arrays(path)


@both
def test_a_file_that_is_cut_off_is_named(tmp_path, form):
    whole = written(form, tmp_path, dict_of(a=tensor(storage("0", 6), (6,), (1,))), **{"0": SIX}).read_bytes()
    path = tmp_path / "cut.pth"
    for length in range(0, len(whole), 7):
        path.write_bytes(whole[:length])
        with pytest.raises(RepositoryError, match=r"cut\.pth"):
            torch_arrays(path)


def test_a_zip_that_unpacks_to_too_much_is_not_unpacked(tmp_path, monkeypatch):
    monkeypatch.setattr("edged.builders.reading.MAX_BYTES", 100_000)
    path = tmp_path / "bomb.pth"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a/data.pkl", b"\x80\x02" + tensor(storage("0", 50_000), (6,), (1,)) + b".")
        archive.writestr("a/data/0", bytes(200_000))
    with pytest.raises(RepositoryError, match="at most 100000 are read"):
        torch_arrays(path)


def test_a_zip_without_a_pickle_is_named(tmp_path):
    path = tmp_path / "other.pth"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("word/document.xml", "")
    with pytest.raises(RepositoryError, match=r"other\.pth .*without data\.pkl"):
        torch_arrays(path)
