"""A service as a unit: its model is opened and warmed up in the background, then announced."""

import logging
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Any, Literal

from pydantic import Field

from edged.contracts.card import ModelCard
from edged.contracts.errors import ConfigError, EdgedError, NotReady
from edged.contracts.message import ModelFacts
from edged.contracts.services import any_service
from edged.contracts.settings import Settings
from edged.flow.backoff import delays
from edged.repository.catalogue import Catalogue, Uses
from edged.repository.instance import Instance, UsedModel
from edged.repository.isolated import AnyInstance, IsolatedInstance
from edged.repository.opener import Opener
from edged.repository.variants import Preference
from edged.serving.table import Served, ServiceTable, merged
from edged.serving.voice import VOICE

log = logging.getLogger(__name__)


class ServiceSettings(Settings):
    """How one service is fulfilled."""

    model: str | None = None
    """Id of the model; none: the first installed one by rank. A model that others build on, such as
    `whisper-small`, is used by the first that can."""
    device: str = "auto"
    """`auto`, or a name that `edged devices` shows."""
    precision: Literal["auto", "f32", "bf16", "int8"] = "auto"
    """`auto` (the fastest that agrees with f32), `f32`, `bf16` or `int8`."""
    strict: bool = False
    """Refuse to serve rather than fall back to another device or precision."""
    uses: Mapping[str, str] = Field(default_factory=dict)
    """For a model that builds on others: ids of other models to use, by the names in its card, e.g.
    `{embedding: clip-vit-b16-image}`."""
    isolation: Literal["auto", "none", "process"] = "auto"
    """`process`: the model lives in a process of its own, which it may end, hang or fill with no harm to
    others; `none`: in the daemon; `auto`: as the model's card says."""
    max_memory: int = Field(default=2_000_000_000, ge=100_000_000)
    """Bytes of memory that a process of its own may hold; one that holds more is ended, and started again.
    Nothing is set aside for it: what it holds counts in `runtime.memory`, which bounds it, too."""
    pai_spelling: bool = False
    """Answer `detection_class_names` as `detection_classe_names` too, as the original's examples spell it."""
    options: Mapping[str, Any] = Field(default_factory=dict)
    """Options of the service that replace those of the model's card."""


def named(name: str, wanted: ServiceSettings, catalogue: Catalogue) -> tuple[str | None, Uses]:
    """The model that the settings name for a service, if they do, and those that it shall use.

    Raises `RepositoryError` for a model that there is not, `ConfigError` for one of something else.
    """
    if wanted.model is None:
        return None, tuple(sorted(wanted.uses.items()))
    given = catalogue.card(wanted.model)
    if given.service == name:
        return given.id, tuple(sorted(wanted.uses.items()))
    offered = [card for card in catalogue.cards if card.service == name]
    for card in offered:
        for part, usual in card.uses.items():
            if catalogue.card(usual).service == given.service:
                return card.id, tuple(sorted({**wanted.uses, part: given.id}.items()))
    those = ", ".join(card.id for card in offered) or "none"
    raise ConfigError(
        f"services.{name}.model: {given.id} is for {given.service}; for {name} there is {those}"
    )


def configured_models(services: Mapping[str, ServiceSettings], catalogue: Catalogue) -> list[str]:
    """Ids of the models that fulfil these services, those that they use among them; of what can be told."""
    found = []
    for name, wanted in services.items():
        with suppress(EdgedError):
            model, uses = named(name, wanted, catalogue)
            found += [*(other for _, other in uses), model or catalogue.preferred(name, uses)]
    return found


def open_service(name: str, wanted: ServiceSettings, opener: Opener) -> Served:
    """Open and warm up what fulfils a service; give it back with `opener.release(served.instance)`.

    Raises `NotFound` for a service that this version lacks, `NotReady` when no model of it is installed,
    `ConfigError` for a wrong model, options, `uses` or `isolation`, `VariantError` when nothing opens here.
    """
    known, catalogue = any_service(name), opener.catalogue
    model, uses = named(name, wanted, catalogue)
    model = model or catalogue.preferred(name, uses)
    card = catalogue.card(model)
    if not uses and not catalogue.installed(model):  # one command for all of it, whatever is missed first
        raise NotReady(f"{model} is not installed; run `edged pull {model}`")
    options = merged(known, card.options, wanted.options, f"services.{name}.options")
    instance: AnyInstance
    if _isolated(wanted, card):
        if known.media == "video":
            raise ConfigError(
                f"services.{name}.isolation: {card.id} cannot have a process of its own yet, for only the "
                "daemon can give it the pictures and the sound that it asks a video for; say `none`"
            )
        wish = Preference(wanted.device, wanted.precision, wanted.strict, tuple(uses))
        instance = opener.isolate(model, wish, wanted.max_memory, {VOICE})
    else:
        instance = opener.acquire(model, wanted.device, wanted.precision, wanted.strict, uses)
    others = (one.id for one in catalogue.cards if one.service == name and one.reference != card.reference)
    return Served(
        *(known, instance, options, wanted.pai_spelling), reference=card.reference, instead=next(others, "")
    )


