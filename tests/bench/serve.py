"""How many requests a second: edged, LitServe, BentoML, bare Starlette, benchmark_app, beside each other.

`python -m tests.bench.serve [--jpeg FILE] [--markdown]`. In one run, the same net and JPEG, four clients.
LitServe and BentoML have one worker, Starlette one thread, with all cores for one inference; edged is one
process, once as it is shipped and once with one inference at a time. `benchmark_app` runs the bare net: what
no server can pass. They take turns; the table shows the median and the best of the rounds, and how many times
LitServe's the median is. It judges nothing. The others are installed into an environment of their own, in the
folder `--peers`.
"""

import argparse
import base64
import contextlib
import http.client
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import asdict, dataclass
from datetime import date
from functools import partial
from pathlib import Path
from types import MappingProxyType

import cv2
import yaml
from rich.console import Console
from rich.table import Table

from edged.bench.machine import machine
from edged.config.settings import Config
from edged.media.picture import encode_jpeg
from edged.media.video import sample_frames
from edged.opening import open_catalogue, open_plugins
from edged.repository.catalogue import Catalogue
from edged.runtimes.devices import usable_cores
from tests.bench.benchmark_app import inferences_a_second
from tests.bench.mqtt_client import MqttClient
from tests.bench.peers import FOLDER, peers_python
from tests.broker import free_port, until

ROOT = Path(__file__).parent.parent.parent
SERVICE = "image-classification"
NODE = "bench"
WARM_S = 1.0

SIZE = (1280, 720)
PEERS = {
    "LitServe": ("tests.bench.litserve_peer", "{port}"),
    "BentoML": (
        "bentoml",
        "serve",
        "tests.bench.bentoml_peer:Classify",
        "--host",
        "127.0.0.1",
        "--port",
        "{port}",
    ),
    "Starlette, bare": ("tests.bench.starlette_peer", "{port}"),
}
"""Modules of the others with their arguments; those of the net follow, or stand in the environment."""

Ask = Callable[[], None]
"""One request and its answer; raises when the answer is not good."""


def main() -> None:
    """Print the table, and the same as JSON with `--json`."""
    options = _options()
    with ExitStack() as stack:
        folder, python = Path(stack.enter_context(tempfile.TemporaryDirectory())), peers_python(options.peers)
        jpeg = options.jpeg.read_bytes() if options.jpeg else _frame(options.model, options.models)
        body = json.dumps({"image": base64.b64encode(jpeg).decode()}).encode()
        ways = _servers(stack, folder, options, python, body)
        rates: dict[str, list[float]] = {name: [] for name in ways}
        for _ in range(options.rounds):
            for name, measure in ways.items():
                rates[name].append(measure())
    _report(rates, options)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="efficientnet-lite0-int8", help="a model of " + SERVICE)
    parser.add_argument("--models", type=Path, default=ROOT / "models", help="where it was pulled to")
    parser.add_argument("--jpeg", type=Path, help="of every request; else a frame of the model's clip")
    parser.add_argument("--peers", type=Path, default=FOLDER, help="environment of the others")
    parser.add_argument("--clients", type=int, default=4)
    parser.add_argument("--seconds", type=float, default=8.0, help="of one turn")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--markdown", action="store_true", help="the table as the README has it")
    return parser.parse_args()


def _frame(model: str, models: Path) -> bytes:
    """Of the clip that the model is measured on at `pull`, as a JPEG of 720 lines."""
    catalogue = Catalogue(models, open_plugins(Config()).models)
    calibration = catalogue.card(model).calibration
    assert calibration is not None, f"{model} brings no clip: name a --jpeg"
    clip = catalogue.file(model, calibration.media[0])
    return encode_jpeg(cv2.resize(sample_frames(clip, 3)[1], SIZE, interpolation=cv2.INTER_AREA))


def _servers(
    stack: ExitStack, folder: Path, options: argparse.Namespace, python: Path, body: bytes
) -> dict[str, Callable[[], float]]:
    """Start all of them; by name, what measures one turn."""
    path = f"/api/predict/{SERVICE}"
    shipped = _edged(stack, folder / "shipped", options.model, options.models, "auto")
    single = _edged(stack, folder / "single", options.model, options.models, 1)
    makers: dict[str, Callable[[], Ask]] = {
        "edged, HTTP": lambda: _http_client(shipped.http, path, body),
        "edged, MQTT 5": lambda: MqttClient(shipped.mqtt, f"edged/{NODE}/request/{SERVICE}", body).ask,
        "edged, HTTP, `runtime.workers: 1`": lambda: _http_client(single.http, path, body),
    }
    net = _net(folder, options.model, options.models, shipped.config)
    for name, command in PEERS.items():
        port = free_port()
        said = [part.format(port=port) for part in command]
        arguments = net if name != "BentoML" else []
        env = {"NET": json.dumps(net), "BENTOML_HOME": str(folder), "BENTOML_DO_NOT_TRACK": "True"}
        stack.enter_context(_process([str(python), "-m", *said, *arguments], env))
        makers[name] = lambda port=port: _http_client(port, "/predict", body)
    for name, make in makers.items():
        until(lambda make=make: _answers(make), f"an answer of {name}", 60)
    ways: dict[str, Callable[[], float]] = {
        name: partial(_rate, make, options.clients, options.seconds) for name, make in makers.items()
    }
    return {
        **ways,
        "benchmark_app, the net alone": partial(inferences_a_second, python, net[0], options.seconds),
    }


