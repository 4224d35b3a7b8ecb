"""Which models another one builds on."""

from collections.abc import Callable

from edged.contracts.card import ModelCard
from edged.contracts.errors import ConfigError
from edged.repository.variants import Preference


def used_models(card: ModelCard, wish: Preference, card_of: Callable[[str], ModelCard]) -> dict[str, str]:
    """Ids of the models that a model builds on, by its names for them: its card's, or those that were wished.

    Raises `ConfigError` when one is wished under a name that the card does not have, or that fulfils
    something else than the card's.
    """
    chosen = {**card.uses, **dict(wish.uses)}
    for name, model in chosen.items():
        if name not in card.uses:
            known = ", ".join(card.uses) or "none"
            raise ConfigError(f"uses.{name}: {card.id} has no such name; it has {known}")
        wanted, given = card_of(card.uses[name]).service, card_of(model)
        if given.service != wanted:
            raise ConfigError(f"uses.{name}: {model} is for {given.service}, and {card.id} wants {wanted}")
        if given.uses:
            raise ConfigError(f"uses.{name}: {model} uses other models itself, so no other model can use it")
    return chosen
