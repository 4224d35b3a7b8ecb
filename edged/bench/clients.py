"""Clients that ask over HTTP, each of which waits for its answer before it asks again."""

import http.client
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from edged.contracts.errors import EdgedError

MOST_CLIENTS = 16
GAIN = 1.05
"""Twice as many clients are tried as long as they get so many times the answers."""
WARM_S = 0.5
LONG_S = 8.0
"""After so long no more clients are tried."""
PATIENCE_S = 90.0

Ask = Callable[[], None]
"""One request and its answer; raises `EdgedError` when that is not good."""


@dataclass(frozen=True, slots=True)
class Throughput:
    """What so many clients got."""

    clients: int
    a_second: float
    p50_ms: float
    p99_ms: float


def asked_more_and_more(make: Callable[[], Ask], window_s: float) -> list[Throughput]:
    """One client, two, four, until that gains no more; `make` makes a client. Raises `EdgedError`."""
    began, tried, clients = time.monotonic(), list[Throughput](), 1
    _together([make()], WARM_S)
    while not tried or _worth_more(tried, time.monotonic() - began):
        tried.append(_together([make() for _ in range(clients)], window_s))
        clients *= 2
    return tried


def best(tried: Sequence[Throughput]) -> Throughput:
    """The fewest clients that get nearly the most answers."""
    most = max(one.a_second for one in tried)
    return next(one for one in tried if one.a_second * GAIN >= most)


def _worth_more(tried: Sequence[Throughput], seconds: float) -> bool:
    if tried[-1].clients >= MOST_CLIENTS or seconds > LONG_S:
        return False
    return len(tried) < 2 or tried[-1].a_second > GAIN * tried[-2].a_second


def _together(asks: Sequence[Ask], seconds: float) -> Throughput:
    """All of them for so long, but each at least once; what was begun is waited for, and counts."""
    taken: list[float] = []
    faults: list[EdgedError] = []
    began = time.perf_counter()

    def go(ask: Ask) -> None:
        ended = began
        while not faults and (ended is began or ended < began + seconds):
            now = time.perf_counter()
            try:
                ask()
            except EdgedError as error:
                faults.append(error)
                return
            ended = time.perf_counter()
            taken.append(ended - now)

    threads = [threading.Thread(target=go, args=(ask,), daemon=True) for ask in asks]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if faults:
        raise faults[0]
    p50, p99 = (np.percentile(taken, (50, 99)) * 1000).round(1).tolist()
    return Throughput(len(asks), round(len(taken) / (time.perf_counter() - began), 2), p50, p99)


def http_client(port: int, path: str, headers: Mapping[str, str], body: bytes) -> Ask:
    """A client with a connection of its own, which stays open."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)
    said = {**headers, "Content-Type": "application/json"}

    def ask() -> None:
        try:
            connection.request("POST", path, body, said)
            answer = connection.getresponse()
            told = answer.read()
        except (OSError, http.client.HTTPException) as error:
            raise EdgedError(f"no answer came: {error}") from error
        if answer.status != http.client.OK:
            raise EdgedError(f"{answer.status}: {told.decode(errors='replace')[:300]}")

    return ask
