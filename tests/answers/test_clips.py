"""Results of clips and the one answer that they become."""

import jsonschema
import numpy as np
import orjson
import pytest

from edged.answers.finding import Finding
from edged.answers.kind import State
from edged.answers.schema import answer_schema
from edged.contracts.errors import NotUsable
from edged.contracts.services import service
from edged.contracts.speech import Clips, SpeakerClass, SpeechVector, Transcript, YesNo
from tests.answers.examples import options_of


def finding(name, results, **options):
    return Finding(service(name), Clips(results), options_of(name).model_copy(update=options))


def joined(name, results, **options):
    answer = orjson.loads(orjson.dumps(finding(name, results, **options).answer()))
    jsonschema.validate(answer, answer_schema(service(name)))
    return answer


@pytest.mark.parametrize("name", ["speech-detection-zh", "music-detection"])
def test_labels_are_json_within_strings_with_a_newline(name):
    results = [(0, YesNo(0.5)), (20_031_996, YesNo(0.49))]
    assert joined(name, results) == {"0": '{"class":"是"}\n', "20031996": '{"class":"否"}\n'}
    assert joined(name, results, language="en") == {
        "0": '{"class":"Yes"}\n',
        "20031996": '{"class":"No"}\n',
    }
    assert joined(name, results[1:], threshold=0.49) == {"20031996": '{"class":"是"}\n'}


def test_a_clip_in_which_nobody_speaks_has_no_speaker():
    results = [(0, SpeakerClass(None)), (5, SpeakerClass(0.9)), (7, SpeakerClass(0.1))]
    assert joined("speaker-classification-zh", results) == {
        "5": '{"class":"女"}\n',
        "7": '{"class":"男"}\n',
    }
    assert joined("speaker-classification-zh", results[1:2], language="en") == {"5": '{"class":"female"}\n'}


def test_sentences_are_joined_and_silence_is_left_out():
    results = [(0, Transcript(("你好", "世界"))), (9, Transcript(()))]
    assert joined("speech-recognition-zh", results) == {"0": "你好;世界"}


@pytest.mark.parametrize(
    ("name", "silent", "answer"),
    [
        ("speech-recognition-zh", Transcript(()), ""),
        ("speech-recognition-zh-live", Transcript(()), ""),
        ("speaker-classification-zh", SpeakerClass(None), '{"class":"无"}\n'),
    ],
)
def test_a_silent_recording_says_so_at_its_beginning_and_a_silent_clip_of_a_stream_is_no_event(
    name, silent, answer
):
    assert joined(name, []) == joined(name, [(0, silent)]) == {"0": answer}
    assert joined(name, [(0, silent), (20_000_000, silent)]) == {"0": answer}
    assert finding(name, [(5_000_000, silent)]).gist() is State.SILENT


def test_nobody_is_none_in_english():
    silent = joined("speaker-classification-zh", [(0, SpeakerClass(None))], language="en")
    assert silent == {"0": '{"class":"none"}\n'}


def test_what_is_said_is_the_same_whenever_it_is_said():
    a, b = (finding("speech-recognition-zh", [(at, Transcript(("你好",)))]).gist() for at in (0, 7_000_000))
    assert a == b


def test_vectors_count_by_the_time_in_which_somebody_speaks():
    results = [
        (0, SpeechVector(np.array([1.0, 0.0]), 3.0)),
        (9, SpeechVector(np.array([0.0, 1.0]), 1.0)),
        (20, SpeechVector(np.zeros(0), 0.0)),
    ]
    assert joined("speech-vectorization-zh", results) == "0.75,0.25"


@pytest.mark.parametrize("results", [[], [(0, SpeechVector(np.zeros(2), 0.0))]])
def test_without_a_voice_there_is_no_vector(results):
    with pytest.raises(NotUsable, match="nobody speaks"):
        finding("speech-vectorization-zh", results).answer()
