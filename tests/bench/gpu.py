"""What a GPU gives: `tests/gpu.sh`, or `python -m tests.bench.gpu [--models FOLDER] [--out FOLDER] [MODEL]`.

For each derived ONNX Runtime f32 graph: the CPU, the GPU by edged's own way (a child that may die), the GPU
without it, what the CPU had to run of it, and whether the answers agree. Then two threads at once, and the
child killed amid runs. Each graph has a process and a deadline of its own; what is known is printed at once.
"""

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from edged.cards import load_card
from edged.contracts.card import Graph, ModelCard
from edged.contracts.graph_input import PictureInput
from edged.contracts.model import Session, Tensors
from edged.derive.fold import channels
from edged.flow.footprint import pss_of
from edged.runtimes.devices import Concurrency, devices, usable_cores
from edged.runtimes.gpu import gpu
from edged.runtimes.opening import open_session, spared
from edged.runtimes.remote import RemoteSession, SparedSession

ROOT = Path(__file__).parents[2]
VARIANT = "onnxruntime-f32"
SIDE = 320
"""Pixels, where a graph takes pictures of any size."""
DTYPES = {"f32": np.float32, "i64": np.int64, "i32": np.int32, "u8": np.uint8}
SECONDS, LEAST = 1.5, 5
"""A way is measured for so long, but so many times at least."""
TIMES = ("cpu ms", "gpu ms", "bare ms", "f16 ms")
COLUMNS = (
    "graph",
    *TIMES,
    "max diff",
    "cosine",
    "f16 cosine",
    "open s",
    "first s",
    "MB",
    "on the cpu",
    "why",
)


def main() -> None:
    """All of it."""
    asked = arguments()
    if asked.part:
        sys.exit(PARTS[asked.part](asked.models, *asked.names))
    print(f"gpu: {gpu()}")
    for device in devices():
        print(f"device: {device}")
    rows = [row for card in cards(asked) for row in graphs(card, asked)]
    checks = [told(asked, part) for part in ("threads", "killed")]
    if asked.out:
        found = {"gpu": str(gpu()), "rows": rows, "checks": checks}
        (asked.out / "gpu.json").write_text(json.dumps(found, indent=1))
    print(table(rows))
    for check in checks:
        print(check)


