"""Processes that may die: what they cost is the call in work."""

import gc
import itertools
import os
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from edged.children.child import Child
from edged.children.rooms import Garbled
from edged.children.talk import nothing_to_answer
from edged.children.terms import Terms, Work
from edged.children.wire import Channel, Message
from edged.contracts.errors import Cancelled, ChildDied, NotReady, NotUsable, TimedOut
from tests.broker import until

QUICK = Terms(rests=(0.01, 0.02, 0.05), calm_s=60.0, aside_s=60.0)


def open_files():
    return len(list(Path("/proc/self/fd").iterdir()))


@pytest.fixture
def raise_child():
    children = []

    def make(terms=QUICK, **given):
        child = Child("the servant", Work("tests.children.makers:servant", given), terms)
        children.append(child)
        child.start()
        return child

    yield make
    for child in children:
        child.close()


def call(child, do, *arrays, seconds=20.0, answer=nothing_to_answer, **more):
    until = time.monotonic() + seconds

    def tick():
        if time.monotonic() > until:
            raise TimedOut("too late")

    return child.call(Message({"do": do, **more}, arrays), tick, answer)


def test_values_go_over_and_come_back(raise_child):
    child = raise_child()
    assert child.report() == {"pid": child.process_id}
    picture = np.arange(720 * 1280 * 3, dtype=np.uint8).reshape(720, 1280, 3)
    flags, none = np.array([True, False]), np.empty((0, 4), np.float32)
    said = call(child, "back", picture, np.float64(2.5).reshape(()), flags, none)
    for sent, got in zip([picture, np.array(2.5), flags, none], said.arrays, strict=True):
        assert (sent.dtype, sent.shape) == (got.dtype, got.shape) and np.array_equal(sent, got)
    assert call(child, "echo", np.zeros(3), text="é" * 100_000).tree == {"said": "é" * 100_000}


def test_what_a_child_keeps_is_not_written_over(raise_child):
    child = raise_child()
    ones = np.ones(100_000, np.uint8)
    assert call(child, "keep", ones).tree == {"sum": 100_000}
    for _ in range(5):
        call(child, "echo", ones * 9)
    assert call(child, "sum").tree == {"sum": 100_000}


@pytest.mark.parametrize(
    ("do", "told"),
    [
        ("segfault", "SIGSEGV"),
        ("exit", "ended itself with the code 3"),
        ("eat", "MB of memory, over its 400"),
        ("noise", "cannot be understood"),
    ],
)
def test_a_child_that_dies_costs_its_call(raise_child, do, told):
    child = raise_child(Terms(memory_bytes=400_000_000, rests=(0.01,)))
    first = child.report()["pid"]
    with pytest.raises(ChildDied, match=told):
        call(child, do)
    assert call(child, "echo", text="well").tree == {"said": "well"}
    assert child.process_id != first


def test_what_it_holds_is_counted_and_who_counts_may_end_it(raise_child):
    told = []

    def account(held):
        told.append(held)
        return "the others need it" if held > 400_000_000 else None

    child = raise_child(Terms(account=account, rests=(0.01,)))
    child.report()
    until(lambda: told and 10_000_000 < told[-1] < 400_000_000)
    with pytest.raises(ChildDied, match="the others need it"):
        call(child, "eat")
    child.close()
    assert told[-1] == 0


@pytest.mark.parametrize("do", ["loop", "babble"])
def test_a_call_without_end_is_over_at_its_deadline(raise_child, do):
    child = raise_child()
    child.report()
    began = time.monotonic()
    with pytest.raises(TimedOut, match="too late"):
        call(child, do, seconds=0.5, answer=lambda said: None)
    assert time.monotonic() - began < 30
    assert call(child, "echo", text="well").tree == {"said": "well"}


def test_a_call_of_which_nothing_is_heard_is_stuck(raise_child):
    child = raise_child(Terms(silent_s=0.3, rests=(0.01,)))
    with pytest.raises(TimedOut, match="nothing was heard"):
        call(child, "loop")


def test_a_call_that_ends_a_little_late_costs_no_child(raise_child):
    child = raise_child()
    pid = child.report()["pid"]
    until = time.monotonic() + 0.1

    def tick():
        if time.monotonic() > until:
            raise Cancelled("nobody waits")

    child.call(Message({"do": "sleep", "seconds": 0.3}), tick, nothing_to_answer)
    assert child.process_id == pid


def test_errors_keep_their_kind_and_those_of_others_are_told(raise_child):
    child = raise_child()
    first = child.report()["pid"]
    with pytest.raises(NotUsable, match="it has no face"):
        call(child, "raise")
    with pytest.raises(ChildDied, match="ZeroDivisionError: by nought"):
        call(child, "fail")
    assert child.process_id == first, "none of them cost it its life"


def test_a_child_may_ask_within_a_call(raise_child):
    child = raise_child()
    asked = []

    def answer(said):
        asked.append(said.tree)
        return Message({"hour": 12})

    assert call(child, "ask", answer=answer).tree == {"heard": {"hour": 12}}
    assert asked == [{"said": "time", "wants_answer": True, "zone": "UTC"}]

    def refuse(said):
        raise NotUsable("no clock")

    with pytest.raises(NotUsable, match="no clock"):
        call(child, "ask", answer=refuse)


