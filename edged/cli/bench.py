"""`edged bench`: where the time of a request and of a frame goes, against the bare runtime, in one run."""

import io
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from statistics import median
from typing import Annotated

import pybase64
import typer

from edged.bench.camera_trial import CameraTerms
from edged.cli.capacity import Latency, Most, Rate, Window, tell_capacity
from edged.cli.items import readable, request_of
from edged.cli.options import AsJson, ConfigPath, ModelId, PrecisionName, preferring
from edged.cli.terminal import print_json, say, table
from edged.config import reading
from edged.config.settings import Config
from edged.contracts.errors import EdgedError, NotUsable
from edged.contracts.items import PixelFormat
from edged.contracts.model import Tensors
from edged.contracts.request import RequestJob
from edged.flow.counters import Counters
from edged.media.frame import PictureFrame
from edged.media.picture import PictureLimits, decode_picture, encode_jpeg
from edged.media.sound import SoundLimits, open_sound
from edged.media.video import sample_frames
from edged.opening import make_opener
from edged.repository.catalogue import Catalogue
from edged.requests.steps import Steps
from edged.runtimes.opening import OpenSession
from edged.serving.table import Served, ServiceTable
from edged.serving.unit import open_service
from edged.streams.frame_lane import FrameLane
from edged.streams.lane import LaneTools, RunSettings
from edged.streams.publisher import Outlet

app = typer.Typer()

ROUND = 5
"""Calls of each kind before the next kind has its turn, so that a slow moment hits all of them."""
SLOW_S = 0.1
"""Calls that take longer have their turn one by one."""
LONG_S = 30.0
"""No round is begun after so long, but two at least there are."""


@app.command()
def bench(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="SERVICE [ITEM]...",
            help="One of `edged services`, and what it shall answer, as of `infer`; else a frame of the "
            "model's clip. With --capacity: services; else all that are installed.",
        ),
    ] = None,
    rounds: Annotated[int, typer.Option(min=1, help="Rounds of five calls of each kind, at most.")] = 30,
    model: ModelId = None,
    precision: PrecisionName = None,
    capacity: Annotated[
        bool, typer.Option("--capacity", help="How many cameras and requests a second this box bears.")
    ] = False,
    rate: Rate = 5.0,
    p99: Latency = "200ms",  # type: ignore[assignment] # it is parsed
    window: Window = "4s",  # type: ignore[assignment] # it is parsed
    most: Most = 200,
    as_json: AsJson = False,
    *,
    config: ConfigPath,
) -> None:
    """Time a service stage by stage, and the whole against the bare runtime's own loop, in the same run.

    With --capacity a daemon of its own is asked how much this box bears: cameras of 720p until results come
    later than --p99 or seldomer than 95 % of --rate, then requests a second and memory of each service.
    """
    if not names and not capacity:
        raise typer.BadParameter("name a SERVICE, or ask for --capacity")
    name, *items = names or [""]
    settings = reading.load(config)
    if model or precision:
        if not name or (capacity and items):
            raise typer.BadParameter("--model and --precision want one SERVICE")
        wanted = preferring(settings, name, model=model, precision=precision)
        settings = settings.model_copy(update={"services": {**settings.services, name: wanted}})
    if capacity:
        tell_capacity(settings, names or [], CameraTerms(rate, p99, window, most), as_json)
    else:
        _time(name, items, settings, rounds, as_json)


def _time(name: str, items: list[str], settings: Config, rounds: int, as_json: bool) -> None:
    counters, log = Counters(), _RunLog()
    opener = make_opener(settings, counters, log.watch)
    served = open_service(name, settings.service(name), opener)
    request, pictures = _request(served, items, opener.catalogue)
    table_ = ServiceTable()
    table_.put(served)
    with Steps(table_, readable(settings.requests, items), counters) as steps:
        route = _route(steps, name, request)
        kinds: dict[str, Callable[[], object]] = {"bare runtime": log.bare(route), "request": route}
        if pictures:
            kinds["frame"] = _frames(served, pictures[0], counters)
        facts = served.instance.facts
        say(f"{name}: {facts.name}, {facts.variant} on {facts.device}")
        seconds = _interleaved(kinds, rounds)
    sound_s = _sound_seconds(items[0]) if served.service.takes_sound else None
    observed = {stage: p50 for stage, (p50, _) in counters.percentiles().items()}
    _report(served, seconds, observed, sound_s, as_json)


class _RunLog:
    """Remembers what sessions are fed, so that the same runs can be made without the host."""

    def __init__(self) -> None:
        self._runs: list[tuple[OpenSession, Tensors]] | None = None

    def watch(self, session: OpenSession) -> OpenSession:
        """Look at all runs of a session."""
        return _Watched(session, self)

    def bare(self, call: Callable[[], object]) -> Callable[[], None]:
        """The runs that a call makes, and nothing of what is around them."""
        runs: list[tuple[OpenSession, Tensors]] = []
        self._runs = runs
        call()
        self._runs = None

        def alone() -> None:
            for session, inputs in runs:
                session.run(inputs)

        return alone

    def saw(self, session: OpenSession, inputs: Tensors) -> None:
        """A run begins."""
        if self._runs is not None:
            self._runs.append((session, inputs))


