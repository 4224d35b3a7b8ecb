"""Which service is fulfilled by which instance, with which options: what both routes look up."""

import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from edged.answers.finding import Finding
from edged.contracts.errors import ConfigError, NotFound, NotReady
from edged.contracts.model import Options
from edged.contracts.service import Service
from edged.contracts.services import any_service
from edged.contracts.settings import MISSING, worded
from edged.flow.growth import Grown
from edged.repository.isolated import AnyInstance, IsolatedInstance
from edged.serving.usage import Usage


@dataclass(frozen=True)
class Served:
    """A service that is ready."""

    service: Service
    instance: AnyInstance
    options: Options
    """Card, then service configuration."""
    pai_spelling: bool = False
    """Whether the field that the original misspells is answered in that spelling as well."""
    usage: Usage = field(default_factory=Usage, compare=False)
    """How often and how lately it was asked."""
    grown: Grown = field(default_factory=Grown, compare=False)
    """What it takes of this process."""
    reference: bool = False
    """Whether its model wants a `reference` with each picture; else it takes none."""
    instead: str = ""
    """Id of a model of the service of which the opposite is true."""

    def finding(self, result: Any, options: Options) -> Finding:
        """What an answer is written of."""
        return Finding(self.service, result, options, self.pai_spelling)

    def reference_fault(self, given: bool) -> str | None:
        """Why it cannot be asked about a picture with, or without, a `reference`; none: it can."""
        if self.reference == given:
            return None
        name, model = self.service.name, self.instance.facts.name
        if given:
            other = f"; `services.{name}.model: {self.instead}` does" if self.instead else ""
            return f"{model} takes no `reference`{other}"
        other = f"; {self.instead} needs none: `edged pull {self.instead}`" if self.instead else ""
        return (
            f"{model} colours a picture like another one of the same scene, which the field `reference` of a "
            f"request brings{other}"
        )

    def options_with(self, patch: Mapping[str, Any], where: str = "options") -> Options:
        """The options with some replaced. Raises `ConfigError` naming `where` and the field."""
        return merged(self.service, self.options.model_dump(), patch, where) if patch else self.options


def is_apart(served: Served) -> bool:
    """Whether its model lives in a process of its own."""
    return isinstance(served.instance, IsolatedInstance)


def merged(of: Service, base: Mapping[str, Any], patch: Mapping[str, Any], where: str) -> Options:
    """`base` with `patch` over it, checked. Raises `ConfigError` with every fault."""
    try:
        return of.options.model_validate({**base, **patch})
    except ValidationError as error:
        raise ConfigError(*(f"{where}.{at}: {fault}" for at, fault in _faults(of, error.errors()))) from error


def option_faults(of: Service, patch: Mapping[str, Any]) -> dict[str, str]:
    """What is wrong with options that are only some of the service's, by place."""
    try:
        of.options.model_validate(patch)
    except ValidationError as error:
        return dict(_faults(of, (fault for fault in error.errors() if fault["type"] != MISSING)))
    return {}


def _faults(of: Service, found: Iterable[ErrorDetails]) -> Iterator[tuple[str, str]]:
    for fault in found:
        yield ".".join(map(str, fault["loc"])), worded(fault, of.options.model_fields)


def _nothing_loads(name: str) -> bool:
    """Where what is not configured is not offered."""
    return False


def _nothing_offers(name: str) -> str:
    """Where nobody knows what would mend it."""
    return "nothing installed offers it"


class ServiceTable:
    """The services by name: ready, loading, or the reason why not. Safe from all threads."""

    def __init__(self) -> None:
        self._ready: dict[str, Served] = {}
        self._loading: set[str] = set()
        self._wanted: frozenset[str] = frozenset()
        self._isolated: set[str] = set()
        self._why_not: dict[str, str] = {}
        self._wake: Callable[[str], bool] = _nothing_loads
        self._lacks: Callable[[str], str] = _nothing_offers
        self._watchers: list[Callable[[], None]] = []
        self._lock = threading.Lock()

    def get(self, name: str) -> Served:
        """The service.

        Raises `NotReady` with the reason when it is configured and not up, `NotFound` when there is no such
        service or nobody configured it: waiting would not help.
        """
        found = self._ready.get(name)  # one look-up in a dict needs no lock
        if found is not None:
            found.usage.note()
            return found
        any_service(name)
        if (why := self._why_not.get(name)) is None:
            lacks = self._lacks(name)
            raise NotFound(f"service {name!r} is not among `services` of config.yaml, and {lacks}")
        raise NotReady(why)

    def want(self, names: Collection[str]) -> None:
        """The services that are configured: what is withdrawn of them is about to come up again."""
        self._wanted = frozenset(names)

    @property
    def wanted(self) -> frozenset[str]:
        """The services that are configured."""
        return self._wanted

    def on_demand(
        self, wake: Callable[[str], bool] | None, lacks: Callable[[str], str] = _nothing_offers
    ) -> None:
        """Ask `wake` for each service that is neither ready nor loading: whether it begins to load now.

        `lacks` ends the sentence for one that nobody configured and that does not: what would mend it.
        """
        self._wake, self._lacks = wake or _nothing_loads, lacks

    def is_loading(self, name: str) -> bool:
        """Whether it is worth while to wait for it."""
        return name in self._loading

    def comes(self, name: str) -> bool:
        """The same; one that is idle begins to load."""
        return name not in self._ready and (name in self._loading or self._wake(name))

    def is_isolated(self, name: str) -> bool:
        """Whether whoever asks it waits for another process, which may hang: no worker should."""
        return name in self._isolated

    def load(self, name: str, isolated: bool = False) -> None:
        """A service is about to come up."""
        with self._lock:
            (self._isolated.add if isolated else self._isolated.discard)(name)
            self._ready.pop(name, None)
            self._why_not[name] = f"the model of {name} is still loading"
            self._loading.add(name)

    def put(self, served: Served) -> None:
        """Announce a service that is warm."""
        with self._lock:
            self._why_not.pop(served.service.name, None)
            self._ready[served.service.name] = served
            self._loading.discard(served.service.name)
        self._tell()

    def withdraw(self, name: str, why: str | None) -> None:
        """From now on requests get 503 with this reason; none: it ends, or begins anew if it is wanted."""
        if why is None and name in self._wanted:
            self.load(name)
            return
        with self._lock:
            self._ready.pop(name, None)
            self._loading.discard(name)
            if why is None:
                self._why_not.pop(name, None)
            else:
                self._why_not[name] = why
        self._tell()

    def retire(self, served: Served) -> None:
        """It leaves memory; another one that was announced meanwhile stays."""
        with self._lock:
            if self._ready.get(served.service.name) is served:
                del self._ready[served.service.name]
        self._tell()

    def forgive(self, name: str) -> None:
        """Forget why a service that nobody configured could not be loaded: it may be tried again."""
        with self._lock:
            if name not in self._wanted and name not in self._loading:
                self._why_not.pop(name, None)

    def ready(self) -> list[Served]:
        """All that are ready, by name."""
        with self._lock:
            return [self._ready[name] for name in sorted(self._ready)]

    def why_not(self) -> dict[str, str]:
        """The reason of each that is wished and not ready, by name."""
        with self._lock:
            return dict(sorted(self._why_not.items()))

    def watch(self, changed: Callable[[], None]) -> None:
        """Call it after each change, from whichever thread made it."""
        self._watchers.append(changed)

    def unwatch(self, changed: Callable[[], None]) -> None:
        """Call it no more."""
        self._watchers.remove(changed)

    def _tell(self) -> None:
        for changed in self._watchers.copy():
            changed()
