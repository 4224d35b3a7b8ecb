"""Checkpoints as `torch.save` writes them: the zip of today, and the older row of pickles and raw storages.

Arrays are views of their storage, as tensors are: storages may be filled after the pickle was read. f16 and
bf16 become f32, which holds all their numbers.
"""

import io
import math
import struct
import zipfile
from dataclasses import dataclass
from mmap import mmap
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided
from numpy.typing import NDArray

from edged.builders.numpy_pickle import is_count, lengths
from edged.builders.reading import check_bytes, mapped, reading
from edged.builders.unpickler import Calls, Name, unpickled

_MAGIC = 0x1950A86A20F9469CFC6C
_PROTOCOL = 1001
_ZIP = b"PK\3\4"
_LENGTH = struct.Struct("<q")
_BF16 = np.dtype("V2")
"""Two bytes that numpy has no numbers for."""
_STORAGES: dict[str, np.dtype[Any]] = {
    "torch.FloatStorage": np.dtype("<f4"),
    "torch.DoubleStorage": np.dtype("<f8"),
    "torch.HalfStorage": np.dtype("<f2"),
    "torch.BFloat16Storage": _BF16,
    "torch.LongStorage": np.dtype("<i8"),
    "torch.IntStorage": np.dtype("<i4"),
    "torch.ShortStorage": np.dtype("<i2"),
    "torch.CharStorage": np.dtype("i1"),
    "torch.ByteStorage": np.dtype("u1"),
    "torch.BoolStorage": np.dtype("?"),
}


@dataclass(frozen=True, slots=True)
class _Storage:
    """The numbers that tensors are views of."""

    stored: np.dtype[Any]
    """The elements in the file."""
    numbers: NDArray[Any]
    """[n], to be filled; f32 where the file holds f16 or bf16."""

    @classmethod
    def empty(cls, stored: np.dtype[Any], count: int) -> "_Storage":
        return cls(
            stored, np.zeros(count, np.float32 if stored.itemsize == 2 and stored.kind in "fV" else stored)
        )

    def fill(self, data: bytes) -> None:
        if len(data) != self.numbers.size * self.stored.itemsize:
            raise ValueError("a storage is cut off")
        if self.stored == _BF16:  # the upper half of a f32
            self.numbers.view(np.uint32)[:] = np.frombuffer(data, "<u2").astype(np.uint32) << 16
        else:
            self.numbers[:] = np.frombuffer(data, self.stored)


class _Storages:
    """The storages of one file, made as its pickle names them."""

    def __init__(self, limit: int) -> None:
        """`limit`: bytes that the file has for all of them."""
        self.by_key: dict[str, _Storage] = {}
        self._room = limit

    def __call__(self, persistent_id: Any) -> _Storage:
        """`("storage", type, key, device, length)`, of old files with a view of None behind."""
        word, kind, key, _, count, *view = persistent_id
        if word != "storage" or not isinstance(kind, Name) or not isinstance(key, str) or any(view):
            raise ValueError(f"it refers to something that is no storage: {persistent_id!r:.80}")
        if not is_count(count):
            raise ValueError("a storage has a length that cannot be")
        stored = _STORAGES[kind.text]
        known = self.by_key.get(key)
        if known is None:
            self._room -= count * stored.itemsize
            if self._room < 0:
                raise ValueError("its storages are said to be larger than the file")
            known = self.by_key[key] = _Storage.empty(stored, count)
        if (known.stored, known.numbers.size) != (stored, count):
            raise ValueError(f"the storage {key} is named twice, differently")
        return known


def torch_arrays(path: Path) -> Any:
    """What `torch.save` wrote: plain containers with numpy arrays, f16 and bf16 as f32.

    Raises `RepositoryError` that names the file and what in it is refused or damaged.
    """
    with reading(path, "a checkpoint of torch"):
        with mapped(path) as data:
            if data[:4] != _ZIP:
                return _from_row(data)
        with zipfile.ZipFile(path) as archive:
            return _from_zip(archive)


def _from_zip(archive: zipfile.ZipFile) -> Any:
    """`<name>/data.pkl`, and each storage as `<name>/data/<key>`."""
    members = {info.filename: info for info in archive.infolist()}
    unpacked = sum(info.file_size for info in members.values())
    check_bytes(unpacked)
    top = next((name.removesuffix("data.pkl") for name in members if name.endswith("data.pkl")), None)
    if top is None:
        raise ValueError("it is a zip without data.pkl")
    order = members.get(f"{top}byteorder")
    if order is not None and archive.read(order) != b"little":
        raise ValueError("its bytes are not in little-endian order")
    storages = _Storages(unpacked)
    pickle = archive.read(f"{top}data.pkl")
    found = unpickled(io.BytesIO(pickle), len(pickle), _CALLS, storages)
    for key, storage in storages.by_key.items():
        storage.fill(archive.read(f"{top}data/{key}"))
    return found


def _from_row(data: mmap) -> Any:
    """Magic number, version, facts of the machine, the object, keys; of each storage its length and bytes."""
    size = len(data)
    if unpickled(data, size) != _MAGIC or unpickled(data, size) != _PROTOCOL:
        raise ValueError("it does not begin as such a file does")
    if not unpickled(data, size)["little_endian"]:
        raise ValueError("its bytes are not in little-endian order")
    storages = _Storages(size)
    found = unpickled(data, size, _CALLS, storages)
    keys = unpickled(data, size)
    if not all(isinstance(key, str) for key in keys) or sorted(keys) != sorted(storages.by_key):
        raise ValueError("it does not hold the storages that its tensors want")
    for key in keys:
        storage = storages.by_key[key]
        (count,) = _LENGTH.unpack(data.read(_LENGTH.size))
        if count != storage.numbers.size:
            raise ValueError(f"the storage {key} has another length than its tensors say")
        storage.fill(data.read(count * storage.stored.itemsize))
    return found


def _tensor(storage: Any, offset: Any, shape: Any, strides: Any, *_: Any) -> NDArray[Any]:
    """A view of a storage; `offset` and `strides` count elements. What follows concerns training."""
    if not isinstance(storage, _Storage) or not is_count(offset):
        raise ValueError("it holds a tensor without a storage, or that begins nowhere in it")
    steps = zip(lengths(shape), lengths(strides), strict=True)
    last = offset + sum((n - 1) * step for n, step in steps)
    elements = math.prod(shape)
    if elements > storage.numbers.size or (elements and last >= storage.numbers.size):
        raise ValueError(f"it holds a tensor of the shape {shape} that reaches beyond its storage")
    if not elements:
        return np.zeros(shape, storage.numbers.dtype)
    width = storage.numbers.itemsize
    return as_strided(storage.numbers[offset:], shape, [n * width for n in strides], writeable=False)


def _parameter(tensor: Any, *_: Any) -> Any:
    return tensor


_CALLS: Calls = {
    **dict.fromkeys(_STORAGES),
    "torch._utils._rebuild_tensor": _tensor,
    "torch._utils._rebuild_tensor_v2": _tensor,
    "torch._utils._rebuild_parameter": _parameter,
    "torch.Size": lengths,
}
