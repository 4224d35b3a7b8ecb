"""How near a box comes to what decoding and inferring cost by themselves.

`python -m tests.bench.cameras 1 8 [--model picodet-416] [--rate 5] [--window 15s] [--json]`: rounds of
`edged bench --capacity`, of so many cameras each, and what one picture and one inference cost bare, in one
thread with nothing around. The bound is the cores divided by that; what the daemon takes beyond it is the
rest. It judges nothing.
"""

import argparse
import io
import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import av
from rich.console import Console
from rich.table import Table

from edged.bench.box import ScratchBox, scratch_box
from edged.bench.camera_trial import CLIP_S, SIZE, CameraRound, CameraTerms, CameraTrial, camera_trial
from edged.bench.clip import FPS, encoded
from edged.config.settings import Config
from edged.contracts.settings import seconds
from edged.contracts.slot import Priority
from edged.flow.counters import Counters
from edged.media.frame import VideoFrame
from edged.opening import make_opener
from edged.runtimes.devices import usable_cores
from edged.serving.run import RunHandle
from edged.serving.unit import ServiceSettings, open_service

SERVICE = "object-detection"
BARE_S = 3.0
"""How long each cost is measured."""


@dataclass(frozen=True)
class Bare:
    """What decoding and inferring cost with nothing around them, milliseconds of CPU."""

    decode_ms: float
    """Of a frame, from its packets on."""
    inference_ms: float
    """Of a frame that is decoded: from its planes to its boxes."""

    def cores(self, frames: float, results: float) -> float:
        """What so many of each a second take."""
        return (frames * self.decode_ms + results * self.inference_ms) / 1000


@dataclass(frozen=True)
class Account:
    """What became of the cores in one round."""

    round: CameraRound
    decode: float
    """Cores that its frames take bare."""
    inference: float
    """Cores that its results take bare."""
    rest: float
    """Cores that the daemon and its broker took beyond these."""
    over_bare_ms: float
    """By so much all but one in a hundred results are older than a decoding and an inference."""
    threads: int
    """Of the daemon."""


def main() -> None:
    """Print the table, or the same as JSON with `--json`."""
    options = _options()
    settings = Config.model_validate({"paths": {"models": str(options.models)}})
    service = ServiceSettings(model=options.model)
    bare = measured_bare(settings, service, encoded(SIZE, CLIP_S))
    terms = CameraTerms(options.rate, 1.0, seconds(options.window), max(options.cameras))
    with scratch_box(settings, {SERVICE: service}) as box, camera_trial(box, SERVICE, terms) as trial:
        accounts = [account(box, trial, cameras, bare) for cameras in options.cameras]
    bound = usable_cores() / bare.cores(FPS, options.rate)
    if options.json:
        facts = {"bare": asdict(bare), "bound": bound, "accounts": [asdict(one) for one in accounts]}
        print(json.dumps(facts))
    else:
        _show(bare, bound, accounts)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("cameras", nargs="+", type=int, help="how many; one round for each number")
    parser.add_argument("--model", default="picodet-416", help="a model of " + SERVICE)
    parser.add_argument("--models", type=Path, default=Path("models"), help="where it was pulled to")
    parser.add_argument("--rate", type=float, default=5.0, help="inferences a second of each camera")
    parser.add_argument("--window", default="15s", help="each round is measured so long")
    parser.add_argument("--json", action="store_true")
    return parser.parse_args()


def measured_bare(settings: Config, service: ServiceSettings, clip: list[bytes]) -> Bare:
    """In one thread. Raises `EdgedError` where the model cannot be opened."""
    opener = make_opener(settings, Counters())
    served = open_service(SERVICE, service, opener)
    decoded = _decoded(clip)

    def infer() -> int:
        for frame in decoded[:FPS]:
            item = VideoFrame(frame, 0.0, 0)
            served.instance.infer(item, served.options, RunHandle(), Priority.FRAME)
        return FPS

    costs = _seconds_each(lambda: len(_decoded(clip))), _seconds_each(infer)
    opener.release(served.instance)
    return Bare(*(round(cost * 1000, 3) for cost in costs))


def _decoded(clip: list[bytes]) -> list[av.VideoFrame]:
    with av.open(io.BytesIO(b"".join(clip)), "r", format="mpegts") as container:
        container.streams.video[0].codec_context.thread_count = 1
        return list(container.decode(video=0))


def _seconds_each(work: Callable[[], int]) -> float:
    """Of the CPU, for one item; `work` does some and says how many."""
    work()
    began, items = time.process_time(), 0
    while time.process_time() - began < BARE_S:
        items += work()
    return (time.process_time() - began) / items


def account(box: ScratchBox, trial: CameraTrial, cameras: int, bare: Bare) -> Account:
    """A round of so many cameras."""
    found = trial.round(cameras)
    decode = bare.cores(found.frames_a_second * cameras, 0)
    inference = bare.cores(0, found.results_a_second * cameras)
    over = (found.p99_ms or float("nan")) - bare.decode_ms - bare.inference_ms
    threads = len(list(Path(f"/proc/{box.daemon.process_id}/task").iterdir()))
    return Account(found, decode, inference, found.cores - decode - inference, over, threads)


def _show(bare: Bare, bound: float, accounts: list[Account]) -> None:
    columns: dict[str, Callable[[Account], Any]] = {
        "cameras": lambda one: one.round.cameras,
        "results/s": lambda one: one.round.results_a_second,
        "least": lambda one: one.round.least_a_second,
        "p50 ms": lambda one: one.round.p50_ms,
        "p99 ms": lambda one: one.round.p99_ms,
        "over bare": lambda one: f"{one.over_bare_ms:.1f}",
        "cores": lambda one: one.round.cores,
        "decode": lambda one: f"{one.decode:.2f}",
        "inference": lambda one: f"{one.inference:.2f}",
        "rest": lambda one: f"{one.rest:.2f}",
        "others": lambda one: one.round.other_cores,
        "threads": lambda one: one.threads,
        "of the bound": lambda one: f"{one.round.cameras / bound:.2f}",
    }
    table = Table(*columns)
    for one in accounts:
        table.add_row(*(str(cell(one)) for cell in columns.values()))
    console = Console(width=150)
    console.print(
        f"bare: {bare.decode_ms} ms a frame, {bare.inference_ms} ms an inference; "
        f"{usable_cores()} cores bear {bound:.1f} cameras"
    )
    console.print(table)


if __name__ == "__main__":
    main()
