"""What the settings of all floors are made of."""

import re
from collections.abc import Collection
from pathlib import Path
from typing import Annotated

from pydantic import (
    AfterValidator,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    ValidationInfo,
)
from pydantic_core import ErrorDetails

from edged.contracts.described import Described
from edged.contracts.spelling import close, hint
from edged.contracts.wording import plain

FOLDER = "folder"
"""Key of pydantic's validation context: the folder at which relative paths start."""
UNKNOWN, MISSING, NO_KEYS = "extra_forbidden", "missing", "model_type"
"""What pydantic calls a key that there is not, one that must be there, and a value where keys are wanted."""
LACKING = "lacking"
"""What a value is called that is wrong only for what is not there: that may be faulty, and told by itself."""
_LIKENESS = 0.6
"""From which on a key is taken for another one that was misspelt."""

_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)?")
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, None: 1.0}


def seconds(value: object) -> object:
    """`2s`, `500ms`, `1m`, `1h`, `7d` or a number as seconds; lists and the like are left for pydantic."""
    if isinstance(value, str) and (found := _DURATION.fullmatch(value.strip())):
        return float(found[1]) * _UNITS[found[2]]
    if isinstance(value, str | bool):  # YAML 1.1 reads `yes` as true, which counts as 1
        raise ValueError("a duration is a number of seconds, or written as 500ms, 30s, 5m, 1h, 7d")
    return value


Seconds = Annotated[float, BeforeValidator(seconds), Field(gt=0)]
"""A duration; in YAML also `2s`, `500ms`, `1m`, `1h`, `7d`."""


def _from_folder(path: Path, info: ValidationInfo) -> Path:
    folder: Path = (info.context or {}).get(FOLDER, Path())
    return folder / path


FromFolder = Annotated[Path, AfterValidator(_from_folder)]
"""A path; a relative one starts at the folder of config.yaml."""


Secret = SecretStr
"""A password or token, which nothing shows; in YAML `file:/run/secrets/x` stands for that file's text."""


class Settings(Described):
    """Base of all settings: frozen, so that they can be compared; unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def meant(key: str, known: Collection[str]) -> str | None:
    """The key that was meant by an unknown one, if one is close enough."""
    found = close(key, known, _LIKENESS)
    return found[0] if found else None


def worded(fault: ErrorDetails, known: Collection[str]) -> str:
    """A fault that pydantic found, in our words; `known`: the keys that there are, where one is unknown or
    none is given."""
    match fault["type"]:
        case "extra_forbidden":
            there_are = f"there are {', '.join(known) or 'none'}"
            return f"this key is unknown; {hint(str(fault['loc'][-1]), known, there_are, _LIKENESS)}"
        case "missing":
            return f"this {'entry' if isinstance(fault['loc'][-1], int) else 'key'} is missing"
        case "model_type":
            return f"wants keys with values, as {{key: value}}; there are {', '.join(known)}"
    return plain(fault)
