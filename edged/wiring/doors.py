"""The ways into the box: the broker, HTTP, gRPC, Wyoming."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

from edged import __version__
from edged.config.settings import Config
from edged.contracts.verb import Verb
from edged.core import Core
from edged.flow.token import Token
from edged.flow.units import Unit, Wish
from edged.grpc.sources import GrpcSources
from edged.grpc.unit import GrpcUnit
from edged.http.server import HttpUnit
from edged.http.sources import Sources
from edged.http.status import Status
from edged.media.fetch import ByteLimit
from edged.mqtt.broker import EmbeddedBroker
from edged.mqtt.introduction import Introduction
from edged.mqtt.unit import MqttUnit
from edged.repository.catalogue import Catalogue
from edged.serving.offers import idle_model
from edged.wiring.clients import client_names, wyoming
from edged.wiring.home import birth, topics_of
from edged.wiring.stores import Stores, artefacts_key, uploads_key


@dataclass(frozen=True)
class Doors:
    """What they are made of; all of them come into the same queue."""

    core: Core
    stores: Stores
    verbs: Mapping[str, Verb]
    now: Callable[[], Config]
    """The configuration that holds."""
    status: Callable[[], Status]

    def wishes(self, settings: Config, catalogue: Catalogue) -> dict[str, Wish]:
        """The units that this configuration asks for."""
        queue = (settings.node, settings.paths, settings.runtime.workers, settings.requests)
        broker = (settings.mqtt, settings.paths.state)
        make = partial(self._mqtt, settings)
        wishes = {"mqtt": Wish((*queue, *broker, settings.homeassistant), make, order=30)}
        names = client_names(self.now, catalogue)
        if settings.http.listen is not None:
            stores = (*artefacts_key(settings), *uploads_key(settings))
            make = partial(self._http, settings, names, catalogue)
            wishes["http"] = Wish((*queue, settings.http, *stores), make, order=30)
        if settings.grpc.listen is not None:
            http = (settings.http.token, settings.http.max_body_bytes)
            make = partial(self._grpc, settings, catalogue)
            wishes["grpc"] = Wish((*queue, settings.grpc, *http), make, order=30)
        if settings.wyoming.listen is not None:
            heard = partial(wyoming, self.core, settings, names)
            wishes["wyoming"] = Wish((*queue, settings.wyoming), heard, order=30)
        if settings.mqtt.url == "embedded":
            kept = settings.requests
            embedded = (*broker, kept.max_answer_bytes, kept.durability)
            wishes["broker"] = Wish(embedded, partial(EmbeddedBroker, *embedded), order=0)
        return wishes

    def _http(self, settings: Config, names: Callable[[str], tuple[str, ...]], catalogue: Catalogue) -> Unit:
        core, limits = self.core, settings.requests
        sources = Sources(
            version=__version__,
            intake=core.intake(),
            jobs=core.jobs,
            counts=core.counts,
            events=core.events,
            counters=core.counters,
            table=core.table,
            artefacts=self.stores.artefacts(settings),
            uploads=self.stores.uploads(settings),
            upload_limit=ByteLimit(limits.video.max_bytes, "requests.video.max_bytes"),
            views=core.views,
            status=self.status,
            names=names,
            sound_limit=ByteLimit(limits.sound.max_bytes, "requests.sound.max_bytes"),
            idle=partial(idle_model, core.offers, catalogue),
        )
        return HttpUnit(settings.http, sources)

    def _grpc(self, settings: Config, catalogue: Catalogue) -> Unit:
        core, http = self.core, settings.http
        sources = GrpcSources(
            version=__version__,
            token=Token(http.token),
            most_bytes=http.max_body_bytes,
            intake=core.intake(),
            counters=core.counters,
            table=core.table,
            idle=partial(idle_model, core.offers, catalogue),
            why_not_ready=lambda: self.status().why_not_ready(),
        )
        return GrpcUnit(settings.grpc, sources)

    def _mqtt(self, settings: Config) -> Unit:
        core = self.core
        unit = MqttUnit(
            topics=topics_of(settings),
            settings=settings.mqtt,
            intake=core.intake(),
            counters=core.counters,
            state_dir=settings.paths.state,
            verbs=self.verbs,
            introduction=Introduction(
                __version__, core.service_facts, core.why_not, core.preparing, core.reaches
            ),
            durability=settings.requests.durability,
            born=birth(core.telling, settings, self.verbs),
        )
        core.telling.repeat(unit)
        return unit
