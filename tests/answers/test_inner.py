"""What is answered to clients with a contract of their own, before it gets their form."""

import numpy as np
import orjson
import pytest
from jsonschema import Draft202012Validator

from edged.answers.finding import Finding
from edged.answers.kind import State
from edged.answers.kinds import KINDS
from edged.answers.schema import answer_schema
from edged.contracts.model import Options
from edged.contracts.services import INNER, PARTS, SERVICES
from edged.contracts.speech import Clips
from edged.contracts.text import TextEmbedding
from edged.contracts.transcription import Passages, SpokenPassage, TranscriptionOptions

OPTIONS = TranscriptionOptions(language="auto", task="transcribe", prompt="", beam=1)
SECOND = 1_000_000


def said(start, end, text, language):
    return SpokenPassage(int(start * SECOND), int(end * SECOND), text, language, -0.123456, 0.0123456)


def finding(*clips, **options):
    """Of clips of 20 s, by their passages."""
    results = [(20 * SECOND * i, Passages(clip, 20 * SECOND * (i + 1))) for i, clip in enumerate(clips)]
    return Finding(INNER["transcription"], Clips(results), OPTIONS.model_copy(update=options))


def answer(found):
    body = orjson.loads(found.encoded({}))
    Draft202012Validator(answer_schema(found.service)).validate(body)
    return body


def test_they_are_asked_by_nobody_else():
    assert not INNER.keys() & (SERVICES.keys() | PARTS.keys())
    assert not any(service.wraps_answer for service in INNER.values())


def test_passages_of_all_clips():
    found = finding(
        (said(0.5, 2, "Hello.", "en"), said(3, 4, "Bye.", "en")), (), (said(41, 44.5, "再见。", "zh"),)
    )
    body = answer(found)
    assert body["text"] == "Hello. Bye.再见。"
    assert body["seconds"] == 60
    assert body["language"] == "zh", "it is spoken longest"
    assert [passage["start"] for passage in body["passages"]] == [0.5, 3, 41]
    assert (body["passages"][0]["likelihood"], body["passages"][0]["silence"]) == (-0.1235, 0.0123)
    assert KINDS[Passages].gist(found.result, OPTIONS) == ("Hello.", "Bye.", "再见。")


def test_english_has_spaces_whatever_was_spoken():
    found = finding((said(1, 2, "Hello.", "zh"),), (said(21, 22, "Bye.", "zh"),), task="translate")
    assert answer(found)["text"] == "Hello. Bye."


@pytest.mark.parametrize("clips", [(), ((),)])
def test_nothing_is_said(clips):
    found = finding(*clips)
    body = answer(found)
    assert (body["text"], body["language"], body["passages"]) == ("", "", [])
    assert found.gist() is State.SILENT


def test_a_vector():
    vector = np.array([0.6, -0.8], np.float32)
    body = answer(Finding(INNER["text-embedding"], TextEmbedding(vector, 7), Options()))
    assert np.array_equal(np.array(body["vector"], np.float32), vector)
    assert body["tokens"] == 7
