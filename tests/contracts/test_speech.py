"""Results of clips and the one answer that they become."""

import jsonschema
import numpy as np
import orjson
import pytest
from pydantic import ValidationError

from edged import (
    DetectionThreshold,
    LabelOptions,
    RecognitionOptions,
    SpeakerClass,
    SpeechVector,
    Transcript,
    YesNo,
)
from edged.contracts.errors import NotUsable
from edged.contracts.services import service
from edged.contracts.speech import BY_START_LABEL, BY_START_TEXT, ONE_VECTOR, SoundInput

ZH = DetectionThreshold(language="zh", threshold=0.5)
EN = DetectionThreshold(language="en", threshold=0.5)


def joined(how, results, options):
    answer = orjson.loads(orjson.dumps(how.join(results, options)))
    jsonschema.validate(answer, dict(how.schema))
    return answer


def test_labels_are_json_within_strings_with_a_newline():
    results = [(0, YesNo(0.5)), (20_031_996, YesNo(0.49))]
    assert joined(BY_START_LABEL, results, ZH) == {"0": '{"class":"是"}\n', "20031996": '{"class":"否"}\n'}
    assert joined(BY_START_LABEL, results, EN) == {"0": '{"class":"Yes"}\n', "20031996": '{"class":"No"}\n'}


def test_a_clip_in_which_nobody_speaks_has_no_speaker():
    results = [(0, SpeakerClass(None)), (5, SpeakerClass(0.9)), (7, SpeakerClass(0.1))]
    assert joined(BY_START_LABEL, results, LabelOptions(language="zh")) == {
        "5": '{"class":"女"}\n',
        "7": '{"class":"男"}\n',
    }
    assert joined(BY_START_LABEL, results[1:2], LabelOptions(language="en")) == {"5": '{"class":"female"}\n'}


def test_sentences_are_joined_and_silence_is_left_out():
    results = [(0, Transcript(("你好", "世界"))), (9, Transcript(()))]
    assert joined(BY_START_TEXT, results, RecognitionOptions(beam=1)) == {"0": "你好;世界"}
    assert joined(BY_START_TEXT, [], RecognitionOptions(beam=1)) == {}


def test_vectors_count_by_the_time_in_which_somebody_speaks():
    results = [(0, SpeechVector(np.array([1.0, 0.0]), 3.0)), (9, SpeechVector(np.array([0.0, 1.0]), 1.0))]
    assert joined(ONE_VECTOR, results, None) == "0.75,0.25"


@pytest.mark.parametrize("results", [[], [(0, SpeechVector(np.zeros(2), 0.0))]])
def test_without_a_voice_there_is_no_vector(results):
    with pytest.raises(NotUsable, match="nobody speaks"):
        ONE_VECTOR.join(results, None)


@pytest.mark.parametrize("given", [1, "1", "20000000"])
def test_a_duration_is_a_number_or_digits(given):
    asked = SoundInput.model_validate({"input": {"url": "a", "play_duration": given}}, strict=True)
    assert asked.input.play_duration == int(given)


@pytest.mark.parametrize("given", [0, -1, "0", "-1", "1.5", "", "x", 1.5, True, "٣", "9" * 30])
def test_another_duration_is_refused(given):
    with pytest.raises(ValidationError):
        SoundInput.model_validate({"input": {"url": "a", "play_duration": given}}, strict=True)


def test_the_request_names_a_url_and_options():
    of = service("music-detection")
    assert {"input", "language", "threshold", "timeout_s"} <= set(of.request_schema()["properties"])
    assert of.takes_sound
    assert not of.takes_frames
