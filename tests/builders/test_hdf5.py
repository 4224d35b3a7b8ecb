"""HDF5: numbers come back; links, foreign files and lies are refused."""

import h5py
import numpy as np
import pytest

from edged.builders import hdf5_arrays
from edged.contracts.errors import RepositoryError

SIX = np.arange(6, dtype=np.float32).reshape(2, 3)


@pytest.fixture
def hdf5(tmp_path):
    """Makes an HDF5 file by a function."""

    def make(fill):
        with h5py.File(tmp_path / "net.h5", "w") as file:
            fill(file)
        return tmp_path / "net.h5"

    return make


def test_hdf5_arrays_have_their_paths(hdf5):
    def fill(file):
        file.create_dataset("model_weights/dense_1/kernel:0", data=SIX, compression="gzip")
        file.create_dataset("model_weights/dense_1/bias:0", data=np.arange(3, dtype=np.int64))
        file.create_dataset("step", data=7)
        file.create_group("dropout")
        file.attrs["model_config"] = "{}"

    found = hdf5_arrays(hdf5(fill))
    assert set(found) == {"model_weights/dense_1/kernel:0", "model_weights/dense_1/bias:0", "step"}
    np.testing.assert_array_equal(found["model_weights/dense_1/kernel:0"], SIX)
    assert found["step"].shape == ()


def _loop(file):
    file.create_group("a")["b"] = file["/"]


def _virtual(file):
    layout = h5py.VirtualLayout((3,), "f4")
    layout[:] = h5py.VirtualSource("elsewhere.h5", "x", (3,))
    file.create_virtual_dataset("v", layout)


HDF5 = {
    "a link to a file": (lambda f: f.__setitem__("a", h5py.ExternalLink("/etc/hosts", "x")), "a is a link"),
    "a link within": (lambda f: f.__setitem__("a", h5py.SoftLink("/b")), "a is a link"),
    "a foreign file": (
        lambda f: f.create_dataset("e", (3,), "f4", external=[("/etc/hosts", 0, 12)]),
        "e keeps its numbers in another file",
    ),
    "a virtual array": (_virtual, "v keeps its numbers in another file"),
    "texts": (lambda f: f.create_dataset("t", data=["a", "b"]), "t is no array of numbers"),
    "records": (lambda f: f.create_dataset("r", (2,), [("x", "f4")]), "r is no array of numbers"),
    "a type": (lambda f: f.__setitem__("d", np.dtype("f4")), "d is no array of numbers"),
    "more than it has": (lambda f: f.create_dataset("z", (2**40,), "f4", chunks=(1024,)), "at most"),
    "groups within themselves": (_loop, "groups within themselves"),
}


@pytest.mark.parametrize("case", HDF5)
def test_hdf5_that_leads_elsewhere_is_refused(hdf5, case):
    fill, reason = HDF5[case]
    with pytest.raises(RepositoryError, match=rf"net\.h5 cannot be read as HDF5: .*{reason}"):
        hdf5_arrays(hdf5(fill))


def test_hdf5_that_is_cut_off_is_named(hdf5, tmp_path):
    whole = hdf5(lambda file: file.create_dataset("a", data=SIX)).read_bytes()
    for length in range(0, len(whole), 97):
        (tmp_path / "cut.h5").write_bytes(whole[:length])
        with pytest.raises(RepositoryError, match=r"cut\.h5"):
            hdf5_arrays(tmp_path / "cut.h5")
