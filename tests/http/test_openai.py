"""OpenAI's API, asked by OpenAI's own client; what comes of it stands in the pipeline's place."""

import io
import socket

import numpy as np
import openai
import pytest

from edged.contracts.languages import LANGUAGES, code_of
from edged.http.embeddings import AT_A_TIME, MOST_TEXTS
from edged.http.transcript_events import _delta
from edged.http.transcriptions import MOST_AT_A_TIME
from edged.media.fetch import IN_MEMORY, ByteLimit
from tests.broker import until
from tests.clients import SAID, Oracle, names, vector_of
from tests.http.conftest import TOKEN, Box

SOUND = b"RIFF" + bytes(range(251)) * 40
LIMIT = 2 * IN_MEMORY
COMES = "/v1/audio/transcriptions"


@pytest.fixture
def oracle():
    made = Oracle()
    yield made
    made.free.set()
    made.go_on.set()
    made.pool.shutdown()


@pytest.fixture
def asked(box, oracle):
    """The box, started; `asked()` is a client of it."""
    box.names, box.sound_limit = names, ByteLimit(LIMIT, "requests.sound.max_bytes")
    box.start(intake=oracle)
    with client(box) as made:
        yield made


def client(box, key="none"):
    return openai.OpenAI(
        base_url=f"http://127.0.0.1:{box.unit.port}/v1", api_key=key, max_retries=0, timeout=60
    )


def hear(asked, file=("a.wav", SOUND), **fields):
    return asked.audio.transcriptions.create(file=file, **{"model": "whisper-1", **fields})


def test_what_is_said(asked, oracle):
    found = hear(asked)
    assert found.text == SAID["text"]
    assert found.usage.seconds == 3726
    assert oracle.recordings == [SOUND]
    (job,) = oracle.jobs
    assert (job.service, job.inner, job.key) == ("transcription", True, None)
    assert oracle.fields() == {"language": "auto", "prompt": "", "task": "transcribe"}


def test_with_segments(asked, oracle):
    found = hear(
        asked,
        **{"response_format": "verbose_json", "timestamp_granularities": ["segment"], "temperature": 0},
        **{"language": "en-GB", "prompt": "Hello"},
    )
    assert (found.language, found.duration, found.text) == ("english", 3725.5, SAID["text"])
    first, second = found.segments
    assert (first.id, first.start, first.end, first.text) == (0, 0.25, 1.5, "Good morning.")
    assert (second.id, second.avg_logprob, second.no_speech_prob) == (1, -0.4, 0.02)
    assert first.compression_ratio > 0
    assert oracle.fields() == {"language": "en", "prompt": "Hello", "task": "transcribe"}


def test_as_text_and_as_subtitles(asked):
    assert hear(asked, response_format="text") == f"{SAID['text']}\n"
    times = ("00:00:00,250 --> 00:00:01,500", "01:02:03,004 --> 01:02:05,000")
    srt = f"1\n{times[0]}\nGood morning.\n\n2\n{times[1]}\n再见 -> 。\n\n"
    assert hear(asked, response_format="srt") == srt
    vtt = f"WEBVTT\n\n{times[0]}\nGood morning.\n\n{times[1]}\n再见 -> 。\n\n".replace(",", ".")
    assert hear(asked, response_format="vtt") == vtt


def test_in_english(asked, oracle):
    with pytest.warns(DeprecationWarning, match="deprecated"):  # of the client's, as it stands
        found = asked.audio.translations.create(
            file=("a.wav", SOUND), model="whisper-base", response_format="verbose_json"
        )
    assert (found.language, len(found.segments)) == ("english", 2)
    assert oracle.fields()["task"] == "translate"


def test_a_long_recording_goes_by_way_of_a_disk(asked, oracle):
    sound = bytes(IN_MEMORY + 1000)
    assert hear(asked, file=io.BytesIO(sound)).text
    assert oracle.recordings == [sound]


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"response_format": "diarized_json"}, "response_format"),
        ({"temperature": 0.4}, "temperature"),
        ({"extra_body": {"stream": "perhaps"}}, "stream"),
        ({"stream": True, "response_format": "srt"}, "stream"),
        (
            {"response_format": "verbose_json", "timestamp_granularities": ["word"]},
            "timestamp_granularities",
        ),
        ({"timestamp_granularities": ["segment"]}, "timestamp_granularities"),
        ({"include": ["logprobs"]}, "include"),
        ({"extra_body": {"model": ["a", "b"]}}, "model"),
    ],
)
def test_what_cannot_be_had_is_refused_by_name(asked, oracle, fields, param):
    with pytest.raises(openai.BadRequestError) as caught:
        hear(asked, **fields)
    assert (caught.value.param, caught.value.type) == (param, "invalid_request_error")
    assert f"`{param}`" in caught.value.message
    assert oracle.jobs == []


