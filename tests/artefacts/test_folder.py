"""The store in a folder: all or nothing, private, bounded by size and age."""

import errno
import os
import re
import resource
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from pydantic import ValidationError

from edged.artefacts import drafts
from edged.artefacts.keeper import ArtefactKeeper
from edged.artefacts.settings import ArtefactSettings, plain
from edged.artefacts.store import ArtefactStore
from edged.contracts.errors import NotFound, StoreFailed, TooLarge
from edged.flow import clock
from edged.flow.counters import Counters
from tests.broker import until

DAY = 86400.0


class Kept:
    """A store over a folder, and what lies there."""

    def __init__(self, state, **settings):
        self.counters = Counters()
        self.made = lambda: ArtefactStore(
            ArtefactSettings(**settings), state, self.counters, lambda id: f"/a/{id}"
        )
        self.store = self.made()
        self.folder = state / "artefacts"

    def keep(self, body=b"video", suffix=".mp4"):
        with self.store.draft(suffix) as draft:
            draft.file.write(body)
            return draft.keep()

    def old(self, seconds, body=b"video"):
        """Kept so many seconds ago, by a process that is gone."""
        kept = self.keep(body)
        then = time.time() - seconds
        os.utime(self.folder / kept.id, (then, then))
        self.store = self.made()
        return kept

    def names(self):
        return sorted(path.name for path in self.folder.iterdir())

    def read(self, id):
        with self.store.open(id) as opened:
            return opened.file.read()


@pytest.fixture
def kept(tmp_path):
    return Kept(tmp_path)


@pytest.fixture(autouse=True)
def _somebody_set_the_clock(monkeypatch):
    monkeypatch.setattr(clock, "state", lambda: "synced")


def test_what_is_kept_can_be_read_under_an_id_that_nobody_guesses(kept):
    one, other = kept.keep(b"one"), kept.keep(b"other!", ".mkv")
    assert re.fullmatch(r"[0-9a-f]{32}\.mp4", one.id)
    assert one.id[:32] != other.id[:32]
    assert (one.size, one.address) == (3, f"/a/{one.id}")
    assert Path(unquote(urlsplit(one.uri).path)).read_bytes() == b"one"
    assert one.uri.startswith("file:///")
    with kept.store.open(one.id) as opened:
        assert (opened.size, opened.media_type, opened.file.read()) == (3, "video/mp4", b"one")
        opened.file.seek(1)
        assert opened.file.read() == b"ne"
    assert kept.counters.counts()["artefacts"] == {"kept": 2}
    assert kept.counters.counts()["artefact_bytes"] == {"kept": 9}


def test_a_draft_can_be_sought_in_and_read_and_is_kept_once(kept):
    with kept.store.draft(".mp4") as draft:
        draft.file.write(b"....moov")
        draft.file.seek(0)
        draft.file.write(b"head")
        draft.file.seek(0)
        assert draft.file.read() == b"headmoov"
        assert draft.file.fileno() > 0
        first = draft.keep()
        assert draft.keep() == first
    assert kept.names() == [first.id]


def test_nothing_remains_of_what_is_not_kept(kept):
    with kept.store.draft(".mp4") as draft:
        draft.file.write(b"half")
        assert len(kept.names()) == 1
    assert kept.names() == []
    with pytest.raises(ZeroDivisionError), kept.store.draft(".mp4") as draft:
        draft.file.write(b"half")
        1 / 0  # noqa: B018 - an encoder that fails
    assert kept.names() == []


def test_it_is_nobody_elses_business(kept):
    kept.folder.parent.chmod(0o755)
    one = kept.keep()
    assert kept.folder.stat().st_mode & 0o777 == 0o700
    assert (kept.folder / one.id).stat().st_mode & 0o777 == 0o600
    with kept.store.draft(".mp4"):
        (name,) = set(kept.names()) - {one.id}
        assert (kept.folder / name).stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("rights", "of_file"), [(0o755, 0o644), (0o750, 0o640), (0o777, 0o644), (0o700, 0o600)]
)
def test_a_folder_that_the_configuration_names_keeps_its_rights_and_gives_them(tmp_path, rights, of_file):
    shared = tmp_path / "shared films"
    shared.mkdir()
    shared.chmod(rights)
    store = ArtefactStore(ArtefactSettings(url=shared.as_uri()), tmp_path / "state", Counters())
    with store.draft(".mp4") as draft:
        one = draft.keep()
    assert one.uri == (shared / one.id).as_uri()
    assert shared.stat().st_mode & 0o777 == rights
    assert (shared / one.id).stat().st_mode & 0o777 == of_file
    assert not (tmp_path / "state").exists()


