"""The graphs of a model as files to derive from: as published, side by side, or built of weights."""

import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from edged.builders import without_roundings
from edged.contracts.card import Graph
from edged.contracts.errors import CardError
from edged.contracts.model import AnyModel


class GraphSources:
    """Where each graph of a model can be read from, for as long as the block lasts.

    A graph of one file is that file, without the roundings of a dynamic quantization. One of several (Paddle,
    ONNX with its weights apart) lies in a folder with all of them, for there the runtimes look. One with a
    `builder` is made by the model, once.
    """

    def __init__(self, model: AnyModel, files: Mapping[str, Path], beside: Path | None = None) -> None:
        """`files`: the verified weights by name; `beside`: a folder within which what is made of them lies,
        in a hidden one; none: the system's for what is temporary."""
        self._model = model
        self._files = files
        self._made: dict[str, Path] = {}
        self._folder = tempfile.TemporaryDirectory(prefix=".edged-", dir=beside)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._folder.cleanup()

    def path(self, name: str) -> Path:
        """The file to open for a graph of the card. Raises `CardError` when it cannot be built."""
        graph = self._model.card.graphs[name]
        if name not in self._made:
            folder = Path(self._folder.name) / name
            folder.mkdir()
            if graph.builder is not None:
                self._made[name] = self._built(name, graph, folder)
            elif len(graph.weights) > 1:
                self._made[name] = self._side_by_side(graph, folder)
            else:
                self._made[name] = self._exact(graph, folder)
        return self._made[name]

    def _exact(self, graph: Graph, folder: Path) -> Path:
        published = self._files[graph.weights[0]]
        exact = without_roundings(published) if graph.quantized and published.suffix == ".onnx" else None
        if exact is None:
            return published
        return _saved(exact, folder / published.name)

    def _side_by_side(self, graph: Graph, folder: Path) -> Path:
        for name in graph.weights:
            shutil.copyfile(self._files[name], folder / name)  # ONNX follows no links
        return folder / graph.weights[0]

    def _built(self, name: str, graph: Graph, folder: Path) -> Path:
        given = {file: self._files[file] for file in graph.weights}
        try:
            return _saved(self._model.build_graph(name, given), folder / f"{name}.onnx")
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
            raise CardError(
                f"{self._model.card.id}: the graph {name!r} cannot be built of {', '.join(given)}: "
                f"{type(error).__name__}: {error}"
            ) from error


def _saved(model: Any, path: Path) -> Path:
    import onnx  # noqa: PLC0415 - only deriving needs it

    onnx.save(model, str(path))
    return path
