"""What lives as long as the process, whichever units run at the moment."""

import time
from collections.abc import Iterable

from edged.actions.desk import ActionDesk, ActionFacts
from edged.contracts.errors import NotReady
from edged.contracts.happenings import ZoneCounts
from edged.contracts.message import ActionReach, ServiceFacts
from edged.contracts.services import SERVICES
from edged.counts.chronicle import Chronicle
from edged.counts.desk import CountDesk
from edged.events.desk import EventDesk
from edged.flow.budget import Budget
from edged.flow.counters import Counters
from edged.flow.units import Units, UnitT
from edged.requests.jobs import JobDesk
from edged.requests.queue import RequestQueue
from edged.runtimes.devices import RuntimeSettings
from edged.serving.demand import Demand
from edged.serving.offers import Offer
from edged.serving.preparation import Preparation
from edged.serving.scheduler import Scheduler
from edged.serving.table import Served, ServiceTable
from edged.streams.clipbox import Waiting
from edged.streams.live import LiveViews
from edged.streams.publisher import Sink
from edged.telling import Telling


class Core:
    """Counters, the services that are up, live views, the running units, and what is told of streams."""

    def __init__(self, counters: Counters, sinks: Iterable[Sink] = ()) -> None:
        self.started_at = time.monotonic()
        self.counters = counters
        self.memory = Budget(RuntimeSettings().memory_bytes())
        self.table = ServiceTable()
        self.views = LiveViews()
        self.units = Units()
        self.telling = Telling(self.units, sinks)
        self.waiting = Waiting()
        """Utterances that wait, on all microphones."""

    def requests(self) -> RequestQueue | None:
        """The queue of requests, while it runs."""
        return self.units.get("requests", RequestQueue)

    def intake(self) -> RequestQueue:
        """The same. Raises `NotReady` while it does not run."""
        if (queue := self.requests()) is None:
            raise NotReady("the request queue does not run")
        return queue

    def jobs(self) -> JobDesk:
        """The requests whose answers are fetched later. Raises `NotReady` while nobody takes them."""
        if (jobs := self.units.get("jobs", JobDesk)) is None:
            raise NotReady("jobs are not taken: " + self.units.states().get("jobs", "they do not run"))
        return jobs

    def workers(self) -> Scheduler | None:
        """Who works on frames and clips, while they run."""
        return self.units.get("frames", Scheduler)

    def counts(self) -> CountDesk:
        """What cameras counted. Raises `NotReady` while nobody counts."""
        return self._counting("counts", CountDesk)

    def events(self) -> EventDesk:
        """What happens before cameras and microphones. Raises `NotReady` likewise."""
        return self._counting("events", EventDesk)

    def active_rules(self) -> frozenset[str]:
        """Names of the rules that hold now."""
        events = self.units.get("events", EventDesk)
        return frozenset() if events is None else events.rules.active()

    def zones(self, stream: str) -> dict[str, ZoneCounts]:
        """Who is in the zones of a stream now; none while it does not count."""
        counts = self.units.get("counts", CountDesk)
        return {} if counts is None else counts.zones(stream)

    def chronicle(self) -> Chronicle:
        """Their file. Raises `NotReady` likewise."""
        return self._counting("chronicle", Chronicle)

    def _counting(self, name: str, kind: type[UnitT]) -> UnitT:
        if (unit := self.units.get(name, kind)) is None:
            raise NotReady("nothing is counted: " + self.units.states().get(name, "no stream has `track`"))
        return unit

    def actions(self) -> list[ActionFacts]:
        """How each action is."""
        desk = self.units.get("actions", ActionDesk)
        return [] if desk is None else desk.facts()

    def reaches(self) -> list[ActionReach]:
        """Whether each can deliver now."""
        desk = self.units.get("actions", ActionDesk)
        return [] if desk is None else desk.reaches()

    def cancel(self, request_id: str) -> None:
        """Nobody waits for this request any more."""
        if (requests := self.requests()) is not None:
            requests.cancel(request_id)

    def stuck(self) -> str:
        """Empty, or why nothing but another process will help."""
        requests = self.requests()
        return requests.state() if requests is not None and requests.is_stuck() else ""

    def queues(self) -> dict[str, int]:
        """Items waiting, by queue; of what goes out over MQTT, by what it is."""
        kept = (self.units.get("events", EventDesk), self.units.get("actions", ActionDesk))
        units = (self.requests(), self.workers(), self.telling.mqtt(), *kept)
        waiting = (unit.queued() for unit in units if unit is not None)
        return {name: number for queues in waiting for name, number in queues.items()}

    def kept(self) -> str:
        """What requests over MQTT survive now; empty while that does not run."""
        return mqtt.kept() if (mqtt := self.telling.mqtt()) is not None else ""

    def preparing(self) -> dict[str, str]:
        """What is made in the background for models that serve already, by model."""
        preparation = self.units.get("preparation", Preparation)
        return {} if preparation is None else preparation.told()

    def growth(self) -> dict[str, int]:
        """What is known of this process's memory beside what its services hold, by field of `Status`."""
        if (demand := self.units.get("demand", Demand)) is None:
            return {}
        growth = demand.growth
        return {"memory_most_bytes": growth.most, "memory_beside_bytes": growth.beside.size}

    def offers(self) -> list[Offer]:
        """The services that nobody configured and that can be asked all the same."""
        demand = self.units.get("demand", Demand)
        return [] if demand is None else demand.offers()

    def service_facts(self) -> list[ServiceFacts]:
        """The services that can be asked: those that are ready, and those that load when they are; no inner
        ones."""
        ready = (served for served in self.table.ready() if served.service.name in SERVICES)
        facts = {served.service.name: _facts(served) for served in ready}
        for offer in (offer for offer in self.offers() if offer.service in SERVICES):
            facts.setdefault(
                offer.service,
                ServiceFacts(
                    service=offer.service,
                    model=offer.model,
                    schema=SERVICES[offer.service].schema_id,
                    state="idle" if offer.state == "ready" else offer.state,  # it has left just now
                ),
            )
        return [facts[name] for name in sorted(facts)]

    def why_not(self) -> dict[str, str]:
        """Why other services that are configured, or could not be loaded, cannot be asked, by name."""
        loading = {offer.service for offer in self.offers()}
        return {name: why for name, why in self.table.why_not().items() if name not in loading}


def _facts(served: Served) -> ServiceFacts:
    facts = served.instance.facts
    return ServiceFacts(
        service=served.service.name,
        model=facts.name,
        variant=facts.variant,
        device=facts.device,
        why=served.instance.why_spared,
        schema=served.service.schema_id,
    )
