"""Items from a bucket, and answers to one: a real S3 server in this process."""

import io
import logging
from contextlib import closing

import boto3
import fsspec
import orjson
import pyarrow.parquet
import pytest
from moto.server import ThreadedMotoServer

from edged.contracts.errors import NotFound
from tests.bulk.conftest import colour_of, picture

NAME = "image-classification"
pytestmark = pytest.mark.slow


@pytest.fixture
def bucket(monkeypatch):
    """A bucket of pictures, seen by Amazon's own client; fsspec finds it by the environment."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    at = "http://{}:{}".format(*server.get_host_and_port())
    for name, value in (
        ("AWS_ACCESS_KEY_ID", "key"),
        ("AWS_SECRET_ACCESS_KEY", "secret"),
        ("FSSPEC_S3_ENDPOINT_URL", at),
    ):
        monkeypatch.setenv(name, value)
    monkeypatch.setitem(fsspec.config.conf, "s3", {"endpoint_url": at})  # read long ago in this process
    keys = {"aws_access_key_id": "key", "aws_secret_access_key": "secret", "region_name": "us-east-1"}
    with closing(boto3.client("s3", endpoint_url=at, **keys)) as client:
        client.create_bucket(Bucket="shop")
        for number in range(30):
            client.put_object(Bucket="shop", Key=f"2026/{number:02} .png", Body=picture(colour_of(number)))
        client.put_object(Bucket="shop", Key="2026/notes.txt", Body=b"not asked for")
        yield client
    server.stop()


def keys(client, prefix):
    listed = client.list_objects_v2(Bucket="shop", Prefix=prefix)
    return sorted(one["Key"] for one in listed.get("Contents", []))


def seen(client, prefix):
    found = {}
    for key in keys(client, prefix):
        body = client.get_object(Bucket="shop", Key=key)["Body"].read()
        if key.endswith(".parquet"):
            for row in pyarrow.parquet.read_table(io.BytesIO(body)).to_pylist():
                assert row["url"] not in found
                found[row["url"]] = orjson.loads(row["answer"])["class_name"]
    return found


def test_from_a_bucket_to_a_bucket_and_no_item_twice(bulk, bucket):
    wanted = {f"s3://shop/2026/{number:02} .png": colour_of(number) for number in range(30)}
    ran = bulk(NAME, "s3://shop/2026/*.png", "--to", "s3://shop/out/first")
    assert (ran.code, ran.error) == (0, None)
    assert seen(bucket, "out/first/") == wanted
    lost = keys(bucket, "out/first/part-")[0]
    bucket.delete_object(Bucket="shop", Key=lost)
    ran = bulk(NAME, "s3://shop/2026/*.png", "--to", "s3://shop/out/first")
    assert "30   14" in ran.said or "30   16" in ran.said
    assert lost in keys(bucket, "out/first/")
    assert seen(bucket, "out/first/") == wanted


def test_a_store_that_is_not_there_is_told(bulk, bucket, tmp_path):
    ran = bulk(NAME, "s3://shop/2026/*.png", "--to", "s3://nobodys/out")
    assert isinstance(ran.error, NotFound)
    assert "s3://nobodys/out" in str(ran.error)
