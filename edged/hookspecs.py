"""The hooks that a plugin may implement.

A plugin is a folder with `plugin.py`, or a package with an entry point in the group `edged`. pluggy calls
its hooks once, at start-up; afterwards the host calls the registered models directly.
"""

from collections.abc import Callable
from typing import Protocol

import pluggy

from edged.contracts.card import ModelCard
from edged.contracts.model import AnyModel

Decoder = Callable[[ModelCard], AnyModel]
"""Makes a model of a card; most often a model's class. Raises `CardError` for a card that it cannot read."""


class Register(Protocol):
    """Offers models to the host."""

    def __call__(self, model: Decoder, *cards: str) -> None:
        """One model for each of these cards, files beside the plugin's module; none named: `card.yaml`."""


RegisterDecoder = Callable[[str, Decoder], None]
"""Offers one decoder to the host, under the name by which cards ask for it."""

hookspec = pluggy.HookspecMarker("edged")
hookimpl = pluggy.HookimplMarker("edged")


@hookspec
def register_models(register: Register) -> None:
    """Offer models to the host.

    Called once at start-up, in the main thread, before any model is opened.

    :param register: Call it with the model's class: the host finds `card.yaml` beside the plugin's module. A
        class that reads several cards is given with their names: `register(Bert, "base.yaml", "large.yaml")`.
        Weights are opened later, by the host, and only for models that the configuration uses.

    What stops it: a hook that raises, a card that is missing or wrong, an id that is taken, options that do
    not fit the service. The plugin is then left out as a whole and reported with the reason; the others are
    not affected.

    Since 0.1; of classes since 0.2.
    """


@hookspec
def register_decoders(register: RegisterDecoder) -> None:
    """Offer decoders: they make a model of a folder that has a card and weights, but no code.

    Called once at start-up, in the main thread, after `register_models` of the same plugin and before any
    folder without code is looked at.

    :param register: Call it once a decoder, with the name that cards give as `decoder` and with a callable
        that makes a model of a card.

    What stops it: a hook that raises, a name that is taken. The plugin is then left out as a whole, its
    models too, and reported with the reason; the others are not affected.

    Since 0.1.
    """
