"""A real daemon, Whisper and BGE: asked by OpenAI's package and as Home Assistant does."""

import asyncio
import json
import urllib.request
from contextlib import contextmanager

import numpy as np
import openai
import pytest
from wyoming.asr import Transcribe, Transcript
from wyoming.audio import AudioChunk, AudioStart, AudioStop
from wyoming.client import AsyncTcpClient

from edged.media.sound import RATE
from tests.broker import free_port, until
from tests.e2e.box import Client, running
from tests.http.conftest import TOKEN
from tests.speech import pcm_of, wav_of

INFO = "edged/box/info"
CONFIG = """
node: box
paths: {{models: {models}, state: {state}}}
mqtt: {{url: 'mqtt://127.0.0.1:{port}'}}
http: {{listen: '127.0.0.1:{http}', token: {token}}}
wyoming: {{listen: '127.0.0.1:{wyoming}', announce: false}}
"""


@contextmanager
def box(tmp_path, models, mosquitto):
    """A daemon with nothing configured; gives OpenAI's client, the port of Wyoming and that of the broker."""
    ports = {name: free_port() for name in ("http", "wyoming")}
    port = mosquitto().port
    config = tmp_path / "config.yaml"
    config.write_text(CONFIG.format(models=models, state=tmp_path / "state", port=port, token=TOKEN, **ports))
    with running(config, port, "box", "--quiet") as daemon:
        until(lambda: daemon.said("subscribe to:"), "readiness", 90)
        url = f"http://127.0.0.1:{ports['http']}"
        with openai.OpenAI(base_url=f"{url}/v1", api_key=TOKEN, max_retries=0, timeout=300) as client:
            yield client, ports["wyoming"], port


def counted(client):
    """Answers by service and code, as Prometheus reads them."""
    request = urllib.request.Request(
        str(client.base_url).replace("/v1/", "/metrics"), headers={"Authorization": f"Bearer {TOKEN}"}
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        lines = answer.read().decode().splitlines()
    return [line for line in lines if line.startswith("edged_requests_total")]


async def spoken(port, path, **asked):
    pcm, form = pcm_of(path), {"rate": RATE, "width": 2, "channels": 1}
    async with AsyncTcpClient("127.0.0.1", port) as client:
        await client.write_event(Transcribe(**asked).event())
        await client.write_event(AudioStart(**form).event())
        for at in range(0, len(pcm), 2048):
            await client.write_event(AudioChunk(audio=pcm[at : at + 2048], **form).event())
        await client.write_event(AudioStop().event())
        return Transcript.from_event(await asyncio.wait_for(client.read_event(), 300))


@pytest.fixture(scope="module")
def pulled(instance_of, models_root):
    for model in ("whisper-transcription", "bge-embedding"):
        instance_of(model)
    return models_root


def test_real_clients_of_a_real_daemon(tmp_path, pulled, mosquitto, media):
    with box(tmp_path, pulled, mosquitto) as (client, wyoming, broker):
        info = Client(broker, INFO)
        assert [model.id for model in client.models.list()] == [
            *("whisper-transcription", "whisper-base", "whisper-1"),
            *("bge-embedding", "bge-small-zh"),
        ]
        english = client.audio.transcriptions.create(
            file=media("english.wav"), model="whisper-1", response_format="verbose_json"
        )
        assert english.language == "english"
        assert "mother nature" in english.text.lower()
        assert 5 < english.duration < 6
        said = client.audio.transcriptions.create(
            file=media("hello-world.wav"), model="whisper-base", response_format="srt", language="zh"
        )
        assert said.startswith("1\n00:00:00,")
        assert "世界" in said
        heard = asyncio.run(spoken(wyoming, media("english.wav")))
        assert (heard.text, heard.language) == (english.text, "en")
        assert "世界" in asyncio.run(spoken(wyoming, media("hello-world.wav"), language="zh")).text
        with pytest.raises(openai.APIStatusError) as caught:
            client.audio.transcriptions.create(file=("a.wav", b"nonsense"), model="whisper-1")
        assert (caught.value.status_code, caught.value.param) == (415, "file")
        long = ("long.wav", wav_of((pcm_of(media("english.wav")) + bytes(RATE * 4)) * 8))
        events = client.audio.transcriptions.create(file=long, model="whisper-1", stream=True)
        *deltas, done = events
        assert len(deltas) > 2
        assert "".join(one.delta for one in deltas) == done.text
        assert done.text.lower().count("mother nature") > 6
        texts = ["今天天气很好", "今天是晴天", "他在银行排队取钱"]
        found = client.embeddings.create(input=texts, model="bge-small-zh")
        weather, sunny, bank = (np.array(one.embedding) for one in found.data)
        assert weather @ sunny > weather @ bank + 0.1
        answers = {(line.split(" ")[0], line.split(" ")[1]) for line in counted(client)}
        assert answers == {
            ('edged_requests_total{code="200",service="transcription"}', "5.0"),
            ('edged_requests_total{code="415",service="transcription"}', "1.0"),
            ('edged_requests_total{code="200",service="text-embedding"}', "3.0"),
        }
        with pytest.raises(openai.APITimeoutError):  # ten minutes of speech: nobody waits so long for them
            client.with_options(timeout=5).audio.transcriptions.create(
                file=("long.wav", wav_of(pcm_of(media("english.wav")) * 112)), model="whisper-1"
            )
        until(lambda: any('code="499",service="transcription"' in line for line in counted(client)))
        until(lambda: info.on(INFO), "the box tells of itself")
        told = {facts["service"] for facts in json.loads(info.on(INFO)[-1].payload)["services"]}
        assert not told & {"transcription", "text-embedding"}, "nobody asks for them over MQTT"
        info.close()
