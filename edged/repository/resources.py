"""What a model needs beside its sessions: files of its card that it reads once."""

from typing import Any

from edged.contracts.model import AnyModel
from edged.repository.weights import WeightStore


def open_resources(model: AnyModel, store: WeightStore) -> dict[str, Any]:
    """The card's resources as the model reads them.

    Raises `RepositoryError` where a file is missing or not what it should be, `CardError` as the model does.
    """
    card = model.card
    return {
        name: model.open_resource(name, store.verified(card, file)) for name, file in card.resources.items()
    }
