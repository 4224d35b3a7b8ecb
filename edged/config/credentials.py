"""Secrets that systemd hands to the service, by `LoadCredential`: `file:${CREDENTIALS_DIRECTORY}/name`.

The service has a user of its own that changes: it cannot read what only root may. Commands that are typed
have no such folder: for them it is `secrets` beside config.yaml, from which the service's are loaded, too.
"""

import os
import re
from collections import ChainMap
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

DIRECTORY = "CREDENTIALS_DIRECTORY"
"""What systemd calls the folder, in the service's environment."""
_NAMED = re.compile(rf"\$\{{{DIRECTORY}\}}/([\w.-]+)")


def secrets_folder(folder: Path) -> Path:
    """Where the administrator keeps them; `folder` is that of config.yaml."""
    return folder.absolute() / "secrets"


def environment(folder: Path) -> Mapping[str, str]:
    """The variables that config.yaml may name."""
    return ChainMap(dict(os.environ), {DIRECTORY: str(secrets_folder(folder))})


def credentials(tree: Any) -> list[str]:
    """Names of those that the tree of config.yaml names, sorted."""
    return sorted({name for text in _texts(tree) for name in _NAMED.findall(text)})


def _texts(tree: Any) -> Iterator[str]:
    if isinstance(tree, str):
        yield tree
    elif isinstance(tree, dict | list):
        for inner in tree.values() if isinstance(tree, dict) else tree:
            yield from _texts(inner)
