"""services.md: enough to write a client from; and classes.md, the names of all classes by their ids."""

import json
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from string import Template
from typing import Any, Literal, get_args

import orjson
import yaml
from pydantic import BaseModel, ConfigDict, TypeAdapter

from docs.tables import fields, number, one_line, request_fields, size
from edged.answers import speaker_class, yes_no
from edged.answers.kinds import KINDS
from edged.answers.schema import answer_schema
from edged.contracts.card import ModelCard
from edged.contracts.image import ColourInput
from edged.contracts.message import Envelope
from edged.contracts.service import Group, Service
from edged.contracts.services import SERVICES
from edged.contracts.speech import SpeakerClass, YesNo
from edged.contracts.text import MOST_CHARACTERS, MOST_TOKENS
from edged.discovery import discover
from edged.http.settings import HttpSettings
from edged.mqtt.settings import MqttSettings
from edged.ops.clips import CutRules
from edged.requests.settings import RequestSettings
from tests.answers.examples import finding, written

HERE = Path(__file__).parent
SETTINGS = RequestSettings()
ENVELOPE = frozenset(Envelope.model_fields)
HOUR = 3600
PICTURE, RECORDING = "/9j/4AAQSkZJRg...", "https://example.org/a.wav"
MOST_SHOWN = {list: 5, dict: 5, str: 60}
"""Entries or letters of an example; a list of lists shows fewer."""


class Difference(BaseModel):
    """An entry of differences.yaml."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    services: tuple[str, ...]
    fields: Mapping[str, Literal["added", "absent", "optional", "other", "meaning"]]
    says: str


@cache
def _listed() -> list[Difference]:
    listed = yaml.safe_load((HERE / "differences.yaml").read_text("utf-8"))
    return TypeAdapter(list[Difference]).validate_python(listed)


def differences(name: str) -> list[Difference]:
    """In what a service differs from the original's. Raises `ValueError` for an entry of unknown services."""
    known = {*SERVICES, *get_args(Group)}
    if unknown := {named for entry in _listed() for named in entry.services} - known:
        raise ValueError(f"differences.yaml: there is no {', '.join(sorted(unknown))}")
    return [entry for entry in _listed() if {name, SERVICES[name].group} & set(entry.services)]


@cache
def cards() -> Mapping[str, list[ModelCard]]:
    """The cards of the models of each service, by rank."""
    found = discover([HERE.parent / "plugins"], entry_points=False).models.values()
    every = sorted((model.card for model in found), key=lambda card: (card.rank, card.id))
    return {name: [card for card in every if card.service == name] for name in SERVICES}


def services() -> Iterator[str]:
    """services.md, line by line."""
    yield "# The 25 services\n"
    yield "A client of the services that these re-create goes on working; each section lists what differs.\n"
    yield "| service | group | what it tells | in this version |\n|---|---|---|---|"
    for service in SERVICES.values():
        there = "yes" if cards()[service.name] else "no model yet: 404, where configured 503"
        yield f"| [`{service.name}`](#{service.name}) | {service.group} | {service.summary} | {there} |"
    yield f"\n{_for_all()}".rstrip()
    for service in SERVICES.values():
        yield from _one(service)


def _for_all() -> str:
    """What services.in.md says, with numbers from the code."""
    failed = {"success": False, "error_code": 400, "error_msg": "the field `image` is missing"}
    missing = {
        "request_id": "a UUID4",
        "timeout_s": f"{number(SETTINGS.timeout_s)}; for media {number(SETTINGS.media_timeout_s)}",
    }
    return Template((HERE / "services.in.md").read_text("utf-8")).substitute(
        envelope="\n".join(request_fields(Envelope.model_json_schema(), missing)),
        failed="\n".join(_example({"request_id": "a-1", **failed})).rstrip(),
        http_bytes=size(HttpSettings().max_body_bytes),
        mqtt_bytes=size(MqttSettings().max_payload_bytes),
        sound_bytes=size(SETTINGS.sound.max_bytes),
        sound_hours=number(SETTINGS.sound.max_seconds / 3600),
        answer_bytes=f"{size(SETTINGS.max_answer_bytes)} (`requests.max_answer_bytes`)",
    )