@pytest.mark.parametrize(
    "id", ["", ".", "..", "../../etc/passwd", "%2e%2e", f"{'0' * 31}g.mp4", f"{'0' * 32}.mp4/..",
           f"{'0' * 32}\n", f"{'0' * 32}.mp4\0", "0" * 33, f"../artefacts/{'0' * 32}.mp4", "\uff10" * 32]
)  # fmt: skip
def test_no_other_file_can_be_named(kept, id):
    kept.keep()
    (kept.folder.parent / "secret").write_text("x")
    with pytest.raises(NotFound, match=r"artefacts\.max_age"):
        kept.store.open(id)
    kept.store.remove(id)
    assert not kept.store.is_reserved(id)


def test_a_link_in_the_place_of_a_suffix_is_refused(kept):
    for suffix in ("/../x", ".MP4", ".mp4.x", "mp4", "."):
        with pytest.raises(ValueError, match="suffix"), kept.store.draft(suffix):
            pass


def test_what_is_removed_is_gone_and_who_reads_it_reads_on(kept):
    one = kept.keep()
    with kept.store.open(one.id) as opened:
        kept.store.remove(one.id)
        kept.store.remove(one.id)
        assert opened.file.read() == b"video"
    with pytest.raises(NotFound):
        kept.store.open(one.id)


def test_a_reservation_is_an_address_before_there_is_a_file(kept, tmp_path):
    place = kept.store.reserve(".mp4")
    id = place.artefact.id
    assert (place.artefact.uri, place.artefact.address) == ((kept.folder / id).as_uri(), f"/a/{id}")
    assert kept.store.is_reserved(id)
    with pytest.raises(NotFound):
        kept.store.open(id)
    (tmp_path / "film").write_bytes(b"film")
    filled = place.fill(tmp_path / "film")
    assert (filled.id, filled.uri, filled.size) == (id, place.artefact.uri, 4)
    assert kept.read(id) == b"film"
    assert not kept.store.is_reserved(id)


def test_a_reservation_that_is_dropped_or_fails_ends(kept, tmp_path):
    dropped, failed, unkept = (kept.store.reserve(".mp4") for _ in range(3))
    dropped.drop()
    with pytest.raises(FileNotFoundError):
        failed.fill(tmp_path / "nowhere")
    with unkept.draft() as draft:
        draft.file.write(b"half")
        assert kept.store.is_reserved(unkept.artefact.id)
    assert not any(kept.store.is_reserved(r.artefact.id) for r in (dropped, failed, unkept))
    assert kept.names() == []


def test_the_oldest_make_room(tmp_path):
    kept = Kept(tmp_path, max_bytes=100)
    third, first, second = (kept.old(age, b"x" * 30) for age in (10, 30, 20))
    assert len(kept.names()) == 3
    newest = kept.keep(b"x" * 60)
    assert kept.names() == sorted([third.id, newest.id])
    assert kept.counters.counts()["artefacts"]["removed for size"] == 2
    assert kept.counters.counts()["artefact_bytes"]["removed"] == 60
    for gone in (first, second):
        with pytest.raises(NotFound):
            kept.store.open(gone.id)


def test_what_is_over_the_bound_alone_is_413_and_costs_the_others_nothing(tmp_path):
    kept = Kept(tmp_path, max_bytes=100)
    one = kept.keep(b"x" * 90)
    with pytest.raises(TooLarge, match=r"101 bytes, over `artefacts\.max_bytes` of 100"):
        kept.keep(b"x" * 101)
    assert kept.names() == [one.id]


