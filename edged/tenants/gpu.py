"""The child's end of a GPU: what is there is tried out, and graphs are open and run, one at a time."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from edged.children.inside import Handle, Parent
from edged.children.values import packed
from edged.children.wire import Message, Spent, Tree
from edged.contracts.errors import ChildDied, EdgedError, VariantError
from edged.log import set_up
from edged.runtimes import webgpu
from edged.runtimes.devices import GPU, Concurrency
from edged.runtimes.gpu import DRIVER, NEWER, Gpu
from edged.runtimes.signature import Ports
from edged.runtimes.vulkan import NoDriver, NoLoader, adapters


def webgpu_session(path: Path, threads: int) -> webgpu.WebGpuSession:
    """A graph on the GPU, in the precision that it has."""
    return webgpu.WebGpuSession(path, GPU, "f32", Concurrency(1, threads))


class OpenGraphs:
    """Answers the calls of `runtimes.remote`. A graph that is not open is opened when it is run."""

    def __init__(
        self,
        make: Callable[[Path, int], webgpu.WebGpuSession] = webgpu_session,
        try_out: Callable[[], None] = webgpu.try_out,
    ) -> None:
        """`make` opens a graph, with so many threads for what the device lacks; `try_out` raises
        `VariantError` when the device is lost."""
        self._make = make
        self._try_out = try_out
        self._open: dict[str, webgpu.WebGpuSession] = {}

    def answer(self, call: Message) -> Message:
        """One call. Raises `Spent` when the device is lost: that cannot be mended in its process."""
        for key in call.tree["forget"]:
            self._open.pop(key, None)
        try:
            return self._answered(call)
        except EdgedError as error:
            try:
                self._try_out()
            except VariantError as lost:
                raise Spent(ChildDied(f"the device is lost ({lost}): {error}")) from error
            raise

    def _answered(self, call: Message) -> Message:
        said = call.tree
        session = self._session(said["graph"], said["threads"])
        if not call.arrays:
            ports = session.signature
            report = packed(Ports(tuple(ports.inputs.values()), tuple(ports.outputs.values())), [])
            return Message({"ports": report})
        outputs = session.run(dict(zip(session.signature.inputs, call.arrays, strict=True)))
        wanted = [outputs[name] for name in session.signature.outputs]
        return Message({"fallen": dict(session.fallen or {})}, wanted)

    def _session(self, path: str, threads: int) -> webgpu.WebGpuSession:
        if (session := self._open.get(path)) is None:
            session = self._open[path] = self._make(Path(path), threads)
        return session


def found(allows_software: bool) -> Gpu:
    """What a driver of Vulkan offers here, tried out."""
    try:
        best = adapters()[0]
    except NoLoader as error:
        return Gpu(missing=str(error), mend="sudo apt-get install libvulkan1")
    except NoDriver as error:
        return Gpu(missing=str(error), mend=DRIVER)
    if best.is_software and not allows_software:
        return Gpu(missing=f"there is only {best.name}, which computes on the CPU", mend=DRIVER)
    try:
        webgpu.try_out()
    except VariantError as error:
        return Gpu(missing=f"{best.name} with driver {best.driver} is no use: {error}", mend=NEWER)
    return Gpu(best.name, best.driver)


def probe(parent: Parent, given: Mapping[str, Any]) -> tuple[Tree, Handle]:
    """Tell what was found; nothing is answered."""
    set_up()
    told: Tree = packed(found(given["software"]), [])
    return told, lambda call: call


def open_device(parent: Parent, given: Mapping[str, Any]) -> tuple[Tree, Handle]:
    """Have the device ready for graphs. Raises `VariantError` when there is none."""
    set_up()
    device = found(given["software"])
    if device.missing:
        raise VariantError(str(device))
    return {}, OpenGraphs().answer
