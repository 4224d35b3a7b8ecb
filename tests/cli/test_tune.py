"""`edged tune`, and what `edged models` tells of it, on a card of which nobody measured anything."""

import orjson
import pytest

from edged.derive import made_up
from edged.repository.admission import SANITY
from tests.cli.test_pull import edged


@pytest.fixture
def pulled(config):
    text = (card := config.parent / "own" / "good" / "card.yaml").read_text()
    card.write_text(text.replace("[onnxruntime-f32]", "[onnxruntime-f32, openvino-f32]"))
    code, _, err = edged("pull", "good", "-c", config)
    assert code == 0
    assert "variants of good on this machine" in err
    return config


def told(config, *of):
    rows = orjson.loads(edged("models", *of, "--json", "-c", config)[1])
    return next(row for row in rows if row["model"] == "good")


def test_a_card_without_evidence_is_measured_on_what_is_made_up(pulled):
    facts = told(pulled, "good")
    assert facts["variant"] in facts["variants"]
    assert facts["ms"] > 0
    assert facts["mb"] >= 0
    for row in facts["measured"]:
        assert (row["ms"] > 0, row["agreement"]) == (True, 1.0)
        assert row["mb_of"] in ("process", "files")
        assert row["evidence"] is None
    other = next(row for row in facts["measured"] if row["variant"] == "openvino-f32")
    assert other["accuracy"] == f"agrees with f32 by 1.000, surely by 1.000 of {made_up.ITEMS} items"
    assert made_up.ITEMS > SANITY


def test_it_is_measured_again(pulled):
    code, out, err = edged("tune", "good", "--full", "--json", "-c", pulled)
    assert code == 0
    rows = orjson.loads(out)["good"]
    assert {row["variant"] for row in rows} == {"onnxruntime-f32", "openvino-f32"}
    assert "measure variants" in err
    assert edged("tune", "good", "-c", pulled)[2].count("why not") == 1


def test_the_others_go_on_where_one_is_not_there(pulled):
    code, out, err = edged("tune", "gone", "nothing", "good", "--json", "-c", pulled)
    assert code == 1
    assert "gone: gone is not installed; run `edged pull gone`" in err
    assert "no model is called 'nothing'" in err
    assert orjson.loads(out)["good"]


def test_what_is_not_installed_has_no_figures(pulled):
    facts = orjson.loads(edged("models", "gone", "--json", "-c", pulled)[1])[0]
    assert (facts["variant"], facts["ms"], facts["mb"], facts["accuracy"]) == (None, None, None, None)
    assert "not derived" in facts["measured"][0]["why_not"]
    assert "variants of gone" in edged("models", "gone", "-c", pulled)[2]
