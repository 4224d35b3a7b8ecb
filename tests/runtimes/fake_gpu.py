"""A GPU for tests: it computes on the CPU, and fails as the file `how` near a graph says, run after run."""

import ctypes
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from edged.children.inside import Handle, Parent
from edged.children.terms import Terms
from edged.children.wire import Message, Tree
from edged.contracts.errors import InferenceError, VariantError
from edged.runtimes.devices import Concurrency
from edged.runtimes.ort import OrtSession
from edged.tenants.gpu import OpenGraphs

HOW = "how"
FAST = Terms(rests=(0.01, 0.02), calm_s=60.0, aside_s=60.0, silent_s=1.0)
"""Under which such a child lives, so that nobody waits long."""


def how(path: Path) -> str:
    """What is written beside the graph, or in a folder above."""
    files = (folder / HOW for folder in path.parents)
    return next((file.read_text() for file in files if file.exists()), "")


class FakeSession(OrtSession):
    """As a session of a GPU."""

    fallen: Mapping[str, int] = {"Gather": 2}

    def __init__(self, path: Path, threads: int) -> None:
        super().__init__(path, "cpu", "f32", Concurrency(1, threads))
        self._path = path

    def run(self, inputs):
        outputs = super().run(inputs)
        match how(self._path):
            case "hangs":
                time.sleep(600)
            case "segfaults":
                ctypes.string_at(0)
            case "fails" | "is lost":
                raise InferenceError("no such kernel")
            case "lies in form":
                return {name: values.astype(np.float64) for name, values in outputs.items()}
            case "gives nan":
                return {name: values * np.nan for name, values in outputs.items()}
            case "lies":
                return {name: -values for name, values in outputs.items()}
        return outputs


class FakeGraphs(OpenGraphs):
    """Lost when the file says so of any graph."""

    def __init__(self) -> None:
        self._last = Path()
        super().__init__(self._made, self._tried)

    def answer(self, call):
        said = super().answer(call)
        return Message(said.tree) if how(self._last) == "lies in number" and said.arrays else said

    def _made(self, path, threads):
        self._last = path
        return FakeSession(path, threads)

    def _tried(self):
        if how(self._last) == "is lost":
            raise VariantError("the device does not compute")


def open_device(parent: Parent, given: Mapping[str, Any]) -> tuple[Tree, Handle]:
    """As `edged.tenants.gpu`."""
    return {}, FakeGraphs().answer


def hangs(parent: Parent, given: Mapping[str, Any]) -> tuple[Tree, Handle]:
    """A driver that does not come back."""
    time.sleep(600)
    raise AssertionError


def segfaults(parent: Parent, given: Mapping[str, Any]) -> tuple[Tree, Handle]:
    """A driver that crashes."""
    ctypes.string_at(0)
    raise AssertionError


def babbles(parent: Parent, given: Mapping[str, Any]) -> tuple[Tree, Handle]:
    """A probe that tells nothing sensible."""
    return {"name": 7}, lambda call: call


def ends(parent: Parent, given: Mapping[str, Any]) -> tuple[Tree, Handle]:
    """A driver that ends its process."""
    os._exit(3)


def answers(parent: Parent, given: Mapping[str, Any]) -> tuple[Tree, Handle]:
    """A good one."""
    return {"name": "Fake 9000", "driver": "1.2.3", "missing": "", "mend": ""}, lambda call: Message({})