def test_an_unknown_model_is_not_another_one(asked, oracle):
    with pytest.raises(openai.NotFoundError, match="heard, whisper-base, whisper-1") as caught:
        hear(asked, model="whisper-9")
    assert (caught.value.code, caught.value.param) == ("model_not_found", "model")
    with pytest.raises(openai.NotFoundError, match="bge-small-zh"):
        asked.embeddings.create(input="a", model="text-embedding-3-small")
    assert oracle.jobs == []


@pytest.mark.parametrize(
    ("code", "kind", "error"),
    [
        (400, "invalid_request_error", openai.BadRequestError),
        (415, "invalid_request_error", openai.APIStatusError),
        (422, "invalid_request_error", openai.UnprocessableEntityError),
        (500, "server_error", openai.InternalServerError),
        (503, "server_error", openai.InternalServerError),
        (504, "server_error", openai.InternalServerError),
    ],
)
def test_what_goes_wrong_is_said_in_the_clients_form(asked, oracle, code, kind, error):
    oracle.failure = (code, "the media of the field `input.url` is no sound")
    with pytest.raises(error) as caught:
        hear(asked)
    assert (caught.value.status_code, caught.value.type) == (code, kind)
    assert caught.value.body["message"] == "the media of the field `file` is no sound"
    assert caught.value.request_id == "r-1"
    assert caught.value.response.headers["X-Model"] == "heard"


def test_a_full_queue_says_when_to_try_again(asked, oracle):
    oracle.full = True
    with pytest.raises(openai.RateLimitError) as caught:
        hear(asked)
    assert caught.value.response.headers["Retry-After"] == "1"
    with pytest.raises(openai.RateLimitError):
        asked.embeddings.create(input="a", model="meant")


def test_too_many_bytes(asked, box, oracle):
    with pytest.raises(openai.APIStatusError, match=r"requests\.sound\.max_bytes") as caught:
        hear(asked, file=io.BytesIO(bytes(LIMIT + 4_000_000)))
    assert caught.value.status_code == 413
    head = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
    parts = iter([head, *[b"y" * 1_000_000] * 12])  # nobody says how many there will be
    form = {"Content-Type": "multipart/form-data; boundary=x"}
    assert box.ask("POST", COMES, parts, form).code == 413
    assert oracle.jobs == []


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("application/json", b"{}"),
        ("multipart/form-data", b""),
        ("multipart/form-data; boundary=x", b"nonsense"),
        ("multipart/form-data; boundary=x", b'--x\r\nContent-Disposition: form-data; name="model"\r\n\r\na'),
        (
            "multipart/form-data; boundary=x",
            b'--x\r\nContent-Disposition: form-data; name="model"\r\n\r\na\r\n--x--\r\n',
        ),
        (
            "multipart/form-data; boundary=x",
            b'--x\r\nContent-Disposition: form-data; name="other"; filename="a"\r\n\r\na\r\n--x--\r\n',
        ),
    ],
)
def test_what_is_no_form_with_a_file(asked, box, oracle, kind, body):
    answer = box.ask("POST", COMES, body, {"Content-Type": kind})
    assert (answer.code, answer.json["error"]["type"]) == (400, "invalid_request_error")
    assert oracle.jobs == []


def test_so_many_come_in_at_a_time(asked, box, oracle):
    begun = [box.connection() for _ in range(MOST_AT_A_TIME)]
    for connection in begun:
        connection.putrequest("POST", COMES)
        connection.putheader("Content-Type", "multipart/form-data; boundary=x")
        connection.putheader("Content-Length", "1000")
        connection.endheaders(b"--x")

    def refused():
        try:
            hear(asked)
        except openai.RateLimitError:
            return True
        return False

    until(refused, "one more is refused")
    for connection in begun:
        connection.close()
    until(lambda: not refused(), "there is room again")