def opened_or_why(name: str, wanted: ServiceSettings, opener: Opener) -> Served | str:
    """As `open_service`; or why not, whatever went wrong."""
    try:
        return open_service(name, wanted, opener)
    except EdgedError as error:
        return str(error)
    except Exception as error:
        log.exception("%s cannot be opened", name)
        return f"{type(error).__name__}: {error}"


def reopened(served: Served, wanted: ServiceSettings, opener: Opener) -> Served | None:
    """A service opened anew where another variant runs now; none: it is best as it is, or nothing opens."""
    old = served.instance
    if isinstance(old, IsolatedInstance) or not opener.renewals.is_outdated(old):
        return None
    with opener.growth.watched() as grown:
        opened = opened_or_why(served.service.name, wanted, opener)
    if isinstance(opened, str):
        log.warning("%s goes on as it is: %s", served.service.name, opened)
        return None
    if isinstance(opened.instance, Instance) and _runs_as(opened.instance) == _runs_as(old):
        opener.release(opened.instance)
        return None
    log.info("%s: from now on by %s", served.service.name, opened.instance.facts.variant)
    return replace(opened, usage=served.usage, grown=grown)


def _runs_as(instance: Instance) -> list[ModelFacts]:
    """What really runs of it, and of those that it uses."""
    parts = instance.tools.models.values()
    return [instance.facts, *(part.facts for part in parts if isinstance(part, UsedModel))]


def _isolated(wanted: ServiceSettings, card: ModelCard) -> bool:
    return (card.isolation if wanted.isolation == "auto" else wanted.isolation) == "process"


def is_isolated(name: str, wanted: ServiceSettings, catalogue: Catalogue) -> bool:
    """Whether a service shall have a process of its own; false while nobody can know."""
    if wanted.isolation != "auto":
        return wanted.isolation == "process"
    try:
        model, uses = named(name, wanted, catalogue)
        return _isolated(wanted, catalogue.card(model or catalogue.preferred(name, uses)))
    except EdgedError:
        return False


class ServiceUnit:
    """Holds an instance for as long as the service is wished."""

    def __init__(
        self,
        name: str,
        settings: ServiceSettings,
        opener: Opener,
        table: ServiceTable,
        changed: Callable[[], None],
    ) -> None:
        self._service = any_service(name)
        self._settings = settings
        self._opener = opener
        self._table = table
        self._changed = changed
        self._state = "loading"
        self._served: Served | None = None
        self._stopping = threading.Event()
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._open, name=f"open-{name}", daemon=True)

    def start(self) -> None:
        """Begin to open the model."""
        name = self._service.name
        self._table.load(name, is_isolated(name, self._settings, self._opener.catalogue))
        self._thread.start()

    def stop(self) -> None:
        """Withdraw the service and give the instance back."""
        with self._lock:
            self._stopping.set()
            served, self._served = self._served, None
        self._table.withdraw(self._service.name, None)
        if served is not None:
            self._opener.release(served.instance)
        self._changed()

    def state(self) -> str:
        """`running`, `loading`, or why it cannot be served."""
        served = self._served
        return self._state if served is None else served.instance.trouble() or self._state

    def beat(self) -> float:
        """Opening a model may take long and is no fault: always alive."""
        return time.monotonic()

    def _open(self) -> None:
        """Try until the service is up or not wanted any more: a missing model may be pulled meanwhile."""
        for delay_s in delays():
            with self._opener.growth.watched() as grown:
                opened = opened_or_why(self._service.name, self._settings, self._opener)
            if isinstance(opened, str):
                self._fail(opened)
            else:
                self._announce(replace(opened, grown=grown))
            self._changed()
            if self._state == "running" or self._stopping.wait(delay_s):
                return

    def _fail(self, why: str) -> None:
        if why != self._state:  # one line a reason, not one a try
            log.error("%s is not served: %s", self._service.name, why)
        self._state = why
        with self._lock:
            if not self._stopping.is_set():
                self._table.withdraw(self._service.name, why)

    def _announce(self, served: Served) -> None:
        with self._lock:
            if not self._stopping.is_set():
                self._state = "running"
                self._take(served)
                return
        self._opener.release(served.instance)

    def renew(self) -> None:
        """Serve by what runs best now; the old instance answers until the new one is warm."""
        if (served := self._served) is None:
            return
        if (fresh := reopened(served, self._settings, self._opener)) is None:
            return
        with self._lock:
            if taken := self._served is served:
                self._take(fresh)
        self._opener.release(served.instance if taken else fresh.instance)
        self._changed()

    def _take(self, served: Served) -> None:
        """From now on it serves; with the lock held."""
        self._served = served
        self._table.put(served)
        served.instance.watch(partial(self._look, served))

    def _look(self, served: Served) -> None:
        """Its process was set aside, or came back; of one that another has followed that means nothing."""
        instance = served.instance
        with self._lock:
            if self._served is not served:
                return
            if instance.is_aside():
                self._table.withdraw(self._service.name, instance.trouble())
            else:
                self._table.put(served)
        self._changed()