def _one(service: Service) -> Iterator[str]:
    name, found = service.name, cards()[service.name]
    defaults = dict(found[0].options) if found else {}
    yield f"\n## {name}\n"
    yield f"{service.summary[0].upper()}{service.summary[1:]}.\n"
    yield f"* HTTP: `POST /api/predict/{name}`; MQTT: `edged/<node>/request/{name}`"
    yield from (f"* {line}" for line in (*_models(found), *_limits(service), *_notes(service)))
    yield "\nRequest:\n"
    yield from request_fields(service.request_schema(), _missing(service, defaults), ENVELOPE)
    yield ""
    yield from _example(example_request(service, defaults))
    yield f"Answer, schema `{service.schema_id}`:\n"
    yield from fields(answer_schema(service))
    yield ""
    yield from _example(example_answer(service))
    yield "Differs from the original:\n"
    every = set(get_args(Group))
    yield from (f"* {one_line(e.says)}" for e in differences(name) if not every <= set(e.services))


def _models(found: list[ModelCard]) -> Iterator[str]:
    if found:
        lines = (f"`{card.id}`{'' if card.verified else ' (*)'}: {card.summary}" for card in found)
        told = "".join(f"\n  {rank}. {line}" for rank, line in enumerate(lines, 1))
        yield f"Models, of which the first installed one answers, unless the configuration names one:{told}"


def _missing(service: Service, defaults: Mapping[str, Any]) -> dict[str, str]:
    """What a field is when it is left out, by name."""
    options = {
        name: f"`{json.dumps(value)}`" for name, value in defaults.items() if name not in service.inside
    }
    one_of_two = {"image": "or `input`", "input": "or `image`"} if service.takes_frames else {}
    return {"input.play_duration": "all of it", **one_of_two, **options}


def _limits(service: Service) -> Iterator[str]:
    """What a request may bring, and how long it may take."""
    seconds = SETTINGS.timeout_of(service)
    yield f"Time: {f'{number(seconds)} s' if seconds < HOUR else f'{number(seconds / HOUR)} h'}"
    if service.takes_pictures:
        several = service.media == "pictures" or service.input is ColourInput
        each, of = "each picture" if several else "the picture", SETTINGS.picture
        yield f"At most: {each} {size(of.max_bytes)} and {number(of.max_pixels)} pixels"
    elif service.media == "text":
        yield f"At most: {number(MOST_CHARACTERS)} characters a text, {MOST_TOKENS} tokens of both"
    if "`requests." not in (shrink := KINDS[service.result].shrink):
        yield f"When the answer is too long (413): {shrink}"


def _notes(service: Service) -> Iterator[str]:
    known = [card for card in cards()[service.name] if card.labels]
    if known:
        counted = ", ".join(f"{number(len(card.labels))} of `{card.id}`" for card in known)
        yield f"Classes: {counted}; see [classes.md](classes.md)"
    if service.watches:
        yield "On a camera, too: a window of its newest frames, with one result after another as it moves on"
    if service.takes_sound:
        rules = CutRules()
        about, pause = number(rules.about), rules.short_pause
        yield f"Clips: of about {about} s, to the next pause of {pause} s; at most {rules.longest} s"
    words: Mapping[type[Any], tuple[str, Mapping[str, tuple[str, ...]]]] = {
        YesNo: ("yes, no", yes_no.WORDS),
        SpeakerClass: ("a woman, a man, nobody speaks", speaker_class.WORDS),
    }
    if service.result in words:
        meant, labels = words[service.result]
        said = "; ".join(
            f"`{language}` {', '.join(f'`{word}`' for word in of)}" for language, of in labels.items()
        )
        yield f"Labels ({meant}), by `language`: {said}"


