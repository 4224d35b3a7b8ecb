"""By which names clients may call the model of a service."""

from collections.abc import Mapping

from edged.contracts.errors import EdgedError
from edged.repository.catalogue import Catalogue
from edged.serving.unit import ServiceSettings, named
from edged.serving.voice import VOICE


def names_of(service: str, services: Mapping[str, ServiceSettings], catalogue: Catalogue) -> tuple[str, ...]:
    """The id of the model that fulfils it, then those of the models that it builds on, but for the voice
    activity; none where nothing is installed. `services`: as configured."""
    try:
        model, uses = named(service, services.get(service, ServiceSettings()), catalogue)
        card = catalogue.card(model or catalogue.preferred(service))
    except EdgedError:
        return ()
    parts = {**card.uses, **dict(uses)}
    return (card.id, *(parts[name] for name in parts if name != VOICE))
