"""A model's own graphs, asked past its service: tensors in, tensors out, each graph by itself.

Where there are several graphs a tensor's name begins with that of its graph: `det/x`. A graph runs when its
inputs are there, so one question may run some of a model's graphs or all of them; what one gives never flows
into another.
"""

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from edged.contracts.card import ModelCard
from edged.contracts.errors import BadRequest, TooLarge
from edged.contracts.graph_input import PictureInput
from edged.contracts.model import Run, Tensors
from edged.contracts.slot import Priority
from edged.repository.isolated import AnyInstance
from edged.runtimes.signature import Port, Signature

MOST_VALUES = 12_000_000
"""Of pictures in an input whose size is free: 4,000,000 pixels, each of which takes some hundred bytes."""
MOST_PAIRS = 2**24
"""The free lengths of any other input multiplied, the longest one twice: attention compares each place with
each, and holds 4 bytes a head for it."""


@dataclass(frozen=True, slots=True)
class TensorPlace:
    """Where a tensor belongs."""

    graph: str
    port: Port


def input_places(signatures: Mapping[str, Signature]) -> dict[str, TensorPlace]:
    """All inputs by the names that they are told by, those of one graph together."""
    return {
        _told(signatures, graph, name): TensorPlace(graph, port)
        for graph, signature in signatures.items()
        for name, port in signature.inputs.items()
    }


def output_places(card: ModelCard, signatures: Mapping[str, Signature]) -> dict[str, TensorPlace]:
    """The same of outputs; a runtime may know several names of one, of which the card's is told."""
    return {
        _told(signatures, graph, name): TensorPlace(graph, signature.outputs[name])
        for graph, signature in signatures.items()
        for name in card.graphs[graph].outputs
        if name in signature.outputs
    }


def run_graphs(instance: AnyInstance, given: Tensors, wanted: Collection[str], run: Run) -> Tensors:
    """The outputs by name, in the order of the card: those that are wanted, or all where none is named.

    Raises `BadRequest` for a name that there is not, an input that is missing, of another type or another
    shape; `TooLarge` for one over a limit above; what `Instance.run` does.
    """
    ins, outs = input_places(instance.signatures), output_places(instance.card, instance.signatures)
    graphs = dict.fromkeys(_found(ins, name, "input").graph for name in given)  # as a set, in its order
    asked = {name: place for name, place in outs.items() if place.graph in graphs}
    for name in wanted:
        if _found(outs, name, "output").graph not in graphs:
            raise BadRequest(f"the output {name!r} wants inputs that are not there: see the model's metadata")
    for name, place in ins.items():
        if place.graph in graphs:
            _check(instance.card, name, place, given)
    answers = {}
    for graph in graphs:
        run.check()
        fed = {place.port.name: given[name] for name, place in ins.items() if place.graph == graph}
        answers[graph] = instance.run(graph, fed, run, Priority.REQUEST)
    return {
        name: answers[place.graph][place.port.name]
        for name, place in asked.items()
        if not wanted or name in wanted
    }


def _told(signatures: Mapping[str, Signature], graph: str, name: str) -> str:
    return f"{graph}/{name}" if len(signatures) > 1 else name


def _found(places: Mapping[str, TensorPlace], name: str, what: str) -> TensorPlace:
    if (place := places.get(name)) is None:
        raise BadRequest(f"there is no {what} {name[:100]!r}, but {', '.join(list(places)[:20])}")
    return place


def _check(card: ModelCard, name: str, place: TensorPlace, given: Tensors) -> None:
    """Raises `BadRequest` and `TooLarge`."""
    if (array := given.get(name)) is None:
        raise BadRequest(f"the input {name!r} is missing")
    if not place.port.fits(array):
        raise BadRequest(
            f"the input {name!r} should be {place.port}, but is {array.dtype} {list(array.shape)}"
        )
    free = [length for length, known in zip(array.shape, place.port.shape, strict=True) if known is None]
    if not free:
        return
    picture = isinstance(card.graphs[place.graph].inputs.get(place.port.name), PictureInput)
    if picture and array.size > MOST_VALUES:
        raise TooLarge(f"the input {name!r} has more than the {MOST_VALUES} values that are taken at a time")
    if not picture and math.prod(free) * max(free) > MOST_PAIRS:
        raise TooLarge(
            f"the input {name!r} is too long: its free lengths multiplied, the longest twice, may be "
            f"{MOST_PAIRS}; send fewer at a time"
        )
