"""`--again failed`: items that failed get new rows, all others keep theirs, and none has two at any time."""

import subprocess
import sys
import time
from random import Random

import pytest

from edged.bulk.again import failed_again, replaced
from edged.bulk.piece import Piece
from edged.bulk.results import Result
from tests.bulk.conftest import classes, colour_of, picture, pictures, rows

NAME = "image-classification"
CODE = "import sys; from edged.cli import main; sys.exit(main())"


def spoilt(folder, count, bad):
    """Pictures, of which some are none."""
    pictures(folder, count)
    for number in bad:
        (folder / f"{number:05}.png").write_bytes(b"no picture")
    return folder


def mended(folder, numbers):
    for number in numbers:
        (folder / f"{number:05}.png").write_bytes(picture(colour_of(number)))


def raw(to):
    """What each file has, to the byte, and when it was written."""
    return {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in to.glob("part-*")}


def test_which_items_and_where_their_rows_go():
    found = [Piece(name) for name in "fedcba"]
    there = {"x": [("a", False), ("b", True), ("c", False)], "y": [("d", True)], "z": [("no", False)]}
    [batch] = failed_again(found, there)
    assert (batch.name, batch.again, [one.url for one in batch.pieces]) == ("x", True, ["a", "c"])
    old, new = ([row_of(url, by) for url in urls] for by, urls in (("old", "abc"), ("new", "ac")))
    assert [row["model"] for row in replaced(old, iter(new))] == ["new", "old", "new"]


def row_of(url, model):
    return Result(url=url, answer=None, error=None, model=model, variant=None)


@pytest.mark.slow
@pytest.mark.parametrize("form", ["jsonl", pytest.param("parquet", marks=pytest.mark.long)])
def test_only_what_failed_is_asked_again(bulk, tmp_path, form):
    bad = (3, 4, 20, 40)
    folder, to = spoilt(tmp_path / "pictures", 60, bad), tmp_path / "out"
    ask = (NAME, folder, "--to", to, "--format", form)
    assert bulk(*ask).code == 0
    before, files = rows(to), raw(to)
    mended(folder, bad[:3])
    for number in range(60):
        if number not in bad:  # who asked for these would be told otherwise
            (folder / f"{number:05}.png").write_bytes(b"gone")
    ran = bulk(*ask, "--again", "failed")
    assert (ran.code, ran.error) == (0, None)
    assert "60   56           3         1" in ran.said
    after = rows(to)
    assert classes(after) == [None if number == 40 else colour_of(number) for number in range(60)]
    assert [row for n, row in enumerate(after) if n not in bad] == [
        row for n, row in enumerate(before) if n not in bad
    ]
    same = [name for name, was in files.items() if raw(to)[name] == was]
    assert len(same) == 1, "of four files one has no error"
    if form == "jsonl":
        lines = [set(b"".join(data for data, _ in kept.values()).splitlines()) for kept in (files, raw(to))]
        assert len(lines[0] - lines[1]) == 3, "all other lines are the same to the byte"
    assert not list(to.glob(".part-*"))


@pytest.mark.long
def test_those_that_are_not_given_stay_and_new_ones_come(bulk, tmp_path):
    folder, to = spoilt(tmp_path / "pictures", 4, (0, 1)), tmp_path / "out"
    assert bulk(NAME, folder, "--to", to).code == 0
    mended(folder, (0, 1))
    pictures(folder, 5)
    ran = bulk(NAME, folder / "00001.png", folder / "00004.png", "--to", to, "--again", "failed")
    assert "2    0            2         0" in ran.said
    assert classes(rows(to)) == [None, *map(colour_of, range(1, 5))]


def asking(shop, folder, to):
    command = [sys.executable, "-c", CODE, "bulk", NAME, str(folder), "--to", str(to), "-c", str(shop)]
    return subprocess.Popen([*command, "--again", "failed"], stderr=subprocess.DEVNULL)


def check(to, good, bad):
    """One row an item, the good ones as they were; how many of the bad ones are answered."""
    found = rows(to)
    assert len({row["url"] for row in found}) == len(found) == len(good) + len(bad)
    assert all(row["answer"] == good[row["url"]]["answer"] for row in found if row["url"] in good)
    return sum(row["answer"] is not None for row in found) - len(good)


def changed(is_there):
    until = time.monotonic() + 60
    while not is_there() and time.monotonic() < until:
        time.sleep(0.002)


@pytest.mark.long
def test_it_is_killed_at_ten_moments_and_every_item_has_one_row(shop, bulk, tmp_path):
    count = 1200
    bad = Random(1).sample(range(count), count // 2)
    folder, to = spoilt(tmp_path / "pictures", count, bad), tmp_path / "out"
    assert bulk(NAME, folder, "--to", to).code == 0
    good = {row["url"]: row for row in rows(to) if row["error"] is None}
    mended(folder, bad)
    answered = 0
    for later in range(10):
        files = raw(to)
        with asking(shop, folder, to) as process:
            changed(lambda files=files, process=process: process.poll() is not None or raw(to) != files)
            time.sleep(later / 250)
            process.kill()
        before, answered = answered, check(to, good, bad)
        assert answered >= before
    ran = bulk(NAME, folder, "--to", to, "--again", "failed")
    assert f"{count}  {len(good) + answered}" in ran.said
    assert check(to, good, bad) == len(bad)
    assert not list(to.glob(".part-*"))
