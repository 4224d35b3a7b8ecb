"""`edged bench`: where the time of a request and of a frame goes, against the bare runtime, in one run."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import median
from typing import Annotated

import orjson
import pybase64
import typer

from edged import config as configuration
from edged.cli.terminal import default_config, print_json, say, table
from edged.contracts.errors import NotUsable
from edged.contracts.image import ImageInput
from edged.contracts.items import PixelFormat
from edged.contracts.model import Model, Session, Tensors
from edged.contracts.request import RequestJob
from edged.flow.counters import Counters
from edged.media.frame import PictureFrame
from edged.media.picture import PictureLimits, decode_picture, encode_jpeg
from edged.media.video import sample_frames
from edged.opening import open_repository
from edged.pipeline.call import CallRun
from edged.pipeline.outlet import Outlet
from edged.pipeline.requests import RequestRoute, RequestSettings
from edged.pipeline.route import StreamRoute
from edged.pipeline.serve import open_service
from edged.pipeline.served import Served, ServiceTable
from edged.repository.repository import Repository

app = typer.Typer()

ROUND = 5
"""Calls of each kind before the next kind has its turn, so that a slow moment hits all of them."""


@app.command()
def bench(
    name: Annotated[str, typer.Argument(metavar="SERVICE")],
    image: Annotated[Path | None, typer.Option(help="A picture; else a frame of the model's clip.")] = None,
    rounds: Annotated[int, typer.Option(min=1, help="Rounds of five calls of each kind.")] = 30,
    precision: Annotated[str | None, typer.Option(help="f32, bf16 or int8; else as configured.")] = None,
    config: Annotated[Path | None, typer.Option(help="Path of config.yaml.")] = None,
) -> None:
    """Time a service stage by stage, and the whole against the bare runtime's own loop, in the same run."""
    settings = configuration.load(config or default_config())
    counters = Counters()
    repository = open_repository(settings, counters)
    wanted = settings.service(name)
    if precision is not None:
        wanted = wanted.model_copy(update={"precision": precision})
    served = open_service(name, wanted, repository)
    if served.service.contract.input is not ImageInput:
        raise NotUsable(f"bench cannot make up a request for {name} yet")
    jpeg = image.read_bytes() if image else _clip_frame(served, repository)
    kinds = _kinds(served, jpeg, settings.requests, counters)
    facts = served.instance.facts
    say(f"{name}: {facts.name}, {facts.variant} on {facts.device}")
    seconds = _interleaved(kinds, rounds)
    _report(served, seconds, {stage: p50 for stage, (p50, _) in counters.percentiles().items()})


def _clip_frame(served: Served, repository: Repository) -> bytes:
    card = served.instance.card
    if card.calibration is None:
        raise NotUsable(f"{card.id} brings no clip; give --image")
    frames = sample_frames(repository.file(card.id, card.calibration.media[0]), 3)
    return encode_jpeg(frames[len(frames) // 2])


@dataclass
class _Recorder:
    """A session that remembers what it was fed, so that the same runs can be made without the host."""

    session: Session
    fed: list[Tensors] = field(default_factory=list)

    def run(self, inputs: Tensors) -> Tensors:
        self.fed.append(inputs)
        return self.session.run(inputs)


def _kinds(
    served: Served, jpeg: bytes, settings: RequestSettings, counters: Counters
) -> Mapping[str, Callable[[], object]]:
    """What is timed: the runtime alone, a frame that comes decoded, a request with a JPEG in it."""
    picture = decode_picture(jpeg, PictureLimits(), time.time())
    pixels = picture.pixels(PixelFormat())
    recorders = {graph: _Recorder(session) for graph, session in served.instance.tools.sessions.items()}
    tools = replace(served.instance.tools, sessions=recorders)
    model = served.instance.model
    assert isinstance(model, Model)  # noqa: S101 - what takes a picture is no StreamModel
    model.infer(picture, served.options, tools, CallRun())
    runs = [(r.session, inputs) for r in recorders.values() for inputs in r.fed]
    table_ = ServiceTable()
    table_.put(served)
    requests = RequestRoute(table_, settings, counters)
    body = orjson.dumps({"image": pybase64.b64encode_as_string(jpeg)})
    stream = StreamRoute(Outlet("bench", "bench", (), counters), lambda: served, {})

    def bare() -> None:
        for session, inputs in runs:
            session.run(inputs)

    return {
        "bare runtime": bare,
        "frame": lambda: stream.handle(PictureFrame(pixels, time.time(), 0)),
        "request": lambda: requests.answer(
            RequestJob(served.service.name, body, time.monotonic(), lambda _: None)
        ),
    }


def _interleaved(kinds: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Median seconds of one call of each kind."""
    taken: dict[str, list[float]] = {kind: [] for kind in kinds}
    for turn in range(rounds + 1):
        for kind, call in kinds.items():
            for _ in range(ROUND):
                started = time.perf_counter()
                call()
                if turn:  # the first round warms up
                    taken[kind].append(time.perf_counter() - started)
    return {kind: median(values) for kind, values in taken.items()}


def _report(served: Served, seconds: Mapping[str, float], stages: Mapping[str, float]) -> None:
    """The table for people, the same as JSON on stdout."""
    model = served.instance.facts.name
    named = {
        "decode": stages.get("decode", 0.0),
        "preprocess": stages.get(f"preprocess/{model}", 0.0),
        "inference": stages.get(f"inference/{model}", 0.0),
        "postprocess": stages.get(f"postprocess/{model}", 0.0),
        "encode": stages.get("encode", 0.0),
    }
    request, bare = seconds["request"], seconds["bare runtime"]
    own = max(0.0, request - sum(named.values()))
    table(
        "one request, median",
        ("stage", "ms", "share"),
        [
            *((stage, f"{s * 1000:.3f}", f"{s / request:.1%}") for stage, s in named.items()),
            ("the daemon's own", f"{own * 1000:.3f}", f"{own / request:.1%}"),
            ("whole", f"{request * 1000:.3f}", "100.0%"),
        ],
    )
    table(
        "against the bare runtime",
        ("way", "ms", "ratio"),
        [(kind, f"{s * 1000:.3f}", f"{s / bare:.3f}") for kind, s in seconds.items()],
    )
    ms = {key.replace(" ", "_"): round(s * 1000, 3) for key, s in {**named, "own": own, **seconds}.items()}
    print_json(
        {
            "service": served.service.name,
            "model": model,
            "variant": served.instance.facts.variant,
            "device": served.instance.facts.device,
            "ms": ms,
            "own_share": round(own / request, 4),
            "request_to_bare": round(request / bare, 3),
            "frame_to_bare": round(seconds["frame"] / bare, 3),
        }
    )
