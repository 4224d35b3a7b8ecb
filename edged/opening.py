"""From a configuration to its models: which there are, and the repository over their weights."""

from pathlib import Path

from edged.config import Config
from edged.discovery import Catalogue, discover
from edged.flow.counters import Counters
from edged.repository.repository import Repository
from edged.repository.sessions import Watch, unwatched
from edged.runtimes.slot import DeviceSlot

PACKAGED = Path(__file__).parent / "_plugins"
CHECKOUT = Path(__file__).parent.parent / "plugins"


def open_catalogue(settings: Config) -> Catalogue:
    """The models of all plugins: those that come with edged, the configured folders, installed packages."""
    own = PACKAGED if PACKAGED.is_dir() else CHECKOUT
    return discover([own, *settings.paths.plugins])


def open_repository(settings: Config, counters: Counters, watch: Watch = unwatched) -> Repository:
    """The models over the configured folder of weights, with one slot a device.

    `watch`: as of `SharedSessions`.
    """
    concurrency = settings.runtime.concurrency()
    slots: dict[str, DeviceSlot] = {}

    def slot_for(device: str) -> DeviceSlot:
        return slots.setdefault(device, DeviceSlot(concurrency.workers))

    models = open_catalogue(settings).models
    paths = settings.paths
    return Repository(
        paths.models, models, concurrency, counters, slot_for, gallery=paths.gallery, watch=watch
    )


def resolve_source(source: str, repository: Repository) -> str:
    """`models:<model>/<file>` as the path of that pulled file; any other source as it is."""
    if not source.startswith("models:"):
        return source
    model, _, name = source.removeprefix("models:").partition("/")
    return str(repository.file(model, name))
