"""`edged infer`: one request, answered by the same code that answers the daemon's, without a daemon."""

import time
from pathlib import Path
from typing import Annotated, Any

import orjson
import pybase64
import typer

from edged import config as configuration
from edged.cli.terminal import default_config, print_json, say
from edged.contracts.errors import BadRequest, EdgedError, NotFound
from edged.contracts.image import ImageInput
from edged.contracts.items import PixelFormat
from edged.contracts.pairs import ProductInput
from edged.contracts.request import Answer, RequestJob, refusal
from edged.contracts.services import Service, service
from edged.contracts.text import TextInput
from edged.flow.counters import Counters
from edged.media.picture import PictureLimits, decode_picture, encode_jpeg, encode_png
from edged.opening import open_repository
from edged.ops.draw import annotate
from edged.pipeline.requests import RequestRoute
from edged.pipeline.serve import open_service
from edged.pipeline.served import ServiceTable

app = typer.Typer()


@app.command()
def infer(
    name: Annotated[str, typer.Argument(metavar="SERVICE", help="One of `edged services`.")],
    given: Annotated[
        list[str] | None,
        typer.Argument(help="A picture, two pictures, a recording, or one or two texts.", metavar="ITEM..."),
    ] = None,
    save: Annotated[Path | None, typer.Option(help="Draw the answer into this picture.")] = None,
    request: Annotated[Path | None, typer.Option(help="A JSON file with the request's other fields.")] = None,
    metric: Annotated[str | None, typer.Option(help="product-comparison: L2 or Cosine.")] = None,
    model: Annotated[str | None, typer.Option(help="Id of the model; else as configured.")] = None,
    precision: Annotated[str | None, typer.Option(help="f32, bf16 or int8; else as configured.")] = None,
    device: Annotated[str | None, typer.Option(help="One of `edged devices`; else as configured.")] = None,
    config: Annotated[Path | None, typer.Option(help="Path of config.yaml.")] = None,
) -> None:
    """Answer one request: prints the JSON answer; exit 0 on success, 1 on an error answer."""
    asked = {"model": model, "precision": precision, "device": device}
    items = given or []
    try:
        if save is not None and not items:
            raise BadRequest("--save draws into the picture that is named on the command line; name one")
        known = service(name)
        if save is not None and not known.takes_pictures:
            raise BadRequest(f"{name} has no picture to draw into; leave --save out")
        fields = {**_unsaid(known), **_request_file(request), **_item_fields(known, items, metric)}
        folders = [Path(item).parent for item in items]
        answer = _answered(known, _payload(fields), config or default_config(), asked, folders)
    except EdgedError as error:
        answer = refusal({}, error.code, str(error))
    print_json(orjson.loads(answer.body))
    if answer.code != 200:
        raise typer.Exit(1)
    if save is not None:
        _save(name, [Path(item) for item in items], orjson.loads(answer.body), save)


def _unsaid(known: Service) -> dict[str, Any]:
    """Fields that a request must have, and that nobody cares to type."""
    return {"id": "1"} if issubclass(known.contract.input, TextInput) else {}


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


def _item_fields(known: Service, items: list[str], metric: str | None) -> dict[str, Any]:
    """The fields of the request that the texts or files on the command line stand for."""
    if not items:
        return {}
    kind = known.contract.input
    if issubclass(kind, TextInput):
        if len(items) > 2:
            raise BadRequest(f"{known.name} takes one text or two, not {len(items)}; quote them")
        return dict(zip(("first_sequence", "second_sequence"), items, strict=False))
    files = [Path(item) for item in items]
    if known.takes_sound:
        if len(files) != 1:
            raise BadRequest(f"{known.name} takes one recording, not {len(files)} files")
        return {"input": {"url": str(files[0].resolve())}, "timeout_s": 86400}  # nobody else waits
    wanted = 1 if issubclass(kind, ImageInput) else 2
    if len(files) != wanted:
        pictures = "one picture" if wanted == 1 else "two pictures"
        raise BadRequest(f"{known.name} takes {pictures}, not {len(files)} files")
    encoded = [_encoded(path) for path in files]
    if wanted == 1:
        return {"image": encoded[0]}
    pair = {"imagea": encoded[0], "imageb": encoded[1]}
    if not issubclass(kind, ProductInput):
        return pair
    return {"function_name": "match", "function_params": {**pair, "metric": metric or "L2"}}


def _payload(fields: dict[str, Any]) -> bytes:
    try:
        return orjson.dumps(fields)
    except orjson.JSONEncodeError as error:  # arguments are bytes; Python lets through what is no text
        raise BadRequest("what was given on the command line is not UTF-8") from error


def _encoded(path: Path) -> str:
    try:
        return str(pybase64.b64encode_as_string(path.read_bytes()))
    except OSError as error:
        raise NotFound(f"{path} cannot be read: {error.strerror}") from error


def _answered(
    known: Service, payload: bytes, path: Path, asked: dict[str, str | None], folders: list[Path]
) -> Answer:
    """`folders`: of the files on the command line, which their owner may read whatever the policy says."""
    settings = configuration.load(path)
    fetch = settings.requests.fetch
    fetch = fetch.model_copy(update={"folders": (*fetch.folders, *(f.resolve() for f in folders))})
    requests = settings.requests.model_copy(update={"fetch": fetch})
    wanted = settings.service(known.name)
    wanted = wanted.model_copy(update={k: v for k, v in asked.items() if v is not None})
    counters, serving = Counters(), ServiceTable()
    repository = open_repository(settings, counters)
    serving.put(open_service(known.name, wanted, repository))
    route = RequestRoute(serving, requests, counters)
    return route.answer(RequestJob(known.name, payload, time.monotonic(), lambda _: None))


def _save(name: str, sources: list[Path], answer: dict[str, Any], target: Path) -> None:
    """Draw an answer into a copy of what it speaks of; `.png` or JPEG by the target's name."""
    frames = [decode_picture(source.read_bytes(), PictureLimits(), 0.0) for source in sources]
    drawn = annotate(name, [frame.pixels(PixelFormat()) for frame in frames], answer)
    target.write_bytes(encode_png(drawn) if target.suffix.lower() == ".png" else encode_jpeg(drawn))
    say(f"drawn into {target}")
