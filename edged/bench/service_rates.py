"""Requests a second of each service, and what it takes of memory: each alone on a daemon of its own."""

from dataclasses import dataclass

from edged.bench.box import ScratchBox, scratch_box
from edged.bench.clients import asked_more_and_more, best, http_client
from edged.bench.questions import ServiceQuestion
from edged.config.settings import Config
from edged.contracts.errors import EdgedError

WINDOW_S = 1.2
"""So long each number of clients asks."""


@dataclass(frozen=True, slots=True)
class ServiceRate:
    """What one service gives when nothing else runs."""

    service: str
    model: str
    item: str
    """What each request brings."""
    variant: str | None = None
    device: str | None = None
    clients: int = 0
    """So many asked at the same time: the fewest that get nearly the most answers."""
    requests_a_second: float = 0.0
    p50_ms: float | None = None
    p99_ms: float | None = None
    alone_ms: float | None = None
    """Median for one client alone."""
    memory_bytes: int = 0
    """Proportional set size of a daemon that has this service alone, with its broker, after all this."""
    why_not: str = ""
    """Why it was not measured; empty when it was."""


def service_rate(settings: Config, question: ServiceQuestion) -> ServiceRate:
    """Measure one; what goes wrong is said in `why_not`."""
    name = question.service.name
    bare = ServiceRate(name, question.model, question.shown)
    wanted = settings.service(name).model_copy(update={"model": question.model})
    try:
        with scratch_box(settings, {name: wanted}) as box:
            return _measured(box, bare, question)
    except EdgedError as error:
        return ServiceRate(name, question.model, question.shown, why_not=str(error))


def _measured(box: ScratchBox, bare: ServiceRate, question: ServiceQuestion) -> ServiceRate:
    path = f"/api/predict/{bare.service}"
    tried = asked_more_and_more(
        lambda: http_client(box.http_port, path, box.headers, question.body), WINDOW_S
    )
    chosen = best(tried)
    facts = next(one for one in box.status()["services"] if one["service"] == bare.service)
    return ServiceRate(
        bare.service,
        facts["model"],
        bare.item,
        facts["variant"],
        facts["device"],
        chosen.clients,
        chosen.a_second,
        chosen.p50_ms,
        chosen.p99_ms,
        tried[0].p50_ms,
        box.daemon.memory_bytes(),
    )
