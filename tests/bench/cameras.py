"""How many cameras one box bears: a real daemon with N cameras of 720p, against what decoding and inferring
cost by themselves.

`python -m tests.bench.cameras --cameras 8`: a clip is encoded as cameras do it (720p, 30 frames a second, no
pictures that wait for later ones, a key frame every two seconds), and played N times in real time. What one
camera costs bare, its frames decoded and its inferences made by one thread with nothing around, is measured
first, on one core and on all at once. The bound is the cores divided by that; of it so many cameras can have
the rate that they want, or what decoding leaves of the cores. It judges nothing.
"""

import argparse
import json
import os
import statistics
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from datetime import datetime
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import paho.mqtt.client as paho
import yaml
from paho.mqtt.enums import CallbackAPIVersion
from rich.console import Console
from rich.table import Table

from edged.config import reading
from edged.contracts.slot import Priority
from edged.flow.counters import Counters
from edged.media.frame import VideoFrame
from edged.opening import make_opener
from edged.runtimes.devices import usable_cores
from edged.serving.run import RunHandle
from edged.serving.unit import open_service
from tests.bench.serve import ROOT, started
from tests.broker import free_port, until

SERVICE = "object-detection"
NODE = "bench"
SIZE = 720, 1280
FPS = 30
BARE_S = 2.0
"""How long each cost is measured."""
CLIP_S = 10.0


@dataclass(frozen=True)
class Bare:
    """What decoding and inferring cost with nothing around them, milliseconds."""

    decode_ms: float
    """Of a frame."""
    inference_ms: float
    """Of a frame that is decoded: from its planes to its boxes."""
    crowded: float
    """How many times longer both take while all cores do the same."""

    def seconds(self, every: float) -> float:
        """Of one core, for one second of a camera."""
        return (FPS * self.decode_ms + self.inference_ms / every) / 1000

    def rate(self, cameras: int, cores: int, every: float) -> float:
        """Results a second that each of so many cameras can have: all their frames must be decoded."""
        left_ms = 1000 * cores - cameras * FPS * self.decode_ms
        return max(0.0, min(1 / every, left_ms / (cameras * self.inference_ms)))


@dataclass(frozen=True)
class Measured:
    """What the daemon did."""

    rates: list[float]
    """Results a second of each camera."""
    p50_ms: float
    """From the capture to the message at its reader."""
    p99_ms: float
    cpu: float
    """Cores that the daemon used."""
    box: float
    """Cores that the whole box used."""
    threads: dict[str, tuple[int, float]]
    """By name: how many, and cores that they used."""


def main() -> None:
    """Print the tables, or the same as JSON with `--json`."""
    options = _options()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        clip = encode_clip(options.clip or _own_clip(options.models), folder / "camera.mp4", options.b_frames)
        bare = measure_bare(folder, options.models, options.model, clip)
        found = [
            measure(folder / str(cameras), cameras, options, clip) for cameras in map(int, options.cameras)
        ]
    bound = usable_cores() / bare.seconds(options.every)
    if options.json:
        runs = [asdict(run) | {"of_bound": share(run, bare, options.every)} for run in found]
        print(json.dumps({"bare": asdict(bare), "bound": bound, "runs": runs}))
    else:
        _report(bare, bound, found, options)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="picodet-416", help="a model of " + SERVICE)
    parser.add_argument("--models", type=Path, default=ROOT / "models", help="where it was pulled to")
    parser.add_argument("--clip", type=Path, help="what the cameras show; else the clip of picodet-416")
    parser.add_argument("--cameras", nargs="+", default=["8"], help="how many; one run for each number")
    parser.add_argument("--every", type=float, default=0.2, help="seconds between two inferences of a camera")
    parser.add_argument("--seconds", type=float, default=15.0, help="of one run")
    parser.add_argument("--warm", type=float, default=4.0, help="seconds before them")
    parser.add_argument("--b-frames", type=int, default=0, help="in a row, as films have them")
    parser.add_argument("--gate", type=yaml.safe_load, default={}, help="of each stream, YAML")
    parser.add_argument("--threads", action="store_true", help="print which threads there are")
    parser.add_argument("--json", action="store_true")
    return parser.parse_args()


def _own_clip(models: Path) -> Path:
    return next(models.glob("weights/**/bikes.mp4"))


def encode_clip(source: Path, target: Path, b_frames: int) -> Path:
    """`CLIP_S` seconds of it at 720p30, as a camera sends them: 2.5 Mbit/s, a key frame every two seconds."""
    options = {"g": str(2 * FPS), "bf": str(b_frames), "preset": "veryfast", "sc_threshold": "0"}
    with av.open(str(target), "w") as container:
        stream = container.add_stream("libx264", rate=FPS, options=options)
        stream.height, stream.width, stream.pix_fmt, stream.bit_rate = *SIZE, "yuv420p", 2_500_000
        stream.codec_context.thread_count = 2
        for number, frame in enumerate(_pictures(source, int(CLIP_S * FPS))):
            shown = frame.reformat(width=SIZE[1], height=SIZE[0], format="yuv420p")
            shown.pts, shown.time_base = number, Fraction(1, FPS)
            shown.pict_type = av.video.frame.PictureType.NONE
            container.mux(stream.encode(shown))
        container.mux(stream.encode(None))
    return target


