"""The models that are asked by their own tensors: found by name, told of, and run."""

import asyncio
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import Executor
from typing import Any

from edged.contracts.errors import NotFound
from edged.contracts.model import Run, Tensors
from edged.kserve.tensors import datatype
from edged.repository.isolated import AnyInstance
from edged.repository.outline import Outline
from edged.requests.graphs import input_places, output_places, run_graphs
from edged.runtimes.signature import Port
from edged.serving.table import ServiceTable

_PLATFORMS: Mapping[str, str] = {"onnxruntime": "onnxruntime_onnx", "openvino": "openvino_ir"}


class Models:
    """What is served, by its name. Asked in the thread of an event loop."""

    def __init__(
        self, table: ServiceTable, idle: Callable[[str], Outline | None], executor: Executor
    ) -> None:
        """`idle`: a model that loads when it is asked; called in a thread of `executor`."""
        self._table = table
        self._idle = idle
        self._executor = executor

    async def found(self, model: str) -> AnyInstance | Outline:
        """One that is up, or an outline of one that loads when it is asked. Raises `NotFound`."""
        for served in self._table.ready():
            if served.instance.facts.name == model:
                return served.instance
        loop = asyncio.get_running_loop()
        idle = await loop.run_in_executor(self._executor, self._idle, model)
        if idle is None:
            raise NotFound(f"no model {model[:100]!r} is served; /api/status lists those that are")
        return idle


def metadata(of: AnyInstance | Outline) -> dict[str, Any]:
    """Of a model: the tensors of its graphs as the runtime knows them, a free length being -1.

    Where there are several graphs, a tensor's name begins with that of its graph: `det/x`. Labels
    are the names of its classes by id; none, where it has no fixed list of them.
    """
    card, facts = of.card, of.facts
    runtime = facts.variant.partition("-")[0]
    return {
        "name": card.id,
        "versions": [facts.variant],
        "platform": _PLATFORMS.get(runtime, runtime),
        "inputs": [_tensor(name, place.port) for name, place in input_places(of.signatures).items()],
        "outputs": [_tensor(name, place.port) for name, place in output_places(card, of.signatures).items()],
        "labels": list(card.class_names()),
        "parameters": {"service": card.service, "device": facts.device},
    }


def outputs_of(
    model: str, instance: AnyInstance, inputs: Tensors, wanted: Collection[str], run: Run
) -> Tensors:
    """What the graphs of a model give. Raises as `run_graphs`, and `NotFound` where another one serves by
    now."""
    if (serves := instance.facts.name) != model:
        raise NotFound(f"{model} has left; {serves} serves now")
    return run_graphs(instance, inputs, wanted, run)


def _tensor(name: str, port: Port) -> dict[str, Any]:
    shape = [-1 if length is None else length for length in port.shape]
    return {"name": name, "datatype": datatype(port.dtype), "shape": shape}
