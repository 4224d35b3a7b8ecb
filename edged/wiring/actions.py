"""The actions of the configuration: which unit does them, of what is in the book of events."""

from collections.abc import Callable
from functools import partial

from edged.actions.desk import ActionDesk
from edged.actions.pictures import picture_at
from edged.actions.rows import ActionRows
from edged.artefacts.store import ArtefactStore
from edged.config.settings import Config
from edged.core import Core
from edged.flow.units import Wish
from edged.wiring.counts import calendar_of, counts_key


def actions_wish(
    core: Core, settings: Config, store: Callable[[], ArtefactStore], changed: Callable[[], None]
) -> dict[str, Wish]:
    """The unit, where there are actions; it wants those of `counts.counts_wish`. `changed`: as of
    `ActionDesk`."""
    if not settings.actions:
        return {}
    key = (*counts_key(settings), settings.actions)
    return {"actions": Wish(key, partial(_actions, core, settings, store, changed), order=7)}


def _actions(
    core: Core, settings: Config, store: Callable[[], ArtefactStore], changed: Callable[[], None]
) -> ActionDesk:
    zone = calendar_of(settings).zone
    rows = ActionRows(core.chronicle().do)
    return ActionDesk(
        settings.actions, rows, zone, partial(picture_at, store), core.counters, changed=changed
    )
