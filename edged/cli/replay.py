"""`edged replay`: a clip through the lines, zones and rules of a stream, without a daemon."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from math import inf
from pathlib import Path
from typing import Annotated

import typer

from edged.cli.clip_report import ClipReport
from edged.cli.options import AsJson, ConfigPath, one_of
from edged.cli.terminal import progress_bars, say
from edged.config import reading
from edged.config.settings import Config, StreamSettings
from edged.contracts.errors import ConfigError, NotFound
from edged.contracts.items import Frame
from edged.events.happening import Happening
from edged.flow.counters import Counters
from edged.media.chunks import SoundChunk
from edged.opening import open_alone
from edged.replay.ahead import Ahead
from edged.replay.clip import Replay, footage_of, fps_of, needed, pictures_of, sound_of
from edged.serving.table import ServiceTable
from edged.streams.lane import RunSettings
from edged.wiring.counts import calendar_of
from edged.wiring.witnesses import classes_of, interest_of, machine_of

app = typer.Typer()


@app.command()
def replay(
    name: Annotated[str, typer.Argument(metavar="STREAM", help="One of the configuration.")],
    clip: Annotated[
        Path, typer.Argument(metavar="CLIP", help="A video, or a recording for a stream that listens.")
    ],
    fps: Annotated[
        float | None,
        typer.Option(
            min=0.1,
            max=1000,
            help="Pictures a second that are looked at.",
            show_default="the stream's, else 5",
        ),
    ] = None,
    at: Annotated[
        datetime | None,
        typer.Option(
            help="When the clip begins, local time: for rules with `between`.",
            formats=["%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S"],
            show_default="now",
        ),
    ] = None,
    as_json: AsJson = False,
    *,
    config: ConfigPath,
) -> None:
    """Play a clip through the lines, zones and rules of a stream; prints what happens and the counts."""
    settings = reading.load(config)
    stream = _stream(name, settings)
    if not clip.is_file():
        raise NotFound(f"there is no file {clip}")
    zone = calendar_of(settings).zone
    began_at = time.time() if at is None else at.replace(tzinfo=zone).timestamp()
    told = ClipReport(name, began_at, as_json)
    played, ahead = _opened(name, settings, began_at, told.event)
    begun = time.monotonic()
    with progress_bars() as report, _items(stream, clip, fps or fps_of(stream), began_at) as (items, seconds):
        for item in ahead.items(items):
            played.put(item)
            share = (item.captured_at - began_at) / (seconds or inf)
            report(clip.name, min(round(share * 1000), 999), 1000)
        played.end()
        report(clip.name, 1000, 1000)
    say(f"{played.seconds:.1f} s of {clip.name} in {time.monotonic() - begun:.1f} s")
    for why, times in played.counters.counts().get(f"frames_failed/{name}", {}).items():
        say(f"{times} times there was no result: {why}", "red")
    told.counts(played.tally)


def _stream(name: str, settings: Config) -> StreamSettings:
    """Raises `ConfigError` for one that there is not, and where nothing would be counted."""
    stream = one_of(settings.streams, "stream", name)
    if not (stream.lines or stream.zones or settings.rules_of(name)):
        raise ConfigError(f"streams.{name} has no lines, no zones and no rules: nothing would be counted")
    return stream


def _opened(
    name: str, settings: Config, began_at: float, tell: Callable[[Happening], None]
) -> tuple[Replay, Ahead]:
    """The stream with its rules, and the services that they need."""
    stream, rules = settings.streams[name], settings.rules_of(name)
    judge, wanted = machine_of(stream, rules, calendar_of(settings), {}), interest_of(stream, rules)
    ahead = Ahead(settings.runtime.concurrency().workers)
    services = _services(needed(stream, wanted), settings, ahead)
    played = Replay(
        name,
        stream,
        services,
        judge=judge,
        wanted=wanted,
        classes=classes_of(name, stream, rules),
        began_at=began_at,
        tell=tell,
    )
    return played, ahead


def _services(runs: Sequence[RunSettings], settings: Config, ahead: Ahead) -> ServiceTable:
    """These services, opened. What looks at each picture begins before its turn."""
    found = ServiceTable()
    for run in runs:
        served = open_alone(run.service, settings.service(run.service), settings, Counters())
        found.put(served if run.every or served.service.media != "picture" else ahead.served(served))
    return found


@contextmanager
def _items(
    stream: StreamSettings, clip: Path, fps: float, began_at: float
) -> Iterator[tuple[Iterator[Frame | SoundChunk], float | None]]:
    """Pictures or sound, and seconds of the clip, as far as it says how long it is."""
    if stream.listens:
        yield sound_of(clip, began_at), None
        return
    with footage_of(clip) as footage:
        yield pictures_of(footage, fps, began_at), footage.seconds
