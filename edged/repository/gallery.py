"""The shop's gallery: a folder with one sub-folder a SKU, read again when it changes.

A vector is kept for as long as its picture stays the same, so one more picture costs one more embedding.
The vectors also lie in the model repository, so that a daemon that starts need not embed them all.
"""

import hashlib
import logging
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from edged.contracts.card import ModelCard
from edged.contracts.errors import EdgedError
from edged.contracts.gallery import GalleryIndex
from edged.contracts.items import Frame, PixelFormat
from edged.contracts.model import Part, Run
from edged.contracts.product import UNKNOWN
from edged.derive.manifest import sha256
from edged.media.frame import PictureFrame
from edged.media.picture import PictureLimits, decode_picture
from edged.repository.skus import numbered

log = logging.getLogger(__name__)

LOOK_EVERY_S = 1.0
"""The folder is looked at again after so many seconds, when somebody asks."""
SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff"})
"""Files of other kinds are left alone."""


_Vectors = dict[str, NDArray[np.float32]]
"""[views, d] by SHA-256 of the picture."""


@dataclass(frozen=True, slots=True)
class _Enrolled:
    """A picture in the folder; equal as long as it is the same file of the same time."""

    sku: str
    name: str
    size: int
    changed_ns: int


class FolderGallery:
    """Implements `contracts.gallery.Gallery`. Safe from all threads.

    While one thread embeds what is new, the others go on with what was there before.
    """

    def __init__(self, folder: Path, embedding: Part, cache: Path, sides: tuple[int, ...] = ()) -> None:
        """`cache`: folder for vectors; need not be there, and may be read-only. `sides`: as in the card."""
        self._folder = folder
        self._embedding = embedding
        self._sides = sides
        self._cache = cache / f"{_identity(embedding.card, sides)}.npz"
        self._lock = threading.Lock()
        self._vectors: _Vectors | None = None
        self._digests: dict[_Enrolled, str | None] = {}
        """None: the file is no picture that can be used."""
        self._seen: tuple[_Enrolled, ...] | None = None
        self._index = _indexed({}, {})
        self._looked_at = float("-inf")

    def index(self, run: Run) -> GalleryIndex:
        """The pictures as they are now; those that changed are embedded first."""
        if self._seen is not None and time.monotonic() - self._looked_at < LOOK_EVERY_S:
            return self._index
        if not self._lock.acquire(blocking=self._seen is None):
            return self._index
        try:
            self._look(run)
        finally:
            self._lock.release()
        return self._index

    def _look(self, run: Run) -> None:
        self._looked_at = time.monotonic()
        seen = tuple(enrolled(self._folder))
        if seen == self._seen:
            return
        if self._vectors is None:
            self._vectors = _stored(self._cache)
        vectors = {
            one: vector for one in seen if (vector := self._vector(one, self._vectors, run)) is not None
        }
        ids = numbered(self._folder, (one.sku for one in vectors))
        self._index, self._seen = _indexed(vectors, ids), seen
        used = {digest for digest in self._digests.values() if digest}
        self._vectors = {digest: vector for digest, vector in self._vectors.items() if digest in used}
        _store(self._cache, self._vectors)
        log.info("gallery: %d products, %d pictures", len(self._index.skus), len(vectors))

    def _vector(self, one: _Enrolled, known: _Vectors, run: Run) -> NDArray[np.float32] | None:
        """The vectors of a picture; none when the file holds none that can be used."""
        if one not in self._digests:
            run.check()
            self._digests[one] = self._embedded(self._folder / one.sku / one.name, known, run)
        digest = self._digests[one]
        return known[digest] if digest else None

    def _embedded(self, path: Path, known: _Vectors, run: Run) -> str | None:
        try:
            data = path.read_bytes()
            digest = hashlib.sha256(data).hexdigest()
            if digest not in known:
                picture = decode_picture(data, PictureLimits(), time.time())
                views = [self._embedding.infer(view, run).vector for view in _views(picture, self._sides)]
                known[digest] = np.asarray(views, np.float32)
        except (OSError, EdgedError) as error:
            log.warning("gallery: %s is left out: %s", path, error)
            return None
        return digest


