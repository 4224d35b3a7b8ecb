"""config.yaml as it is written: what stands in it, and its variables of the environment."""

import json
import re
from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import Any

import yaml

from edged.config.mend import shown_key
from edged.contracts.errors import ConfigError

_QUOTED = re.compile(r"""'(?P<single>[^']*)'|"(?P<double>[^"]*)\"""")
"""What YAML's sentences quote of the file."""
_BOOLEAN, _WORD = "tag:yaml.org,2002:bool", "tag:yaml.org,2002:str"
"""What YAML takes a plain value for."""
_SIGNS = 2
"""Quotes so short are signs that YAML wants, no values."""


class _Loader(yaml.SafeLoader):
    """YAML whose keys are words (`on` is `true` in YAML 1.1), and that refuses one given twice."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[Any] = set()
        for key_node, _ in node.value:
            if key_node.tag == _BOOLEAN:
                key_node.tag = _WORD
            key = self.construct_object(key_node, deep=True)
            if key in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {shown_key(key)} stands twice", key_node.start_mark
                )
            seen.add(key)
        return super().construct_mapping(node, deep)


def parsed(path: Path) -> object:
    """The tree that stands in the file. Raises `ConfigError` for what is no YAML."""
    try:
        tree = yaml.load(path.read_text("utf-8"), _Loader) or {}  # noqa: S506 - a SafeLoader with one more check
        json.dumps(tree, default=str, skipkeys=True, check_circular=False)  # what contains itself has no end
    except yaml.YAMLError as error:
        raise ConfigError(f"{path}: {_yaml_fault(error)}") from None
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: is not text in UTF-8") from error
    except (ValueError, TypeError, LookupError, AttributeError):  # what PyYAML raises beside its own
        raise ConfigError(f"{path}: a `!!tag` does not fit its value, or a key is a list") from None
    except RecursionError:
        raise ConfigError(f"{path}: something is nested too deep, or contains itself") from None
    return tree


def _yaml_fault(error: yaml.YAMLError) -> str:
    """Without the lines of the file, which may hold passwords: those that YAML quotes are left out."""
    if not isinstance(error, yaml.MarkedYAMLError) or error.problem_mark is None:
        return "is no YAML"
    mark = error.problem_mark
    problem = _QUOTED.sub(_sign, error.problem or "is no YAML")
    hint = "; quote the value" if "cannot start any token" in problem else ""
    return f"line {mark.line + 1}, column {mark.column + 1}: {problem}{hint}"


def _sign(found: re.Match[str]) -> str:
    inside = found["single"] or found["double"] or ""
    return found[0] if len(inside) <= _SIGNS or inside.startswith("<") else "..."


def with_environment(value: Any, where: str, known: Mapping[str, str], faults: dict[str, str]) -> Any:
    """The tree with `${VAR}` replaced by what is known, in every string."""
    if isinstance(value, dict):
        return {k: with_environment(v, f"{where}.{k}".lstrip("."), known, faults) for k, v in value.items()}
    if isinstance(value, list):
        return [with_environment(v, f"{where}.{i}", known, faults) for i, v in enumerate(value)]
    if not isinstance(value, str):
        return value

    def replaced(found: re.Match[str]) -> str:
        if (text := known.get(found[1])) is None:
            told = f"the environment has no variable {found[1]}"
            faults[where] = f"{faults[where]}\n{told}" if where in faults else told
        return text or ""

    return re.sub(r"\$\{(\w+)\}", replaced, value)
