"""From a configuration to its models: which there are, and what opens them."""

from collections.abc import Callable, Collection, Iterable
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

from edged.children.child import Child
from edged.children.talk import Desk
from edged.children.terms import Terms, Work
from edged.config.settings import Config
from edged.contracts.errors import ConfigError, NotReady, RepositoryError, VariantError
from edged.contracts.slot import Slot
from edged.discovery import Plugins, discover
from edged.flow.budget import Budget
from edged.flow.counters import Counters
from edged.flow.courtesy import CORES
from edged.repository.catalogue import Catalogue
from edged.repository.opener import Opener, Start
from edged.repository.puller import Puller
from edged.repository.sessions import Watch, unwatched
from edged.repository.variants import Preference
from edged.runtimes.devices import GPU, Concurrency, usable_memory
from edged.runtimes.remote import PROCESSES
from edged.runtimes.slot import DeviceSlot
from edged.serving.table import Served
from edged.serving.unit import ServiceSettings, open_service
from edged.serving.workshops import Make, PullWorkshop, slots_alone

PACKAGED = Path(__file__).parent / "_plugins"
MODEL = "edged.tenants.model:open_model"
WORKSHOP = "edged.tenants.deriving:open_workshop"
TERMS = Terms()
"""Of each process that has a model, but for its memory."""
LONGEST_S = 7200.0
"""Nothing is heard of a workshop while it derives a variant, seconds."""
CHECKOUT = Path(__file__).parent.parent / "plugins"


def open_plugins(settings: Config, single: Iterable[Path] = (), words: Collection[str] = ()) -> Plugins:
    """All plugins: those that come with edged, the configured folders, installed packages; `single` ones;
    with `words` of those that come with edged the ones that these concern, as of `discover`."""
    return discover(_folders(settings), single=single, words=words)


def _folders(settings: Config) -> list[Path]:
    return [PACKAGED if PACKAGED.is_dir() else CHECKOUT, *settings.paths.plugins]


def open_catalogue(settings: Config) -> Catalogue:
    """The models of all plugins over the configured folder of weights."""
    return Catalogue(settings.paths.models, open_plugins(settings).models)


def make_opener(
    settings: Config,
    counters: Counters,
    watch: Watch = unwatched,
    plugins: Plugins | None = None,
    memory: Budget | None = None,
    *,
    concurrency: Concurrency | None = None,
) -> Opener:
    """What opens the models, with one slot a device. `watch`: as of `SharedSessions`; `plugins`: other ones
    than those of `open_plugins`; `memory`: what decoding and processes share with whatever else, none: what
    the configuration allows; so `concurrency`."""
    concurrency = concurrency or settings.runtime.concurrency()
    slots: dict[str, DeviceSlot] = {}

    def slot_for(device: str) -> DeviceSlot:
        capacity = 1 if device == GPU else concurrency.workers
        made = DeviceSlot(capacity, CORES.tell) if device == "cpu" else DeviceSlot(capacity)
        return slots.setdefault(device, made)

    plugins = plugins or open_plugins(settings)
    memory = memory or Budget(settings.runtime.memory_bytes())
    PROCESSES.account = memory.account
    return Opener(
        Catalogue(settings.paths.models, plugins.models),
        concurrency,
        counters,
        slot_for,
        gallery=settings.paths.gallery,
        memory=memory,
        watch=watch,
        start=_starter(settings, plugins, memory),
    )


def _starter(settings: Config, plugins: Plugins, memory: Budget) -> Start:
    """Makes children that open a model as this process would."""
    given = _given(settings, plugins.single)

    def start(model: str, wish: Preference, memory_bytes: int, desk: Desk) -> Child:
        work = Work(MODEL, {**given, "model": model, "memory": memory_bytes // 2, **asdict(wish)})
        terms = replace(TERMS, memory_bytes=memory_bytes, account=memory.account())
        return Child(f"the process of {model}", work, terms, desk)

    return start


def _given(settings: Config, single: Iterable[Path]) -> dict[str, Any]:
    """What a child must know to open models as this process would."""
    paths, concurrency = settings.paths, settings.runtime.concurrency()
    return {
        "models": str(paths.models),
        "gallery": str(paths.gallery),
        "plugins": [str(folder) for folder in _folders(settings)],
        "single": [str(folder.resolve()) for folder in single],
        **asdict(concurrency),
    }


def make_workshops(
    settings: Config, memory: Budget, slot_for: Callable[[str], Slot], *, quiet: bool = False
) -> Make:
    """Makes children with the workshop of a model; what they hold leaves when others want it. `slot_for`:
    for what they warm up when they open models that it uses; `quiet`: they log warnings alone."""
    given = {**_given(settings, ()), "quiet": quiet}

    def make(model: str, yields: bool, memory_bytes: int, scratch: str) -> Child:
        work = Work(WORKSHOP, {**given, "model": model, "yields": yields, "memory": memory_bytes // 2})
        terms = Terms(
            memory_bytes=memory_bytes,
            account=memory.account(may_leave=True),
            environment=(("TMPDIR", scratch),),
            silent_s=LONGEST_S,
            again=False,
        )
        return Child(f"the workshop of {model}", work, terms, partial(slots_alone, slot_for))

    return make


def open_alone(
    name: str,
    wanted: ServiceSettings,
    settings: Config,
    counters: Counters,
    concurrency: Concurrency | None = None,
) -> Served:
    """Open one service and nothing else, soon; `concurrency`: as of `make_opener`. Raises as `open_service`.

    By the plugins that the models concern; by all of them where these do not do, to tell what there is.
    """
    words = {name, wanted.model or name, *wanted.uses.values()}
    try:
        plugins = open_plugins(settings, words=words)
        opener = make_opener(settings, counters, plugins=plugins, concurrency=concurrency)
        return open_service(name, wanted, opener)
    except VariantError:
        raise
    except (ConfigError, RepositoryError, NotReady):
        return open_service(name, wanted, make_opener(settings, counters, concurrency=concurrency))


def make_puller(settings: Config, *, apart: bool = False) -> Puller:
    """What brings models here; `apart`: it tries them in processes of their own."""
    opener = make_opener(settings, Counters())
    if not apart:
        return Puller(opener, settings.runtime.concurrency())
    make = make_workshops(settings, Budget(usable_memory()), opener.slot_for, quiet=True)
    return Puller(opener, settings.runtime.concurrency(), PullWorkshop(make, opener.slot_for))


def resolve_source(source: str, catalogue: Catalogue) -> str:
    """`models:<model>/<file>` as the path of that pulled file; any other source as it is."""
    if not source.startswith("models:"):
        return source
    model, _, name = source.removeprefix("models:").partition("/")
    return str(catalogue.file(model, name))
