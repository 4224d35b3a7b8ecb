"""The ids of SKUs: each is given once, kept in the gallery's folder, and never given to another name."""

import fcntl
import json
import logging
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from pydantic import PositiveInt, TypeAdapter, ValidationError

from edged.contracts.errors import RepositoryError

log = logging.getLogger(__name__)

FILE = "ids.json"
"""Name of the table in the gallery's folder; no SKU can have it."""

_TABLE = TypeAdapter(dict[str, PositiveInt])


def numbered(folder: Path, skus: Iterable[str]) -> dict[str, int]:
    """The id of every SKU that ever had one in this gallery, those that were removed among them.

    Those of `skus` that have none get the next ones, in alphabetical order, from 1. Safe from all threads and
    processes. Where the folder cannot be written, they have their ids until it can be. Raises
    `RepositoryError` when the table is damaged: a wrong one would be worse than none.
    """
    wanted = sorted(set(skus))
    ids = _read(folder / FILE)
    if ids.keys() >= set(wanted):
        return ids
    try:
        with _alone(folder):
            ids = _with(_read(folder / FILE), wanted)
            _write(folder / FILE, ids)
    except OSError as error:
        log.warning("gallery: %s cannot be written, so new ids may change: %s", folder / FILE, error)
        return _with(ids, wanted)
    return ids


def _with(ids: Mapping[str, int], wanted: Iterable[str]) -> dict[str, int]:
    new = (sku for sku in wanted if sku not in ids)
    return {**ids, **{sku: id_ for id_, sku in enumerate(new, max(ids.values(), default=0) + 1)}}


def _read(path: Path) -> dict[str, int]:
    try:
        ids = _TABLE.validate_json(path.read_bytes(), strict=True)
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except OSError as error:
        raise RepositoryError(f"{path} cannot be read: {error.strerror or error}") from error
    except ValidationError as error:
        raise RepositoryError(f"{path} is damaged; put a copy of it in its place: {error}") from error
    if len(set(ids.values())) < len(ids):
        raise RepositoryError(f"{path} is damaged; put a copy of it in its place: two SKUs have one id")
    return ids


def _write(path: Path, ids: Mapping[str, int]) -> None:
    """Whole or not at all, also when the power fails."""
    beside = path.with_name(f".{path.name}.partial")
    with beside.open("w", encoding="utf-8") as file:
        json.dump(ids, file, ensure_ascii=False, indent=1)
        file.flush()
        os.fsync(file.fileno())
    beside.chmod(0o644)  # the daemon may be another user than the one who enrols
    beside.replace(path)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Wait until no other thread or process numbers SKUs; ends by itself with the process."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
