"""Which exceptions a library raises, where they share no base class."""

from types import ModuleType


def raised_by(*modules: ModuleType) -> tuple[type[Exception], ...]:
    """All exception classes that the modules define, and the built-in ones that bindings raise."""
    own = (kind for module in modules for kind in vars(module).values() if isinstance(kind, type))
    return (
        RuntimeError,
        ValueError,
        TypeError,
        KeyError,
        OSError,
        *(kind for kind in own if issubclass(kind, Exception)),
    )
