"""What HTTP needs of the daemon, handed over once."""

from collections.abc import Callable
from dataclasses import dataclass

from edged.artefacts.store import ArtefactStore
from edged.contracts.request import Intake
from edged.counts.desk import CountDesk
from edged.events.desk import EventDesk
from edged.flow.counters import Counters
from edged.http.live import Views
from edged.http.status import Status
from edged.media.fetch import ByteLimit
from edged.repository.outline import Outline
from edged.requests.jobs import JobDesk
from edged.serving.table import ServiceTable


@dataclass(frozen=True)
class Sources:
    """All of it may be asked from any thread."""

    version: str
    """Of edged."""
    intake: Intake
    """Where requests go."""
    jobs: Callable[[], JobDesk]
    """The requests whose answers are fetched later. Raises `NotReady` while nobody takes them."""
    counters: Counters
    """For the metrics, and our own counts."""
    table: ServiceTable
    """The models that are up."""
    artefacts: ArtefactStore
    """What requests and cameras have left."""
    uploads: ArtefactStore
    """What clients have sent ahead of their requests."""
    upload_limit: ByteLimit
    """Of one of them."""
    views: Views
    """The live pictures."""
    status: Callable[[], Status]
    """How everything is; may take milliseconds."""
    counts: Callable[[], CountDesk]
    """What cameras counted. Raises `NotReady` while nobody counts."""
    events: Callable[[], EventDesk]
    """What happened. Raises `NotReady` likewise."""
    idle: Callable[[str], Outline | None]
    """A model that loads when it is asked for, by its id; may take a second. Raises as `outlined`."""
    names: Callable[[str], tuple[str, ...]]
    """By which the model of a service may be called; none where none is installed. Takes milliseconds."""
    sound_limit: ByteLimit
    """Of a recording that comes with its request."""
