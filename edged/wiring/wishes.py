"""From a configuration to the units that it asks for."""

from collections.abc import Callable, Collection, Mapping
from functools import partial

from edged.artefacts.store import ArtefactStore
from edged.config.settings import Config, StreamSettings
from edged.contracts.errors import NotReady
from edged.contracts.verb import Verb
from edged.control import OFF
from edged.core import Core
from edged.flow.units import Unit, Wish
from edged.http.status import Status
from edged.opening import make_opener, resolve_source
from edged.repository.opener import Opener
from edged.requests.in_work import InWork
from edged.requests.jobs import JobDesk
from edged.requests.queue import RequestQueue
from edged.serving.demand import Demand
from edged.serving.scheduler import Scheduler
from edged.serving.unit import ServiceSettings, ServiceUnit
from edged.status import status
from edged.streams.unit import OffStream
from edged.wiring.actions import actions_wish
from edged.wiring.counts import counts_key, counts_wish, forget_retained
from edged.wiring.doors import Doors
from edged.wiring.services import preparation
from edged.wiring.stores import MadeOf, Stores, artefacts_key
from edged.wiring.streams import camera, microphone
from edged.wiring.witnesses import Endings, attention_of


class Wiring:
    """Says which units there should be, and makes them out of the core and the configuration."""

    def __init__(
        self,
        core: Core,
        verbs: Mapping[str, Verb],
        switched_off: Callable[[], frozenset[str]],
        changed: Callable[[], None],
        prepares: bool = False,
    ) -> None:
        """`switched_off` gives the names of streams; `changed` is called when `info` says something else;
        `prepares`: whether models are finished while they serve."""
        self._core = core
        self._switched_off = switched_off
        self._changed = changed
        self._prepares = prepares
        self._opener = MadeOf[Opener]()
        self.stores = Stores(core.counters)
        """Of artefacts and uploads."""
        self._settings: Config | None = None
        self._doors = Doors(core, self.stores, verbs, self._now, self.status)
        self.endings = Endings(switched_off)

    def wishes(self, settings: Config) -> dict[str, Wish]:
        """The units that this configuration asks for. A unit is made anew when what stands first changes."""
        self._settings = settings
        self.endings.goes_on(settings)
        core = self._core
        core.memory.resize(settings.runtime.memory_bytes())
        base = (settings.node, settings.paths, settings.runtime.workers)
        queue = (*base, settings.requests)
        workers = partial(Scheduler, "frames", _workers(settings), core.counters)
        wishes = {
            "requests": Wish(queue, partial(self._requests, settings), order=20),
            "demand": Wish(base, partial(self._demand, settings), order=11),
            "jobs": Wish(queue, partial(self._jobs, settings), order=25),
            **self.stores.wishes(settings),
            "frames": Wish(base, workers, order=20),
            **self._doors.wishes(settings, self.opener(settings).catalogue),
        }
        if counts := counts_wish(core, settings, self._artefacts):
            wishes |= counts | actions_wish(core, settings, self._artefacts, self._changed)
        if self._prepares:
            given = (core, self._now, self.opener(settings), self._changed)
            wishes["preparation"] = Wish(base, partial(preparation, *given), order=12)
        for name, wanted in settings.wanted_services().items():
            make = partial(self._service, settings, name, wanted)
            wishes[f"service/{name}"] = Wish((*base, wanted), make, order=10)
        off = self._switched_off()
        for name, stream in settings.streams.items():
            key, tell = (*base, stream, *_beside(settings, name, stream)), partial(core.telling.state, name)
            on = Wish(key, partial(self._stream, settings, name, stream), order=40)
            wishes[f"stream/{name}"] = (
                Wish(OFF, partial(OffStream, OFF, tell), order=40) if name in off else on
            )
        return wishes

    def opener(self, settings: Config) -> Opener:
        """What opens the models; another one only when its settings change."""
        key = (settings.paths, settings.runtime.workers)
        core = self._core
        return self._opener.of(key, lambda: make_opener(settings, core.counters, memory=core.memory))

    def status(self) -> Status:
        """How everything is, under the configuration that was applied last."""
        return status(self._core, self._now(), self._switched_off())

    def _now(self) -> Config:
        if self._settings is None:
            raise NotReady("no configuration is applied yet")
        return self._settings

    def _artefacts(self) -> ArtefactStore:
        """Where they are kept now."""
        return self.stores.artefacts(self._now())

    def _requests(self, settings: Config) -> Unit:
        core = self._core
        in_work = InWork(settings.paths.state / "in-work")
        return RequestQueue(
            *(core.table, settings.requests, _workers(settings), core.counters, in_work),
            memory=core.memory,
            store=self._artefacts,
            uploads=lambda id: self.stores.upload(self._settings or settings, id),
        )

    def _jobs(self, settings: Config) -> Unit:
        folder = settings.paths.state / "jobs"
        return JobDesk(folder, self._core.intake(), settings.requests, self._core.counters)

    def _service(self, settings: Config, name: str, wanted: ServiceSettings) -> Unit:
        return ServiceUnit(name, wanted, self.opener(settings), self._core.table, self._changed)

    def _demand(self, settings: Config) -> Unit:
        core, changed = self._core, self._changed
        idle_s = lambda: (self._settings or settings).runtime.idle  # noqa: E731
        return Demand(core.table, self.opener(settings), idle_s, core.memory, changed=changed)

    def _stream(self, settings: Config, name: str, stream: StreamSettings) -> Unit:
        workers = self._core.workers()
        if workers is None:
            raise NotReady("the workers do not run")
        opened = stream.with_sources(partial(resolve_source, catalogue=self.opener(settings).catalogue))
        attention = attention_of(self._core, settings, name, opened, partial(self.endings.why, name))
        given = (self._core, settings.node, name, opened, workers)
        if opened.listens:
            return microphone(*given, attention=attention)
        return camera(*given, attention=attention, store=self.stores.artefacts(settings))


def forget_events(core: Core, settings: Config, off: Collection[str]) -> None:
    """Take back from the broker the events of streams that are gone, off, or now tell every result."""
    streams = {name: stream for name, stream in settings.streams.items() if name not in off}
    core.telling.keep_only(
        {(name, service) for name, stream in streams.items() for service in stream.events()}
    )
    forget_retained(core, settings)


def _beside(settings: Config, name: str, stream: StreamSettings) -> tuple[object, ...]:
    """What a stream uses beside its own settings."""
    store = artefacts_key(settings) if stream.record else ()
    rules = settings.rules_of(name)
    return (*store, rules, *(counts_key(settings) if rules or stream.tracked else ()))


def _workers(settings: Config) -> int:
    """One more than infer at a time: it decodes while the others wait for the device."""
    return settings.runtime.concurrency().workers + 1
