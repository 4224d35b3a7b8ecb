"""How much memory the daemon holds: `python -m tests.bench.memory [--models FOLDER] [one eight turn]`.

With one service, with eight, and with all that are installed asked in turn within `runtime.memory` of 1.5 GB,
each in a daemon of its own, after `--asks` requests to each service. PSS, so run it alone on the machine:
libraries that other processes share count in part only. Decoders of sound and video are not in it.
`--pages` shows whose pages they are. The peak is of the resident set, looked at every 50 ms.
"""

import argparse
import contextlib
import http.client
import io
import json
import os
import re
import tempfile
import threading
import time
import wave
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pybase64
import yaml
from rich.console import Console
from rich.table import Table

from conftest import ROOT
from edged.contracts.service import Media
from edged.contracts.services import SERVICES
from edged.flow.footprint import PROC, pss_of
from edged.media.picture import encode_jpeg
from edged.testing.items import coloured
from tests.broker import free_port, until
from tests.e2e.box import running
from tests.media.cameras_films import write_film

EIGHT = (
    "object-detection",
    "image-classification",
    "semantic-segmentation",
    "ocr",
    "face-similarity",
    "face-attributes",
    "music-detection",
    "text-vectorization",
)
SETS = {"one": EIGHT[:1], "eight": EIGHT, "turn": ()}
BUDGET = 1_500_000_000
MB = 1e6
SETTLED_S = 22.0
"""So long after the last request what was freed has been given back."""
_MAPPING = re.compile(r"[0-9a-f]+-[0-9a-f]+ \S+ \S+ \S+ \S+ *(.*)")


