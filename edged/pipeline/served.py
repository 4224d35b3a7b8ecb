"""Which service is fulfilled by which instance, with which options: what both routes look up."""

import threading
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from edged.contracts.errors import ConfigError, NotReady
from edged.contracts.model import Options
from edged.contracts.result import result_fields
from edged.contracts.services import Service, service
from edged.contracts.settings import MISSING, worded
from edged.repository.instance import Instance

_NAMES, _NAMES_AS_IN_PAI = "detection_class_names", "detection_classe_names"


@dataclass(frozen=True)
class Served:
    """A service that is ready."""

    service: Service
    instance: Instance
    options: Options
    """Card, then service configuration."""
    pai_spelling: bool = False
    """Whether the field that the original misspells is answered in that spelling as well."""

    def fields(self, result: Any) -> dict[str, Any]:
        """The fields of an answer."""
        fields = result_fields(result)
        if self.pai_spelling and _NAMES in fields:
            fields[_NAMES_AS_IN_PAI] = fields[_NAMES]
        return fields

    def options_with(self, patch: Mapping[str, Any], where: str = "options") -> Options:
        """The options with some replaced. Raises `ConfigError` naming `where` and the field."""
        return merged(self.service, self.options.model_dump(), patch, where) if patch else self.options


def merged(of: Service, base: Mapping[str, Any], patch: Mapping[str, Any], where: str) -> Options:
    """`base` with `patch` over it, checked. Raises `ConfigError` with every fault."""
    try:
        return of.contract.options.model_validate({**base, **patch})
    except ValidationError as error:
        raise ConfigError(*(f"{where}.{at}: {fault}" for at, fault in _faults(of, error.errors()))) from error


def option_faults(of: Service, patch: Mapping[str, Any]) -> dict[str, str]:
    """What is wrong with options that are only some of the service's, by place."""
    try:
        of.contract.options.model_validate(patch)
    except ValidationError as error:
        return dict(_faults(of, (fault for fault in error.errors() if fault["type"] != MISSING)))
    return {}


def _faults(of: Service, found: Iterable[ErrorDetails]) -> Iterator[tuple[str, str]]:
    for fault in found:
        yield ".".join(map(str, fault["loc"])), worded(fault, of.contract.options.model_fields)


class ServiceTable:
    """The services by name: ready, or the reason why not. Safe from all threads."""

    def __init__(self) -> None:
        self._ready: dict[str, Served] = {}
        self._why_not: dict[str, str] = {}
        self._lock = threading.Lock()

    def get(self, name: str) -> Served:
        """The service. Raises `NotFound`, or `NotReady` with the reason when it is not up."""
        found = self._ready.get(name)  # one look-up in a dict needs no lock
        if found is not None:
            return found
        service(name)
        raise NotReady(self._why_not.get(name) or f"service {name!r} is not among `services` of config.yaml")

    def put(self, served: Served) -> None:
        """Announce a service that is warm."""
        with self._lock:
            self._why_not.pop(served.service.name, None)
            self._ready[served.service.name] = served

    def withdraw(self, name: str, why: str) -> None:
        """From now on requests get 503 with this reason; an empty reason forgets the service."""
        with self._lock:
            self._ready.pop(name, None)
            self._why_not[name] = why

    def ready(self) -> list[Served]:
        """All that are ready, by name."""
        with self._lock:
            return [self._ready[name] for name in sorted(self._ready)]
