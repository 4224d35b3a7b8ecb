"""The gallery: pictures of the products that a shop enrolled, as vectors."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from edged.contracts.model import Run


@dataclass(frozen=True, slots=True)
class GalleryIndex:
    """What was enrolled at one moment: m pictures of n products."""

    skus: tuple[str, ...]
    """[n]: names, in alphabetical order."""
    ids: tuple[int, ...]
    """[n]: the id of each, from 1; it never changes, and no other name ever gets it."""
    vectors: NDArray[np.float32]
    """[m, d]: one vector of length 1 a picture."""
    owners: NDArray[np.intp]
    """[m]: which of `skus` each vector shows."""


class Gallery(Protocol):
    """What a model gets as its resource `gallery` when its card names one."""

    def index(self, run: Run) -> GalleryIndex:
        """The pictures as they are now; those that changed are embedded first."""
