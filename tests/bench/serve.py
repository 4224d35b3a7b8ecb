"""How many requests a second: edged over HTTP and MQTT, LitServe and bare Starlette, side by side in one run.

`python -m tests.bench.serve --jpeg FILE` where LitServe is installed (`pip install litserve`). The same net,
the same JPEG, four clients. LitServe has one worker, Starlette one thread, with all cores for one inference;
edged is one process, once as it is shipped and once with one inference at a time. They take turns; the table
shows the median and the best of the rounds, and how many times LitServe's the median is. It judges nothing.
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
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import yaml
from rich.console import Console
from rich.table import Table

from edged.opening import open_catalogue
from edged.runtimes.devices import usable_cores
from tests.bench.mqtt_client import MqttClient
from tests.broker import free_port, until

ROOT = Path(__file__).parent.parent.parent
SERVICE = "image-classification"
NODE = "bench"
WARM_S = 1.0

Ask = Callable[[], None]
"""One request and its answer; raises when the answer is not good."""


def main() -> None:
    """Print the table, and the same as JSON with `--json`."""
    options = _options()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        body = json.dumps({"image": base64.b64encode(options.jpeg.read_bytes()).decode()}).encode()
        makers = _servers(stack, folder, options.model, options.models, body)
        rates: dict[str, list[float]] = {name: [] for name in makers}
        for _ in range(options.rounds):
            for name, make in makers.items():
                rates[name].append(_rate(make, options.clients, options.seconds))
    _report(rates, options)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="efficientnet-lite0-int8", help="a model of " + SERVICE)
    parser.add_argument("--models", type=Path, default=ROOT / "models", help="where it was pulled to")
    parser.add_argument("--jpeg", type=Path, required=True, help="the picture that every request brings")
    parser.add_argument("--clients", type=int, default=4)
    parser.add_argument("--seconds", type=float, default=8.0, help="of one turn")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    return parser.parse_args()


def _servers(
    stack: ExitStack, folder: Path, model: str, models: Path, body: bytes
) -> dict[str, Callable[[], Ask]]:
    """Start all of them; by name, what makes one client."""
    path = f"/api/predict/{SERVICE}"
    shipped = _edged(stack, folder / "shipped", model, models, "auto")
    single = _edged(stack, folder / "single", model, models, 1)
    makers: dict[str, Callable[[], Ask]] = {
        "edged, HTTP": lambda: _http_client(shipped.http, path, body),
        "edged, MQTT 5": lambda: MqttClient(shipped.mqtt, f"edged/{NODE}/request/{SERVICE}", body).ask,
        "edged, HTTP, runtime.workers: 1": lambda: _http_client(single.http, path, body),
    }
    net = _net(folder, model, models, shipped.config)
    for kind in ("litserve", "starlette"):
        port = free_port()
        stack.enter_context(_process([sys.executable, "-m", f"tests.bench.{kind}_peer", str(port), *net]))
        makers[kind] = lambda port=port: _http_client(port, "/predict", body)
    for name, make in makers.items():
        until(lambda make=make: _answers(make), f"an answer of {name}")
    return makers


@dataclass(frozen=True)
class Edged:
    """A running daemon."""

    config: Path
    http: int
    mqtt: int


def _edged(stack: ExitStack, folder: Path, model: str, models: Path, workers: int | str) -> Edged:
    made = Edged(folder / "config.yaml", free_port(), free_port())
    folder.mkdir()
    config = {
        "node": NODE,
        "paths": {"models": str(models), "state": str(folder / "state")},
        "runtime": {"workers": workers},
        "mqtt": {"url": "embedded", "embedded_port": made.mqtt},
        "http": {"listen": f"127.0.0.1:{made.http}"},
        "services": {SERVICE: {"model": model}},
    }
    made.config.write_text(yaml.safe_dump(config))
    stack.enter_context(started(made.config))
    return made


def started(config: Path) -> AbstractContextManager[subprocess.Popen[bytes]]:
    """A daemon of this checkout; it has ended after the block."""
    command = [sys.executable, "-c", "from edged.cli import main; main()", "run", "--quiet", "--config"]
    return _process([*command, str(config)])


def _net(folder: Path, model: str, models: Path, config: Path) -> list[str]:
    """Graph, labels and side of what edged runs, and all cores, for the peers to run the same."""
    from edged import config as configuration

    catalogue = open_catalogue(configuration.load(config))
    chosen, card = catalogue.choice(model), catalogue.card(model)
    labels = folder / "labels.json"
    labels.write_text(json.dumps(card.class_names()))
    graph = next((models / model / chosen.variant).glob("main.xml"))
    return [str(graph), str(labels), str(card.picture().fixed_size[0]), str(usable_cores())]


@contextmanager
def _process(command: list[str]) -> Iterator[subprocess.Popen[bytes]]:
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
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
    if options.json:
        print(json.dumps({"model": options.model, "requests_per_s": rates, "median": medians}))
        return
    table = Table(title=f"{options.model}, {options.clients} clients")
    for column in ("server", "requests/s", "best", "against LitServe"):
        table.add_column(column, justify="left" if column == "server" else "right")
    for name, median in medians.items():
        ratio = median / medians["litserve"]
        table.add_row(name, f"{median:.1f}", f"{max(rates[name]):.1f}", f"{ratio:.2f} x")
    Console().print(table)


if __name__ == "__main__":
    main()
