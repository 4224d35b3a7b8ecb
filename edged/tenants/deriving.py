"""A workshop in a child, out of the daemon's way: one step a call, each run of a session in its slot.

What is derived is derived with the time that nobody else wants; what is measured is measured at the usual
priority, for the slot keeps it apart from the others' runs already.
"""

import logging
import os
import threading
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

from edged.children.inside import Handle, Parent
from edged.children.wire import Message, Tree
from edged.contracts.errors import EdgedError
from edged.flow.budget import Budget
from edged.flow.counters import Counters
from edged.log import set_up
from edged.repository.catalogue import Catalogue
from edged.repository.instance import UsedModel
from edged.repository.opener import Opener
from edged.repository.variants import ANYTHING
from edged.repository.workshop import Workshop
from edged.runtimes.devices import Concurrency
from edged.tenants.model import AskedSlot, concerned_plugins

_BEHIND = 10
"""As nice: a tenth of the time of whoever is not, and so it ends on a busy box, too."""


def open_workshop(parent: Parent, given: Mapping[str, Any]) -> tuple[Tree, Handle]:
    """The workshop of one model. Raises as `Catalogue.model`, `Opener.acquire` and `WeightStore.verified`."""
    set_up()
    if given["quiet"]:
        logging.getLogger().setLevel(logging.WARNING)
    if given["yields"]:
        _yield_to_all()
    turn = threading.Lock()
    plugins = concerned_plugins(given, {given["model"]})
    concurrency = Concurrency(given["workers"], given["threads"])

    def slot_for(device: str) -> AskedSlot:
        return AskedSlot(parent, device, turn)

    opener = Opener(
        Catalogue(Path(given["models"]), plugins.models),
        concurrency,
        Counters(),
        slot_for,
        gallery=Path(given["gallery"]),
        memory=Budget(given["memory"], "max_memory"),
    )
    catalogue, model = opener.catalogue, opener.catalogue.model(given["model"])
    card = model.card
    used = opener.acquire_used(card, ANYTHING, ExitStack())  # as long as this process
    parts = {name: UsedModel(instance) for name, instance in used.items()}
    files = {name: catalogue.store.verified(card, name) for name in card.weights}

    def report(task: str, done: int, total: int) -> None:
        parent.tell("progress", done=done / total if total else 1.0, task=task)

    shop = Workshop(model, parts, files, catalogue.root / card.id, concurrency, report, slot_for)
    return {}, lambda call: Message(_step(shop, call.tree))


def _step(shop: Workshop, said: Mapping[str, Any]) -> Tree:
    """Derive what is named, or all, or measure what is derived; why not, where it cannot be derived."""
    try:
        failures = shop.run(said["derive"], measured=said["measure"])
    except EdgedError as error:
        return {"why_not": str(error), "left_out": None}
    return {"why_not": "; ".join(failures.values()), "left_out": {**failures}}


def _yield_to_all() -> None:
    """Get what time the others leave; where each session is scheduled as a group, its group, too."""
    os.nice(_BEHIND)
    with suppress(OSError):
        Path("/proc/self/autogroup").write_text(str(_BEHIND))
