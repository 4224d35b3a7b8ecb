"""The book of events and the unit of actions on one folder; also a process of its own, to be killed."""

import sys
import time
from datetime import UTC
from pathlib import Path
from typing import Any

from edged.actions.desk import ActionDesk
from edged.actions.rows import ActionRows
from edged.actions.settings import ActionSettings
from edged.counts.chronicle import Chronicle, Entry
from edged.events.desk import EventDesk, Surroundings
from edged.events.event_settings import EventSettings
from edged.events.happening import Happening
from edged.flow.counters import Counters


class Box:
    """Starts and ends as a context manager."""

    def __init__(self, folder: Path, pictures=lambda address: None, **actions: Any) -> None:
        """`actions`: the webhook of each, or its settings."""
        self.counters = Counters()
        self.chronicle = Chronicle(folder / "counts" / "counts.db", self.counters)
        around = Surroundings(
            counted=lambda stream, passages: Entry(lambda db: None, lambda: None),
            channel=lambda: None,
            heard=self._heard,
            snapshot=lambda stream: "/artefacts/a.jpg",
            record=lambda stream: None,
        )
        self.events = EventDesk("box", EventSettings(), self.chronicle, self.counters, around)
        settings = {
            name: ActionSettings.model_validate(
                {"at_most": "1000/1s", **({"webhook": given} if isinstance(given, str) else given)}
            )
            for name, given in actions.items()
        }
        self.reached: list[dict[str, str]] = []
        """Whom each action could reach, and why not, whenever that changed."""
        rows = ActionRows(self.chronicle.do)
        self.actions = ActionDesk(settings, rows, UTC, pictures, self.counters, changed=self._changed)

    def _changed(self) -> None:
        self.reached.append({one.name: one.why for one in self.actions.reaches()})

    def _heard(self) -> None:
        self.actions.wake()

    def __enter__(self):
        for unit in (self.chronicle, self.events, self.actions):
            unit.start()
        self.door = self.events.open("door")
        return self

    def __exit__(self, *_):
        for unit in (self.actions, self.events, self.chronicle):
            unit.stop()

    def happen(self, *actions: str, key: str = "", **more) -> None:
        happening = {"kind": "rule", "phase": "once", "key": key or "k", "began_at": None, "rule": "queue"}
        self.door.put((), [Happening(**{**happening, "actions": actions, **more})])

    def waiting(self) -> dict[str, int]:
        return {one.name: one.waiting for one in self.actions.facts()}


def main(folder: str, url: str, first: str, number: str) -> None:
    """Have so many events happen, told to a webhook; then wait to be killed."""
    with Box(Path(folder), desk=url) as box:
        for seq in range(int(first), int(first) + int(number)):
            box.happen("desk", class_name=str(seq))
        print("happened", flush=True)
        time.sleep(60)


if __name__ == "__main__":
    main(*sys.argv[1:])