def _pictures(source: Path, count: int) -> list[av.VideoFrame]:
    found: list[av.VideoFrame] = []
    while len(found) < count:
        with av.open(str(source)) as container:
            found += container.decode(video=0)
    return found[:count]


def measure_bare(folder: Path, models: Path, model: str, clip: Path) -> Bare:
    """Decode and infer with one thread, and then with one a core."""
    path = folder / "bare.yaml"
    path.write_text(yaml.safe_dump({"paths": {"models": str(models), "state": str(folder / "bare")}}))
    settings = reading.load(path)
    opener = make_opener(settings, Counters())
    served = open_service(SERVICE, settings.service(SERVICE).model_copy(update={"model": model}), opener)

    def decoding() -> Callable[[], int]:
        def decode() -> int:
            with av.open(str(clip)) as container:
                container.streams.video[0].codec_context.thread_count = 1
                return sum(1 for _ in container.decode(video=0))

        return decode

    def inferring() -> Callable[[], int]:
        decoded = _pictures(clip, 16)  # no two threads may touch one of them

        def infer() -> int:
            for frame in decoded:
                item = VideoFrame(frame, 0.0, 0)
                served.instance.infer(item, served.options, RunHandle(), Priority.FRAME)
            return len(decoded)

        return infer

    costs = [
        [_seconds_each(make, threads) for make in (decoding, inferring)] for threads in (1, usable_cores())
    ]
    opener.release(served.instance)
    (decode, infer), crowd = costs
    a_picture = FPS / 5
    crowded = (a_picture * crowd[0] + crowd[1]) / (a_picture * decode + infer)
    return Bare(decode * 1000, infer * 1000, crowded)


def _seconds_each(make: Callable[[], Callable[[], int]], threads: int) -> float:
    """Of one item, while so many threads do the same; `make` gives each what does some and says how many."""
    works = [make() for _ in range(threads)]
    for work in works:
        work()
    done: list[tuple[float, int]] = []

    def go(work: Callable[[], int]) -> None:
        began, items = time.perf_counter(), 0
        while time.perf_counter() - began < BARE_S:
            items += work()
        done.append((time.perf_counter() - began, items))

    running = [threading.Thread(target=go, args=(work,)) for work in works]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()
    return sum(seconds for seconds, _ in done) / sum(items for _, items in done)


def measure(folder: Path, cameras: int, options: argparse.Namespace, clip: Path) -> Measured:
    """Run a daemon with so many cameras, and listen to it."""
    folder.mkdir()
    port = free_port()
    streams = {f"camera-{i}": _stream(clip, options) for i in range(cameras)}
    config = {
        "node": NODE,
        "paths": {"models": str(options.models.resolve()), "state": str(folder / "state")},
        "mqtt": {"url": "embedded", "embedded_port": port},
        "http": {"listen": f"127.0.0.1:{free_port()}"},
        "services": {SERVICE: {"model": options.model}},
        "streams": streams,
    }
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    with ExitStack() as stack:
        process = stack.enter_context(started(folder / "config.yaml"))
        listener = Listener(port)
        stack.callback(listener.close)
        until(lambda: listener.streams() == cameras, "a result of every camera")
        time.sleep(options.warm)
        before, cpu, box, at = _threads_of(process.pid), _cpu(process.pid), _box(), time.time()
        listener.heard.clear()
        time.sleep(options.seconds)
        heard, seconds = listener.heard.copy(), time.time() - at
        threads = _used(before, _threads_of(process.pid), seconds)
        used, whole = (_cpu(process.pid) - cpu) / seconds, (_box() - box) / seconds
    rates, late = _heard(heard, seconds, streams)
    return Measured(rates, *late, used, whole, threads)


def _stream(clip: Path, options: argparse.Namespace) -> dict[str, Any]:
    run = [{SERVICE: {"every": options.every}}]
    return {"source": str(clip), "loop": True, "gate": options.gate, "run": run}


