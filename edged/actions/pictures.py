"""Pictures of events as they lie among the artefacts."""

import time
from collections.abc import Callable

from edged.artefacts.store import ArtefactStore
from edged.contracts.errors import EdgedError

MOST_BYTES = 5_000_000
"""Of a picture that travels with a message."""
PATIENCE_S = 5.0
"""A picture is written within so many seconds after its address was told, or not waited for any longer."""
LOOK_S = 0.05


def picture_at(store: Callable[[], ArtefactStore], address: str) -> bytes | None:
    """The picture of an address that an event tells; none where there is none, or it is too big."""
    id, kept = address.rpartition("/")[2], store()
    ends_at = time.monotonic() + PATIENCE_S
    while kept.is_reserved(id) and time.monotonic() < ends_at:
        time.sleep(LOOK_S)
    try:
        with kept.open(id) as found:
            return found.file.read() if found.size <= MOST_BYTES else None
    except (EdgedError, OSError):  # it could not be written, or the store has dropped it since
        return None
