"""HDF5, as Keras writes its weights."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edged.builders.reading import check_bytes, reading

_MOST_GROUPS = 10_000


def hdf5_arrays(path: Path) -> dict[str, NDArray[Any]]:
    """The arrays by their path in the file, as `model_weights/dense_1/kernel:0`.

    Attributes are left out. Links to elsewhere are refused: HDF5 would open any file that they name.
    Raises `RepositoryError` that names the file and what in it is refused or damaged.
    """
    import h5py  # noqa: PLC0415 - only deriving needs it

    with reading(path, "HDF5"), h5py.File(path, "r") as file:
        datasets = dict(_datasets(file))
        check_bytes(sum(dataset.nbytes for dataset in datasets.values()))
        return {name: np.asarray(dataset[()]) for name, dataset in datasets.items()}


def _datasets(file: Any) -> Iterator[tuple[str, Any]]:
    """Every dataset, each group once; nothing is read yet."""
    import h5py  # noqa: PLC0415

    todo, seen = [("", file)], 0
    while todo:
        above, group = todo.pop()
        seen += 1
        if seen > _MOST_GROUPS:
            raise ValueError(f"it has more than {_MOST_GROUPS} groups, or groups within themselves")
        for name in group:
            place = f"{above}{name}"
            if not isinstance(group.get(name, getlink=True), h5py.HardLink):
                raise ValueError(f"{place} is a link, which may lead anywhere")
            one = group[name]
            if isinstance(one, h5py.Group):
                todo.append((f"{place}/", one))
            else:
                _check(place, one)
                yield place, one


def _check(place: str, one: Any) -> None:
    import h5py  # noqa: PLC0415

    if not isinstance(one, h5py.Dataset) or one.dtype.kind not in "biuf":
        raise ValueError(f"{place} is no array of numbers")
    if one.external or one.is_virtual:
        raise ValueError(f"{place} keeps its numbers in another file")
