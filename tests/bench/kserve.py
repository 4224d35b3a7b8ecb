"""Tensors for tensors over HTTP and gRPC: how long a client waits, and what the daemon spends on it.

`python -m tests.bench.kserve [MODEL ...] [--models FOLDER] [--rounds 5] [--requests 200]`. One daemon,
Triton's two clients in turn, tensors as bytes: one request at a time, and four at a time over connections of
their own.
"""

import argparse
import os
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from itertools import repeat
from pathlib import Path
from statistics import median

import numpy as np
import tritonclient.grpc as over_grpc
import tritonclient.http as over_http
from rich.console import Console
from rich.table import Table
from tritonclient.utils import triton_to_np_dtype

from tests.broker import free_port, until
from tests.e2e.box import config_text, running

FOUR = 4


class Asker:
    """One client, and the question that it asks."""

    def __init__(self, module, port, model):
        self.client, self.model = module.InferenceServerClient(f"127.0.0.1:{port}"), model
        known = self.client.get_model_metadata(model, **({"as_json": True} if module is over_grpc else {}))
        self.inputs = []
        self.bytes = 0
        for told in known["inputs"]:
            shape = [max(1, int(length)) for length in told["shape"]]
            array = np.ones(shape, triton_to_np_dtype(told["datatype"]))
            self.bytes += array.nbytes
            self.inputs.append(module.InferInput(told["name"], shape, told["datatype"]))
            self.inputs[-1].set_data_from_numpy(array)

    def ask(self):
        began = time.perf_counter()
        self.client.infer(self.model, self.inputs)
        return time.perf_counter() - began

    def several(self, times):
        return [self.ask() for _ in range(times)]


def spent(pid):
    """Seconds of CPU time of a process."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return sum(map(int, fields[11:13])) / os.sysconf("SC_CLK_TCK")


def crowd(way, model, times, together):
    """Questions a second of one of several; its client lives in its own thread."""
    module, port = way
    asker = Asker(module, port, model)
    together.wait()
    return times / sum(asker.several(times))


def measured(asker, way, pid, requests):
    """Median and 95th percentile of one at a time, CPU time each, requests a second of four at a time."""
    before = spent(pid)
    waited = sorted(asker.several(requests))
    each = (spent(pid) - before) / requests
    together = threading.Barrier(FOUR)
    with ThreadPoolExecutor(FOUR) as pool:
        given = (repeat(way), repeat(asker.model), [requests // FOUR] * FOUR, repeat(together))
        rates = pool.map(crowd, *given)
    return median(waited), waited[int(requests * 0.95)], each, sum(rates)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("models", nargs="*", default=["pplcnetv2-base", "picodet-416"])
    parser.add_argument("--models", dest="folder", type=Path, default=Path("models"))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--requests", type=int, default=200)
    options = parser.parse_args()
    http, grpc, broker = free_port(), free_port(), free_port()
    table = Table("model", "over", "ms", "p95", "CPU ms", "a second, four at a time")
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        config = Path(folder) / "config.yaml"
        extra = f"grpc: {{listen: 127.0.0.1:{grpc}}}"
        config.write_text(config_text(options.folder.absolute(), broker, extra=extra, http=http))
        box = stack.enter_context(running(config, broker, "box"))
        until(lambda: box.said("subscribe to:"), "readiness")
        for model in options.models:
            ways = {"HTTP": (over_http, http), "gRPC": (over_grpc, grpc)}
            askers = {name: Asker(module, port, model) for name, (module, port) in ways.items()}
            found: dict[str, list[tuple[float, ...]]] = {name: [] for name in ways}
            for turn in range(options.rounds + 1):
                for name, asker in askers.items():
                    figures = measured(asker, ways[name], box.process.pid, options.requests)
                    found[name] += [figures] if turn else []  # the first one warms up
            for name, rounds in found.items():
                ms, p95, cpu, rate = map(median, zip(*rounds, strict=True))
                size = f"{model}, {askers[name].bytes} bytes"
                cells = (f"{ms * 1e3:.2f}", f"{p95 * 1e3:.2f}", f"{cpu * 1e3:.2f}", f"{rate:.0f}")
                table.add_row(size, name, *cells)
    Console(width=110).print(table)


if __name__ == "__main__":
    main()
