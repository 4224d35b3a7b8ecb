"""Model cards are read from their files, with what was measured of their models."""

from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from edged.contracts.card import API, ModelCard
from edged.contracts.errors import CardError
from edged.contracts.objections import card_faults

_YAML = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""That of libyaml, where PyYAML was built with it: all cards are read at each start, five times as fast."""

ACCURACY = "accuracy.yaml"
"""Beside the cards of a plugin: by model what was measured of it. Made by a script, so it stands apart."""


def load_card(path: Path) -> ModelCard:
    """Read `path`. Raises `CardError` that names the file and every wrong field."""
    try:
        said = yaml.load(path.read_text("utf-8"), _YAML)  # noqa: S506 - a SafeLoader, either way
        if (edition := said.get("api", 1)) != API:
            raise CardError(
                f"{path}: api: this edged knows edition {API} of the plugin contract, and the card is of "
                f"{edition}; docs/plugins.md tells what to change"
            )
        measured = _accuracy(path.with_name(ACCURACY)).get(said.get("id"), {})
        fields = {"accuracy": measured, **said, "folder": path.parent}
    except (AttributeError, OSError, TypeError, ValueError, yaml.YAMLError) as error:
        raise CardError(f"{path}: {error}") from error
    try:
        return ModelCard.model_validate(fields)
    except ValidationError as error:
        raise CardError(*card_faults(path, ModelCard, fields, error)) from error


def _accuracy(path: Path) -> dict[str, Any]:
    """By model; a plugin may have none. Raises as `load_card` does."""
    if not path.is_file():
        return {}
    return dict(yaml.load(path.read_text("utf-8"), _YAML) or {})  # noqa: S506 - a SafeLoader, either way
