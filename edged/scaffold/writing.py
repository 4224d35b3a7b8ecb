"""The files of a new plugin, written of the templates and of the service's record."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from importlib.resources import files
from os.path import relpath
from pathlib import Path
from string import Template
from textwrap import wrap
from typing import Any

import yaml

from edged.contracts.errors import BadRequest, ConfigError
from edged.contracts.model import Options
from edged.contracts.service import Media, Service
from edged.contracts.services import service
from edged.scaffold.graphs import SIDE, WINDOW, of_pictures, of_sound, of_text
from edged.scaffold.imports import KNOWN, with_imports

CONFIG = "config.yaml"
"""The file in the plugin's folder that serves it."""
TEMPLATES = files("edged.scaffold") / "templates"
_ID = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_MANY = 100
"""What an option is that counts something, as far as it may be so many."""


@dataclass(frozen=True, slots=True)
class _Kind:
    """What is the same for all services that are asked about one kind of media."""

    graph: Callable[[], Any]
    inputs: str
    """As the card says them."""
    output: str
    parameters: str
    """As the card says them; empty: none."""
    labels: tuple[str, ...]
    """Of what the graph tells apart, where the service names it."""
    uses: str = ""


_PICTURE = f"picture: {{kind: picture, size: [{SIDE}, {SIDE}], fit: stretch, colour: rgb}}"
_COLOURS = ("red", "green", "blue")
_KINDS: Mapping[Media, _Kind] = {
    "picture": _Kind(of_pictures, _PICTURE, "scores", "", _COLOURS),
    "pictures": _Kind(of_pictures, _PICTURE, "scores", "", _COLOURS),
    "video": _Kind(of_pictures, _PICTURE, "scores", "{every_us: 500000, length_us: 5000000}", _COLOURS),
    "recording": _Kind(
        of_sound,
        f"sound: {{kind: tensor, shape: [1, {WINDOW}]}}",
        "loudness",
        f"{{window: {WINDOW}}}",
        tuple("一二三四五六七八"),
        "{voice: silero-vad}",
    ),
    "text": _Kind(
        of_text,
        "ids: {kind: tensor, shape: [1, -1], dtype: i64}",
        "states",
        "{cls: 256, sep: 257, pad: 258}",
        (),
    ),
}


def new_plugin(name: str, of: str, into: Path, models: Path, state: Path) -> Path:
    """Write the plugin `name` of the service `of` as a folder in `into`; returns the folder.

    `models`, `state`: the folders of the configuration that it comes with.

    Raises `BadRequest` for a name that is none, `NotFound` for an unknown service, `ConfigError` where the
    folder exists or cannot be written.
    """
    known = service(of)
    if not _ID.fullmatch(name):
        raise BadRequest(f"{name!r} is no name for a model: small letters, digits and single hyphens, please")
    folder = into / name
    if folder.exists():
        raise ConfigError(f"{folder} exists already; take another name, or remove it first")
    paths = {"models": relpath(models, folder), "state": relpath(state, folder)}
    contents = _contents(name, known, paths)
    try:
        folder.mkdir(parents=True)
        for file, data in contents.items():
            (folder / file).write_bytes(data)
    except OSError as error:
        raise ConfigError(f"{folder} cannot be written: {error.strerror or error}") from error
    return folder


def _contents(name: str, known: Service, paths: Mapping[str, str]) -> dict[str, bytes]:
    """What stands in each file."""
    graph = _KINDS[known.media].graph().SerializeToString()
    code = with_imports(_code(name, known))
    said = {**_fields(name, known, code, graph), **paths}
    texts = {
        "plugin.py": code,
        **{
            file: _template(file).substitute(said)
            for file in ("card.yaml", "test_plugin.py", "README.md", CONFIG)
        },
    }
    return {"model.onnx": graph, **{file: text.encode() for file, text in texts.items()}}


def _code(name: str, known: Service) -> str:
    """The plugin without its imports: the frame for the media, and in it how a result is made."""
    reading = next(
        text
        for kind in known.result.__mro__
        if (text := TEMPLATES / "results" / f"{kind.__name__}.txt").is_file()
    ).read_text("utf-8")
    body, _, functions = reading.partition("\n---\n")
    names = "self._names" in body
    said = {
        "title": f"{name}: {known.summary}",
        "Class": _class_name(name),
        "Options": known.options.__name__,
        "Result": known.result.__name__,
        "names": "\n        self._names = card.class_names()" if names else "",
        "planes": "len(self._names)" if names else "None",
    }
    if "regions(" in body:
        functions += _template("regions").template
    said["functions"] = f"\n\n{functions.strip()}\n" if functions else ""
    said["body"] = Template(body.rstrip()).substitute(said)
    return _template(f"{known.media}.py").substitute(said)


def _class_name(name: str) -> str:
    """Of the model's class: none that is imported already."""
    joined = "".join(part.capitalize() for part in name.split("-"))
    return f"Model{joined}" if joined[0].isdigit() or joined in KNOWN else joined


def _fields(name: str, known: Service, code: str, graph: bytes) -> dict[str, str]:
    """What the other files say of it."""
    kind = _KINDS[known.media]
    optional = {
        "uses": kind.uses,
        "parameters": kind.parameters,
        "labels": f"[{', '.join(kind.labels)}]" if "class_names()" in code else "",
    }
    return {
        "name": name,
        "service": known.name,
        "summary": known.summary,
        "sha256": sha256(graph).hexdigest(),
        "size": str(len(graph)),
        "inputs": kind.inputs,
        "output": kind.output,
        "options": _options(known.options),
        **{key: f"{key}: {value}\n" if value else "" for key, value in optional.items()},
    }


def _options(kind: type[Options]) -> str:
    """The part of a card that gives each option a value, with what it means above it."""
    schema = kind.model_json_schema()["properties"]
    if not schema:
        return "options: {}\n"
    lines = (line for name, field in schema.items() for line in _option(name, field))
    return "options:\n" + "".join(f"  {line}\n" for line in lines)


def _option(name: str, field: Mapping[str, Any]) -> Iterator[str]:
    for line in wrap(" ".join(field.get("description", "").split()), 100):
        yield f"# {line}"
    value = yaml.safe_dump(_value(field), default_flow_style=True).removesuffix("...\n").strip()
    yield f"{name}: {value}"


def _value(field: Mapping[str, Any]) -> Any:
    """Something that an option may be: the first word, no, a hundred, or what lies in the middle."""
    first = field["anyOf"][0] if "anyOf" in field else field
    if "enum" in first:
        return first["enum"][0]
    if first["type"] == "boolean":
        return False
    low = first.get("minimum", first.get("exclusiveMinimum", 0))
    high = first.get("maximum", first.get("exclusiveMaximum", low))
    return min(max(_MANY, low), high) if first["type"] == "integer" else (low + high) / 2


def _template(name: str) -> Template:
    return Template((TEMPLATES / f"{name}.txt").read_text("utf-8"))