def _views(picture: Frame, sides: Iterable[int]) -> Iterator[Frame]:
    """A picture as it is, and reduced to so many pixels of its longer side where it is larger."""
    yield picture
    longer = max(picture.height, picture.width)
    for side in sides:
        if side < longer:
            height, width = (max(1, round(n * side / longer)) for n in (picture.height, picture.width))
            yield PictureFrame(picture.pixels(PixelFormat((height, width))), picture.captured_at)


def _identity(card: ModelCard, sides: tuple[int, ...]) -> str:
    """Another model, or the same with other weights or another way to see pictures, has other vectors."""
    checksums = [weights.checksum for weights in card.weights.values()]
    made_of = repr((checksums, card.graphs, card.parameters, sides))
    return f"{card.id}-{hashlib.sha256(made_of.encode()).hexdigest()[:8]}"


def enrolled(folder: Path) -> Iterator[_Enrolled]:
    """The pictures in a gallery's folder, by SKU and name; hidden ones and other files are none."""
    for sku in sorted(_entries(folder)):
        if sku.name == UNKNOWN:
            continue
        for picture in sorted(_entries(sku)):
            if picture.suffix.lower() in SUFFIXES:
                try:
                    facts = picture.stat()
                except OSError:
                    continue  # gone since it was listed
                yield _Enrolled(sku.name, picture.name, facts.st_size, facts.st_mtime_ns)


def _entries(folder: Path) -> list[Path]:
    try:
        return [entry for entry in folder.iterdir() if not entry.name.startswith(".")]
    except OSError:
        return []


def sku_ids(folder: Path) -> dict[str, int]:
    """As `numbered`, of the SKUs in a gallery's folder that have a picture that can be used."""
    ids = numbered(folder, ())
    new = set[str]()
    for one in enrolled(folder):
        if one.sku not in ids and one.sku not in new and _usable(folder / one.sku / one.name):
            new.add(one.sku)
    return numbered(folder, new) if new else ids


def _usable(path: Path) -> bool:
    try:
        decode_picture(path.read_bytes(), PictureLimits(), 0.0)
    except (OSError, EdgedError):
        return False
    return True


def _indexed(vectors: Mapping[_Enrolled, NDArray[np.float32]], ids: Mapping[str, int]) -> GalleryIndex:
    skus = tuple(sorted({one.sku for one in vectors}))
    number = {sku: position for position, sku in enumerate(skus)}
    return GalleryIndex(
        skus,
        tuple(ids[sku] for sku in skus),
        np.concatenate(list(vectors.values())) if vectors else np.zeros((0, 0), np.float32),
        np.array([number[one.sku] for one, views in vectors.items() for _ in views], np.intp),
    )


def _stored(path: Path) -> _Vectors:
    """The vectors that were kept, if they are what was written."""
    try:
        if _seal(path).exists() and sha256(path) != _seal(path).read_text("utf-8"):  # 0.1.0 had no seals
            log.warning("gallery: %s is not what was written; all pictures are looked at again", path)
            return {}
        with np.load(path, allow_pickle=False) as arrays:
            return {digest: arrays[digest] for digest in arrays.files}
    except (OSError, ValueError, BadZipFile):
        return {}


def _seal(path: Path) -> Path:
    """The file with its SHA-256."""
    return path.with_suffix(".sha256")


def _store(path: Path, vectors: _Vectors) -> None:
    """Write whole or not at all; without it the next start takes longer, nothing else."""
    beside = path.with_suffix(".partial.npz")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        np.savez(beside, **vectors)  # type: ignore[arg-type]
        _seal(path).write_text(sha256(beside), "utf-8")
        beside.replace(path)
    except OSError as error:
        log.debug("the gallery's vectors are not kept: %s", error)
