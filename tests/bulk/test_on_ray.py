"""`edged bulk --ray`: real clusters of several nodes on this machine."""

import subprocess
import sys
import threading
import time
import warnings
from pathlib import Path

import pytest

from tests.bulk.conftest import LOSS, POISONS, classes, colour_of, picture, pictures, png, rows

NAME = "image-classification"
COUNT = 2000
pytestmark = pytest.mark.long


@pytest.fixture
def cluster(monkeypatch):
    """A head without cores for work, and two nodes of one core each; other Rays are not looked for."""
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from ray.cluster_utils import Cluster

        made = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
        nodes = [made.add_node(num_cpus=1) for _ in range(2)]
        yield made, nodes
        made.shutdown()


def test_a_node_is_killed_half_way_and_every_item_is_there_once(bulk, cluster, tmp_path):
    made, nodes = cluster
    folder, to = pictures(tmp_path / "pictures", COUNT), tmp_path / "out"
    (folder / "bad.png").write_bytes(b"no picture")
    killed = threading.Event()

    def kill() -> None:
        until = time.monotonic() + 120
        while len(list(to.glob("part-*"))) < 20 and time.monotonic() < until:
            time.sleep(0.01)
        if len(list(to.glob("part-*"))) < 60:
            made.remove_node(nodes[0], allow_graceful=False)
            killed.set()

    killer = threading.Thread(target=kill)
    killer.start()
    ran = bulk(NAME, folder, "--to", to, "--ray", made.address)
    killer.join()
    assert killed.is_set(), "it was killed while there was work"
    assert (ran.code, ran.error) == (0, None), ran.said
    *good, bad = rows(to)
    assert classes(good) == [colour_of(number) for number in range(COUNT)]
    assert len({row["url"] for row in good}) == COUNT
    assert bad["error"]["code"] == 415
    assert f"{COUNT + 1}  0            {COUNT}      1" in ran.said


def test_ray_is_started_here_and_says_nothing(bulk, tmp_path, capfd):
    folder = pictures(tmp_path / "pictures", 100)
    assert bulk(NAME, folder, "--to", tmp_path / "here").code == 0
    capfd.readouterr()
    ran = bulk(NAME, folder, "--to", tmp_path / "there", "--ray", "local")
    assert (ran.code, ran.error) == (0, None)
    assert rows(tmp_path / "there") == rows(tmp_path / "here"), "the same rows, from wherever"
    assert capfd.readouterr() == ("", "")


def test_items_that_kill_are_rows(bulk, tmp_path):
    folder, to = pictures(tmp_path / "pictures", 100), tmp_path / "out"
    for number, colour in enumerate(list(POISONS)[:3]):
        (folder / f"{number * 30:05}.png").write_bytes(png(colour))
    ran = bulk(NAME, folder, "--to", to, "--ray", "local")
    assert (ran.code, ran.error) == (0, None), ran.said
    assert classes(rows(to)) == [None if n in (0, 30, 60) else colour_of(n) for n in range(100)]
    assert "100  0            97        3" in ran.said


def test_an_item_that_takes_all_along_is_a_row_and_is_asked_again_when_it_is_mended(bulk, tmp_path):
    folder, to = pictures(tmp_path / "pictures", 40), tmp_path / "out"
    fatal = folder / "00020.png"
    fatal.write_bytes(png(LOSS))
    ran = bulk(NAME, folder, "--to", to, "--ray", "local")
    assert (ran.code, ran.error) == (0, None), ran.said
    found = rows(to)
    assert classes(found) == [None if n == 20 else colour_of(n) for n in range(40)]
    assert found[20]["error"] == {"code": 500, "message": "3 machines were lost with it"}
    fatal.write_bytes(picture(colour_of(20)))
    ran = bulk(NAME, folder, "--to", to, "--ray", "local", "--again", "failed")
    assert (ran.code, ran.error) == (0, None), ran.said
    assert classes(rows(to)) == [colour_of(n) for n in range(40)]
    assert "40   39           1         0" in ran.said


def test_what_workers_lack_is_told_once(bulk, shop, tmp_path):
    folder = pictures(tmp_path / "pictures", 100)
    ran = bulk(NAME, folder, "--to", tmp_path / "out", "--ray", "local", "--model", "no-such")
    assert "no-such" in str(ran.error)
    assert rows(tmp_path / "out") == []


@pytest.fixture
def head(tmp_path_factory, monkeypatch):
    """`ray start --head`, as one does it; its folder of logs. What it runs in ends with it."""
    folder = tmp_path_factory.mktemp("ray")
    monkeypatch.setenv("RAY_TMPDIR", str(folder))
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    more = ["--include-dashboard=false", "--num-cpus=2", "--object-store-memory=100000000"]
    command = [Path(sys.executable).with_name("ray"), "start", "--head", "--block", "--port=0", *more]
    with (folder / "said").open("w") as said, subprocess.Popen(command, stdout=said, stderr=said) as ray:
        until = time.monotonic() + 120
        while not (folder / "ray" / "ray_current_cluster").exists():
            assert ray.poll() is None, (folder / "said").read_text()
            assert time.monotonic() < until, (folder / "said").read_text()
            time.sleep(0.05)
        yield folder / "ray" / "session_latest" / "logs"
        ray.terminate()


def test_auto_joins_the_cluster_that_this_machine_is_part_of(bulk, head, tmp_path):
    folder, to = pictures(tmp_path / "pictures", 100), tmp_path / "out"
    ran = bulk(NAME, folder, "--to", to, "--ray", "auto")
    assert (ran.code, ran.error) == (0, None), ran.said
    assert classes(rows(to)) == [colour_of(number) for number in range(100)]
    assert list(head.glob("python-core-driver-*")), "it was there"


@pytest.mark.parametrize("by", ["--ray", "RAY_ADDRESS", "ray_current_cluster"])
def test_no_cluster_is_told(bulk, tmp_path, monkeypatch, by):
    folder, dead = pictures(tmp_path / "pictures", 1), "127.0.0.1:1"
    monkeypatch.setenv("RAY_TMPDIR", str(tmp_path))
    monkeypatch.setenv("RAY_ADDRESS", dead if by == "RAY_ADDRESS" else "")
    (tmp_path / "ray").mkdir()
    (tmp_path / "ray" / "ray_current_cluster").write_text(dead)  # as a machine that crashed leaves it
    ran = bulk(NAME, folder, "--to", tmp_path / "out", "--ray", dead if by == "--ray" else "auto")
    assert "there is no Ray at 127.0.0.1:1" in str(ran.error)
