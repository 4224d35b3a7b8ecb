"""Parquet in: a column of URLs, of bytes, of texts."""

import pyarrow
import pyarrow.parquet
import pytest

from edged.contracts.errors import ConfigError, NotMedia
from tests.bulk.conftest import classes, colour_of, picture, pictures, rows

NAME = "image-classification"
pytestmark = pytest.mark.slow


def table(path, column, kind=None, groups=1000):
    array = pyarrow.array(column, kind)
    pyarrow.parquet.write_table(
        pyarrow.table({"item": array, "n": range(len(column))}), path, row_group_size=groups
    )
    return path


def test_a_column_of_urls_each_once(bulk, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = pictures(tmp_path / "pictures", 4)
    files = sorted(folder.iterdir())
    urls = [files[0].as_uri(), str(files[1]), "pictures/00002.png", str(files[1]), None, "/no/such.png"]
    path = table(tmp_path / "a.parquet", urls)
    assert bulk(NAME, path, "--column", "item", "--to", "out").code == 0
    found = {row["url"]: row for row in rows(tmp_path / "out")}
    assert len(found) == len(rows(tmp_path / "out")) == 5
    assert classes([found[url] for url in (urls[0], urls[1], str(files[2]))]) == ["red", "green", "blue"]
    assert found[f"{path.as_uri()}#row=4"]["error"]["code"] == 415
    assert found["/no/such.png"]["error"]["code"] == 404


@pytest.mark.parametrize("struct", [False, True])
def test_a_column_of_bytes_in_row_groups(bulk, tmp_path, struct):
    data = [picture(colour_of(number)) for number in range(100)]
    data[7] = None
    cells = [{"bytes": one, "path": "x"} for one in data] if struct else data
    path = table(tmp_path / "a.parquet", cells, groups=30)
    assert bulk(NAME, tmp_path / "*.parquet", "--column", "item", "--to", tmp_path / "out").code == 0
    found = {row["url"]: row for row in rows(tmp_path / "out")}
    seen = classes([found[f"{path.as_uri()}#row={number}"] for number in range(100)])
    assert seen == [None if number == 7 else colour_of(number) for number in range(100)]
    # a batch that is lost is done again, and the others are not
    lost = min((tmp_path / "out").glob("part-*"))
    before = rows(tmp_path / "out")
    lost.unlink()
    assert bulk(NAME, path, "--column", "item", "--to", tmp_path / "out").code == 0
    assert lost.exists(), "it has its name again"
    assert rows(tmp_path / "out") == before


def test_a_column_of_texts(bulk, tmp_path):
    path = table(tmp_path / "a.parquet", ["你好", "世界", "你好"])
    assert bulk("text-vectorization", path, "--column", "item", "--to", tmp_path / "out").code == 0
    first, second, third = (row["answer"]["all_hidden_outputs"] for row in rows(tmp_path / "out"))
    assert first == third != second


def test_what_is_no_table_or_lacks_the_column_is_told(bulk, tmp_path):
    path = table(tmp_path / "a.parquet", ["a"])
    ran = bulk(NAME, path, "--column", "image", "--to", tmp_path / "out")
    assert isinstance(ran.error, ConfigError)
    assert "it has item, n" in str(ran.error)
    (tmp_path / "b.parquet").write_bytes(b"no table")
    ran = bulk(NAME, tmp_path / "b.parquet", "--column", "image", "--to", tmp_path / "out")
    assert isinstance(ran.error, NotMedia)
