"""From the core to the unit that finishes models while they serve."""

from collections.abc import Callable
from functools import partial

from edged.config.settings import Config
from edged.core import Core
from edged.opening import make_workshops
from edged.repository.opener import Opener
from edged.serving.preparation import Preparation
from edged.serving.unit import ServiceUnit, configured_models
from edged.serving.workshops import Workshops


def preparation(
    core: Core, settings: Callable[[], Config], opener: Opener, changed: Callable[[], None]
) -> Preparation:
    """`settings`: those that hold now."""
    make = make_workshops(settings(), core.memory, opener.slot_for)
    workshops = Workshops(make, core.memory, opener.slot_for)
    return Preparation(
        *(core.table, opener, workshops, core.counters),
        wanted=lambda: configured_models(settings().wanted_services(), opener.catalogue),
        renew=partial(_renew, core),
        changed=changed,
    )


def _renew(core: Core) -> None:
    """Have the configured services take what runs best now; the others do so by themselves."""
    for name in core.table.wanted:
        if (unit := core.units.get(f"service/{name}", ServiceUnit)) is not None:
            unit.renew()
