"""A device that may hang, lie, crash or be lost: what it costs is time, and no answer."""

import gc
import os
import signal
import threading
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from edged.contracts.errors import ChildDied, InferenceError, NotReady, TimedOut, VariantError
from edged.runtimes import remote
from edged.runtimes.devices import Concurrency
from edged.runtimes.opening import open_session, spared
from tests.broker import until
from tests.graphs import SIZE, scores, write_graph
from tests.runtimes.fake_gpu import FAST, HOW

ONE = Concurrency(1, 1)
VARIANT = "onnxruntime-f32"


@pytest.fixture
def graph(tmp_path):
    return write_graph(tmp_path / "small.onnx")


@pytest.fixture(autouse=True)
def fake(monkeypatch):
    monkeypatch.setattr(remote, "PROCESSES", processes := remote.DeviceProcesses())
    processes.target, processes.terms = "tests.runtimes.fake_gpu:open_device", FAST
    yield processes
    for one in list(processes._open.values()):  # pytest holds what its fixtures gave
        one.child.close()


@pytest.fixture
def session(graph):
    return opened(graph)


def opened(graph):
    session = open_session(graph, VARIANT, "gpu", ONE)
    assert isinstance(session, remote.RemoteSession)
    return session


@pytest.fixture
def safe(session, graph):
    return spared(session, graph, VARIANT, ONE, lambda error: None)


def planes(seed):
    return np.random.default_rng(seed).normal(size=(1, 3, SIZE, SIZE)).astype(np.float32)


def answers_right(session, seed=1):
    given = planes(seed)
    found = session.run({"pictures": given})
    np.testing.assert_allclose(found["scores"], scores(given), atol=1e-5)
    return True


def test_it_answers_as_any_session(session):
    assert answers_right(session)
    assert (session.device, session.precision) == ("gpu", "f32")
    assert [port.shape for port in session.signature.inputs.values()] == [(1, 3, SIZE, SIZE)]
    assert session.fallen == {"Gather": 2}


def test_a_wrong_input_is_named_and_never_goes_over(safe):
    with pytest.raises(InferenceError, match="lacks the input 'pictures'"):
        safe.run({})
    assert safe.device == "gpu"


def test_who_cannot_open_there_says_why(tmp_path):
    (broken := tmp_path / "broken.onnx").write_bytes(b"no graph")
    with pytest.raises(VariantError, match=r"broken\.onnx"):
        open_session(broken, VARIANT, "gpu", ONE)


@pytest.mark.parametrize(
    ("how", "error"),
    [
        ("hangs", TimedOut),
        ("segfaults", ChildDied),
        ("fails", InferenceError),
        ("is lost", ChildDied),
        ("lies in form", ChildDied),
        ("lies in number", ChildDied),
        ("gives nan", InferenceError),
    ],
)
def test_whatever_it_does_the_cpu_answers_until_it_is_back(session, safe, graph, how, error):
    assert answers_right(safe)
    graph.with_name(HOW).write_text(how)
    with pytest.raises(error):
        session.run({"pictures": planes(2)})
    assert answers_right(safe, 3)
    assert safe.device == "cpu"
    assert safe.why_not()
    graph.with_name(HOW).unlink()
    until(lambda: answers_right(safe, 4) and safe.device == "gpu")
    assert not safe.why_not()


def test_a_lost_device_ends_its_process_and_one_that_fails_does_not(session, graph):
    first = session.process_id
    for how, died in (("fails", False), ("is lost", True)):
        graph.with_name(HOW).write_text(how)
        with pytest.raises((InferenceError, ChildDied), match="no such kernel"):
            session.run({"pictures": planes(2)})
        until(lambda died=died: (session.process_id != first) is died)


def test_after_too_many_deaths_it_is_set_aside_and_its_users_are_told(session, safe, graph):
    told = threading.Event()
    safe.watchers.append(told.set)
    graph.with_name(HOW).write_text("segfaults")
    until(lambda: answers_right(safe) and session.is_aside())
    assert told.wait(30)
    assert safe.device == "cpu"
    assert "SIGSEGV" in safe.why_not()
    with pytest.raises(NotReady, match="set aside"):
        session.run({"pictures": planes(1)})
    assert answers_right(safe, 5)


def test_a_kill_amid_runs_loses_nothing(session, safe):
    wrong, stop = [], threading.Event()

    def work(seed):
        while not stop.is_set():
            try:
                answers_right(safe, seed)
            except BaseException as error:  # noqa: BLE001 - of a thread
                wrong.append(error)

    threads = [threading.Thread(target=partial(work, seed)) for seed in range(3)]
    for thread in threads:
        thread.start()
    before = session.process_id
    os.kill(before, signal.SIGKILL)
    until(lambda: session.process_id not in (before, None) and safe.device == "gpu")
    stop.set()
    for thread in threads:
        thread.join(30)
    assert wrong == []


def test_one_process_has_all_graphs_of_a_device_and_ends_with_the_last(tmp_path, fake):
    (tmp_path / "other").mkdir()
    sessions = [opened(write_graph(folder / "g.onnx")) for folder in (tmp_path, tmp_path / "other")]
    assert len({session.process_id for session in sessions}) == 1
    process = sessions[0].process_id
    del sessions[0]
    gc.collect()
    assert answers_right(sessions[0])
    sessions.clear()
    gc.collect()
    until(lambda: not Path(f"/proc/{process}").exists())


def test_what_its_child_holds_is_told_to_the_budget(graph, fake):
    held: list[int] = []
    fake.account = lambda: held.append
    session = open_session(graph, VARIANT, "gpu", ONE)
    until(lambda: any(size > 1_000_000 for size in held))
    del session
    gc.collect()
    until(lambda: held[-1] == 0)
