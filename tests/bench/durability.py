"""What each `requests.durability` costs: requests a second, milliseconds to the ack, syncs a request.

`python -m tests.bench.durability [--folder ON_THE_DISK] [--requests 2000] [--window 1 20 200]`. The journal
alone, without a broker or a model: a payload of 100 KB is put down, kept, answered, and done; so many wait
for their ack at the same time.
"""

import argparse
import tempfile
import threading
import time
from pathlib import Path
from statistics import median

from rich.console import Console
from rich.table import Table

from edged.contracts.request import Answer
from edged.flow.counters import Counters
from edged.requests.journal import Addressed, Durability, Journal, Request

PAYLOAD = bytes(100_000)
BODY = bytes(2_000)
DURABILITIES: tuple[Durability, ...] = ("memory", "process", "power")


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=None)
    parser.add_argument("--requests", type=int, default=2000)
    parser.add_argument("--window", type=int, nargs="+", default=[1, 20, 200])
    options = parser.parse_args()
    table = Table(
        "durability", "on their way", "requests/s", "ms to the ack", "syncs a request", "KB a request"
    )
    for window in options.window:
        for durability in DURABILITIES:
            with tempfile.TemporaryDirectory(dir=options.folder) as folder:
                number = min(options.requests, 50 * window) if durability == "power" else options.requests
                table.add_row(durability, str(window), *_measured(Path(folder), durability, number, window))
    Console(width=110).print(table)


def _measured(folder: Path, durability: Durability, requests: int, window: int) -> list[str]:
    counters = Counters()
    journal = Journal(folder / "state", counters, durability)
    journal.open()
    room = threading.Semaphore(window)
    waited: list[float] = []
    began = time.perf_counter()
    for n in range(requests):
        room.acquire()
        _serve(journal, n, room, waited)
    for _ in range(window):
        room.acquire()
    spent = time.perf_counter() - began
    counts = counters.counts()
    syncs = sum(counts.get("journal_syncs", {}).values())
    written = sum(counts.get("journal_bytes", {}).values())
    journal.close()
    return [
        f"{requests / spent:.0f}",
        f"{median(waited) * 1000:.2f}",
        f"{syncs / requests:.3f}",
        f"{written / requests / 1000:.1f}",
    ]


def _serve(journal: Journal, n: int, room: threading.Semaphore, waited: list[float]) -> None:
    """As the desk does it: acknowledged once it is kept; under `memory` with the answer."""
    request = Request(n.to_bytes(16, "big"), "ocr", "mqtt", b"replies/me", time.time())
    arrived = time.perf_counter()

    def acknowledged() -> None:
        waited.append(time.perf_counter() - arrived)
        room.release()

    row = journal.ask(request, PAYLOAD)
    if row is not None:
        journal.once_kept(acknowledged)
    answered = journal.answer(row, request, Addressed(b"replies/me", Answer("r", BODY, 200)))
    if answered is None:
        acknowledged()
    else:
        journal.done([answered])


if __name__ == "__main__":
    main()