def test_what_is_too_old_goes_when_something_is_kept_and_in_time(tmp_path):
    kept = Kept(tmp_path, max_age="7d")
    old, young = kept.old(7 * DAY + 60), kept.old(7 * DAY - 60)
    newest = kept.keep()
    assert kept.names() == sorted([young.id, newest.id])
    older = kept.old(8 * DAY)
    keeper = ArtefactKeeper(kept.store)
    keeper.start()
    until(lambda: older.id not in kept.names())
    assert keeper.state() == "running"
    keeper.stop()
    assert kept.names() == sorted([young.id, newest.id])
    assert kept.counters.counts()["artefacts"]["removed for age"] == 2
    assert old.id not in kept.names()


def test_the_keeper_comes_again(tmp_path):
    kept = Kept(tmp_path, max_age="1s")
    keeper = ArtefactKeeper(kept.store)
    keeper.start()
    one = kept.keep()
    until(lambda: one.id not in kept.names())
    keeper.stop()


def test_drafts_are_never_removed_whatever_their_size_and_age(tmp_path):
    kept = Kept(tmp_path, max_bytes=100, max_age="1s")
    with kept.store.draft(".mp4") as draft:
        draft.file.write(b"x" * 90)
        draft.file.flush()
        (name,) = kept.names()
        os.utime(kept.folder / name, (0, 0))
        kept.keep(b"y" * 100)
        kept.store.tidy()
        ArtefactStore(ArtefactSettings(max_bytes=1), tmp_path, Counters()).tidy()  # another process
        assert name in kept.names()
        one = draft.keep()
    assert kept.names() == [one.id]
    assert kept.read(one.id) == b"x" * 90


