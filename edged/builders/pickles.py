"""Plain pickles of numpy arrays in dicts and lists."""

from pathlib import Path
from typing import Any

from edged.builders.reading import mapped, reading
from edged.builders.unpickler import unpickled


def pickled_arrays(path: Path) -> Any:
    """What the pickle holds: numpy arrays and numbers in plain containers.

    Raises `RepositoryError` that names the file and what in it is refused or damaged.
    """
    with reading(path, "a pickle of arrays"), mapped(path) as data:
        found = unpickled(data, len(data))
        if data.tell() != len(data):
            raise ValueError("there is more behind the pickle, as in an old checkpoint of torch")
        return found
