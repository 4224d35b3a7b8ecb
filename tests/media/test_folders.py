"""Files of this box: what lies in a configured folder and nothing else."""

import os
import socket

import pytest

from edged.contracts.errors import BadRequest, NotAllowed, NotFound, TooLarge
from edged.media.fetch import ByteLimit, fetch
from edged.media.policy import FetchSettings

LIMIT = ByteLimit(1000, "requests.picture.max_bytes")
SETTING = "`requests.fetch.folders`"


@pytest.fixture
def folder(tmp_path):
    """Allowed; what lies beside it is not."""
    (tmp_path / "secret").write_text("secret")
    made = tmp_path / "pictures"
    (made / "in").mkdir(parents=True)
    (made / "in" / "a b?#ü.jpg").write_bytes(b"picture")
    return made


def read(url, *folders):
    with fetch(str(url), FetchSettings(folders=folders), LIMIT) as got:
        return got.file.read()


def refused(kind, url, *folders):
    with pytest.raises(kind) as error:
        read(url, *folders)
    return str(error.value)


def test_by_path_and_by_url(folder):
    path = folder / "in" / "a b?#ü.jpg"
    assert read(path, folder) == b"picture"
    assert read(path, folder.parent / "other", folder) == b"picture"
    for host in "", "localhost", "LOCALHOST":
        assert read(f"file://{host}{folder}/in/a%20b%3F%23%C3%BC.jpg", folder) == b"picture"
    assert read(f"FILE:{folder}/in/a%20b%3f%23%c3%bc.jpg", folder) == b"picture"
    assert read(f"{folder}//in/./a b?#ü.jpg", folder) == b"picture"


@pytest.mark.parametrize(
    "url", ["/etc/passwd", "file:///etc/passwd", "/proc/self/environ", "/dev/zero", "//etc/passwd"]
)
def test_what_lies_elsewhere(folder, url):
    for folders in (), (folder,):
        assert SETTING in refused(NotAllowed, url, *folders)


@pytest.mark.parametrize(
    "trick", ["{}/../secret", "{}/in/../../secret", "{}/%2e%2e/secret", "{}/in/..%2f../secret", "{}x/secret"]
)
def test_no_way_up(folder, trick):
    refused((NotAllowed, NotFound), trick.format(folder), folder)
    refused(NotAllowed, "file://" + trick.format(folder), folder)


@pytest.mark.parametrize("url", ["../secret", "in/a.jpg", "secret", "~/secret", ".", "C:\\secret"])
def test_a_relative_path_leads_nowhere(folder, url, monkeypatch):
    monkeypatch.chdir(folder)
    refused(NotAllowed, url, folder)


@pytest.mark.parametrize(
    "url", ["file://other{}/x", "file://{}/x?y", "file://{}/x%00.jpg", "{}/x\0.jpg", "file://{}/a b", "file:"]
)
def test_what_is_not_well_written(folder, url):
    refused((BadRequest, NotAllowed), url.format(folder), folder)


def test_links_are_not_followed(folder):
    (folder / "out").symlink_to(folder.parent / "secret")
    (folder / "up").symlink_to("..")
    (folder / "within").symlink_to("in")
    for path in "out", "up/secret", "up/pictures/in/a b?#ü.jpg", "within/a b?#ü.jpg":
        assert "link" in refused(NotAllowed, folder / path, folder)


def test_the_folder_itself_may_be_a_link(folder):
    linked = folder.parent / "linked"
    linked.symlink_to(folder)
    assert read(linked / "in" / "a b?#ü.jpg", linked) == b"picture"


def test_only_regular_files(folder, monkeypatch):
    os.mkfifo(folder / "fifo")
    with socket.socket(socket.AF_UNIX) as listener:
        monkeypatch.chdir(folder)  # a socket's path must be short
        listener.bind("socket")
        for name in "fifo", "socket", "in", "":
            refused(NotAllowed, folder / name, folder)
    refused(NotAllowed, "/dev/zero", "/dev")
    refused(NotAllowed, "/proc/self/environ", "/proc")  # `self` is a link


def test_what_is_not_there_and_what_is_too_large(folder):
    (folder / "large").write_bytes(bytes(1001))
    (folder / "deaf").write_bytes(b"x")
    for name in "none", "none/x", "large/x", "x" * 300:
        refused((NotFound, NotAllowed), folder / name, folder)
    assert "`requests.picture.max_bytes`" in refused(TooLarge, folder / "large", folder)
