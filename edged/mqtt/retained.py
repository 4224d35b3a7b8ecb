"""What the broker shall keep, by topic: the newest, and how many connections died on it."""

from collections.abc import Collection
from dataclasses import replace

from edged.mqtt.outgoing import Outgoing


class Retained:
    """For the outbox, under its lock."""

    def __init__(self) -> None:
        self._newest: dict[str, Outgoing] = {}
        """Of every topic, sent or not."""

    def put(self, message: Outgoing) -> Outgoing:
        """A newer one. One that says the same is the one before: connections may have died on it."""
        known = self._newest.get(message.topic)
        same = known is not None and known.body == message.body
        newest = known if known is not None and same else message
        self._newest[message.topic] = newest
        return newest

    def forget(self, topic: str) -> bool:
        """Nothing shall be kept on this topic any more. False: nothing was."""
        return self._newest.pop(topic, None) is not None

    def note(self, message: Outgoing, *, survived: bool = False) -> None:
        """How many connections died on it, if it is still the newest; none do, where the broker has it."""
        known = self._newest.get(message.topic)
        if known is not None and message.retain and known.body == message.body:
            deaths, alone = (0, 0) if survived else (message.deaths, message.deaths_alone)
            self._newest[message.topic] = replace(known, deaths=deaths, deaths_alone=alone)

    def beside(self, topics: Collection[str]) -> list[Outgoing]:
        """Those of all other topics."""
        return [message for topic, message in self._newest.items() if topic not in topics]