@pytest.mark.parametrize("size", [3, 1_000_000])
def test_who_leaves_is_heard_no_longer(asked, box, oracle, size):
    oracle.free.clear()
    part = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
    body = part + b"a" * size + b"\r\n--x--\r\n"
    head = f"POST {COMES} HTTP/1.1\r\nHost: localhost\r\nContent-Type: multipart/form-data; boundary=x\r\n"
    with socket.create_connection(("127.0.0.1", box.unit.port), 30) as sock:
        sock.sendall(head.encode() + b"Content-Length: %d\r\n\r\n" % len(body) + body)
        until(lambda: oracle.jobs, "the job arrives")
        assert not oracle.jobs[0].is_cancelled()
    until(oracle.jobs[0].is_cancelled, "it is told")
    oracle.free.set()
    counted = lambda: box.counters.counts().get("http_requests", {})  # noqa: E731
    until(lambda: counted().get("the client left before its answer"), "it is counted")


def test_a_transcript_comes_as_it_is_heard(asked, oracle):
    oracle.go_on.clear()
    events = hear(asked, stream=True)
    first = next(events)
    assert (first.type, first.delta) == ("transcript.text.delta", "Good morning.")
    oracle.go_on.set()
    *deltas, done = events
    assert (done.type, done.text) == ("transcript.text.done", SAID["text"])
    assert first.delta + "".join(one.delta for one in deltas) == done.text
    assert oracle.fields() == {"language": "auto", "prompt": "", "task": "transcribe"}
    assert hear(asked, response_format="json", extra_body={"stream": "false"}).text == SAID["text"]


def test_words_have_a_space_between_clips():
    clips = [{"text": text, "passages": [{"language": "en"}] if text else []} for text in ("", "a", "", "b")]
    assert [_delta(clips[0], begun=False), _delta(clips[1], begun=False)] == ["", "a"]
    assert [_delta(clips[2], begun=True), _delta(clips[3], begun=True)] == ["", " b"]


def test_what_fails_before_the_first_clip_has_its_status(asked, oracle):
    oracle.failure, oracle.clips = (415, "the media of the field `input.url` is no sound"), False
    with pytest.raises(openai.APIStatusError) as caught:
        hear(asked, stream=True)
    assert (caught.value.status_code, caught.value.param) == (415, "file")
    oracle.full = True
    with pytest.raises(openai.RateLimitError):
        hear(asked, stream=True)


def test_what_fails_later_is_an_event(asked, oracle):
    oracle.failure = (504, "the request took longer")
    events = hear(asked, stream=True)
    assert [next(events).type for _ in range(2)] == ["transcript.text.delta"] * 2
    with pytest.raises(openai.APIError, match="the request took longer") as caught:
        next(events)
    assert caught.value.type == "server_error"


def test_who_leaves_in_the_middle_is_heard_no_longer(asked, box, oracle):
    oracle.go_on.clear()
    events = hear(asked, stream=True)
    next(events)
    assert not oracle.jobs[0].is_cancelled()
    events.close()
    until(oracle.jobs[0].is_cancelled, "it is told")
    oracle.go_on.set()
    until(
        lambda: box.counters.counts()["http_requests"].get("the client left before its answer") == 1,
        "it is counted, once",
    )


def test_a_stop_ends_who_listens(asked, box, oracle):
    oracle.go_on.clear()
    events = hear(asked, stream=True)
    next(events)
    box.unit.stop()
    with pytest.raises(openai.APIError, match="shutting down"):
        next(events)
    oracle.go_on.set()


def test_embeddings_in_their_order(asked, oracle):
    texts = [f"{n} texts" for n in range(3 * AT_A_TIME + 1)]
    found = asked.embeddings.create(input=texts, model="bge-small-zh", encoding_format="float")
    assert [one.index for one in found.data] == list(range(len(texts)))
    for one, text in zip(found.data, texts, strict=True):
        assert np.array_equal(np.array(one.embedding, np.float32), vector_of(text))
    assert found.usage.prompt_tokens == found.usage.total_tokens == sum(len(text) + 2 for text in texts)
    assert (found.model, found.object) == ("meant", "list")
    assert oracle.most_waiting <= AT_A_TIME
    assert {(job.service, job.inner) for job in oracle.jobs} == {("text-embedding", True)}


