"""Which models got other variants while they were open, and so which instances are outdated."""

from collections import Counter
from collections.abc import Callable
from weakref import WeakKeyDictionary

from edged.contracts.card import ModelCard
from edged.repository.instance import Instance
from edged.repository.parts import used_models
from edged.repository.variants import Preference


class Renewals:
    """Generations of models: an instance belongs to the one in which it was opened. Safe from all threads."""

    def __init__(self, card_of: Callable[[str], ModelCard]) -> None:
        """`card_of`: as of `used_models`."""
        self._card_of = card_of
        self._times = Counter[str]()
        self._opened_in: WeakKeyDictionary[Instance, int] = WeakKeyDictionary()

    def renew(self, model: str) -> None:
        """Its variants have changed: who asks from now on, for it or one that uses it, gets it opened anew.

        What is open stays so until it is given back.
        """
        self._times[model] += 1

    def now(self, card: ModelCard, wish: Preference) -> int:
        """The generation of what is opened now: how often it, or one that it uses, was renewed.

        Raises as `used_models`.
        """
        used = used_models(card, wish, self._card_of).values()
        return sum(self._times[model] for model in (card.id, *used))

    def opened(self, instance: Instance, generation: int) -> None:
        """An instance was opened in this generation."""
        self._opened_in[instance] = generation

    def of(self, instance: Instance) -> int:
        """The generation in which an instance was opened."""
        return self._opened_in.get(instance, 0)

    def is_outdated(self, instance: Instance) -> bool:
        """Whether it, or one that it uses, was renewed since it was opened."""
        return self.of(instance) != self.now(instance.card, instance.asked)
