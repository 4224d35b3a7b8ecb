"""Home Assistant: from the configuration to what it is told, and when."""

import contextlib
import threading
import time
from collections.abc import Callable, Mapping
from functools import partial

from edged import __version__
from edged.config.settings import Config, StreamSettings
from edged.contracts.errors import NotReady
from edged.contracts.verb import Verb
from edged.events.settings import RuleSettings
from edged.homeassistant.devices import Announcement, ShownBox, ShownRule, ShownStream, devices
from edged.mqtt.topics import Topics
from edged.telling import Telling


def announced(settings: Config) -> list[Announcement]:
    """The devices of this configuration; none where Home Assistant is not to know of it."""
    if settings.homeassistant is None:
        return []
    streams = {name: _shown(settings, name, stream) for name, stream in settings.streams.items()}
    box = ShownBox(settings.node, __version__, settings.http.public_url, streams)
    return devices(box, settings.homeassistant)


def announce(telling: Telling, settings: Config) -> None:
    """Tell Home Assistant what changed."""
    path = settings.paths.state / "homeassistant.json"
    telling.to_home(telling.home.want(path, announced(settings), time.time()))


def topics_of(settings: Config) -> Topics:
    """Those of the node, and of Home Assistant for it."""
    home = settings.homeassistant
    return Topics(settings.node) if home is None else Topics(settings.node, home.prefix)


def birth(telling: Telling, settings: Config, verbs: Mapping[str, Verb]) -> Callable[[], None] | None:
    """What is done when Home Assistant has started; none: nobody wants to know."""
    home = settings.homeassistant
    if home is None:
        return None
    show = BirthPictures(verbs["snapshot"]).show if "picture" in home.share else None
    return partial(_tell_again, telling, show)


def _tell_again(telling: Telling, show: Callable[[], None] | None) -> None:
    """It knows nothing; and pictures are not retained, so it is shown new ones."""
    telling.to_home(telling.home.all())
    if show is not None:
        show()


class BirthPictures:
    """New pictures of all cameras, in a thread: encoding takes time, and the connection waits for nobody.

    It is one thread, however often whoever may write to the broker says that Home Assistant was born: births
    that come while pictures are made are followed by new ones once. Safe from all threads.
    """

    def __init__(self, snapshot: Verb) -> None:
        self._snapshot = snapshot
        self._lock = threading.Lock()
        self._wanted = False
        self._thread: threading.Thread | None = None

    def show(self) -> None:
        """Show them soon."""
        with self._lock:
            self._wanted = True
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._show_all, name="pictures", daemon=True)
                self._thread.start()

    def _show_all(self) -> None:
        while self._is_due():
            with contextlib.suppress(NotReady):  # no camera has a picture yet
                self._snapshot({})

    def _is_due(self) -> bool:
        with self._lock:
            due, self._wanted = self._wanted, False
            if not due:
                self._thread = None
            return due


def _shown(settings: Config, name: str, stream: StreamSettings) -> ShownStream:
    return ShownStream(
        listens=stream.listens,
        lines=[*stream.lines],
        zones={zone: place.events for zone, place in stream.zones.items()},
        rules=[_rule(at, rule) for at, rule in settings.rules.items() if rule.stream == name],
    )


def _rule(name: str, rule: RuleSettings) -> ShownRule:
    is_of_many = rule.when.text is not None or rule.when.stays is not None
    return ShownRule(name, rule.is_moment, is_of_many)