def test_what_a_child_held_is_given_back_when_it_dies_at_its_start():
    given_back = threading.Event()

    @contextmanager
    def desk():
        try:
            yield nothing_to_answer
        finally:
            given_back.set()

    child = Child("the servant", Work("tests.children.makers:servant", {"dies_at_start": 1}), QUICK, desk)
    child.start()
    with pytest.raises(ChildDied, match="code 1"):
        child.report()
    assert given_back.is_set()
    child.close()


def test_what_keeps_it_from_starting_is_told(raise_child):
    with pytest.raises(NotUsable, match="it is Sunday"):
        raise_child(refuses=True).report()


def test_who_dies_too_often_is_set_aside_and_tried_again_later(raise_child):
    child = raise_child(Terms(rests=(0.01, 0.01), aside_s=3.0))
    for _ in range(3):
        with pytest.raises(ChildDied):
            call(child, "exit")
    until(lambda: "set aside" in (child.trouble() or ""))
    with pytest.raises(NotReady, match="set aside for 3 s, having died 3 times; at last it ended itself"):
        call(child, "echo")
    assert "set aside" in child.trouble(), "it was told so at once"
    until(lambda: child.trouble() is None)
    assert call(child, "echo", text="again").tree == {"said": "again"}
    assert child.trouble() is None


def test_one_that_dies_between_calls_is_replaced(raise_child):
    child = raise_child()
    pid = child.report()["pid"]
    os.kill(pid, signal.SIGKILL)
    until(lambda: child.process_id != pid, "it is missed")
    assert call(child, "echo", text="well").tree == {"said": "well"}


def test_it_gets_neither_secrets_nor_descriptors(raise_child, monkeypatch, tmp_path):
    monkeypatch.setenv("MQTT_PASSWORD", "secret")
    with (tmp_path / "open").open("w") as file:
        os.set_inheritable(file.fileno(), True)
        found = call(raise_child(), "environment").tree
    assert "MQTT_PASSWORD" not in found["names"]
    assert found["files"] <= 6  # three, the socket, its folder, and perhaps an array


def test_the_address_space_may_be_bounded(raise_child):
    child = raise_child(Terms(address_bytes=1_500_000_000))
    first = child.report()["pid"]
    assert call(child, "allocate", bytes=1_000_000).tree == {"bytes": 1_000_000}
    with pytest.raises(ChildDied, match="MemoryError"):
        call(child, "allocate", bytes=2_000_000_000)
    assert child.process_id == first


def test_it_dies_with_its_parent():
    code = (
        "from edged.children.child import Child; from edged.children.terms import Terms, Work; import time\n"
        "child = Child('x', Work('tests.children.makers:servant', {}), Terms()); child.start()\n"
        "print(child.report()['pid'], flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as parent:
        pid = int(parent.stdout.readline())
        parent.kill()
    until(lambda: not _runs(pid))


def _runs(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_nothing_is_left_open():
    gc.collect()
    before = open_files()
    for _ in range(3):
        child = Child("the servant", Work("tests.children.makers:servant", {}), QUICK)
        child.start()
        call(child, "back", np.ones(1000))
        with pytest.raises(ChildDied):
            call(child, "exit")
        child.close()
    assert open_files() == before


def test_callers_wait_for_their_turn(raise_child):
    child = raise_child()
    child.report()
    got = []

    def ask(number):
        got.append(call(child, "echo", np.full(10_000, number)).arrays[0][0])

    threads = [threading.Thread(target=ask, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(got) == list(range(1, 9))


NEVER_RIGHT = [
    b"\xff\xff\xff\xff",
    b"{",
    b"[]",
    b'{"tree": [], "arrays": []}',
    b'{"tree": {}, "arrays": [["O", [2]]]}',
    b'{"tree": {}, "arrays": [["<f4", [-1]]]}',
    b'{"tree": {}, "arrays": [["<f4", [100000000000]]]}',
    b'{"tree": {}, "arrays": [["<f4", [1000]]]}',
    b'{"tree": {}, "arrays": 1}',
    b"[" * 100_000,
]
RIGHT_WITH_A_FILE = b'{"tree": {}, "arrays": [["<f4", [2]]]}'


@pytest.mark.parametrize(
    ("said", "with_file"), [(RIGHT_WITH_A_FILE, False), *itertools.product(NEVER_RIGHT, (False, True))]
)
def test_a_message_is_believed_nothing(said, with_file):
    ours, its = socket.socketpair()
    with ours, its:
        data = said if said[:1] == b"\xff" else struct.pack("<I", len(said)) + said
        file = os.memfd_create("short")
        os.write(file, b"12345678")
        socket.send_fds(its, [data], [file] if with_file else [])
        os.close(file)
        before = open_files()
        with pytest.raises(Garbled):
            Channel(ours, trusts=False).receive(lambda: None)
        assert open_files() == before


def test_files_that_a_child_sends_are_not_kept():
    ours, its = socket.socketpair()
    with ours, its:
        body = b'{"tree": {}, "arrays": []}'
        before = open_files()
        with open("/dev/null", "rb") as one, open("/dev/zero", "rb") as other:  # noqa: PTH123
            files = [one.fileno(), other.fileno(), one.fileno()]
            socket.send_fds(its, [struct.pack("<I", len(body)) + body], files)
        assert Channel(ours, trusts=False).receive(lambda: None) == Message({}, [], None)
        assert open_files() == before
