"""A SKU's id is given once: whatever is enrolled, removed, killed or damaged later."""

import json
import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import cv2
import numpy as np
import pytest

from edged.contracts.errors import RepositoryError
from edged.flow.budget import Budget
from edged.repository.enrolment import sku_ids
from edged.repository.skus import FILE, numbered

ROOT = Path(__file__).parents[2]
ROOMY = Budget(10**9)


@pytest.fixture
def shop(tmp_path):
    folder = tmp_path / "gallery"
    for sku in ("water", "cola", "juice"):
        put(folder, sku)
    return folder


def put(folder, sku, name="front.png"):
    (folder / sku).mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(folder / sku / name), np.full((8, 8, 3), 90, np.uint8))


def table(folder):
    return json.loads((folder / FILE).read_text("utf-8"))


def test_a_gallery_without_ids_begins_with_the_numbers_of_its_names_in_order(shop):
    assert sku_ids(shop, ROOMY) == table(shop) == {"cola": 1, "juice": 2, "water": 3}


def test_whoever_comes_later_gets_the_next_and_whoever_goes_keeps_his(shop):
    sku_ids(shop, ROOMY)
    put(shop, "beer")
    put(shop, "zwieback")
    shutil.rmtree(shop / "water")
    shutil.rmtree(shop / "zwieback")
    assert sku_ids(shop, ROOMY) == {"cola": 1, "juice": 2, "water": 3, "beer": 4}
    shutil.rmtree(shop / "beer")  # the highest number is not used again either
    put(shop, "apple")
    put(shop, "水")
    assert sku_ids(shop, ROOMY) == {"cola": 1, "juice": 2, "water": 3, "beer": 4, "apple": 5, "水": 6}
    put(shop, "beer")
    assert sku_ids(shop, ROOMY)["beer"] == 4  # the same name is the same product


def test_only_what_can_be_seen_is_numbered(shop):
    put(shop, "apple")
    (shop / "apple" / "front.png").write_bytes(b"no picture")
    (shop / "empty").mkdir()
    put(shop, "unknown")
    assert sku_ids(shop, ROOMY) == {"cola": 1, "juice": 2, "water": 3}
    put(shop, "apple", "good.png")
    assert sku_ids(shop, ROOMY)["apple"] == 4


def test_a_copied_folder_is_another_product_and_a_copied_gallery_the_same(shop, tmp_path):
    sku_ids(shop, ROOMY)
    subprocess.run(["cp", "-r", shop / "cola", shop / "cola light"], check=True)
    assert sku_ids(shop, ROOMY)["cola light"] == 4
    subprocess.run(["cp", "-r", shop, tmp_path / "second box"], check=True)
    assert sku_ids(tmp_path / "second box", ROOMY) == sku_ids(shop, ROOMY)


def test_no_folder_has_no_ids_and_is_not_made(tmp_path):
    assert sku_ids(tmp_path / "gallery", ROOMY) == {}
    assert not (tmp_path / "gallery").exists()


@pytest.mark.parametrize("step", ["os.fsync", "pathlib.Path.chmod", "pathlib.Path.replace"])
def test_a_crash_in_the_middle_leaves_what_was_there(shop, step, monkeypatch):
    class Crash(BaseException):
        """The process ends here."""

    def crash(*_):
        raise Crash

    before = sku_ids(shop, ROOMY)
    put(shop, "beer")
    with monkeypatch.context() as patch, pytest.raises(Crash):
        patch.setattr(step, crash)
        sku_ids(shop, ROOMY)
    assert table(shop) == before
    assert sku_ids(shop, ROOMY) == table(shop) == {**before, "beer": 4}
    assert {path.name for path in shop.iterdir()} == {"cola", "juice", "water", "beer", FILE}


def test_processes_and_threads_that_number_at_once_give_no_id_twice(tmp_path):
    tmp_path.joinpath("gallery").mkdir()
    code = (
        "import sys; from pathlib import Path; from edged.repository.skus import numbered\n"
        "sys.stdin.readline()\n"
        "for i in range(40): print(numbered(Path(sys.argv[1]), [f'{sys.argv[2]}{i}'])[f'{sys.argv[2]}{i}'])"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "gallery")]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True, "cwd": ROOT}
    processes = [subprocess.Popen([*command, name], **pipes) for name in ("a", "b", "c")]
    own = [[], []]
    threads = [
        threading.Thread(
            target=lambda mine=mine, name=name: mine.extend(
                numbered(tmp_path / "gallery", [f"{name}{i}"])[f"{name}{i}"] for i in range(40)
            )
        )
        for name, mine in zip("de", own, strict=True)
    ]
    for process in processes:
        process.stdin.write("go\n")
        process.stdin.flush()
    for thread in threads:
        thread.start()
    told = [int(line) for process in processes for line in process.communicate(timeout=60)[0].split()]
    for thread in threads:
        thread.join()
    assert sorted([*told, *own[0], *own[1]]) == sorted(table(tmp_path / "gallery").values())
    assert sorted(table(tmp_path / "gallery").values()) == list(range(1, 201))


@pytest.mark.parametrize(
    "damage", ["", "{", "[]", '{"cola": 0}', '{"cola": "1"}', '{"cola": 1, "juice": 1}', '{"cola": 1.5}']
)
def test_a_damaged_table_is_said_and_not_replaced(shop, damage):
    (shop / FILE).write_text(damage)
    with pytest.raises(RepositoryError, match=r"ids\.json is damaged; put a copy of it in its place"):
        sku_ids(shop, ROOMY)
    assert (shop / FILE).read_text() == damage


def test_a_gallery_that_cannot_be_written_has_its_ids_until_it_can_be(shop, monkeypatch, caplog):
    sku_ids(shop, ROOMY)
    put(shop, "beer")

    def refused(*_):
        raise OSError(30, "read-only")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", refused)
        assert sku_ids(shop, ROOMY)["beer"] == 4
    assert "cannot be written, so new ids may change" in caplog.text
    assert "beer" not in table(shop)
    assert sku_ids(shop, ROOMY)["beer"] == table(shop)["beer"] == 4


def test_others_can_read_the_table(shop):
    before = os.umask(0o077)
    try:
        sku_ids(shop, ROOMY)
    finally:
        os.umask(before)
    assert (shop / FILE).stat().st_mode & 0o777 == 0o644