def test_both_encodings_say_the_same(asked):
    floats = asked.embeddings.create(input="a", model="meant", encoding_format="float").data[0].embedding
    usual = asked.embeddings.create(input="a", model="meant").data[0].embedding
    assert np.array_equal(np.array(floats, np.float32), np.array(usual, np.float32))
    text = asked.embeddings.create(input="a", model="meant", encoding_format="base64").data[0].embedding
    assert isinstance(text, str)


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"dimensions": 256}, "dimensions"),
        ({"encoding_format": "int8"}, "encoding_format"),
        ({"input": []}, "input"),
        ({"input": ["a"] * (MOST_TEXTS + 1)}, "input"),
        ({"input": [1, 2, 3]}, "input"),
        ({"input": [[1, 2], [3]]}, "input"),
        ({"model": ["meant"]}, "model"),
        ({"extra_body": {"truncate": True}}, "truncate"),
    ],
)
def test_what_is_no_request_for_embeddings(asked, oracle, fields, param):
    with pytest.raises(openai.BadRequestError) as caught:
        asked.embeddings.create(**{"input": "a", "model": "meant", **fields})
    assert caught.value.param == param
    assert oracle.jobs == []


@pytest.mark.parametrize("body", [b"", b"[]", b"nonsense"])
def test_what_is_no_object(asked, box, body):
    assert box.post("/v1/embeddings", body).json["error"]["type"] == "invalid_request_error"


def test_the_first_text_that_fails_ends_it(asked, oracle):
    with pytest.raises(openai.UnprocessableEntityError) as caught:
        asked.embeddings.create(input=["a", "?", *("b" * 20)], model="meant")
    assert caught.value.param == "input"
    assert len(oracle.jobs) == AT_A_TIME


def test_models(asked):
    listed = [model.id for model in asked.models.list()]
    assert listed == ["heard", "whisper-base", "whisper-1", "meant", "bge-small-zh"]
    assert asked.models.retrieve("whisper-base").owned_by == "edged"
    with pytest.raises(openai.NotFoundError) as caught:
        asked.models.retrieve("gpt-9")
    assert caught.value.code == "model_not_found"


def test_where_nothing_is_installed_the_pipeline_says_so(box, oracle):
    oracle.failure = (404, "nothing installed offers it")
    box.start(intake=oracle)
    with client(box) as asked:
        assert list(asked.models.list()) == []
        with pytest.raises(openai.NotFoundError, match="nothing installed"):
            hear(asked)


def test_the_token():
    box, oracle = Box(), Oracle()
    try:
        box.start(intake=oracle, token=TOKEN)
        with client(box, "another-token") as asked, pytest.raises(openai.AuthenticationError) as caught:
            hear(asked)
        assert (caught.value.code, caught.value.type) == ("invalid_api_key", "authentication_error")
        assert oracle.jobs == []
        with client(box, TOKEN) as asked:
            assert hear(asked).text
    finally:
        box.stop()
        oracle.pool.shutdown()


def test_other_addresses_of_the_api_are_not_here(asked):
    with pytest.raises(openai.NotFoundError) as caught:
        asked.images.generate(prompt="a shop")
    assert (caught.value.code, caught.value.type) == (None, "invalid_request_error")


def test_no_stranger_comes_to_an_inner_service(real):
    for name in ("transcription", "text-embedding"):
        answer = real.post(f"/api/predict/{name}", {"text": "a"})
        assert (answer.code, answer.json["error_code"]) == (404, 404)
        assert "no service is called" in answer.json["error_msg"]


@pytest.mark.parametrize(
    ("named", "code"),
    [
        *(("", "auto"), ("en", "en"), ("EN", "en"), ("zh-CN", "zh"), ("zh_Hans", "zh"), ("English", "en")),
        *(("haitian creole", "ht"), ("haw", "haw"), ("auto", "auto"), ("xx", "xx"), ("klingon", "klingon")),
    ],
)
def test_how_a_language_may_be_called(named, code):
    assert code_of(named) == code


def test_there_are_99_languages():
    assert len(LANGUAGES) == len(set(LANGUAGES.values())) == 99
