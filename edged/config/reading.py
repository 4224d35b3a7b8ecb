"""config.yaml is read; every fault is listed at once."""

import os
import re
from functools import partial
from pathlib import Path

from edged.config.credentials import credentials, environment
from edged.config.faults import name_faults
from edged.config.mend import mended
from edged.config.secrets import with_secrets
from edged.config.settings import Config, PathSettings
from edged.config.yaml_file import parsed, with_environment
from edged.contracts.errors import ConfigError
from edged.contracts.settings import FOLDER
from edged.streams.microphone import SCHEME

ANY_SOURCE = "rtsp://camera"
"""In the place of a source that is missing: it can feed whatever a stream may run."""
_USER_INFO = re.compile(r"://\S*@")
"""User and password in a URL; up to the last @, for a password may hold a / or an @."""


def load(path: Path) -> Config:
    """Read config.yaml. Raises `ConfigError` that lists every fault with file, key and reason."""
    config, faults = examine(path)
    if config is None or faults:
        raise ConfigError(*faults)
    return config


def examine(path: Path) -> tuple[Config | None, list[str]]:
    """What is sound of config.yaml, none where nothing is, and every fault with file, key and reason.

    Raises `ConfigError` for what is no YAML.
    """
    inside = path.parent == Path(__file__).parent.parent  # that of the wheel: write beside the user
    folder = Path.cwd() if inside else path.parent
    faults: dict[str, str] = {}
    known = environment(folder)
    tree = with_secrets(with_environment(parsed(path), "", known, faults), Config, folder, faults)
    actions = tree.get("actions") if isinstance(tree, dict) else None
    named = frozenset(actions if isinstance(actions, dict) else ())  # before those that are faulty go
    config = mended(Config, tree, {FOLDER: folder}, faults, {"source": ANY_SOURCE})
    if config is not None:
        config = config.following()
        for place, fault in name_faults(config, named):
            faults.setdefault(place, fault)
        config = _anchored(config, folder)
    lines = (
        f"{place}: {line}" if place else line for place, fault in faults.items() for line in fault.split("\n")
    )
    return config, [located(path, line) for line in lines]


def credentials_of(path: Path) -> list[str]:
    """Names of the secrets that config.yaml wants of systemd. Raises `ConfigError` for what is no YAML."""
    return credentials(parsed(path))


def located(path: Path, fault: str) -> str:
    """A fault as it may be shown: with its file, without what a URL says of its user."""
    return f"{path}: {_USER_INFO.sub('://', fault)}"


def _anchored(config: Config, folder: Path) -> Config:
    paths = config.paths
    state = Path(os.environ.get("STATE_DIRECTORY", folder / paths.state))
    anchored = PathSettings(
        models=folder / paths.models,
        state=state,
        gallery=folder / paths.gallery,
        plugins=tuple(folder / p for p in paths.plugins),
    )
    streams = {
        name: stream.with_sources(partial(_anchored_source, folder=folder))
        for name, stream in config.streams.items()
    }
    return config.model_copy(update={"paths": anchored, "streams": streams})


def _anchored_source(source: str, folder: Path) -> str:
    """A relative path of a file starts at the folder of config.yaml; URLs, `models:` and `mic:` stay."""
    is_path = "://" not in source and not source.startswith(("models:", SCHEME))
    return str(folder / source) if is_path else source
