"""Files of safetensors: named arrays and nothing else."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edged.builders.reading import check_bytes, reading


def safetensors_arrays(path: Path) -> dict[str, NDArray[Any]]:
    """The arrays by name, f16 and bf16 as f32. Raises `RepositoryError` that names the file and its fault."""
    import ml_dtypes  # noqa: F401, PLC0415 - numpy knows bfloat16 only then
    from safetensors import SafetensorError  # noqa: PLC0415 - only deriving needs it
    from safetensors.numpy import load_file  # noqa: PLC0415

    with reading(path, "safetensors", SafetensorError, AttributeError):  # of types numpy lacks
        check_bytes(path.stat().st_size)
        return {name: _number(name, array) for name, array in load_file(path).items()}


def _number(name: str, array: NDArray[Any]) -> NDArray[Any]:
    if array.dtype.name in ("float16", "bfloat16"):
        return array.astype(np.float32)
    if array.dtype.kind not in "biuf":
        raise ValueError(f"{name} is of the type {array.dtype.name}, which is not read")
    return array
