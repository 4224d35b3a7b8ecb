"""Secrets of config.yaml that stand in files of their own: `file:/run/secrets/x` is replaced by its text."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, get_args, get_origin

from pydantic import BaseModel, SecretStr

_FILE = "file:"
_EACH = "*"

Place = tuple[str, ...]
"""Keys that lead to a secret; `*` is every key of a mapping or every entry of a list."""


def places(of: Any) -> Iterator[Place]:
    """Where the settings `of` hold a secret, by their types."""
    if of is SecretStr:
        yield ()
    elif isinstance(of, type) and issubclass(of, BaseModel):
        for name, field in of.model_fields.items():
            yield from ((name, *rest) for rest in places(field.annotation))
    else:
        origin = get_origin(of)
        several = isinstance(origin, type) and issubclass(origin, Mapping | tuple)
        for argument in get_args(of):
            yield from ((_EACH, *rest) if several else rest for rest in places(argument))


def with_secrets(tree: Any, of: type[BaseModel], folder: Path, faults: dict[str, str]) -> Any:
    """The tree of config.yaml, not validated yet, with the texts of the files that its secrets name.

    A relative path starts at `folder`. Files that cannot be read are added to `faults`, by place.
    """
    for place in places(of):
        tree = _replaced(tree, place, "", folder, faults)
    return tree


def _replaced(value: Any, place: Place, where: str, folder: Path, faults: dict[str, str]) -> Any:
    if not place:
        is_file = isinstance(value, str) and value.startswith(_FILE)
        return _text(value, where, folder, faults) if is_file else value
    head, *rest = place

    def below(key: object, inner: Any) -> Any:
        return _replaced(inner, tuple(rest), f"{where}.{key}".lstrip("."), folder, faults)

    if isinstance(value, dict):
        return {k: below(k, inner) if head in (k, _EACH) else inner for k, inner in value.items()}
    if isinstance(value, list) and head == _EACH:
        return [below(i, inner) for i, inner in enumerate(value)]
    return value


def _text(value: str, where: str, folder: Path, faults: dict[str, str]) -> str:
    path = folder / value.removeprefix(_FILE)
    try:
        text = path.read_text("utf-8").rstrip("\r\n")
    except OSError as error:
        faults[where] = f"{path}: {error.strerror}"
    except UnicodeDecodeError:
        faults[where] = f"{path}: is not text in UTF-8"
    else:
        if text:
            return text
        faults[where] = f"{path}: is empty"
    return value
