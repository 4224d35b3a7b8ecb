"""`edged bulk` in this process: whatever is given, there is one row an item, and it is the right one."""

import contextlib
import errno
import fcntl
import os
import signal
import subprocess
import sys
import threading
import time

import pytest
from jsonschema import Draft202012Validator

from edged.answers.schema import answer_schema
from edged.contracts.errors import BadRequest, ConfigError, NotFound, NotUsable
from edged.contracts.services import service
from tests.bulk.conftest import POISONS, classes, colour_of, picture, pictures, png, rows

NAME = "image-classification"
*_, HANG, _ = POISONS
pytestmark = pytest.mark.slow


@pytest.mark.parametrize("to", ["out", "out.parquet", "out.jsonl"])
def test_a_row_an_item_and_a_bad_one_with_its_error(bulk, tmp_path, to):
    folder = pictures(tmp_path / "pictures", 40)
    (folder / "bad.png").write_bytes(b"no picture")
    (folder / ".hidden").write_bytes(b"not asked for")
    ran = bulk(NAME, folder, "--to", tmp_path / to)
    assert (ran.code, ran.error) == (0, None)
    assert "41   0            40        1" in ran.said
    *good, bad = rows(tmp_path / to)
    assert classes(good) == [colour_of(number) for number in range(40)]
    assert [row["url"] for row in good] == [path.as_uri() for path in sorted(folder.glob("0*.png"))]
    assert {(row["model"], row["error"]) for row in good} == {(f"my-{NAME}", None)}
    assert all(row["variant"].endswith("-f32") for row in good)
    Draft202012Validator(answer_schema(service(NAME))).validate(good[0]["answer"])
    assert bad["url"].endswith("/bad.png")
    assert (bad["answer"], bad["error"]["code"]) == (None, 415)
    assert "picture" in bad["error"]["message"]


def test_what_is_done_is_not_done_again(bulk, tmp_path):
    folder, to = pictures(tmp_path / "pictures", 50), tmp_path / "out"
    assert bulk(NAME, folder, "--to", to).code == 0
    written = {path: path.stat().st_mtime_ns for path in to.iterdir()}
    pictures(folder, 60)
    again = bulk(NAME, f"{folder}/*.png", "--to", f"{to}/")
    assert "60   50           10        0" in again.said
    assert written.items() <= {path: path.stat().st_mtime_ns for path in to.iterdir()}.items()
    assert classes(rows(to)) == [colour_of(number) for number in range(60)]
    assert bulk(NAME, folder, "--to", to).code == 0


def test_a_run_that_is_killed_goes_on(shop, bulk, tmp_path):
    folder, to = pictures(tmp_path / "pictures", 2000), tmp_path / "out"
    (folder / "01500.png").write_bytes(png(HANG))  # so that it is killed half way
    code = "import sys; from edged.cli import main; sys.exit(main())"
    command = [sys.executable, "-c", code, "bulk", NAME, str(folder), "--to", str(to), "-c", str(shop)]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
        until = time.monotonic() + 60
        while len(list(to.glob("part-*"))) < 3 and time.monotonic() < until:
            time.sleep(0.005)
        process.kill()
    before = len(rows(to))
    assert 0 < before < 2000, "it was killed half way"
    pictures(folder, 2000)
    ran = bulk(NAME, folder, "--to", to)
    assert f"2000  {before}" in ran.said
    found = rows(to)
    assert classes(found) == [colour_of(number) for number in range(2000)]
    assert not list(to.glob(".part-*")), "nothing half done is left"