def test_what_a_killed_process_was_writing_is_swept_away(kept, monkeypatch):
    code = (
        "import os, signal, sys; from pathlib import Path\n"
        "from edged.artefacts.settings import ArtefactSettings; from edged.flow.counters import Counters\n"
        "from edged.artefacts.store import ArtefactStore\n"
        "store = ArtefactStore(ArtefactSettings(), Path(sys.argv[1]), Counters())\n"
        "with store.draft('.mp4') as draft:\n"
        "    draft.file.write(b'half'); draft.file.flush(); os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    subprocess.run([sys.executable, "-c", code, kept.folder.parent], check=False, timeout=60)
    (name,) = kept.names()
    kept.store.tidy()
    assert kept.names() == [name], "it may be about to be locked"
    monkeypatch.setattr(drafts, "_NEW_S", 0.0)
    kept.store.tidy()
    assert kept.names() == []
    assert kept.counters.counts()["artefacts"] == {"drafts of the dead removed": 1}


def test_files_that_are_no_artefacts_are_left_alone(tmp_path):
    kept = Kept(tmp_path, max_bytes=10, max_age="1s")
    kept.old(60)
    for name in ("holiday.mp4", f"{'a' * 32}.MP4", "draft-x"):
        (kept.folder / name).write_bytes(b"x" * 100)
        os.utime(kept.folder / name, (0, 0))
    (kept.folder / ("b" * 32)).mkdir()
    (kept.folder / ("c" * 32)).symlink_to(kept.folder / "holiday.mp4")
    kept.store.tidy()
    assert len(kept.names()) == 5
    with pytest.raises(NotFound):
        kept.store.open("b" * 32)


def test_a_clock_that_was_never_set_makes_nothing_old(tmp_path, monkeypatch):
    kept = Kept(tmp_path)
    of_before = kept.old(300 * DAY)
    monkeypatch.setattr(clock, "state", lambda: "unsynced")
    kept.store.tidy()
    assert kept.names() == [of_before.id]


def test_a_file_is_as_old_as_it_is_when_the_clock_is_set(kept):
    """Written while the box believed that it was 1970."""
    one = kept.keep()
    os.utime(kept.folder / one.id, (1000, 1000))
    kept.store.tidy()
    assert kept.names() == [one.id]
    assert abs((kept.folder / one.id).stat().st_mtime - time.time()) < 60


FULL = r"the store of artefacts is full .*make room on its disk, or lower `artefacts\.max_bytes`"


@pytest.fixture
def _full():
    """No file may have more than 100 kB, as on a disk with so much room."""
    was = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, was[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, was)


@pytest.mark.usefixtures("_full")
def test_a_full_disk_is_503_and_leaves_nothing(kept, caplog):
    for body in (b"x" * 200_000, b"x" * 100_001):  # at the write, and only when what is buffered is written
        with pytest.raises(StoreFailed, match=FULL) as failed:
            kept.keep(body)
        assert failed.value.code == 503
        assert kept.names() == []
    place = kept.store.reserve(".mp4")
    with pytest.raises(StoreFailed, match=FULL), Path("/dev/zero").open("rb") as endless:
        place.fill(endless)
    assert kept.names() == []
    assert not kept.store.is_reserved(place.artefact.id)
    assert kept.counters.counts()["artefacts"] == {"failed": 3}
    assert len(caplog.records) == 1, "it is said once"
    assert "full" in ArtefactKeeper(kept.store).state()
    kept.keep(b"little")
    assert ArtefactKeeper(kept.store).state() == "running"


def test_a_disk_that_is_full_when_the_folder_is_made(kept, monkeypatch):
    def full(path):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("edged.artefacts.folder.private_folder", full)
    with pytest.raises(StoreFailed, match=FULL):
        kept.keep()


def test_an_error_of_the_encoder_stays_its_own(kept):
    with pytest.raises(ConnectionError), kept.store.draft(".mp4"):
        raise ConnectionError("the camera")
    assert "artefacts" not in kept.counters.counts()


def test_a_folder_that_may_not_be_written_names_the_setting(tmp_path):
    """As the user of a service: root may write anywhere."""
    shut = tmp_path / "shut"
    shut.mkdir()
    shut.chmod(0o555)
    code = (
        "import os, sys; from pathlib import Path\n"
        "from edged.artefacts.keeper import ArtefactKeeper\n"
        "from edged.artefacts.settings import ArtefactSettings\n"
        "from edged.artefacts.store import ArtefactStore; from edged.contracts.errors import StoreFailed\n"
        "from edged.flow.counters import Counters\n"
        "if os.getuid() == 0: os.setgroups([]); os.setgid(65534); os.setuid(65534)\n"
        "store = ArtefactStore(ArtefactSettings(url=Path(sys.argv[1]).as_uri()), Path('x'), Counters())\n"
        "for start in (ArtefactKeeper(store).start, store.draft('.mp4').__enter__):\n"
        "    try: start()\n"
        "    except StoreFailed as error: print(error.code, error)\n"
    )
    for folder in (tmp_path, *tmp_path.parents[:2]):
        folder.chmod(0o755)
    said = subprocess.run(
        [sys.executable, "-c", code, shut], capture_output=True, text=True, check=True, timeout=60,
        cwd=Path(__file__).parents[2],
    ).stdout.splitlines()  # fmt: skip
    expected = (
        "503 the store of artefacts cannot be written (Permission denied): `artefacts.url` must name one"
    )
    assert [line[: len(expected)] for line in said] == [expected] * 2
    assert list(shut.iterdir()) == []


def test_what_is_no_folder_is_said(tmp_path):
    (tmp_path / "artefacts").write_text("a file")
    kept = Kept(tmp_path)
    with pytest.raises(StoreFailed, match=r"cannot be written .*`paths\.state`"):
        ArtefactKeeper(kept.store).start()
    with pytest.raises(NotFound):
        kept.store.open("0" * 32)


@pytest.mark.parametrize(
    "url", ["artefacts", "/srv/artefacts", "file://host/x", "https://store/x", "s3://", "zip://x::s3://y",
            "s3://a b", "sftp://user:pass-word@host/x", "s3://b?x=1"]
)  # fmt: skip
def test_what_can_be_no_store(url):
    with pytest.raises(ValidationError) as failed:
        ArtefactSettings(url=url)
    assert "pass-word" not in str(failed.value)


def test_options_are_secrets(tmp_path):
    options = {"key": "abc", "anon": False, "client_kwargs": {"region_name": "x"}, "n": 3,
               "config_kwargs": {"s3": {"addressing_style": "path"}}}  # fmt: skip
    made = ArtefactSettings(url="s3://b/p/", options=options)
    assert made.url == "s3://b/p"
    assert plain(made.options) == options
    assert made == ArtefactSettings(url="s3://b/p", options=options)
    assert "abc" not in repr(made)
