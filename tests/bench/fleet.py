"""How far one broker carries: a thousand nodes' worth of info, health and stream states at a mosquitto.

`python -m tests.bench.fleet [--nodes 1000] [--streams 8]`. Each node has a connection and a last will of its
own; they live in one process, so what they can send is what Python can. Told: how long until the broker has
all; what it retains and holds in memory; how long `edged fleet` takes until it shows all; the CPU time of the
broker at the pace of a fleet (health every 30 s), with one who watches; how many messages a second it takes
at the most, as far as this process can send.
"""

import argparse
import json
import os
import subprocess
import tempfile
import time
from dataclasses import asdict
from pathlib import Path

from edged.bench.machine import machine
from edged.fleet.board import Board
from edged.fleet.lookout import Lookout
from edged.mqtt.settings import MqttSettings
from tests.broker import Mosquitto, until
from tests.e2e.box import EDGED, ROOT
from tests.fleet.crowd import Crowd
from tests.fleet.nodes import told

HEALTH_EVERY_S = 30.0
STEADY_S = 30.0
BURST = 20_000
_TICKS = os.sysconf("SC_CLK_TCK")


def main() -> None:
    """Print the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--nodes", type=int, default=1000)
    parser.add_argument("--streams", type=int, default=8)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as named:
        folder = Path(named)
        broker = Mosquitto(
            folder, "max_queued_messages 1000", "persistence true", f"persistence_location {folder}/"
        )
        broker.start()
        try:
            figures = _measure(folder, broker, options.nodes, options.streams)
        finally:
            broker.stop()
        figures["persisted_bytes"] = (folder / "mosquitto.db").stat().st_size
    print(json.dumps({**asdict(machine()), **figures}, indent=1))


def _measure(folder: Path, broker: Mosquitto, nodes: int, streams: int) -> dict[str, float]:
    found: dict[str, float] = {"nodes": nodes, "streams_each": streams}
    pid = broker.pid
    began = time.monotonic()
    with Crowd(broker.port, nodes, streams) as crowd:
        found["connected_s"] = time.monotonic() - began
        began = time.monotonic()
        sent = crowd.tell_all()
        until(lambda: crowd.acknowledged >= sent, "all is told", 120)
        found["messages_retained"] = sent
        found["told_s"] = time.monotonic() - began
        found["retained_bytes"] = _size(crowd)
        found["broker_rss_bytes"] = _rss(pid)
        for version in ("5", "3.1.1"):
            found[f"fleet_command_s_{version}"], found[f"complete_{version}"] = _command(
                folder, broker.url, version, nodes, streams
            )
        board = Board()
        lookout = Lookout(MqttSettings(url=broker.url), board)
        began = time.monotonic()
        lookout.start()
        until(lambda: _complete(board, nodes, streams), "the board has all")
        found["board_complete_s"] = time.monotonic() - began
        found["steady_messages_a_second"], found["steady_broker_cores"] = _steady(crowd, pid)
        lookout.stop()
        found["burst_messages_a_second"], found["burst_broker_cores"] = _burst(crowd, pid)
    return found


def _size(crowd: Crowd) -> int:
    """Bytes of topics and payloads that are retained."""
    states = dict.fromkeys(crowd.cameras, crowd.well)
    return sum(len(topic) + len(payload) for name in crowd.names for topic, payload in told(name, **states))


def _complete(board: Board, nodes: int, streams: int) -> bool:
    rows = board.rows()
    return len(rows) == nodes and all(
        row.online and row.version and row.clock and row.streams == streams for row in rows
    )


def _command(folder: Path, url: str, version: str, nodes: int, streams: int) -> tuple[float, bool]:
    """Seconds of `edged fleet --json`, two of which it waits for more; and whether all is in it."""
    config = folder / "config.yaml"
    config.write_text(json.dumps({"mqtt": {"url": url, "version": version}}))
    began = time.monotonic()
    done = subprocess.run(
        [*EDGED, "fleet", "-c", str(config), "--json"],
        capture_output=True,
        check=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    took = time.monotonic() - began
    rows = json.loads(done.stdout)
    return took, len(rows) == nodes and all(
        row["online"] and row["version"] and row["clock"] and row["streams"] == streams for row in rows
    )


def _steady(crowd: Crowd, pid: int) -> tuple[float, float]:
    """The pace of a fleet: each node's health every 30 s, and one stream of it that changes."""
    before, began, sent = _cpu(pid), time.monotonic(), 0
    pause = HEALTH_EVERY_S / len(crowd.names)
    while (now := time.monotonic()) < began + STEADY_S:
        name = crowd.names[sent // 2 % len(crowd.names)]
        crowd.tell_health(name)
        crowd.tell_state(name, crowd.cameras[0], crowd.well)
        sent += 2
        time.sleep(max(0.0, now + pause - time.monotonic()))
    took = time.monotonic() - began
    return sent / took, (_cpu(pid) - before) / took


def _burst(crowd: Crowd, pid: int) -> tuple[float, float]:
    """As many as this process can send, all acknowledged."""
    known, before, began = crowd.acknowledged, _cpu(pid), time.monotonic()
    for number in range(BURST):
        crowd.tell_health(crowd.names[number % len(crowd.names)])
    until(lambda: crowd.acknowledged >= known + BURST, "all is told", 120)
    took = time.monotonic() - began
    return BURST / took, (_cpu(pid) - before) / took


def _cpu(pid: int) -> float:
    """Seconds that the process has had."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def _rss(pid: int) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmRSS"))


if __name__ == "__main__":
    main()