class Listener:
    """Hears every result, and does nothing with it."""

    def __init__(self, port: int) -> None:
        self.heard: list[tuple[float, str, bytes]] = []
        """When, on which topic, what."""
        self._client = paho.Client(CallbackAPIVersion.VERSION2, protocol=paho.MQTTv5)
        self._client.on_message = self._hear
        self._client.on_connect = lambda client, *_: client.subscribe(f"edged/{NODE}/stream/+/{SERVICE}")
        until(lambda: self._connected(port), "a connection to the broker")
        self._client.loop_start()

    def streams(self) -> int:
        """Of so many there were results."""
        return len({topic for _, topic, _ in self.heard.copy()})

    def close(self) -> None:
        """Hear no more."""
        self._client.disconnect()
        self._client.loop_stop()

    def _hear(self, _client: paho.Client, _user: object, message: paho.MQTTMessage) -> None:
        self.heard.append((time.time(), message.topic, message.payload))

    def _connected(self, port: int) -> bool:
        try:
            self._client.connect("127.0.0.1", port)
        except OSError:
            return False
        return True


def _heard(
    heard: Sequence[tuple[float, str, bytes]], seconds: float, streams: Iterable[str]
) -> tuple[list[float], tuple[float, float]]:
    """Results a second of each stream; median and 99th percentile of how late they came, milliseconds."""
    counted = Counter(topic.split("/")[3] for _, topic, _ in heard)
    late = [at - _captured(body) for at, _, body in heard] or [float("nan")]
    p50, p99 = np.percentile(late, [50, 99]) * 1000
    return [counted[name] / seconds for name in streams], (float(p50), float(p99))


def _captured(body: bytes) -> float:
    return datetime.fromisoformat(json.loads(body)["captured_at"]).timestamp()


def _cpu(process: int) -> float:
    """Seconds that it has used, with all threads that it ever had."""
    return _ticks(Path(f"/proc/{process}/stat"))[1]


def _ticks(stat: Path) -> tuple[str, float]:
    """Name, and seconds used, of a process or thread."""
    name, _, rest = stat.read_text().partition("(")[2].rpartition(")")
    return name, sum(map(int, rest.split()[11:13])) / os.sysconf("SC_CLK_TCK")


def _threads_of(process: int) -> dict[tuple[str, str], float]:
    """Seconds that each thread has used, by its id and name."""
    tasks = {task.name: _ticks(task / "stat") for task in Path(f"/proc/{process}/task").iterdir()}
    return {(task, name): used for task, (name, used) in tasks.items()}


def _used(
    before: Mapping[tuple[str, str], float], after: Mapping[tuple[str, str], float], seconds: float
) -> dict[str, tuple[int, float]]:
    """How many threads of each name there are, and cores that they used."""
    found: dict[str, tuple[int, float]] = {}
    for key, used in after.items():
        name = key[1].rstrip("0123456789")
        count, cores = found.get(name, (0, 0.0))
        found[name] = count + 1, cores + (used - before.get(key, 0.0)) / seconds
    return found


def _box() -> float:
    """Seconds of all cores that were not idle since the start of the box."""
    numbers = list(map(int, Path("/proc/stat").read_text().split("\n")[0].split()[1:9]))
    return (sum(numbers) - numbers[3] - numbers[4]) / os.sysconf("SC_CLK_TCK")


def share(run: Measured, bare: Bare, every: float) -> float:
    """Of what so many cameras can have; not a number where decoding leaves nothing."""
    rate = bare.rate(len(run.rates), usable_cores(), every)
    return min(1.0, statistics.mean(run.rates) / rate) if rate else float("nan")


def _report(bare: Bare, bound: float, found: Sequence[Measured], options: argparse.Namespace) -> None:
    console = Console(width=150)
    console.print(
        f"bare: {bare.decode_ms:.2f} ms a frame, {bare.inference_ms:.2f} ms an inference of {options.model}; "
        f"{usable_cores()} cores bear {bound:.1f} cameras (busy all at once: {bound / bare.crowded:.1f})"
    )
    table = Table()
    for column in (
        "cameras",
        "results/s each",
        "least",
        "p50 ms",
        "p99 ms",
        "over bare",
        "cores",
        "box",
        "threads",
    ):
        table.add_column(column, justify="right")
    table.add_column("of the bound", justify="right")
    alone = bare.decode_ms + bare.inference_ms
    for run in found:
        table.add_row(
            *(str(len(run.rates)), f"{statistics.mean(run.rates):.2f}", f"{min(run.rates):.2f}"),
            *(f"{run.p50_ms:.1f}", f"{run.p99_ms:.1f}", f"{run.p99_ms - alone:.1f}"),
            *(f"{run.cpu:.2f}", f"{run.box:.2f}", str(sum(count for count, _ in run.threads.values()))),
            f"{share(run, bare, options.every):.2f}",
        )
    console.print(table)
    if options.threads:
        for run in found:
            _report_threads(console, run)


def _report_threads(console: Console, run: Measured) -> None:
    table = Table(title=f"{len(run.rates)} cameras")
    for column in ("threads", "how many", "cores"):
        table.add_column(column, justify="left" if column == "threads" else "right")
    for name, (count, cores) in sorted(run.threads.items(), key=lambda of: -of[1][1]):
        table.add_row(name, str(count), f"{cores:.3f}")
    console.print(table)


if __name__ == "__main__":
    main()