class _Watched:
    def __init__(self, session: OpenSession, log: _RunLog) -> None:
        self.device, self.precision, self.signature = session.device, session.precision, session.signature
        self._session = session
        self._log = log

    def run(self, inputs: Tensors) -> Tensors:
        self._log.saw(self._session, inputs)
        return self._session.run(inputs)


def _request(served: Served, items: list[str], catalogue: Catalogue) -> tuple[bytes, list[bytes]]:
    """The request to time, and the pictures in it where a camera may feed the service."""
    known = served.service
    if items:
        request = request_of(known, items, {})  # first: it tells of what cannot be read
        return request, [Path(item).read_bytes() for item in items] if known.takes_frames else []
    card = served.instance.card
    if not known.takes_frames or card.calibration is None:
        raise NotUsable(
            f"{card.id} brings no clip; name what {known.name} shall answer, as for `edged infer`"
        )
    frames = sample_frames(catalogue.file(card.id, card.calibration.media[0]), 3)
    jpeg = encode_jpeg(frames[len(frames) // 2])
    return request_of(known, [], {"image": pybase64.b64encode_as_string(jpeg)}), [jpeg]


def _route(steps: Steps, name: str, body: bytes) -> Callable[[], object]:
    """A whole request, from its bytes to those of its answer."""

    def answered() -> None:
        answer = steps.all_at_once(RequestJob(name, body, time.monotonic(), lambda _: None))
        if answer.code != 200:
            raise EdgedError(answer.body.decode())

    return answered


def _frames(served: Served, picture: bytes, counters: Counters) -> Callable[[], object]:
    """A frame that comes decoded, as of a camera."""
    pixels = decode_picture(picture, PictureLimits(), time.time()).pixels(PixelFormat())
    table_ = ServiceTable()
    table_.put(served)
    run = RunSettings(service=served.service.name)
    lane = FrameLane(LaneTools(Outlet("bench", "bench", (), counters), table_), run)
    return lambda: lane.work(PictureFrame(pixels, time.time(), 0))


def _sound_seconds(item: str) -> float | None:
    with open_sound(io.BytesIO(Path(item).read_bytes()), SoundLimits()) as sound:
        return sound.seconds


def _interleaved(kinds: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Median seconds of one call of each kind."""
    taken: dict[str, list[float]] = {kind: [] for kind in kinds}
    began = time.perf_counter()
    for turn in range(rounds + 1):
        if turn > 2 and time.perf_counter() - began > LONG_S:
            break
        for kind, call in kinds.items():
            for _ in range(ROUND):
                started = time.perf_counter()
                call()
                seconds = time.perf_counter() - started
                if turn:  # the first round warms up
                    taken[kind].append(seconds)
                if seconds > SLOW_S:
                    break
    return {kind: median(values) for kind, values in taken.items()}


def _stages(model: str, seconds: Mapping[str, float], observed: Mapping[str, float]) -> dict[str, float]:
    """Median seconds of what a request consists of; the steps of a model only where it has three of them."""
    before, after = ({stage: observed.get(stage, 0.0)} for stage in ("decode", "encode"))
    steps = {step: observed.get(f"{step}/{model}") for step in ("preprocess", "inference", "postprocess")}
    known = {step: s for step, s in steps.items() if s is not None}
    if len(known) < len(steps):
        known = {"inference": seconds["bare runtime"]}
    return {**before, **known, **after}


def _report(
    served: Served,
    seconds: Mapping[str, float],
    observed: Mapping[str, float],
    sound_s: float | None,
    as_json: bool,
) -> None:
    """JSON on stdout, and unless that alone is wanted the same as tables for people."""
    facts = served.instance.facts
    stages = _stages(facts.name, seconds, observed)
    request, bare = seconds["request"], seconds["bare runtime"]
    own = max(0.0, request - sum(stages.values()))
    if not as_json:
        _tables(stages, seconds, own)
    ms = {key.replace(" ", "_"): round(s * 1000, 3) for key, s in {**stages, "own": own, **seconds}.items()}
    ratios = {f"{kind}_to_bare": round(s / bare, 3) for kind, s in seconds.items() if kind != "bare runtime"}
    if sound_s:
        ratios["real_time_factor"] = round(request / sound_s, 4)
        say(f"real-time factor {request / sound_s:.3f}: {request:.2f} s of work for {sound_s:.1f} s of sound")
    print_json(
        {
            "service": served.service.name,
            "model": facts.name,
            "variant": facts.variant,
            "device": facts.device,
            "ms": ms,
            "own_share": round(own / request, 4),
            **ratios,
        }
    )


def _tables(stages: Mapping[str, float], seconds: Mapping[str, float], own: float) -> None:
    request, bare = seconds["request"], seconds["bare runtime"]
    rest = "the daemon's own" if "preprocess" in stages else "the models' and the daemon's own"
    table(
        "one request, median",
        ("stage", "ms", "share"),
        [
            *((stage, f"{s * 1000:.3f}", f"{s / request:.1%}") for stage, s in stages.items()),
            (rest, f"{own * 1000:.3f}", f"{own / request:.1%}"),
            ("whole", f"{request * 1000:.3f}", "100.0%"),
        ],
    )
    table(
        "against the bare runtime",
        ("way", "ms", "ratio"),
        [(kind, f"{s * 1000:.3f}", f"{s / bare:.3f}") for kind, s in seconds.items()],
    )
