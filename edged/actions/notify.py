"""Messages by apprise, which speaks to a hundred services: in a child that may hang or crash alone."""

import os
import time
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import replace
from functools import cache
from importlib.util import find_spec
from urllib.parse import unquote

import numpy as np

from edged.actions.parcel import Parcel
from edged.actions.receiver import Undelivered
from edged.actions.settings import ActionSettings
from edged.children.child import Child
from edged.children.talk import nothing_to_answer
from edged.children.terms import Terms, Work
from edged.children.wire import Message, Tick
from edged.contracts.errors import Cancelled, EdgedError, TimedOut

PACKAGE = "apprise"
MAKER = "edged.tenants.notifier:notifier"
START_S = 60.0
"""Such a child is ready within so many seconds, on slow boxes too."""
_TERMS = Terms(memory_bytes=500_000_000, start_s=START_S, again=False)
"""Another one is started for the next try: how long to wait with that is the lane's."""
_SHORTEST = 3
"""Characters of a URL's part that may be a secret."""
_GIVEN = ("proxy", "http_proxy", "https_proxy", "no_proxy", "requests_ca_bundle", "ssl_cert_file")
"""Variables that say how to get out; those of proxies may hold passwords."""


def environment() -> dict[str, str]:
    """Of this process, what the child shall know beside what every child knows."""
    return {name: value for name, value in os.environ.items() if name.lower() in _GIVEN}


class Notify:
    """One URL of apprise. Its child starts with a message, and ends when there has been none for long."""

    def __init__(self, name: str, url: str, timeout_s: float, maker: str = MAKER) -> None:
        """`name`: of the action."""
        self._name = f"the notifier of {name}"
        self._url = url
        self._timeout_s = timeout_s
        self._work = Work(maker, {"environment": environment()})
        self._terms = replace(_TERMS, silent_s=timeout_s + _TERMS.silent_s)
        self._child: Child | None = None
        self._stopped = False

    def deliver(self, parcel: Parcel) -> None:
        """As of `Receiver`."""
        if find_spec(PACKAGE) is None:
            raise Undelivered(missing())
        call = {"url": self._url, "title": parcel.title, "body": parcel.body}
        pictures = () if parcel.picture is None else (np.frombuffer(parcel.picture, np.uint8),)
        try:
            said = self._ready().call(Message(call, pictures), self._tick(), nothing_to_answer).tree
        except EdgedError as error:
            self.rest()
            raise Undelivered(without_secrets(str(error), self._url)) from None
        if said.get("done") is not True:
            why = without_secrets(str(said.get("why") or "it could not be sent"), self._url)
            raise Undelivered(f"apprise says: {why}")

    def rest(self) -> None:
        """As of `Receiver`: the child goes."""
        if (child := self._child) is not None:
            self._child = None
            child.close()

    def stop(self) -> None:
        """As of `Receiver`."""
        self._stopped = True
        self.rest()

    def _ready(self) -> Child:
        if self._stopped:
            raise Cancelled("edged ends")
        if (child := self._child) is None:
            child = self._child = Child(self._name, self._work, self._terms)
            child.start()
            child.report()
        return child

    def _tick(self) -> Tick:
        ends_at = time.monotonic() + self._timeout_s

        def tick() -> None:
            if self._stopped:
                raise Cancelled("edged ends")
            if time.monotonic() > ends_at:
                raise TimedOut(f"apprise was not done within {self._timeout_s:g} s, the `timeout`")

        return tick


def without_secrets(text: str, url: str) -> str:
    """A text that names no part of the URL: each may be a token."""
    inner = url.partition("://")[2]
    for sign in "/:@?&=,#":
        inner = inner.replace(sign, " ")
    for part in sorted({*inner.split(), *map(unquote, inner.split())}, key=len, reverse=True):
        if len(part) >= _SHORTEST:
            text = text.replace(part, "...")
    return text


def missing() -> str:
    """What to do where apprise is not installed."""
    return "apprise is not installed; pip install 'edged[notify]'"


def notify_faults(actions: Mapping[str, ActionSettings]) -> Iterator[tuple[str, str]]:
    """Why messages cannot be sent by `notify`, by name of the action."""
    urls = {name: action.notify.get_secret_value() for name, action in actions.items() if action.notify}
    if not urls:
        return
    if find_spec(PACKAGE) is None:
        yield from ((name, missing()) for name in urls)
        return
    unknown = _unknown(tuple(urls.values()))
    for number, name in enumerate(urls):
        if number in unknown:
            yield name, "apprise cannot make anything of this URL; its wiki shows one for each service"


@cache
def _unknown(urls: tuple[str, ...]) -> frozenset[int]:
    """The numbers of those that apprise cannot use; none where it cannot be asked, which is told later."""
    child = Child(
        "the probe of apprise", Work(MAKER, {"environment": {}}), Terms(start_s=START_S, again=False)
    )
    with closing(child):
        child.start()
        try:
            child.report()
            said = child.call(Message({"urls": list(urls)}), lambda: None, nothing_to_answer).tree
        except EdgedError:
            return frozenset()
    return frozenset(number for number in said.get("unknown", ()) if isinstance(number, int))
