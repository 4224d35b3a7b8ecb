"""Items that kill or hang who works on them: a row with an error each, and all others are answered once."""

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from edged.children.process import INSIDE
from tests.bulk.conftest import POISONS, classes, colour_of, pictures, png, rows

NAME = "image-classification"
KILL, EXIT, SEGFAULT, HANG, HOG = POISONS
pytestmark = pytest.mark.slow


def workers() -> Iterator[int]:
    """Process ids of what this process has started of edged's."""
    for task in Path("/proc/self/task").iterdir():
        with suppress(OSError):  # it has ended
            for one in map(int, (task / "children").read_text().split()):
                if INSIDE.encode() in Path(f"/proc/{one}/cmdline").read_bytes():
                    yield one


def test_items_that_kill_are_rows(bulk, tmp_path):
    folder, to = pictures(tmp_path / "pictures", 60), tmp_path / "out"
    for number, colour in ((3, KILL), (4, EXIT), (20, SEGFAULT), (59, KILL)):
        (folder / f"{number:05}.png").write_bytes(png(colour))
    ran = bulk(NAME, folder, "--to", to)
    assert (ran.code, ran.error) == (0, None), ran.said
    found = rows(to)
    said = {3: "SIGKILL", 4: "the code 3", 20: "SIGSEGV", 59: "SIGKILL"}
    assert classes(found) == [None if number in said else colour_of(number) for number in range(60)]
    for number, why in said.items():
        assert found[number]["error"]["code"] == 500
        assert why in found[number]["error"]["message"]
        assert found[number]["model"] == f"my-{NAME}"
    assert "60   0            56        4" in ran.said
    assert not list(to.glob(".part-*"))
    assert not list(workers())


def test_a_worker_that_others_kill_blames_no_item(bulk, tmp_path):
    folder, to = pictures(tmp_path / "pictures", 2000), tmp_path / "out"
    killed = []

    def kill() -> None:
        until = time.monotonic() + 60
        while len(list(to.glob("part-*"))) < 3 and time.monotonic() < until:
            time.sleep(0.005)
        for one in workers():
            os.kill(one, signal.SIGKILL)
            killed.append(one)

    killer = threading.Thread(target=kill)
    killer.start()
    ran = bulk(NAME, folder, "--to", to, "--workers", 2)
    killer.join()
    assert (ran.code, ran.error) == (0, None)
    assert len(killed) == 2
    assert len(list(to.glob("part-*"))) > 10, "they were killed while there was work"
    assert classes(rows(to)) == [colour_of(number) for number in range(2000)]


def test_an_item_that_hangs_is_a_row(bulk, tmp_path, monkeypatch):
    monkeypatch.setattr("edged.bulk.attendant._STUCK_S", 0.5)
    folder, to = pictures(tmp_path / "pictures", 4), tmp_path / "out"
    (folder / "00002.png").write_bytes(png(HANG))
    assert bulk(NAME, folder, "--to", to, "--option", "timeout_s=4").code == 0
    found = rows(to)
    assert classes(found) == ["red", "green", None, "red"]
    assert found[2]["error"]["code"] == 504


def test_an_item_that_takes_too_much_memory_is_a_row(bulk, tmp_path, monkeypatch):
    monkeypatch.setattr("edged.bulk.attendant.usable_memory", lambda: 800_000_000)
    folder, to = pictures(tmp_path / "pictures", 4), tmp_path / "out"
    (folder / "00002.png").write_bytes(png(HOG))
    assert bulk(NAME, folder, "--to", to).code == 0
    found = rows(to)
    assert classes(found) == ["red", "green", None, "red"]
    assert "MB of memory" in found[2]["error"]["message"]
