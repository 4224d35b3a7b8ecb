"""What a model needs beside its sessions: files of its card that it reads once, and the shop's gallery."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from edged.contracts.model import AnyModel, Part
from edged.flow.budget import Budget
from edged.repository.enrolment import sku_ids
from edged.repository.gallery import FolderGallery

GALLERY = "gallery"
"""Name of the gallery among a model's resources."""


def open_gallery(
    model: AnyModel, parts: Mapping[str, Part], folder: Path, cache: Path, memory: Budget
) -> dict[str, Any]:
    """The gallery in `folder`, for a model whose card names one; its vectors are kept in `cache`.

    Its pictures are decoded in the `memory` that requests share.

    Its SKUs have their ids from now on. Raises `RepositoryError` when the table of ids is damaged.
    """
    use = model.card.gallery
    if use is None:
        return {}
    sku_ids(folder, memory)
    return {GALLERY: FolderGallery(folder, parts[use.embedding], cache, memory, use.sides)}


def open_resources(model: AnyModel, verified: Callable[[str], Path]) -> dict[str, Any]:
    """The card's resources as the model reads them, of files that `verified` finds by their name.

    Raises what `verified` raises, and `CardError` as the model does.
    """
    return {name: model.open_resource(name, verified(file)) for name, file in model.card.resources.items()}
