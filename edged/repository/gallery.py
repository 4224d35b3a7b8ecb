"""The shop's gallery: a folder with one sub-folder a SKU, read again when it changes.

A vector is kept for as long as its picture stays the same, so one more picture costs one more embedding.
The vectors also lie in the model repository, so that a daemon that starts need not embed them all.
"""

import hashlib
import logging
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from edged.contracts.card import ModelCard
from edged.contracts.errors import Cancelled, EdgedError, TimedOut
from edged.contracts.gallery import GalleryIndex
from edged.contracts.items import Frame, PixelFormat
from edged.contracts.model import Part, Run
from edged.derive.manifest import sha256
from edged.flow.budget import Budget
from edged.media.frame import PictureFrame
from edged.repository.enrolment import Enrolled, NoRoom, decoded, enrolled, picture_bytes
from edged.repository.skus import numbered

log = logging.getLogger(__name__)

LOOK_EVERY_S = 1.0
"""The folder is looked at again after so many seconds, when somebody asks."""


_Vectors = dict[str, NDArray[np.float32]]
"""[views, d] by SHA-256 of the picture."""


class FolderGallery:
    """Implements `contracts.gallery.Gallery`. Safe from all threads.

    While one thread embeds what is new, the others go on with what was there before.
    """

    def __init__(
        self, folder: Path, embedding: Part, cache: Path, memory: Budget, sides: tuple[int, ...] = ()
    ) -> None:
        """`cache`: folder for vectors; need not be there, and may be read-only. `memory`: what decoding
        shares with requests. `sides`: as in the card."""
        self._folder = folder
        self._memory = memory
        self._embedding = embedding
        self._sides = sides
        self._cache = cache / f"{_identity(embedding.card, sides)}.npz"
        self._lock = threading.Lock()
        self._vectors: _Vectors | None = None
        self._digests: dict[Enrolled, str | None] = {}
        """None: the file is no picture that can be used."""
        self._seen: tuple[Enrolled, ...] | None = None
        self._waiting: set[str] = set()
        """Pictures for which there was no memory; the next look is for them."""
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
        if seen == self._seen and not self._waiting:
            return
        self._waiting.clear()
        if self._vectors is None:
            self._vectors = _stored(self._cache)
        vectors = {
            one: vector for one in seen if (vector := self._vector(one, self._vectors, run)) is not None
        }
        ids = numbered(self._folder, (one.sku for one in vectors))
        self._index, self._seen = _indexed(vectors, ids), seen
        self._digests = {one: self._digests[one] for one in seen if one in self._digests}
        used = {digest for digest in self._digests.values() if digest}
        self._vectors = {digest: vector for digest, vector in self._vectors.items() if digest in used}
        _store(self._cache, self._vectors)
        log.info("gallery: %d products, %d pictures", len(self._index.skus), len(vectors))

    def _vector(self, one: Enrolled, known: _Vectors, run: Run) -> NDArray[np.float32] | None:
        """The vectors of a picture; none when the file holds none that can be used, or not yet."""
        if one not in self._digests:
            if self._waiting:  # one wait a look is enough
                return None
            run.check()
            path = self._folder / one.sku / one.name
            try:
                self._digests[one] = self._embedded(path, known, run)
            except NoRoom as error:
                self._waiting.add(one.name)
                log.warning("gallery: %s has to wait: %s", path, error)
                return None
        digest = self._digests[one]
        return known[digest] if digest else None

    def _embedded(self, path: Path, known: _Vectors, run: Run) -> str | None:
        try:
            data = picture_bytes(path)
            digest = hashlib.sha256(data).hexdigest()
            if digest not in known:
                with decoded(data, self._memory, run.check) as picture:
                    views = [self._embedding.infer(view, run).vector for view in _views(picture, self._sides)]
                known[digest] = np.asarray(views, np.float32)
        except (TimedOut, Cancelled, NoRoom):  # not the picture's fault
            raise
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


def _indexed(vectors: Mapping[Enrolled, NDArray[np.float32]], ids: Mapping[str, int]) -> GalleryIndex:
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
