"""From a configuration to its models: which there are, and what opens them."""

from collections.abc import Iterable
from pathlib import Path

from edged.config import Config
from edged.discovery import Plugins, discover
from edged.flow.counters import Counters
from edged.repository.catalogue import Catalogue
from edged.repository.opener import Opener
from edged.repository.puller import Puller
from edged.repository.sessions import Watch, unwatched
from edged.runtimes.slot import DeviceSlot

PACKAGED = Path(__file__).parent / "_plugins"
CHECKOUT = Path(__file__).parent.parent / "plugins"


def open_plugins(settings: Config, single: Iterable[Path] = ()) -> Plugins:
    """All plugins: those that come with edged, the configured folders, installed packages; `single` ones."""
    own = PACKAGED if PACKAGED.is_dir() else CHECKOUT
    return discover([own, *settings.paths.plugins], single=single)


def open_catalogue(settings: Config) -> Catalogue:
    """The models of all plugins over the configured folder of weights."""
    return Catalogue(settings.paths.models, open_plugins(settings).models)


def make_opener(
    settings: Config, counters: Counters, watch: Watch = unwatched, plugins: Plugins | None = None
) -> Opener:
    """What opens the models, with one slot a device. `watch`: as of `SharedSessions`; `plugins`: other ones
    than those of `open_plugins`."""
    concurrency = settings.runtime.concurrency()
    slots: dict[str, DeviceSlot] = {}

    def slot_for(device: str) -> DeviceSlot:
        return slots.setdefault(device, DeviceSlot(concurrency.workers))

    models = (plugins or open_plugins(settings)).models
    catalogue, gallery = Catalogue(settings.paths.models, models), settings.paths.gallery
    return Opener(catalogue, concurrency, counters, slot_for, gallery=gallery, watch=watch)


def make_puller(settings: Config) -> Puller:
    """What brings models here."""
    return Puller(make_opener(settings, Counters()), settings.runtime.concurrency())


def resolve_source(source: str, catalogue: Catalogue) -> str:
    """`models:<model>/<file>` as the path of that pulled file; any other source as it is."""
    if not source.startswith("models:"):
        return source
    model, _, name = source.removeprefix("models:").partition("/")
    return str(catalogue.file(model, name))
