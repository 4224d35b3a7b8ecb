"""`edged mirror`: what it gathers is what `edged pull --from` takes, from a folder and from a bucket."""

import logging
import shutil
from contextlib import closing

import boto3
import orjson
import pytest
from moto.server import ThreadedMotoServer

from edged.repository.catalogue import Catalogue
from tests.cli.test_pull import edged, installed

SECRET = "a-secret-that-nobody-logs"


def told(*args):
    """The exit code, and why not by file."""
    code, out, _ = edged("mirror", "--json", *args)
    return code, {row["file"]: row["why_not"] for row in orjson.loads(out)}


def files(folder):
    """Bytes by file, without the locks."""
    found = (path for path in folder.rglob("*") if path.is_file() and path.name != ".lock")
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in found}


@pytest.fixture
def stick(config, tmp_path):
    """What was gathered of one model."""
    assert edged("mirror", "good", tmp_path / "stick", "-c", config)[0] == 0
    return tmp_path / "stick"


def test_the_files_lie_by_their_checksum_and_what_is_missing_is_told(config, tmp_path):
    code, why_not = told("good", "gone", tmp_path / "stick", "-c", config)
    assert code == 1 and why_not["good.onnx"] is None
    assert "gone.onnx of gone cannot be had" in why_not["gone.onnx"]
    (place,) = files(tmp_path / "stick")
    kind, checksum, name = place.split("/")
    assert (kind, len(checksum), name) == ("weights", 64, "good.onnx")


def test_pull_takes_them_where_the_origins_are_gone(config, stick):
    for file in (stick.parent / "own").rglob("*.onnx"):
        file.unlink()
    assert edged("pull", "good", "-c", config)[0] == 1
    assert edged("pull", "good", "--from", stick, "-c", config)[0] == 0
    assert installed(config) == {"good"}


def test_what_is_on_this_machine_need_not_travel(config, tmp_path):
    assert edged("pull", "good", "-c", config)[0] == 0
    shutil.rmtree(tmp_path / "own" / "good" / "good.onnx", ignore_errors=True)
    (tmp_path / "own" / "good" / "good.onnx").unlink()
    assert told("good", tmp_path / "stick", "-c", config) == (0, {"good.onnx": None})


def test_a_damaged_one_on_this_machine_is_not_taken(config, tmp_path):
    assert edged("pull", "good", "-c", config)[0] == 0
    (kept,) = (path for path in (tmp_path / "models" / "weights").rglob("good.onnx"))
    kept.write_bytes(bytes(kept.stat().st_size))
    assert told("good", tmp_path / "stick", "-c", config)[0] == 0
    assert [set(data) != {0} for data in files(tmp_path / "stick").values()] == [True]


def test_what_is_there_stays_and_what_is_damaged_is_mended(config, stick):
    (path,) = stick.rglob("good.onnx")
    before, whole = path.stat().st_mtime_ns, path.read_bytes()
    told("good", stick, "-c", config)
    assert path.stat().st_mtime_ns == before
    path.write_bytes(bytes(len(whole)))
    told("good", stick, "-c", config)
    assert path.read_bytes() == whole


def test_a_licence_is_accepted_first(config, tmp_path):
    code, _, err = edged("mirror", "closed", tmp_path / "stick", "-c", config)
    assert code == 1 and "CC-BY-NC-4.0 is not permissive (stands on its page)" in err
    assert not (tmp_path / "stick").exists()
    assert edged("mirror", "closed", tmp_path / "stick", "--accept-licence", "-c", config)[0] == 0


def test_all_are_those_of_all_plugins_each_file_once(config, tmp_path, monkeypatch):
    """Of models of the test alone: those that come with edged would be fetched from the network."""
    every = Catalogue.cards.fget
    ours = property(lambda self: [card for card in every(self) if card.id in ("good", "gone", "closed")])
    monkeypatch.setattr(Catalogue, "cards", ours)
    code, why_not = told("--all", "--accept-licence", tmp_path / "stick", "-c", config)
    assert code == 1 and why_not["good.onnx"] is None
    assert "gone.onnx of gone cannot be had" in why_not["gone.onnx"]
    assert len(files(tmp_path / "stick")) == 1, "two models have the same file"
    shutil.rmtree(tmp_path / "own" / "gone")
    assert told("--all", "--accept-licence", tmp_path / "stick", "-c", config) == (0, {"good.onnx": None})
    code, _, err = edged("mirror", "--all", tmp_path / "stick", "-c", config)
    assert code == 1 and "1 of 1 files are in" in err and "closed: the licence CC-BY-NC-4.0" in err
    for file in (tmp_path / "own").rglob("*.onnx"):
        file.unlink()
    assert (
        edged("pull", "good", "closed", "--accept-licence", "--from", tmp_path / "stick", "-c", config)[0]
        == 0
    )
    assert installed(config) == {"good", "closed"}


@pytest.mark.parametrize("args", [["stick"], ["--all", "good", "stick"]])
def test_it_is_said_of_what(config, args, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(Exception, match="name models, or say --all"):
        edged("mirror", *args, "-c", config)
    assert not (tmp_path / "stick").exists()


@pytest.fixture
def bucket(config, monkeypatch):
    """Its URL; the configuration has the keys."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    url = "http://{}:{}".format(*server.get_host_and_port())
    keys = {"aws_access_key_id": "key", "aws_secret_access_key": SECRET, "region_name": "us-east-1"}
    with closing(boto3.client("s3", endpoint_url=url, **keys)) as client:
        client.create_bucket(Bucket="weights")
        options = f"{{key: key, secret: {SECRET}, endpoint_url: '{url}'}}"
        with config.open("a") as file:
            file.write(f"artefacts: {{url: 's3://films', options: {options}}}\n")
        yield client
    server.stop()


def test_a_bucket_is_filled_once_and_pulled_from(config, bucket, tmp_path):
    to = "s3://weights/boxes"
    assert told("good", to, "-c", config) == (0, {"good.onnx": None})
    (first,) = bucket.list_objects_v2(Bucket="weights")["Contents"]
    assert first["Key"].startswith("boxes/weights/") and first["Key"].endswith("/good.onnx")
    assert list((tmp_path / "models").iterdir()) == []
    (tmp_path / "own" / "good" / "good.onnx").unlink()
    assert told("good", to, "-c", config) == (0, {"good.onnx": None})
    assert edged("pull", "good", "--from", to, "-c", config)[0] == 0
    assert installed(config) == {"good"}


def test_what_a_bucket_says_is_told(config, bucket, tmp_path):
    code, why_not = told("good", "s3://nobody/boxes", "-c", config)
    assert code == 1 and "s3://nobody/boxes cannot be used" in why_not["good.onnx"]
    code, out, _ = edged("pull", "good", "--from", "s3://weights/empty", "--json", "-c", config)
    assert code == 1 and "s3://weights/empty does not hold good.onnx" in orjson.loads(out)[0]["why_not"]
    assert SECRET not in out
