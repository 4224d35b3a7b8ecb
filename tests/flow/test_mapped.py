"""Pages of mapped files are dropped where they are only read, and are there again when they are read."""

import mmap
import re
import sys

import pytest

from edged.flow.footprint import PROC
from edged.flow.mapped import forget, mapped

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="what is mapped is read from /proc")
SIZE = 4_000_000


@pytest.fixture
def weights(tmp_path):
    file = tmp_path / "net" / "main.bin"
    file.parent.mkdir()
    file.write_bytes(bytes(range(250)) * (SIZE // 250))
    return file


def resident(file):
    """Bytes of the file that this process holds."""
    text = (PROC / "self" / "smaps").read_text()
    found = re.findall(rf"{re.escape(str(file))}\n(?:.*\n)*?Rss: +(\d+) kB", text)
    return sum(map(int, found)) * 1024


def test_pages_are_dropped_and_come_back(weights):
    with weights.open("rb") as file, mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) as view:
        content = view[:]
        assert resident(weights) >= SIZE
        forget(mapped([weights.parent]))
        assert resident(weights) < SIZE // 10
        assert view[:] == content


def test_only_the_places_that_are_named(weights, tmp_path):
    other = tmp_path / "network"
    with weights.open("rb") as file, mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ):
        assert mapped([weights]) == mapped([weights.parent, other]) != frozenset()
        assert mapped([other, tmp_path / "net" / "main"]) == frozenset()


def test_by_way_of_a_link(weights, tmp_path):
    link = tmp_path / "link"
    link.symlink_to(weights.parent)
    with weights.open("rb") as file, mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ):
        assert mapped([link / "main.bin"]) == mapped([weights]) != frozenset()


def test_what_may_be_written_is_left_alone(weights):
    with weights.open("r+b") as file, mmap.mmap(file.fileno(), 0, flags=mmap.MAP_PRIVATE) as view:
        view[:4] = b"mine"
        forget(mapped([weights]))
        assert view[:4] == b"mine"
