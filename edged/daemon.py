"""The process: reads the configuration, keeps its units running, reloads, reports, ends."""

import contextlib
import logging
import signal
import threading
import time
from collections.abc import Collection, Iterable
from pathlib import Path

import cv2

from edged.config import reading
from edged.config.settings import Config
from edged.contracts.errors import ConfigError, EdgedError
from edged.contracts.message import Health
from edged.control import Control, Switches
from edged.core import Core
from edged.flow.counters import Counters
from edged.flow.units import Wish
from edged.health import Systemd, health
from edged.opening import open_plugins
from edged.streams.publisher import Sink
from edged.wiring.home import announce
from edged.wiring.wishes import Wiring, forget_events

log = logging.getLogger(__name__)

RETRY_S = 10.0
"""Seconds between two tries to start units that failed."""


class Daemon:
    """One process. Start-up, reload and shutdown are the same call: `Units.reconcile` with another wish."""

    def __init__(
        self, path: Path, counters: Counters, sinks: Iterable[Sink] = (), *, prepares: bool = False
    ) -> None:
        """`prepares`: whether models that lack variants get them while they serve."""
        self.config: Config = reading.load(path)
        self._switches = Switches(self.config.paths.state)
        self.core = Core(counters, sinks)
        control = Control(self.core, self._switches, streams=self._streams, apply=self._apply)
        self.begun = threading.Event()
        """Set when all units were started once."""
        self.verbs = {"reload": self._reload_as_told, **control.verbs()}
        """What can be told to the daemon, by name."""
        self.wiring = Wiring(self.core, self.verbs, self._switches.off, self._announce, prepares)
        self._path = path
        self._next: Config | None = self.config
        self._stale = False
        self._connected = False
        self._wake = threading.Event()
        self._stopping = False
        self._systemd = Systemd()

    def run(self, for_s: float | None = None) -> None:
        """Run until `stop`, or for so many seconds."""
        cv2.setNumThreads(1)  # there are workers for all cores: threads of one would wait for the others'
        ends_at = self.core.started_at + for_s if for_s is not None else float("inf")
        health_at = time.monotonic()
        retry_at = float("inf")
        try:
            while not self._stopping and time.monotonic() < ends_at:
                if self._next is not None or self._stale or time.monotonic() >= retry_at:
                    retry_at = time.monotonic() + RETRY_S if self._reconcile() else float("inf")
                if self._has_connected() or time.monotonic() >= health_at:
                    health_at = time.monotonic() + self.config.health_every
                    self._publish_health()
                self._systemd.watch(self.core.units)
                if why := self.core.stuck():
                    raise EdgedError(f"{why}: the process ends, so that it is started again")
                self._wake.wait(max(0.0, min(1.0, ends_at - time.monotonic())))
                self._wake.clear()
        finally:
            self._systemd.tell("STOPPING=1")
            self.core.table.want(())
            self.wiring.endings.end()
            self.core.units.reconcile({})

    def stop(self, *_: object) -> None:
        """Ask `run` to end; safe in a signal handler and from any thread."""
        self._stopping = True
        self._wake.set()

    def reload(self) -> str:
        """Read config.yaml again. Raises `ConfigError` for a faulty one, and then nothing changes."""
        try:
            settings = reading.load(self._path)
            self._switches.move(settings.paths.state)
            self._next = settings
        except ConfigError as error:
            self.core.counters.count("reloads", "faulty")
            log.error("the configuration is faulty, nothing has changed:\n%s", error)
            raise
        self.core.counters.count("reloads", "accepted")
        self._wake.set()
        return "the configuration is accepted and being applied"

    def handle_signals(self) -> None:
        """SIGTERM and SIGINT stop, SIGHUP reloads; call it in the main thread."""
        signal.signal(signal.SIGTERM, self.stop)
        signal.signal(signal.SIGINT, self.stop)
        signal.signal(signal.SIGHUP, lambda *_: threading.Thread(target=self._reload_quietly).start())

    def _reload_quietly(self) -> None:
        with contextlib.suppress(ConfigError):  # logged and counted where it was raised
            self.reload()

    def health(self) -> Health:
        """How the daemon is."""
        return health(self.config.node, self.config.paths.state, self.core)

    def _reload_as_told(self, _: object) -> str:
        """The verb `reload`."""
        return self.reload()

    def _streams(self) -> Collection[str]:
        """Of the configuration, by name."""
        return self.config.streams

    def _apply(self) -> None:
        """Have `run` make what runs what should run, soon; from any thread."""
        self._stale = True
        self._wake.set()

    def _reconcile(self) -> dict[str, str]:
        """Make what runs what should run; the units that failed."""
        self._stale = False
        settings, self._next = self._next, None  # one that comes meanwhile is for the next time
        if settings is not None:
            if settings is not self.config:  # a reload finds the plugins that are new
                self.wiring.opener(settings).catalogue.learn(open_plugins(settings).models)
            self.config = settings
            log.info("applying %s", self._path)
        self._systemd.tell("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")
        wishes: dict[str, Wish] = self.wiring.wishes(self.config)
        self.core.table.want(self.config.wanted_services())
        failures = self.core.units.reconcile(wishes)
        forget_events(self.core, self.config, self._switches.off())
        announce(self.core.telling, self.config)
        self._systemd.tell("READY=1", f"STATUS={len(wishes) - len(failures)} of {len(wishes)} units run")
        self._announce()
        self.begun.set()
        return failures

    def _announce(self) -> None:
        if (mqtt := self.core.telling.mqtt()) is not None:
            mqtt.publish_info()

    def _has_connected(self) -> bool:
        """Whether MQTT has come up since the last look: what was told before says that it is connecting."""
        before, mqtt = self._connected, self.core.telling.mqtt()
        self._connected = mqtt is not None and mqtt.state() == "running"
        return self._connected and not before

    def _publish_health(self) -> None:
        if (mqtt := self.core.telling.mqtt()) is not None:
            mqtt.publications.health(self.health())
