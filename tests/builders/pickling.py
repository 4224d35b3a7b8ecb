"""Pickles by hand: what a hostile file would say, and torch's without torch."""

import io
import pickle
import struct
import zipfile
from pathlib import Path

STOP = b"."


def literal(value) -> bytes:
    """The instructions that make a plain value, without header and end."""
    return pickle.dumps(value, 2)[2:-1]


def name(module: str, what: str) -> bytes:
    return f"c{module}\n{what}\n".encode()


def call(function: bytes, *arguments: bytes) -> bytes:
    return function + b"(" + b"".join(arguments) + b"tR"


def dict_of(**items: bytes) -> bytes:
    return b"}" + b"".join(literal(key) + value + b"s" for key, value in items.items())


def storage(key: str, count: int, kind: str = "FloatStorage") -> bytes:
    parts = (literal("storage"), name("torch", kind), literal(key), literal("cpu"), literal(count))
    return b"(" + b"".join(parts) + b"tQ"


def tensor(made_of: bytes, shape, strides, offset=0) -> bytes:
    rest = (literal(offset), literal(shape), literal(strides), literal(False), call(ORDERED))
    return call(name("torch._utils", "_rebuild_tensor_v2"), made_of, *rest)


ORDERED = name("collections", "OrderedDict")
NDARRAY = call(
    name("numpy.core.multiarray", "_reconstruct"), name("numpy", "ndarray"), literal((0,)), literal("b")
)


def dtype(code: str, order: str = "<") -> bytes:
    made = call(name("numpy", "dtype"), literal(code), literal(0), literal(1))
    return made + literal((3, order, None, None, None, -1, -1, 0)) + b"b"


def array(shape, code: str, content, order: str = "<") -> bytes:
    """As Python 2 pickled it when `content` is text."""
    state = b"(" + literal(1) + literal(shape) + dtype(code, order) + literal(False) + literal(content) + b"t"
    return NDARRAY + state + b"b"


def write_pickle(path: Path, body: bytes) -> Path:
    path.write_bytes(b"\x80\x02" + body + STOP)
    return path


def write_zip(path: Path, body: bytes, storages, **members: bytes) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", b"\x80\x02" + body + STOP)
        for key, content in storages.items():
            archive.writestr(f"archive/data/{key}", content)
        for key, content in members.items():
            archive.writestr(f"archive/{key}", content)
    return path


def write_row(path: Path, body: bytes, storages, little=True) -> Path:
    """The older format: `storages` are (length, bytes) by key."""
    file = io.BytesIO()
    for value in (0x1950A86A20F9469CFC6C, 1001, {"protocol_version": 1001, "little_endian": little}):
        pickle.dump(value, file, 2)
    file.write(b"\x80\x02" + body + STOP)
    pickle.dump(list(storages), file, 2)
    for count, content in storages.values():
        file.write(struct.pack("<q", count) + content)
    path.write_bytes(file.getvalue())
    return path
