"""A GPU for tests: it computes on the CPU, and fails as the file `how` beside a graph says, run after run."""

import ctypes
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from edged.children.inside import Handle, Parent
from edged.children.wire import Message, Tree
from edged.contracts.errors import InferenceError, VariantError
from edged.runtimes.devices import Concurrency
from edged.runtimes.ort import OrtSession
from edged.tenants.gpu import OpenGraphs

HOW = "how"


class FakeSession(OrtSession):
    """As a session of a GPU."""

    fallen: Mapping[str, int] = {"Gather": 2}

    def __init__(self, path: Path, threads: int) -> None:
        super().__init__(path, "cpu", "f32", Concurrency(1, threads))
        self._how = path.with_name(HOW)

    def run(self, inputs):
        outputs = super().run(inputs)
        match self._how.read_text() if self._how.exists() else "":
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
                return {name: values + 1 for name, values in outputs.items()}
        return outputs


class FakeGraphs(OpenGraphs):
    """Lost when the file says so of any graph."""

    def __init__(self) -> None:
        self._last = Path()
        super().__init__(self._made, self._tried)

    def answer(self, call):
        said = super().answer(call)
        return Message(said.tree) if self._how() == "lies in number" and said.arrays else said

    def _how(self):
        return self._last.read_text() if self._last.exists() else ""

    def _made(self, path, threads):
        self._last = path.with_name(HOW)
        return FakeSession(path, threads)

    def _tried(self):
        if self._how() == "is lost":
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
