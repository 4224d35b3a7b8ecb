"""A misspelt name is one line on stderr, with names that are close, whatever the command."""

import sys

import pytest

from edged.cli import main

STREAM = 'streams: {door: {source: "x.mp4", run: [{service: object-detection}]}}\n'


@pytest.mark.parametrize(
    ("command", "meant"),
    [
        ("tune goood", "good"),
        ("pull goood", "good"),
        ("models goood", "good"),
        ("classes goood", "good"),
        ("mirror goood out", "good"),
        ("quantize goood --from .", "good"),
        ("bench image-classification --model goood", "good"),
        ("bulk image-classification x.png --to out --model goood", "good"),
        ("bulk imageclassification x.png --to out", "image-classification"),
        ("bench imageclassification", "image-classification"),
        ("schema imageclassification", "image-classification"),
        ("new-plugin mine --service imageclassification", "image-classification"),
        ("chaos --only garbadge", "garbage"),
        ("test-plugin own/goood", "good"),
        ("replay dor x.mp4", "door"),
    ],
)
def test_it_is_one_line(config, monkeypatch, capsys, command, meant):
    config.write_text(config.read_text() + STREAM)
    monkeypatch.chdir(config.parent)
    name, *rest = command.split()
    of = () if name == "schema" else ("-c", str(config))
    monkeypatch.setattr(sys, "argv", ["edged", name, *of, *rest])
    with pytest.raises(SystemExit) as ended:
        main()
    told = capsys.readouterr()
    assert (told.out, told.err.count("\n")) == ("", 1), told.err
    assert ended.value.code == (2 if meant == "door" else 1), "2 is of the configuration"
    assert f"did you mean {meant}" in told.err
    assert not (config.parent / "out").exists()
