"""The daemon over gRPC, asked by Triton's client: beside HTTP, with children, reloaded, and to its end."""

import os
import signal
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
import tritonclient.grpc as triton
import tritonclient.http as over_http
from tritonclient.utils import InferenceServerException, triton_to_np_dtype

from edged.kserve.models import metadata
from tests.broker import free_port, until
from tests.e2e.box import config_text, running

MODEL = "picodet-416"
APART = "services: {object-detection: {isolation: process}}"
NO_GRPC = [sys.executable, "-c", "import sys; sys.modules['grpc'] = None; from edged.cli import main; main()"]


def picture(told):
    """The same numbers for an input of a shape, wherever they are asked for."""
    shape, dtype = list(map(int, told["shape"])), triton_to_np_dtype(told["datatype"])
    return np.random.default_rng(5).integers(0, 2 if dtype is np.float32 else 255, shape).astype(dtype)


def asked(module, port):
    """The outputs for some picture, by name."""
    with module.InferenceServerClient(f"127.0.0.1:{port}") as client:
        known = client.get_model_metadata(MODEL, **({"as_json": True} if module is triton else {}))
        inputs = []
        for told in known["inputs"]:
            array = picture(told)
            inputs.append(module.InferInput(told["name"], list(array.shape), told["datatype"]))
            inputs[-1].set_data_from_numpy(array)
        result = client.infer(MODEL, inputs)
        return {told["name"]: result.as_numpy(told["name"]) for told in known["outputs"]}


def is_ready(port):
    with triton.InferenceServerClient(f"127.0.0.1:{port}") as client:
        try:
            return client.is_server_ready(client_timeout=30)
        except InferenceServerException:
            return False


def children(pid):
    """The processes of models, by the kernel's list."""
    found: list[int] = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        with suppress(OSError):  # it has ended
            found += map(int, (task / "children").read_text().split())
    return [child for child in found if _is_model(child)]


def _is_model(child):
    with suppress(OSError):
        return b"edged.children" in Path(f"/proc/{child}/cmdline").read_bytes()
    return False


def sockets(pid):
    links = map(os.readlink, Path(f"/proc/{pid}/fd").iterdir())
    return [link for link in links if link.startswith("socket:")]


@pytest.fixture
def ports():
    return free_port(), free_port()


def test_beside_http_with_a_child_that_dies_to_the_end(daemon, ports, instance_of):
    http, port = ports
    box = daemon(f"grpc: {{listen: 127.0.0.1:{port}}}", http=http)
    box.config.write_text(box.config.read_text().replace("services: {object-detection: {}}", APART))
    box.process.send_signal(signal.SIGHUP)
    until(lambda: children(box.process.pid) and _answers(port), "a child, started while gRPC runs")
    outputs, there = asked(triton, port), asked(over_http, http)
    instance = instance_of(MODEL)
    (session,) = instance.tools.sessions.values()
    native = session.run({told["name"]: picture(told) for told in metadata(instance)["inputs"]})
    assert outputs.keys() == there.keys() and outputs
    for name, array in outputs.items():
        assert np.array_equal(array, there[name])
        assert np.allclose(array, native[name], rtol=1e-5, atol=1e-6)
    (child,) = children(box.process.pid)
    assert len(sockets(child)) <= 2, "its own: none of gRPC's"
    os.kill(child, signal.SIGKILL)
    until(lambda: _answers(port) and children(box.process.pid) not in ([], [child]), "another child")
    again = asked(triton, port)
    assert all(np.array_equal(again[name], outputs[name]) for name in outputs)
    ended = threading.Event()
    with ThreadPoolExecutor(4) as pool:
        busy = [pool.submit(_until_refused, port, ended) for _ in range(4)]
        began = time.monotonic()
        assert box.stop() == 0
        assert time.monotonic() - began < 40, "whoever asks again and again holds it up"
        ended.set()
        assert {answer.result(30) for answer in busy} <= {"StatusCode.UNAVAILABLE", "StatusCode.CANCELLED"}
    assert not [line for line in box.log if "Traceback" in line]
    assert len([line for line in box.log if "grpc" in line.lower()]) == 1, "where it listens"


def _answers(port):
    try:
        return asked(triton, port)
    except InferenceServerException:
        return None


def _until_refused(port, ended):
    while not ended.is_set():
        try:
            asked(triton, port)
        except InferenceServerException as error:
            return error.status()
    return None


def test_a_reload_moves_it(daemon, ports):
    old, new = ports
    box = daemon(f"grpc: {{listen: 127.0.0.1:{old}}}", ready=False)
    until(lambda: is_ready(old), "gRPC")
    box.config.write_text(box.config.read_text().replace(f":{old}", f":{new}"))
    box.process.send_signal(signal.SIGHUP)
    until(lambda: is_ready(new), "gRPC elsewhere")
    until(lambda: not is_ready(old), "and not where it was")
    assert asked(triton, new)


def test_without_the_extra_all_else_runs(models_dir, tmp_path, ports):
    http, port = ports
    config, broker = tmp_path / "config.yaml", free_port()
    config.write_text(config_text(models_dir, broker, extra=f"grpc: {{listen: 127.0.0.1:{port}}}", http=http))
    with running(config, broker, "box", edged=NO_GRPC) as box:
        until(lambda: box.said("subscribe to:"), "readiness")
        why = "grpc does not start: grpc.listen wants the extra: pip install 'edged[grpc]'"
        until(lambda: box.said(why))
        assert asked(over_http, http)
