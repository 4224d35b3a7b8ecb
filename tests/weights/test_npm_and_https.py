"""A file out of a package of npm's, and one by URL: the real npm, a registry and a server on this machine."""

import hashlib
import random
import shutil
import ssl
import tarfile
from pathlib import Path

import pytest

from edged.contracts.card import ModelCard, Origin
from edged.contracts.errors import OriginError
from edged.weights import origins, transfer
from edged.weights.npm import pack
from edged.weights.origins import from_https, from_npm
from edged.weights.store import WeightStore
from edged.weights.transfer import Landing
from edged.weights.web import Web
from tests.graphs import LEAST
from tests.tls import Authority
from tests.weights.registry import Registry

FILE = random.Random(0).randbytes(700_000)
MEMBER = "package/model/net.tflite"
ORIGIN = Origin(npm="small-net@1.0.0", member=MEMBER)

needs_npm = pytest.mark.skipif(shutil.which("npm") is None, reason="npm is not installed")


@pytest.fixture
def target(tmp_path):
    (tmp_path / "weights").mkdir()
    return tmp_path / "weights" / "net.part"


SIZE = len(FILE)


def landing(target, size=SIZE, progress=lambda done, total: None):
    return Landing(target, size, progress)


def left(target):
    return sorted(path.name for path in target.parent.iterdir())


# --- npm


@pytest.fixture
def npm(registry, tmp_path, monkeypatch):
    """The user's npm is configured with our registry, and has fetched nothing yet."""
    (tmp_path / "npmrc").write_text("fetch-retries=0\n")
    monkeypatch.setenv("npm_config_registry", f"{registry.url}/npm/")
    monkeypatch.setenv("npm_config_cache", str(tmp_path / "cache"))
    monkeypatch.setenv("npm_config_userconfig", str(tmp_path / "npmrc"))
    return registry


def manifest(name="small-net", **more):
    return {
        "package/package.json": f'{{"name": "{name}", "version": "1.0.0"{more.get("rest", "")}}}'.encode()
    }


@needs_npm
@pytest.mark.parametrize("name", ["small-net", "@maker/small-net"])
def test_a_member_of_a_package(npm, target, name):
    ran = target.parent / "ran"
    scripts = "".join(f', "{at}": "touch {ran}"' for at in ("prepack", "prepare", "postpack", "install"))
    rest = f', "scripts": {{{scripts[2:]}}}'
    npm.add_npm(name, "0.9.0", {**manifest(name), MEMBER: b"old"})
    npm.add_npm(name, "1.0.0", {**manifest(name, rest=rest), MEMBER: FILE, "package/z": b"z"})
    origin = Origin(npm=f"{name}@1.0.0", member=MEMBER)
    assert from_npm(origin, landing(target)) == hashlib.sha256(FILE).hexdigest()
    assert target.read_bytes() == FILE
    assert left(target) == [target.name], "no script ran, nothing is left behind"


def link(name, to):
    info = tarfile.TarInfo(name)
    info.type, info.linkname = tarfile.SYMTYPE, to
    return info


@needs_npm
@pytest.mark.parametrize(
    ("members", "says"),
    [
        ({}, "no member"),
        ({MEMBER: link(MEMBER, "/etc/passwd")}, "link"),
        ({MEMBER: FILE + b"x"}, "larger than"),
    ],
)
def test_a_package_that_does_not_hold_the_file(npm, target, members, says):
    npm.add_npm("small-net", "1.0.0", {**manifest(), **members})
    with pytest.raises(OriginError, match=says):
        from_npm(ORIGIN, landing(target))
    assert [name for name in left(target) if name != target.name] == []


@needs_npm
def test_a_package_that_unpacks_to_too_much(npm, target, monkeypatch):
    monkeypatch.setattr(origins, "MAX_UNPACKED", 1_000_000)
    npm.add_npm("small-net", "1.0.0", {**manifest(), "package/a": bytes(2_000_000), MEMBER: FILE})
    with pytest.raises(OriginError, match="unpack to more than"):
        from_npm(ORIGIN, landing(target))


@needs_npm
def test_what_npm_says_is_passed_on_without_logins(npm, target, monkeypatch):
    with pytest.raises(OriginError, match=r"npm cannot fetch small-net@1\.0\.0: .*Not Found"):
        from_npm(ORIGIN, landing(target))
    monkeypatch.setenv(
        "npm_config_registry", npm.url.replace("//", "//me:s3cret@").replace("127.0.0.1", "127.0.0.9")
    )
    with pytest.raises(OriginError) as error:
        from_npm(ORIGIN, landing(target))
    assert "s3cret" not in str(error.value)
    assert left(target) == []


@pytest.mark.parametrize(
    "package",
    [
        "small-net@latest",
        "small-net@^1.0.0",
        "x@file:/etc@1.0.0",
        "--call=x@1.0.0",
        "a/b@1.0.0",
        "http://x/y@1.0.0",
    ],
)
def test_only_exact_versions_out_of_the_registry(tmp_path, package):
    with pytest.raises(OriginError, match="exact version"):
        pack(package, tmp_path)


