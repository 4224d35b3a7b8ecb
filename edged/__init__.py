"""edged: run small models next to the camera and the microphone.

What a plugin author needs is importable from here, from `edged.ops` and from `edged.media`; nothing else
is public.
"""

from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from edged.public import *  # noqa: F403 - what `__getattr__` gives

__version__ = "0.2.0"


def __getattr__(name: str) -> Any:
    """A public name, with numpy and pydantic behind it: `edged --help` does without both."""
    if find_spec(f"{__name__}.{name}") is not None:  # `from edged import contracts` asks here first
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module("edged.public"), name)