def example_request(service: Service, defaults: Mapping[str, Any]) -> dict[str, Any]:
    """A request with the options of the card, which may be left out."""
    options = {name: value for name, value in defaults.items() if name not in service.inside}
    return {"request_id": "a-1", **_brought(service), **options}


def _brought(service: Service) -> dict[str, Any]:
    pair = {"imagea": PICTURE, "imageb": PICTURE}
    match service.media:
        case "recording":
            return {"input": {"url": RECORDING, "play_duration": "39000000"}}
        case "video":
            return {"input": {"url": "https://example.org/a.mp4", "play_duration": "39000000"}}
        case "text":
            texts = {"first_sequence": "今天天气很好", "second_sequence": "我们去公园散步"}
            return {"id": "7", **texts, "sequence_length": 128}
        case "pictures":
            in_product = {"function_name": "match", "function_params": {**pair, "metric": "L2"}}
            return in_product if service.inside else pair
    if service.name == "foreground-segmentation":
        return {"input": {"url": "https://example.org/a.jpg"}}
    return {"image": PICTURE}


def example_answer(service: Service) -> Any:
    """An answer, shortened where it is long."""
    answer = orjson.loads(written(finding(service.name)))
    wrapped = {"request_id": "a-1", "success": True, **answer} if service.wraps_answer else answer
    return shortened(wrapped)


def shortened(value: Any, depth: int = 0) -> Any:
    """The first entries and letters alone, of fields as long as they are."""
    if isinstance(value, dict):
        kept = list(value.items()) if depth == 0 else list(value.items())[: MOST_SHOWN[dict]]
        return {key: shortened(inner, depth + 1) for key, inner in kept}
    if isinstance(value, list):
        most = (
            2 if value and isinstance(value[0], list) and len(value) > MOST_SHOWN[list] else MOST_SHOWN[list]
        )
        return [shortened(inner, depth + 1) for inner in value[:most]]
    if isinstance(value, str) and len(value) > MOST_SHOWN[str]:
        return f"{value[: MOST_SHOWN[str]]}..."
    return value


def _example(value: Any) -> Iterator[str]:
    """As a block of JSON, a line for each field."""
    yield "```json"
    if isinstance(value, dict):
        said = [f"{json.dumps(k)}: {json.dumps(v, ensure_ascii=False)}" for k, v in value.items()]
        yield "{" + ",\n ".join(said) + "}"
    else:
        yield json.dumps(value, ensure_ascii=False)
    yield "```\n"


def classes() -> Iterator[str]:
    """classes.md, line by line: each list once, with the models that have it."""
    yield "# The classes of the models\n"
    yield "`edged classes MODEL` prints those of one; over HTTP they are `labels` of `/v2/models/<model>`."
    lists: dict[tuple[str, ...], list[str]] = {}
    for card in (card for of in cards().values() for card in of if card.labels):
        lists.setdefault(card.class_names(), []).append(card.id)
    for names, models in lists.items():
        yield f"\n## {', '.join(models)}\n"
        yield "| id | name |\n|---|---|"
        yield from (f"| {i} | {one_line(name)} |" for i, name in enumerate(names))
    for card in cards()["video-classification"]:
        yield from _correspondence(card.id, card.parameters.get("ucf101", {}))


def _correspondence(model: str, table: Mapping[str, list[str]]) -> Iterator[str]:
    """What UCF101's names stand for, and which of them nothing corresponds to."""
    gaps = [name for name, own in table.items() if not own]
    yield f"\n## UCF101's names for the classes of {model}\n"
    yield f"{len(table) - len(gaps)} of UCF101's {len(table)} names stand for classes of the model, whose"
    yield "probabilities are added up. A class corresponds when nearly every video of it would bear"
    yield "UCF101's name.\n"
    yield "| UCF101 | classes of the model |\n|---|---|"
    yield from (f"| {name} | {', '.join(own)} |" for name, own in table.items() if own)
    yield f"\nNothing corresponds to these {len(gaps)}, so they are never answered: {', '.join(gaps)}."
