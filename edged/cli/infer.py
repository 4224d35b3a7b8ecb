"""`edged infer`: one request, answered by the same code that answers the daemon's, without a daemon."""

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any
from urllib.parse import unquote, urlsplit

import orjson
import typer

from edged.artefacts.settings import ArtefactSettings
from edged.artefacts.store import ArtefactStore
from edged.cli.items import readable, request_of
from edged.cli.options import ConfigPath, DeviceName, ModelId, PrecisionName, preferring
from edged.cli.terminal import print_json, progress_bars, say
from edged.config import reading
from edged.contracts.errors import (
    BadRequest,
    EdgedError,
    NotFound,
    StoreFailed,
)
from edged.contracts.items import Pixels
from edged.contracts.request import Answer, RequestJob, refusal
from edged.contracts.service import Service
from edged.contracts.services import service
from edged.flow.counters import Counters
from edged.media.picture import encode_jpeg, encode_png
from edged.opening import open_alone
from edged.requests.steps import Steps
from edged.serving.table import ServiceTable

app = typer.Typer()

PICTURES = (".png", ".jpg", ".jpeg")


@app.command()
def infer(
    name: Annotated[str, typer.Argument(metavar="SERVICE", help="One of `edged services`.")],
    given: Annotated[
        list[str] | None,
        typer.Argument(
            help="A picture, two pictures, a recording, a video, or one or two texts.", metavar="ITEM"
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", help="Where a video that is made goes; else it is named after the item."
        ),
    ] = None,
    save: Annotated[Path | None, typer.Option(help="Draw the answer into this picture.")] = None,
    request: Annotated[Path | None, typer.Option(help="A JSON file with the request's other fields.")] = None,
    metric: Annotated[str | None, typer.Option(help="product-comparison: L2 or Cosine.")] = None,
    model: ModelId = None,
    precision: PrecisionName = None,
    device: DeviceName = None,
    *,
    config: ConfigPath,
) -> None:
    """Answer one request: prints the JSON answer; exit 0 on success, 1 on an error answer."""
    asked = {"model": model, "precision": precision, "device": device}
    items = given or []
    try:
        known = _checked(name, items, save, output)
        body = request_of(known, items, _request_file(request), metric)
        target = output or Path(f"{Path(items[0]).stem if items else 'video'}-{name}.mp4")
        answer = _answered(known, body, config, asked, (items, target))
    except EdgedError as error:
        answer = refusal({}, error.code, str(error), name)
    print_json(orjson.loads(answer.body))
    if answer.code != 200:
        raise typer.Exit(1)
    if save is not None and answer.draw is not None:
        _save(answer.draw(), save)


def _checked(name: str, items: list[str], save: Path | None, output: Path | None) -> Service:
    """The service. Raises `NotFound`, and `BadRequest` for an option that is nothing for it."""
    if save is not None and not items:
        raise BadRequest("--save draws into the picture that is named on the command line; name one")
    known = service(name)
    if save is not None and not known.takes_pictures:
        raise BadRequest(f"{name} has no picture to draw into; leave --save out")
    if save is not None and save.suffix.lower() not in PICTURES:
        raise BadRequest(f"--save writes {' or '.join(PICTURES)}, by the name of the file, not {save.name}")
    if output is not None and not known.makes_video:
        raise BadRequest(f"{name} makes no video; leave --output out")
    return known


def _request_file(path: Path | None) -> dict[str, Any]:
    if path is None:
        return {}
    try:
        fields = orjson.loads(path.read_bytes())
    except OSError as error:
        raise NotFound(f"{path} cannot be read: {error.strerror}") from error
    except orjson.JSONDecodeError as error:
        raise BadRequest(f"{path} is not JSON: {error}") from error
    if not isinstance(fields, dict):
        raise BadRequest(f"{path} must hold a JSON object")
    return fields


def _answered(
    known: Service, payload: bytes, path: Path, asked: dict[str, str | None], files: tuple[list[str], Path]
) -> Answer:
    """`files`: what is read, and where a video that is made goes."""
    settings, (items, target) = reading.load(path), files
    wanted = preferring(settings, known.name, **asked)
    counters, serving = Counters(), ServiceTable()
    with ExitStack() as held:
        serving.put(open_alone(known.name, wanted, settings, counters))
        store = partial(_beside, target, held) if known.makes_video else None
        steps = held.enter_context(Steps(serving, readable(settings.requests, items), counters, store=store))
        report = held.enter_context(progress_bars()) if known.is_job else None
        job = RequestJob(
            *(known.name, payload, time.monotonic(), lambda _: None),
            progress=report and (lambda _, done: report(known.name, round(done * 1000), 1000)),
            wants_drawing=True,
        )
        answer = steps.all_at_once(job)
        if report and answer.code == 200:
            report(known.name, 1000, 1000)  # what was foretold may have been too much
        return _moved(answer, target) if answer.code == 200 and known.makes_video else answer


def _beside(target: Path, held: ExitStack) -> ArtefactStore:
    """A store for one video, on the disk where it shall be."""
    with _writing(target.resolve().parent):
        folder = held.enter_context(TemporaryDirectory(prefix=".edged-", dir=target.resolve().parent))
    return ArtefactStore(ArtefactSettings(url=Path(folder).as_uri()), Path(folder), Counters())


def _moved(answer: Answer, target: Path) -> Answer:
    """The answer, with its video where it was wanted."""
    fields = orjson.loads(answer.body)
    made = Path(unquote(urlsplit(fields["oss_path"]).path))
    with _writing(target):
        made.replace(target)
    say(f"written to {target}")
    return replace(answer, body=orjson.dumps({**fields, "oss_path": target.resolve().as_uri()}))


@contextmanager
def _writing(target: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StoreFailed(f"{target} cannot be written: {error.strerror}") from error


def _save(drawing: Pixels, target: Path) -> None:
    """As `.png` or JPEG, by the target's name. Raises `StoreFailed`."""
    with _writing(target):
        target.write_bytes(encode_png(drawing) if target.suffix.lower() == ".png" else encode_jpeg(drawing))
    say(f"drawn into {target}")