def arguments() -> argparse.Namespace:
    """What was typed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help="ids of models; none: all that are derived")
    parser.add_argument("--models", type=Path, default=ROOT / "models", help="folder of the derived models")
    parser.add_argument("--out", type=Path, help="folder for gpu.json")
    parser.add_argument("--deadline", type=float, default=60.0, help="seconds for a graph")
    parser.add_argument("--part", choices=sorted(PARTS), help=argparse.SUPPRESS)
    return parser.parse_args()


def cards(asked: argparse.Namespace) -> list[ModelCard]:
    """Of the models that are derived, small ones first."""
    found = [load_card(path) for path in sorted((ROOT / "plugins").glob("*/card*.yaml"))]
    wanted = [card for card in found if not asked.names or card.id in asked.names]
    sizes = {card.id: size_of(asked.models / card.id / VARIANT) for card in wanted}
    return sorted((card for card in wanted if sizes[card.id]), key=lambda card: sizes[card.id])


def size_of(folder: Path) -> int:
    """Bytes of what lies in it."""
    return sum(file.stat().st_size for file in folder.glob("*"))


def graphs(card: ModelCard, asked: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """A row for each graph of a model."""
    for name in card.graphs:
        row = told(asked, "graph", card.id, name)
        yield row
        print(table([row], head=False), flush=True)


def told(asked: argparse.Namespace, part: str, *names: str) -> dict[str, Any]:
    """What a part says in a process of its own until its deadline: JSON, line after line."""
    command = [sys.executable, "-m", "tests.bench.gpu", "--part", part, "--models", str(asked.models), *names]
    row: dict[str, Any] = {"graph": "/".join(names) or part}
    started = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True)
    timer = threading.Timer(asked.deadline, os.killpg, (started.pid, signal.SIGKILL))
    timer.start()
    assert started.stdout is not None
    for line in started.stdout:
        row |= json.loads(line)
    if (code := started.wait()) != 0:
        row["why"] = f"it ended with {code}" if timer.is_alive() else f"not over after {asked.deadline:g} s"
    timer.cancel()
    return row


def say(**facts: Any) -> None:
    """A line for who waits."""
    print(json.dumps(facts), flush=True)


def graph(models: Path, model: str, name: str) -> int:
    """One graph, in all ways."""
    card = next(c for p in (ROOT / "plugins").glob("*/card*.yaml") if (c := load_card(p)).id == model)
    path, inputs = models / model / VARIANT / f"{name}.onnx", made_up(card.graphs[name])
    shared = Concurrency(1, usable_cores())
    cpu = open_session(path, VARIANT, "cpu", shared)
    right = cpu.run(inputs)
    say(**{"cpu ms": timed(cpu, inputs)})
    began = time.perf_counter()
    remote = open_session(path, VARIANT, "gpu", shared)
    assert isinstance(remote, RemoteSession)
    opened = time.perf_counter()
    found = remote.run(inputs)
    ran = time.perf_counter()
    say(
        **{"open s": round(opened - began, 2), "first s": round(ran - opened, 2), "on the cpu": remote.fallen}
    )
    say(**agreement(right, found))
    say(
        **{
            "gpu ms": timed(remote, inputs),
            "MB": pss_of(remote.process_id or 0) // 1_000_000,
            "gpu MB": used(),
        }
    )
    del remote
    bare(path, inputs, shared)
    halved(path, inputs, right, shared)
    return 0


def used() -> int | None:
    """Megabytes of the GPU's memory that are in use, by whomever, where NVIDIA's tool tells it."""
    if (tool := shutil.which("nvidia-smi")) is None:
        return None
    query = [tool, "--query-gpu=memory.used", "--format=csv,noheader,nounits"]
    return int(subprocess.run(query, capture_output=True, text=True, check=True).stdout.split()[0])


def bare(path: Path, inputs: Tensors, shared: Concurrency) -> None:
    """On the GPU within this process."""
    from edged.runtimes.webgpu import WebGpuSession

    say(**{"bare ms": timed(WebGpuSession(path, "gpu", "f32", shared), inputs)})


def halved(path: Path, inputs: Tensors, right: Tensors, shared: Concurrency) -> None:
    """The same in f16, which no variant of ours has yet."""
    import onnx
    from onnxruntime.transformers.float16 import convert_float_to_float16

    from edged.runtimes.webgpu import WebGpuSession

    half = path.with_suffix(".f16.onnx")
    try:
        onnx.save(convert_float_to_float16(onnx.load(path), keep_io_types=True), half)
        session = WebGpuSession(half, "gpu", "f32", shared)
        found = agreement(right, session.run(inputs))
        say(**{"f16 ms": timed(session, inputs), "f16 cosine": found["cosine"]})
    except Exception as error:  # noqa: BLE001 - a try, on whatever graph
        say(**{"f16": f"{type(error).__name__}: {error}"[:200]})
    finally:
        half.unlink(missing_ok=True)


def made_up(graph: Graph) -> Tensors:
    """Inputs of the right types and shapes: smooth pictures, noise."""
    numbers = np.random.default_rng(1)
    inputs: Tensors = {}
    for name, spec in graph.inputs.items():
        if isinstance(spec, PictureInput):
            height, width = (length or SIDE for length in spec.size)
            rows, columns = np.mgrid[:height, :width][..., None]
            wave = np.sin(rows / 17) + np.cos(columns / 23 + np.arange(channels(spec)))
            inputs[name] = (wave * 50 + 128).astype(np.uint8)[None]
        else:
            shape = [length if length > 0 else 8 for length in spec.shape]
            kind = DTYPES[spec.dtype]
            inputs[name] = (
                numbers.normal(0, 1, shape).astype(kind) if spec.dtype == "f32" else np.ones(shape, kind)
            )
    return inputs


def timed(session: Session, inputs: Tensors) -> float:
    """Median of a run, milliseconds."""
    session.run(inputs)
    taken: list[float] = []
    while sum(taken) < SECONDS or len(taken) < LEAST:
        began = time.perf_counter()
        session.run(inputs)
        taken.append(time.perf_counter() - began)
        if sum(taken) > 4 * SECONDS:
            break
    return round(median(taken) * 1000, 2)


def agreement(right: Tensors, found: Tensors) -> dict[str, Any]:
    """How far the answers are apart: the largest difference, and the worst cosine of an output."""
    differences, cosines = [0.0], [1.0]
    for name, values in right.items():
        a, b = (np.asarray(one, np.float64).ravel() for one in (values, found[name]))
        if a.shape != b.shape:
            return {"max diff": None, "cosine": None, "why": f"{name}: {values.shape}, {found[name].shape}"}
        differences.append(float(np.abs(a - b).max(initial=0)))
        if (length := float(np.linalg.norm(a) * np.linalg.norm(b))) > 0:
            cosines.append(float(a @ b / length))
    return {"max diff": float(f"{max(differences):.3g}"), "cosine": round(min(cosines), 6)}


def smallest(models: Path, count: int) -> list[tuple[Path, Tensors]]:
    """The smallest graphs with what they eat."""
    found = []
    for card in (load_card(path) for path in (ROOT / "plugins").glob("*/card*.yaml")):
        for name, spec in card.graphs.items():
            if (path := models / card.id / VARIANT / f"{name}.onnx").exists() and card.id != "silero-vad":
                found.append((path.stat().st_size, path, made_up(spec)))
    return [(path, inputs) for _, path, inputs in sorted(found, key=lambda one: one[0])[:count]]


def threads(models: Path) -> int:
    """Four threads on two graphs at once: every answer is the one of a thread alone."""
    shared = Concurrency(2, max(1, usable_cores() // 2))
    opened = [(open_session(path, VARIANT, "gpu", shared), inputs) for path, inputs in smallest(models, 2)]
    wanted = [session.run(inputs) for session, inputs in opened]
    counts, until = [0, 0], time.monotonic() + 5

    def work(number: int) -> None:
        session, inputs = opened[number % len(opened)]
        while time.monotonic() < until:
            found = session.run(inputs)
            same = all(
                np.allclose(found[n], v, rtol=1e-3, atol=1e-3)
                for n, v in wanted[number % len(opened)].items()
            )
            counts[0 if same else 1] += 1

    together(work, 4)
    say(same=counts[0], other=counts[1])
    return 0


def killed(models: Path) -> int:
    """The child is killed twice amid runs: no run fails, and the GPU is back after a while."""
    shared = Concurrency(2, max(1, usable_cores() // 2))
    (path, inputs), *_ = smallest(models, 1)
    remote = open_session(path, VARIANT, "gpu", shared)
    session = spared(remote, path, VARIANT, shared, lambda error: None)
    assert isinstance(remote, RemoteSession) and isinstance(session, SparedSession)
    wanted, ran, failed = session.run(inputs), {"gpu": 0, "cpu": 0}, []
    until = time.monotonic() + 15

    def work(_: int) -> None:
        while time.monotonic() < until:
            try:
                found = session.run(inputs)
                assert all(np.allclose(found[n], v, rtol=1e-2, atol=1e-2) for n, v in wanted.items())
                ran[session.device] += 1
            except Exception as error:  # noqa: BLE001 - it is counted
                failed.append(f"{type(error).__name__}: {error}")

    def kill(number: int) -> None:
        if number < 2:
            return work(number)
        for _ in range(2):
            time.sleep(2)
            os.kill(remote.process_id or 0, signal.SIGKILL)
            began = time.monotonic()
            while session.device == "gpu" and time.monotonic() < until:
                time.sleep(0.001)
            while session.device == "cpu" and time.monotonic() < until:
                time.sleep(0.001)
            back.append(round(time.monotonic() - began, 2))
        return None

    back: list[float] = []
    together(kill, 3)
    say(ran=ran, failed=failed[:3], failures=len(failed), back_after_s=back)
    return 0


def together(work: Callable[[int], None], count: int) -> None:
    """So many threads; what one raises is printed, and the others go on."""
    running = [threading.Thread(target=work, args=(number,)) for number in range(count)]
    for one in running:
        one.start()
    for one in running:
        one.join()


PARTS: dict[str, Callable[..., int]] = {"graph": graph, "threads": threads, "killed": killed}


def table(rows: list[dict[str, Any]], head: bool = True) -> str:
    """Of Markdown."""
    lines = [f"| {' | '.join(COLUMNS)} |", "|---" * len(COLUMNS) + "|"] if head else []
    return "\n".join(
        [*lines, *(f"| {' | '.join(cell(row.get(column)) for column in COLUMNS)} |" for row in rows)]
    )


def cell(value: object) -> str:
    """As text."""
    if isinstance(value, dict):
        return ", ".join(f"{count} {name}" for name, count in value.items()) or "nothing"
    return "-" if value is None else str(value)


if __name__ == "__main__":
    main()
