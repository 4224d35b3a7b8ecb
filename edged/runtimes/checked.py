"""A session that gives what the model expects, or an error: the plugin need not look."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from edged.contracts.errors import InferenceError
from edged.contracts.graph_input import PictureInput, TensorInput
from edged.contracts.model import AnyModel, Session, Shape, Tensors


class CheckedSession:
    """Runs several pictures one by one where the graph takes one; checks shapes, and that all is finite."""

    def __init__(self, session: Session, model: AnyModel, graph: str) -> None:
        self._session = session
        self._graph, self._model = graph, model.card.id
        self._name = _named(graph, self._model)
        self._shapes = model.shapes(graph)
        known = model.card.graphs[graph]
        self._takes_many = known.batch_axis is not None
        self._pictures = [name for name, given in known.inputs.items() if isinstance(given, PictureInput)]
        self._one_each = [name for name, given in known.inputs.items() if _is_one(given)]

    def run(self, inputs: Tensors) -> Tensors:
        """As `Session.run`. Raises `InferenceError` for outputs that are not as the model expects."""
        count = max((len(inputs[name]) for name in self._pictures if name in inputs), default=1)
        whole = self._takes_many or count <= 1
        given = self._session.run(inputs) if whole else self._one_by_one(inputs, count)
        outputs = finite(given, self._graph, self._model)
        self._check_shapes(outputs)
        return outputs

    def _one_by_one(self, inputs: Tensors, count: int) -> Tensors:
        """Inputs that hold one item a picture are fed one by one, others as they are."""
        several = {n for n, array in inputs.items() if n in self._one_each and array.shape[:1] == (count,)}
        parts = [
            self._session.run({n: array[i : i + 1] if n in several else array for n, array in inputs.items()})
            for i in range(count)
        ]
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}

    def _check_shapes(self, outputs: Tensors) -> None:
        sizes: dict[str, int] = {}
        for name, wanted in self._shapes.items():
            if name not in outputs:
                raise InferenceError(f"{self._name} gives no {name!r}, but {', '.join(map(repr, outputs))}")
            shape = outputs[name].shape
            if not _fits(shape, wanted, sizes):
                said = ", ".join("any" if size is None else str(size) for size in wanted)
                raise InferenceError(f"{self._name} gives {name!r} of shape {shape}, and not ({said})")


def _is_one(given: PictureInput | TensorInput) -> bool:
    """Whether one run takes one item of an input."""
    return isinstance(given, PictureInput) or given.shape[:1] == (1,)


def _fits(shape: tuple[int, ...], wanted: Shape, sizes: dict[str, int]) -> bool:
    """Whether a shape is the wanted one; `sizes` remembers what the words stood for."""
    if len(shape) != len(wanted):
        return False
    for size, expected in zip(shape, wanted, strict=True):
        if (sizes.setdefault(expected, size) if isinstance(expected, str) else expected) not in (None, size):
            return False
    return True


def checked(sessions: Mapping[str, Session], model: AnyModel) -> dict[str, Session]:
    """All sessions of a model, by graph."""
    return {graph: CheckedSession(session, model, graph) for graph, session in sessions.items()}


def finite(outputs: Tensors, graph: str, model: str) -> Tensors:
    """The outputs of a graph. Raises `InferenceError` where a value is infinite or not a number."""
    if not are_finite(outputs):
        raise InferenceError(f"{_named(graph, model)} gives values that are not finite")
    return outputs


def _named(graph: str, model: str) -> str:
    return f"the graph {graph!r} of {model}"


def are_finite(outputs: Tensors) -> bool:
    """Whether no value is infinite or not a number."""
    return all(_finite(values) for values in outputs.values() if values.dtype.kind == "f")


def _finite(values: NDArray[np.floating]) -> bool:
    # The sum tells in one pass; only a sum that is too large for its type needs a second look.
    with np.errstate(over="ignore", invalid="ignore"):
        total = values.sum()
    return bool(np.isfinite(total)) or bool(np.isfinite(values).all())