def main() -> None:
    """Print a table for each set."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sets", nargs="*", choices=[*SETS, []], default=list(SETS))
    parser.add_argument("--models", type=Path, default=ROOT / "models", help="where they were pulled to")
    parser.add_argument("--asks", type=int, default=5, help="requests to each service")
    parser.add_argument("--budget", type=int, default=BUDGET // 10**6, help="`runtime.memory`, MB")
    parser.add_argument("--pages", type=int, default=0, help="so many files with the most pages")
    options = parser.parse_args()
    for name in options.sets:
        with tempfile.TemporaryDirectory() as folder:
            _measured(name, Path(folder), options)


def _measured(name: str, folder: Path, options: argparse.Namespace) -> None:
    pinned, table = SETS[name], Table(title=name, title_justify="left")
    for column in ("asked", "answer", "PSS, MB", "services hold, MB", "resident set at its peak, MB"):
        table.add_column(column)
    started = daemon(folder, options.models, {service: {} for service in pinned}, options.budget * 10**6)
    with started as (process, port), Peak(process) as peak:
        services = pinned or [facts["service"] for facts in status(port) if facts["service"] in SERVICES]
        table.add_row("nothing yet", "", f"{pss_of(process) / MB:.0f}", _held(port))
        most = 0
        for service in services:
            peak.during = service
            codes = {ask(port, service, folder) for _ in range(options.asks)}
            most = max(most, now := pss_of(process))
            resident, held = peak.of.get(service, 0), _held(port)
            row = (
                service,
                " ".join(map(str, sorted(codes))),
                f"{now / MB:.0f}",
                held,
                f"{resident / MB:.0f}",
            )
            table.add_row(*row)
        table.add_row("most", "", f"{most / MB:.0f}", "", f"{max(peak.of.values()) / MB:.0f}")
        time.sleep(SETTLED_S)
        table.add_row("a while later", "", f"{pss_of(process) / MB:.0f}", _held(port))
        Console().print(table)
        for file, pages in _pages(process).most_common(options.pages):
            print(f"{pages / MB:8.1f} MB  {file}")


class Peak:
    """The greatest resident set of a process, bytes, by what goes on meanwhile."""

    def __init__(self, process: int) -> None:
        self._statm = PROC / str(process) / "statm"
        self.during = "nothing yet"
        self.of: dict[str, int] = {}
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def __enter__(self) -> "Peak":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _look(self) -> None:
        page = os.sysconf("SC_PAGE_SIZE")
        while not self._over.wait(0.05):
            with contextlib.suppress(OSError):
                now = int(self._statm.read_text().split()[1]) * page
                self.of[self.during] = max(now, self.of.get(self.during, 0))


@contextmanager
def daemon(
    folder: Path, models: Path, pinned: Mapping[str, Mapping[str, str]], budget: int = BUDGET
) -> Iterator[tuple[int, int]]:
    """Its process and the port of its HTTP, once all that is pinned, with its settings, is ready."""
    config, port = folder / "config.yaml", free_port()
    settings = {
        "node": "bench",
        "paths": {"models": str(models.absolute()), "state": str(folder / "state")},
        "runtime": {"memory": budget},
        "mqtt": {"url": f"mqtt://127.0.0.1:{free_port()}"},  # nobody is there
        "http": {"listen": f"127.0.0.1:{port}"},
        "requests": {"fetch": {"folders": [str(folder)]}},
        "services": {name: dict(how) for name, how in pinned.items()},
    }
    config.write_text(yaml.safe_dump(settings))
    (folder / "sound.wav").write_bytes(_sound())
    write_film(folder / "video.mp4", 4)
    with running(config, port, "bench", "--quiet") as started:
        until(lambda: _is_up(port, pinned), "all services are ready", 240)
        yield started.process.pid, port


def _is_up(port: int, pinned: Collection[str]) -> bool:
    with contextlib.suppress(OSError, http.client.HTTPException):
        states = {facts["service"]: facts["state"] for facts in status(port)}
        return bool(states) and all(states.get(name) == "running" for name in pinned)
    return False


def _said(port: int, method: str, path: str, body: bytes | None = None) -> tuple[int, bytes]:
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", port, timeout=120)) as connection:
        connection.request(method, path, body, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        return answer.status, answer.read()


def status(port: int) -> list[dict[str, Any]]:
    services: list[dict[str, Any]] = json.loads(_said(port, "GET", "/api/status")[1])["services"]
    return services


def _held(port: int) -> str:
    """What the services are said to hold."""
    return f"{sum(facts['memory_bytes'] or 0 for facts in status(port)) / MB:.0f}"


def ask(port: int, service: str, folder: Path) -> int:
    """One request; what it shows need not please the model (422), but it must run."""
    body = json.dumps(_request(SERVICES[service].media, service, folder)).encode()
    code, said = _said(port, "POST", f"/api/predict/{service}", body)
    if code not in (200, 422):
        print(f"{service}: {code} {said[:200]!r}")
    return code


def _request(media: Media, service: str, folder: Path) -> dict[str, Any]:
    picture = pybase64.b64encode(encode_jpeg(coloured(720, 1280))).decode()
    if service == "product-comparison":
        pair = {"imagea": picture, "imageb": picture, "metric": "Cosine"}
        return {"function_name": "match", "function_params": pair}
    if service == "image-colorization":  # as the model of it wants it that can be had everywhere
        return {"image": picture, "reference": picture}
    return {
        "picture": {"image": picture},
        "pictures": {"imagea": picture, "imageb": picture},
        "recording": {"input": {"url": str(folder / "sound.wav")}},
        "video": {"input": {"url": str(folder / "video.mp4")}},
        "text": {"id": "1", "first_sequence": "今天天气很好", "second_sequence": "We go to the park."},
    }[media]


def _sound() -> bytes:
    """A hum of two seconds."""
    file, at = io.BytesIO(), np.arange(32_000) / 16_000
    with wave.open(file, "wb") as written:
        written.setparams((1, 2, 16_000, 0, "NONE", ""))
        written.writeframes((8000 * np.sin(2 * np.pi * 200 * at)).astype("<i2").tobytes())
    return file.getvalue()


def _pages(process: int) -> Counter[str]:
    """PSS by file, bytes; what has none is called by its kind."""
    found: Counter[str] = Counter()
    name = ""
    for line in (PROC / str(process) / "smaps").read_text().splitlines():
        if mapping := _MAPPING.fullmatch(line):
            name = Path(mapping[1]).name or "(anonymous)"
        elif line.startswith("Pss:"):
            found[name] += int(line.split()[1]) * 1024
    return found


if __name__ == "__main__":
    main()