def test_without_npm_the_user_is_told_what_to_do(target, monkeypatch):
    monkeypatch.setenv("PATH", str(target.parent))
    with pytest.raises(OriginError, match=r"npm is not installed.*--from DIR"):
        from_npm(ORIGIN, landing(target))


@pytest.mark.parametrize("member", ["/etc/passwd", "package/../../x"])
def test_a_member_outside_of_the_package(target, member):
    with pytest.raises(OriginError, match="within the package"):
        from_npm(Origin(npm="small-net@1.0.0", member=member), landing(target))


# --- https


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def secure(authority):
    """A registry that speaks TLS, with a certificate of its own authority."""
    pair = authority.pair("127.0.0.1")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair.certificate, pair.key)
    with Registry(context) as started:
        started.files["net.tflite"] = FILE
        yield started


def by_url(server, target, authority, **more):
    web = Web(str(authority.ca), timeout=20, pause=0)
    digest = from_https(Origin(https=f"{server.url}/files/net.tflite"), landing(target, **more), web)
    assert digest == hashlib.sha256(target.read_bytes()).hexdigest()
    return target.read_bytes()


def test_a_file_by_url(secure, target, authority):
    steps = []
    assert by_url(secure, target, authority, progress=lambda *step: steps.append(step)) == FILE
    assert steps[-1] == (len(FILE), len(FILE))
    assert left(target) == [target.name]


def test_a_download_that_broke_off_goes_on(secure, target, authority, monkeypatch):
    monkeypatch.setattr(transfer, "TRIES", 1)
    secure.cuts = [300_000]
    with pytest.raises(OriginError, match="broke off"):
        by_url(secure, target, authority)
    assert by_url(secure, target, authority) == FILE
    assert [sent for _, _, sent in secure.sent] == [300_000, 400_000]
    assert left(target) == [target.name]


@pytest.mark.parametrize("size", [len(FILE) - 1, len(FILE) + 1])
def test_a_file_of_another_size_is_not_even_begun(secure, target, authority, size):
    with pytest.raises(OriginError, match=f"{len(FILE)} bytes, the card says {size}"):
        by_url(secure, target, authority, size=size)
    assert not target.exists()


def test_a_file_whose_size_the_card_does_not_know(secure, target, authority):
    web = Web(str(authority.ca), timeout=20, pause=0)
    origin = Origin(https=f"{secure.url}/files/net.tflite")
    at_most = Landing(target, len(FILE) + 1, lambda *_: None, exact=False)
    assert from_https(origin, at_most, web) == hashlib.sha256(FILE).hexdigest()
    with pytest.raises(OriginError, match="larger than"):
        from_https(origin, Landing(target, len(FILE) - 1, lambda *_: None, exact=False), web)
    assert left(target) == [target.name], "and nothing of the transfer"


def test_what_is_not_there_and_who_is_not_trusted(secure, target, authority, monkeypatch):
    secure.files.clear()
    with pytest.raises(OriginError, match="404"):
        by_url(secure, target, authority)
    origin = Origin(https=f"{secure.url}/files/net.tflite?token=s3cret")
    monkeypatch.setattr("edged.weights.web.TRIES", 1)
    with pytest.raises(OriginError, match="certificate") as error:
        from_https(origin, landing(target), Web(timeout=20, pause=0))
    assert "s3cret" not in str(error.value)


# --- as origins of a card


def test_the_store_tries_one_origin_after_the_other(npm, secure, authority, tmp_path, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.ca))
    url = f"{secure.url}/files/net.tflite"
    places = [{"npm": "small-net@1.0.0", "member": MEMBER}, {"https": f"{url}?s3cret"}]
    digest = hashlib.sha256(FILE).hexdigest()
    card = ModelCard.model_validate(
        {
            **LEAST,
            "weights": {"net.tflite": {"sha256": digest, "size": len(FILE), "origins": places}},
            "uses": {"another": "one"},
        }
    )
    wanted = tmp_path / "models" / "weights" / digest / "net.tflite"
    (wanted.parent / "net.tflite.part.killed").mkdir(parents=True)  # by a try that was killed
    store = WeightStore(tmp_path / "models")

    found = store.ensure(card, ["net.tflite"], lambda *_: None)
    assert found == {"net.tflite": wanted}
    assert wanted.read_bytes() == FILE
    assert sorted(path.name for path in wanted.parent.iterdir()) == [".lock", "net.tflite"]
    wanted.unlink()
    secure.files["net.tflite"] = FILE[::-1]
    with pytest.raises(OriginError) as error:
        store.ensure(card, ["net.tflite"], lambda *_: None)
    assert f"{url}: its SHA-256 is" in str(error.value)
    assert "small-net@1.0.0: npm" in str(error.value)
    assert "s3cret" not in str(error.value)


@needs_npm
def test_a_store_may_be_named_relative_to_where_one_stands(npm, tmp_path, monkeypatch):
    npm.add_npm("small-net", "1.0.0", {**manifest(), MEMBER: FILE})
    monkeypatch.chdir(tmp_path)
    (tmp_path / "models").mkdir()
    target = Path("models") / "net.part"
    assert from_npm(ORIGIN, landing(target)) == hashlib.sha256(FILE).hexdigest()
    assert target.read_bytes() == FILE