def test_a_run_that_is_asked_to_end_leaves_whole_parts(shop, tmp_path):
    folder, to = pictures(tmp_path / "pictures", 2000), tmp_path / "out"
    code = "import sys; from edged.cli import main; sys.exit(main())"
    command = [sys.executable, "-c", code, "bulk", NAME, str(folder), "--to", str(to), "-c", str(shop)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        until = time.monotonic() + 60
        while not list(to.glob("part-*")) and time.monotonic() < until:
            time.sleep(0.005)
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in said
    assert not list(to.glob(".part-*"))
    assert 0 < len(rows(to)) < 2000


@pytest.mark.parametrize("form", ["jsonl", "parquet"])
def test_files_that_a_power_cut_left_damaged_are_made_again(bulk, tmp_path, caplog, form):
    folder, to = pictures(tmp_path / "pictures", 60), tmp_path / "out"
    assert bulk(NAME, folder, "--to", to, "--format", form).code == 0
    whole = rows(to)
    for path, size in zip(sorted(to.glob("part-*")), (0, 700), strict=False):
        os.truncate(path, size)
    ran = bulk(NAME, folder, "--to", to, "--format", form)
    assert (ran.code, ran.error) == (0, None)
    assert "is damaged" in caplog.text
    assert rows(to) == whole


def test_a_full_disk_is_told_and_what_fitted_stays(shop, bulk, tmp_path):
    texts, to = tmp_path / "a.txt", tmp_path / "out"
    texts.write_text("\n".join(["你好世界" * 100] * 40))
    asked = ["bulk", "text-vectorization", str(texts), "--to", str(to), "--format", "jsonl"]
    code = "import sys; from edged.cli import main; sys.exit(main())"
    done = subprocess.run(
        # a file may have 1 MiB, as much as the last batch takes and the others do not
        ["bash", "-c", 'ulimit -f 1024; exec "$@"', "-", sys.executable, "-c", code, *asked, "-c", str(shop)],
        stderr=subprocess.PIPE,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 1
    assert "File too large" in done.stderr
    assert "Traceback" not in done.stderr
    assert not list(to.glob(".part-*"))
    assert bulk(*asked[1:]).code == 0
    assert len(rows(to)) == 40


def test_a_folder_of_answers_that_vanishes_is_told(bulk, tmp_path):
    folder, to = pictures(tmp_path / "pictures", 4000), tmp_path / "out"

    def remove() -> None:
        until = time.monotonic() + 60
        while not list(to.glob("part-*")) and time.monotonic() < until:
            time.sleep(0.005)
        to.rename(tmp_path / "elsewhere")

    thief = threading.Thread(target=remove)
    thief.start()
    ran = bulk(NAME, folder, "--to", to)
    thief.join()
    assert isinstance(ran.error, NotFound)
    assert str(to) in str(ran.error)


def test_names_that_are_odd_in_urls(bulk, tmp_path):
    folder = tmp_path / "pictures [of] 100%"
    folder.mkdir()
    for name in ("a b.png", "c#d?.png", "ü%20.png", "日本.png", "a\nb.png", os.fsdecode(b"\xff.png")):
        (folder / name).write_bytes(picture("green"))
    assert bulk(NAME, folder, "--to", tmp_path / "out").code == 0
    assert classes(rows(tmp_path / "out")) == ["green"] * 6
    assert bulk(NAME, *sorted(folder.iterdir()), "--to", tmp_path / "again").code == 0
    assert rows(tmp_path / "again") == rows(tmp_path / "out")


def test_answers_that_lie_beside_the_items_are_none(bulk, tmp_path):
    folder = pictures(tmp_path / "pictures", 3)
    for _ in range(2):
        assert bulk(NAME, folder, "--to", folder / "out").code == 0
        assert len(rows(folder / "out")) == 3


def test_when_all_fail_the_exit_status_says_so(bulk, tmp_path):
    (tmp_path / "a.png").write_bytes(b"no picture")
    for _ in range(2):
        assert bulk(NAME, tmp_path / "a.png", "--to", tmp_path / "out").code == 1
        assert len(rows(tmp_path / "out")) == 1


def test_texts_are_lines(bulk, tmp_path):
    (tmp_path / "a.txt").write_bytes("\ufeff你好\n\n世界\n".encode() + b"\xff\n")
    ran = bulk(
        "text-vectorization", tmp_path / "a.txt", "--to", tmp_path / "out", "--option", "sequence_length=6"
    )
    assert ran.code == 0
    first, third, fourth = rows(tmp_path / "out")
    assert [row["url"].rpartition("#")[2] for row in (first, third, fourth)] == ["line=1", "line=3", "line=4"]
    assert first["answer"]["all_hidden_outputs"] != third["answer"]["all_hidden_outputs"]
    assert fourth["error"]["code"] == 415


@pytest.mark.parametrize(
    ("args", "error", "says"),
    [
        ((NAME, "nowhere/*.png"), NotFound, "leads to no file"),
        ((NAME, "a.png", "--option", "colour=red"), BadRequest, "`colour` is unknown"),
        ((NAME, "a.png", "--option", "colour"), BadRequest, "NAME=VALUE"),
        ((NAME, "a.png", "--model", "my-text-vectorization"), ConfigError, "is for text-vectorization"),
        ((NAME, "a.parquet"), BadRequest, "--column"),
        ((NAME, "gopher://a/b"), ConfigError, "gopher"),
        ((NAME, "s3://a::b"), BadRequest, "`::`"),
        (("face-similarity", "a.png"), NotUsable, "two pictures"),
        (("video-highlight", "a.mp4"), NotUsable, "makes a video"),
        (("telepathy", "a.png"), NotFound, "telepathy"),
    ],
)
def test_what_is_wrong_is_told_before_anything_is_done(bulk, tmp_path, args, error, says):
    for name in ("a.png", "a.parquet", "a.mp4"):
        (tmp_path / name).write_bytes(picture("red"))
    with contextlib.chdir(tmp_path):
        ran = bulk(*args, "--to", "out")
    assert isinstance(ran.error, error)
    assert says in str(ran.error)
    assert rows(tmp_path / "out") == []


def test_a_folder_has_the_answers_to_one_question(bulk, tmp_path):
    folder, to = pictures(tmp_path / "pictures", 3), tmp_path / "out"
    assert bulk(NAME, folder, "--to", to).code == 0
    ran = bulk(NAME, folder, "--to", to, "--precision", "f32")
    assert isinstance(ran.error, ConfigError)
    assert "another question" in str(ran.error)


def test_a_folder_that_cannot_be_locked_is_told_of_and_written(bulk, tmp_path, monkeypatch, caplog):
    def refuse(*_):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)
    assert bulk(NAME, pictures(tmp_path / "pictures", 3), "--to", tmp_path / "out", "--workers", 1).code == 0
    assert "No locks available" in caplog.text
    assert len(rows(tmp_path / "out")) == 3


def test_one_run_at_a_time_writes_to_a_folder(bulk, tmp_path):
    folder, to = pictures(tmp_path / "pictures", 3), tmp_path / "out"
    to.mkdir()
    handle = os.open(to, os.O_RDONLY)
    fcntl.flock(handle, fcntl.LOCK_EX)
    ran = bulk(NAME, folder, "--to", to)
    assert "another run" in str(ran.error)
    os.close(handle)
    assert bulk(NAME, folder, "--to", to).code == 0


def test_without_the_extra_json_lines_are_written(bulk, tmp_path, monkeypatch):
    for name in ("pyarrow", "ray"):
        monkeypatch.setitem(sys.modules, name, None)
    folder, to = pictures(tmp_path / "pictures", 3), tmp_path / "out"
    assert bulk(NAME, folder, "--to", to).code == 0
    assert len(list(to.glob("part-*.jsonl"))) == 1
    for more in (("--format", "parquet"), ("--ray", "local")):
        ran = bulk(NAME, folder, "--to", tmp_path / more[1], *more)
        assert isinstance(ran.error, ConfigError)
        assert "edged[bulk]" in str(ran.error)
