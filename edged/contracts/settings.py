"""What the settings of all floors are made of."""

import re
from pathlib import Path
from typing import Annotated

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    ValidationInfo,
)

FOLDER = "folder"
"""Key of pydantic's validation context: the folder at which relative paths start."""

_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h)?")
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, None: 1.0}


def seconds(value: object) -> object:
    """`2s`, `500ms`, `1m`, `1h` or a number as seconds; anything else is left for pydantic to refuse."""
    if isinstance(value, str) and (found := _DURATION.fullmatch(value.strip())):
        return float(found[1]) * _UNITS[found[2]]
    return value


Seconds = Annotated[float, BeforeValidator(seconds), Field(gt=0)]
"""A duration; in YAML also `2s`, `500ms`, `1m`, `1h`."""


def _from_folder(path: Path, info: ValidationInfo) -> Path:
    folder: Path = (info.context or {}).get(FOLDER, Path())
    return folder / path


FromFolder = Annotated[Path, AfterValidator(_from_folder)]
"""A path; a relative one starts at the folder of config.yaml."""


Secret = SecretStr
"""A password or token, which nothing shows; in YAML `file:/run/secrets/x` stands for that file's text."""


class Settings(BaseModel):
    """Base of all settings: frozen, so that they can be compared; unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)