@dataclass(frozen=True)
class Edged:
    """A running daemon."""

    config: Path
    http: int
    mqtt: int


def _edged(stack: ExitStack, folder: Path, model: str, models: Path, workers: int | str) -> Edged:
    made = Edged(folder / "config.yaml", free_port(), free_port())
    folder.mkdir()
    written = {
        "node": NODE,
        "paths": {"models": str(models), "state": str(folder / "state")},
        "runtime": {"workers": workers},
        "mqtt": {"url": "embedded", "embedded_port": made.mqtt},
        "http": {"listen": f"127.0.0.1:{made.http}"},
        "services": {SERVICE: {"model": model}},
    }
    made.config.write_text(yaml.safe_dump(written))
    stack.enter_context(started(made.config))
    return made


def started(config: Path) -> AbstractContextManager[subprocess.Popen[bytes]]:
    """A daemon of this checkout; it has ended after the block."""
    command = [sys.executable, "-c", "from edged.cli import main; main()", "run", "--quiet", "--config"]
    return _process([*command, str(config)])


def _net(folder: Path, model: str, models: Path, config: Path) -> list[str]:
    """Graph, labels and side of what edged runs, and all cores, for the peers to run the same."""
    from edged.config import reading

    catalogue = open_catalogue(reading.load(config))
    chosen, card = catalogue.choice(model), catalogue.card(model)
    labels = folder / "labels.json"
    labels.write_text(json.dumps(card.class_names()))
    graph = next((models / model / chosen.variant).glob("main.xml"))
    return [str(graph), str(labels), str(card.picture().fixed_size[0]), str(usable_cores())]


@contextmanager
def _process(
    command: list[str], more: Mapping[str, str] = MappingProxyType({})
) -> Iterator[subprocess.Popen[bytes]]:
    env = {**os.environ, "PYTHONPATH": str(ROOT), **more}
    silent = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    process = subprocess.Popen(command, env=env, start_new_session=True, **silent)
    try:
        yield process
    finally:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(20)
        with contextlib.suppress(ProcessLookupError):  # LitServe leaves its workers behind
            os.killpg(process.pid, signal.SIGKILL)


def _http_client(port: int, path: str, body: bytes) -> Ask:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)

    def ask() -> None:
        connection.request("POST", path, body, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        text = answer.read()
        if answer.status != 200 or b"class_probs" not in text:
            raise ConnectionError(f"{path} answered {answer.status}: {text[:200]!r}")

    return ask


def _answers(make: Callable[[], Ask]) -> bool:
    try:
        make()()
    except OSError:
        return False
    return True


def _rate(make: Callable[[], Ask], clients: int, seconds: float) -> float:
    """Answers a second with so many clients, each of which waits for its answer before it asks again."""
    asks = [make() for _ in range(clients)]
    starts_at = time.perf_counter() + WARM_S
    ends_at = starts_at + seconds
    counts = [0] * clients

    def go(client: int) -> None:
        while (now := time.perf_counter()) < ends_at:
            asks[client]()
            counts[client] += now >= starts_at

    threads = [threading.Thread(target=go, args=(client,)) for client in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(counts) / (time.perf_counter() - starts_at)


def _report(rates: dict[str, list[float]], options: argparse.Namespace) -> None:
    medians = {name: statistics.median(values) for name, values in rates.items()}
    facts = asdict(machine())
    if options.json:
        told = {"machine": facts, "model": options.model, "requests_per_s": rates, "median": medians}
        print(json.dumps(told))
        return
    rows = [
        (name, f"{median:.1f}", f"{max(rates[name]):.1f}", f"{median / medians['LitServe']:.2f} x")
        for name, median in medians.items()
    ]
    if options.markdown:
        on = f"{facts['cores']} cores, {facts['max_isa'] or ', '.join(facts['computes_in'])}, {date.today()}"
        rows = [(f"`{options.model}`, {on}", "requests/s", "best", "against LitServe"), ("---",) * 4, *rows]
        print("\n".join(f"| {' | '.join(row)} |" for row in rows))
        return
    table = Table(title=f"{options.model}, {options.clients} clients")
    for column in ("server", "requests/s", "best", "against LitServe"):
        table.add_column(column, justify="left" if column == "server" else "right")
    for row in rows:
        table.add_row(*row)
    Console().print(table)


if __name__ == "__main__":
    main()
