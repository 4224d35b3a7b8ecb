"""The store in a bucket, against a real S3 server in this process."""

import logging
import re
from contextlib import closing

import boto3
import pytest
from moto.server import ThreadedMotoServer

from edged.artefacts.keeper import ArtefactKeeper
from edged.artefacts.settings import ArtefactSettings
from edged.artefacts.store import ArtefactStore
from edged.contracts.errors import ConfigError, NotFound, StoreFailed
from edged.flow.counters import Counters

SECRET = "a-secret-that-nobody-logs"
VIDEO = bytes(range(256)) * 80_000  # 20 MB: three parts


@pytest.fixture(scope="module")
def server():
    """Its URL, and what was asked of it since the last look."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    made = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    made.start()
    yield "http://{}:{}".format(*made.get_host_and_port())
    made.stop()


@pytest.fixture
def bucket(server):
    """A new bucket, seen by Amazon's own client."""
    keys = {"aws_access_key_id": "key", "aws_secret_access_key": SECRET, "region_name": "us-east-1"}
    with closing(boto3.client("s3", endpoint_url=server, **keys)) as client:
        client.create_bucket(Bucket="films")
        yield client
        for kind in client.list_objects_v2(Bucket="films").get("Contents", []):
            client.delete_object(Bucket="films", Key=kind["Key"])
        client.delete_bucket(Bucket="films")


@pytest.fixture
def store(server, tmp_path):
    return made(server, tmp_path)


def made(server, state, url="s3://films/shop-1", counters=None, **options):
    options = {"key": "key", "secret": SECRET, "endpoint_url": server} | options
    settings = ArtefactSettings(url=url, options=options, max_bytes=10, max_age="1s")
    return ArtefactStore(settings, state, counters or Counters())


def keep(store, body):
    with store.draft(".mp4") as draft:
        draft.file.write(body)
        return draft.keep()


def keys(bucket):
    return [found["Key"] for found in bucket.list_objects_v2(Bucket="films").get("Contents", [])]


@pytest.mark.parametrize("body", [b"", b"little", VIDEO], ids=len)
def test_what_is_kept_is_in_the_bucket_and_no_more_on_the_disk(bucket, store, tmp_path, body):
    one = keep(store, body)
    assert re.fullmatch(r"s3://films/shop-1/[0-9a-f]{32}\.mp4", one.uri)
    found = bucket.get_object(Bucket="films", Key=f"shop-1/{one.id}")
    assert found["Body"].read() == body
    assert not body or found["ContentType"] == "video/mp4"
    assert one.size == len(body)
    assert list((tmp_path / "artefacts").iterdir()) == []
    assert bucket.list_multipart_uploads(Bucket="films").get("Uploads", []) == []


def test_it_is_read_in_ranges(bucket, store, monkeypatch):
    one = keep(store, VIDEO)
    with store.open(one.id) as opened:
        assert (opened.size, opened.media_type) == (len(VIDEO), "video/mp4")
        asked = []
        fetch = opened.file._fetch_range

        def fetcher(start, end):
            asked.append((start, end))
            return fetch(start, end)

        monkeypatch.setattr(opened.file.cache, "fetcher", fetcher)
        opened.file.seek(9_000_001)
        assert opened.file.read(1000) == VIDEO[9_000_001:9_001_001]
        assert sum(b - a for a, b in asked) < 2_000_000
        opened.file.seek(-5, 2)
        assert opened.file.read() == VIDEO[-5:]
    with pytest.raises(NotFound):
        store.open("0" * 32 + ".mp4")


def test_nothing_is_ever_removed_there(bucket, store):
    """Not for its size, nor its age, nor when told to: buckets have rules of their own."""
    both = sorted(keep(store, b"x" * 100).id for _ in range(2))
    store.remove(both[0])
    store.tidy()
    assert sorted(keys(bucket)) == [f"shop-1/{id}" for id in both]


def test_a_reservation_has_its_address_at_once(bucket, store, tmp_path):
    place = store.reserve(".mp4")
    assert re.fullmatch(r"s3://films/shop-1/[0-9a-f]{32}\.mp4", place.artefact.uri)
    with pytest.raises(NotFound):
        store.open(place.artefact.id)
    (tmp_path / "film").write_bytes(b"film")
    assert place.fill(tmp_path / "film").uri == place.artefact.uri
    with store.open(place.artefact.id) as opened:
        assert opened.file.read() == b"film"


def test_what_is_not_kept_never_comes_there(bucket, store, tmp_path):
    with store.draft(".mp4") as draft:
        draft.file.write(VIDEO)
    assert keys(bucket) == []
    assert list((tmp_path / "artefacts").iterdir()) == []


def test_an_upload_that_fails_in_the_middle_leaves_no_half(bucket, store, tmp_path, monkeypatch):
    from s3fs.core import S3File

    sent: list[bool] = []
    whole = S3File._upload_chunk

    def broken(self, final=False):
        if sent:
            raise ConnectionResetError("the line is dead")
        sent.append(final)
        return whole(self, final)

    monkeypatch.setattr(S3File, "_upload_chunk", broken)
    with pytest.raises(
        StoreFailed, match=r"cannot be written \(ConnectionResetError\): see `artefacts\.url`"
    ):
        keep(store, VIDEO)
    assert sent == [False], "the first part was sent"
    assert keys(bucket) == []
    assert bucket.list_multipart_uploads(Bucket="films").get("Uploads", []) == [], "and taken back"
    assert list((tmp_path / "artefacts").iterdir()) == []
    monkeypatch.undo()
    assert keep(store, VIDEO).size == len(VIDEO)


def test_a_bucket_that_there_is_not(bucket, server, tmp_path, caplog):
    counters = Counters()
    store = made(server, tmp_path, "s3://nobody", counters)
    with pytest.raises(StoreFailed, match="cannot be written") as failed:
        keep(store, b"x")
    assert failed.value.code == 503
    assert counters.counts()["artefacts"] == {"failed": 1}
    assert "cannot be written" in ArtefactKeeper(store).state()
    with pytest.raises(NotFound):
        store.open("0" * 32)
    assert SECRET not in caplog.text + str(failed.value)


@pytest.mark.slow
def test_a_server_that_there_is_not(tmp_path):
    store = made("http://127.0.0.1:9", tmp_path, config_kwargs={"retries": {"max_attempts": 1}})
    with pytest.raises(StoreFailed, match="cannot be written"):
        keep(store, b"x")
    with pytest.raises(StoreFailed, match="cannot be read"):
        store.open("0" * 32)


@pytest.mark.parametrize(
    ("url", "options", "said"),
    [
        ("nosuch://b", {}, "knows no store nosuch"),
        ("oss://b", {}, "no driver for oss:// is installed; pip install ossfs"),
        ("memory://b", {"bogus": 1, "skip_instance_cache": True}, r"`artefacts\.options`"),
    ],
)
def test_a_store_without_a_driver_is_said_at_the_start(tmp_path, url, options, said):
    store = ArtefactStore(ArtefactSettings(url=url, options=options), tmp_path, Counters())
    with pytest.raises(ConfigError, match=said):
        ArtefactKeeper(store).start()
    with pytest.raises(ConfigError, match=said), store.draft(".mp4") as draft:
        draft.keep()
