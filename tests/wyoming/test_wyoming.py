"""Wyoming, asked by its own client, as Home Assistant does, with an oracle in the pipeline's place."""

import asyncio
import errno
import io
import json
import logging
import socket
import time
import wave
from contextlib import asynccontextmanager, closing, suppress

import pytest
from pydantic import ValidationError
from wyoming.asr import Transcribe, Transcript
from wyoming.audio import AudioChunk, AudioStart, AudioStop
from wyoming.client import AsyncTcpClient
from wyoming.error import Error
from wyoming.event import Event
from wyoming.info import Describe, Info
from wyoming.ping import Ping, Pong
from zeroconf import Error as NotTold
from zeroconf.asyncio import AsyncServiceBrowser, AsyncZeroconf

from edged.contracts.errors import BadRequest, ConfigError, EdgedError
from edged.contracts.languages import LANGUAGES
from edged.flow.counters import Counters
from edged.media.fetch import ByteLimit
from edged.wyoming import announcing, dialogue, spoken_file
from edged.wyoming.announcing import KIND
from edged.wyoming.dialogue import MOST_PROMPT, TOO_SOON
from edged.wyoming.events import MOST_DATA, MOST_PAYLOAD, read_event
from edged.wyoming.settings import WyomingSettings
from edged.wyoming.unit import MOST_CONNECTIONS, WyomingUnit
from tests.broker import until
from tests.clients import SAID, Oracle, names

SOUND = {"rate": 16_000, "width": 2, "channels": 1}
MOST = 1_000_000
PIECE = bytes(range(200)) * 10


class House:
    """A unit that runs, and ways to talk to it."""

    def __init__(self, **settings):
        self.oracle, self.counters = Oracle(), Counters()
        given = {"listen": "127.0.0.1:0", "announce": False, **settings}
        self.unit = WyomingUnit(
            *(WyomingSettings(**given), "box", self.oracle, self.counters),
            **{"names": names, "version": "1.2.3", "limit": ByteLimit(MOST, "requests.sound.max_bytes")},
        )
        self.unit.start()

    def stop(self):
        self.oracle.free.set()
        self.unit.stop()
        self.oracle.pool.shutdown()

    def counted(self):
        return self.counters.counts().get("wyoming_requests", {})

    @asynccontextmanager
    async def client(self):
        async with AsyncTcpClient("127.0.0.1", self.unit.port) as client:
            yield client


@pytest.fixture
def house():
    made = House()
    yield made
    made.stop()


async def speak(client, pieces=3, **asked):
    await client.write_event(Transcribe(**asked).event())
    await client.write_event(AudioStart(**SOUND).event())
    for _ in range(pieces):
        await client.write_event(AudioChunk(audio=PIECE, **SOUND).event())
    await client.write_event(AudioStop().event())


async def told(client):
    return await asyncio.wait_for(client.read_event(), 60)


def test_what_there_is(house):
    async def ask():
        async with house.client() as client:
            await client.write_event(Describe().event())
            info = Info.from_event(await told(client))
            await client.write_event(Ping(text="there?").event())
            assert Pong.from_event(await told(client)).text == "there?"
            return info

    (program,) = asyncio.run(ask()).asr
    (model,) = program.models
    assert (program.name, program.version, model.name) == ("edged box", "1.2.3", "heard")
    assert program.installed
    assert sorted(model.languages) == sorted(LANGUAGES)
    assert not program.supports_transcript_streaming


def test_what_is_said_several_times_over_one_connection(house):
    async def ask():
        async with house.client() as client:
            await speak(client, language="zh-CN", name="whisper-base")
            first = Transcript.from_event(await told(client))
            await speak(client, pieces=1)
            return first, Transcript.from_event(await told(client))

    for said in asyncio.run(ask()):
        assert (said.text, said.language) == (SAID["text"], "en")
    first, _ = house.oracle.jobs
    assert (first.service, first.inner, first.key) == ("transcription", True, None)
    assert house.oracle.fields(0) == {"language": "zh", "prompt": ""}
    assert house.oracle.fields(1) == {"language": "auto", "prompt": ""}
    with wave.open(io.BytesIO(house.oracle.recordings[0])) as recording:
        assert recording.getparams()[:4] == (1, 2, 16_000, 3 * len(PIECE) // 2)
        assert recording.readframes(-1) == 3 * PIECE
    assert house.counted() == {"taken": 2}


def test_chunks_say_of_what_kind_they_are(house):
    async def ask():
        async with house.client() as client:
            await client.write_event(AudioChunk(audio=PIECE, rate=48_000, width=4, channels=2).event())
            await client.write_event(Event("of-a-later-edition"))
            await client.write_event(AudioStop().event())
            return await told(client)

    assert asyncio.run(ask()).type == "transcript"
    with wave.open(io.BytesIO(house.oracle.recordings[0])) as recording:
        assert recording.getparams()[:3] == (2, 4, 48_000)


@pytest.mark.parametrize(
    ("asked", "sound", "pieces", "why"),
    [
        ({"name": "whisper-9"}, SOUND, 3, "there is no model 'whisper-9' here, but heard, whisper-base"),
        ({"transcript_names": "Anna"}, SOUND, 3, "`transcript_names` must be a list of words"),
        ({}, {**SOUND, "rate": 1}, 3, "8000 to 48000"),
        ({}, {**SOUND, "width": 3}, 3, "2 or 4 bytes"),
        ({}, {**SOUND, "channels": 9}, 3, "1 or 2 channels"),
        ({}, SOUND, 20, "more than the 1 s of `wyoming.longest`"),
    ],
)
def test_what_is_wrong_is_said_at_the_end_of_it(asked, sound, pieces, why):
    house = House(longest=1)

    async def ask():
        async with house.client() as client:
            await client.write_event(Transcribe(**asked).event())
            await client.write_event(AudioStart(**sound).event())
            for _ in range(pieces):
                await client.write_event(AudioChunk(audio=PIECE, **sound).event())
            await client.write_event(AudioStop().event())
            error = Error.from_event(await told(client))
            assert await told(client) is None, "the end, for clients that know no errors"
            return error

    try:
        error = asyncio.run(ask())
        assert why in error.text
        assert house.oracle.jobs == []
        assert house.counted() == {f"refused {error.code}": 1}
    finally:
        house.stop()


def test_names_and_terms_are_listened_for(house):
    async def ask(**asked):
        async with house.client() as client:
            await speak(client, **asked)
            return await told(client)

    asyncio.run(ask(transcript_names=["Anna", "Ladentür"], transcript_terms=["Markise"]))
    asyncio.run(ask(transcript_names=["a" * 9_000, "z"]))
    assert house.oracle.fields(0)["prompt"] == "Markise, Anna, Ladentür"
    assert len(house.oracle.fields(1)["prompt"]) == MOST_PROMPT
    assert house.oracle.fields(1)["prompt"].endswith("a, z")


def test_no_more_bytes_than_of_any_recording():
    house = House(longest=120)

    async def ask():
        async with house.client() as client:
            await speak(client, pieces=MOST // len(PIECE) + 1)
            return Error.from_event(await told(client))

    try:
        error = asyncio.run(ask())
        assert (error.code, "requests.sound.max_bytes" in error.text) == ("413", True)
    finally:
        house.stop()


def test_a_full_disk_is_said(house, monkeypatch):
    class FullDisk(io.BytesIO):
        def write(self, data):
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(spoken_file, "SpooledTemporaryFile", lambda most: FullDisk())

    async def ask():
        async with house.client() as client:
            await speak(client)
            return Error.from_event(await told(client))

    error = asyncio.run(ask())
    assert (error.code, error.text) == (
        "413",
        "the sound cannot be kept on this box: No space left on device",
    )
    assert house.counted() == {"refused 413": 1}


def test_who_goes_on_and_on_is_told_in_the_end(monkeypatch):
    monkeypatch.setattr(dialogue, "PATIENCE_S", 1.5)
    house = House(longest=1)

    async def ask():
        async with house.client() as client:
            await client.write_event(AudioStart(**SOUND).event())
            answer = asyncio.create_task(told(client))
            while not answer.done():
                with suppress(OSError):
                    await client.write_event(AudioChunk(audio=PIECE, **SOUND).event())
                await asyncio.sleep(0.01)
            return Error.from_event(answer.result())

    try:
        assert "1 s of `wyoming.longest`" in asyncio.run(ask()).text
        assert house.counted() == {"refused 413": 1}
    finally:
        house.stop()


def test_half_of_what_is_said_is_nothing(house):
    async def leave(sound):
        async with house.client() as client:
            await client.write_event(AudioStart(**SOUND).event())
            for _ in range(3):
                await client.write_event(AudioChunk(audio=PIECE, **SOUND).event())
            if not sound:
                await client.write_event(Ping().event())
                await told(client)

    asyncio.run(leave(sound=False))
    until(lambda: house.counted() == {TOO_SOON: 1}, "it is counted")
    with closing(socket.create_connection(("127.0.0.1", house.unit.port), 30)) as sock:
        chunk = b'{"type": "audio-chunk", "data": %s, "payload_length": 2000}\n' % json.dumps(SOUND).encode()
        sock.sendall(chunk + PIECE + chunk + PIECE[:999])
    until(lambda: house.counted() == {TOO_SOON: 2}, "the second too")
    assert house.oracle.jobs == []


def test_who_does_not_read_is_cut_off(house, monkeypatch):
    monkeypatch.setattr(dialogue, "PATIENCE_S", 1)
    with closing(socket.create_connection(("127.0.0.1", house.unit.port), 30)) as sock:
        with suppress(OSError):  # it is cut off, or takes no more while nothing is read
            while house.unit._sessions or not house.counted():
                sock.sendall(b'{"type": "describe"}\n' * 1000)
        until(lambda: not house.unit._sessions, "it is gone")
    assert house.counted() == {"the client left, or said nothing for too long": 1}


def test_many_at_once_are_answered_or_sent_away(house):
    async def ask(all_are_through):
        answer = None
        with suppress(OSError):  # sent away while it speaks
            async with house.client() as client:
                with suppress(OSError):
                    await speak(client)
                    answer = await told(client)
                await all_are_through.wait()
        return answer

    async def crowd():
        through = asyncio.Barrier(20)
        return await asyncio.gather(*(ask(through) for _ in range(20)))

    answers = asyncio.run(crowd())
    assert sum(one is not None and one.type == "transcript" for one in answers) == MOST_CONNECTIONS
    assert answers.count(None) == 20 - MOST_CONNECTIONS
    assert house.counted() == {
        "taken": MOST_CONNECTIONS,
        f"refused: {MOST_CONNECTIONS} connections are open": 20 - MOST_CONNECTIONS,
    }


def test_what_the_pipeline_refuses_is_said(house):
    house.oracle.failure = (503, "the model is not installed")

    async def ask():
        async with house.client() as client:
            await speak(client)
            error = Error.from_event(await told(client))
            assert await told(client) is None
            return error

    error = asyncio.run(ask())
    assert (error.text, error.code) == ("the model is not installed", "503")
    house.oracle.full = True
    assert asyncio.run(ask()).code == "429"
    assert house.counted() == {"taken": 1, "refused 429": 1}


@pytest.mark.parametrize(
    "raw",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        b"[]\n",
        b'{"data": {}}\n',
        b'{"type": "ping", "data": 3}\n',
        b'{"type": "ping", "data_length": -1}\n',
        b'{"type": "ping", "data_length": "9"}\n',
        b'{"type": "ping", "data_length": 3}\nabc',
        b'{"type": "audio-stop"}\n',
        b'{"type": "audio-chunk", "payload_length": %d}\n' % (MOST_PAYLOAD + 1),
        b"x" * (2 * MOST_DATA),
    ],
)
def test_what_is_no_event_ends_the_connection_with_a_reason(house, raw):
    with closing(socket.create_connection(("127.0.0.1", house.unit.port), 30)) as sock:
        sock.sendall(raw)
        answer = b"".join(iter(lambda: sock.recv(4096), b""))
    head, _, data = answer.partition(b"\n")
    assert json.loads(head)["type"] == "error"
    assert json.loads(data)["code"] == "400"


def test_half_an_event_is_the_end():
    async def read(data):
        reader = asyncio.StreamReader()
        reader.feed_data(data)
        reader.feed_eof()
        return await read_event(reader)

    assert asyncio.run(read(b"")) is None
    assert asyncio.run(read(b'{"type": "ping", "data_length": 9}\n{')) is None
    whole = asyncio.run(
        read(b'{"type": "a", "data": {"b": 1}, "data_length": 8, "payload_length": 2}\n{"c": 2}xy')
    )
    assert (whole.type, whole.data, whole.payload) == ("a", {"b": 1, "c": 2}, b"xy")
    with pytest.raises(BadRequest, match="payload_length"):
        asyncio.run(read(b'{"type": "a", "payload_length": 1e9}\n'))


def test_who_leaves_is_heard_no_longer(house):
    house.oracle.free.clear()

    async def ask():
        async with house.client() as client:
            await speak(client)
            while not house.oracle.jobs:
                await asyncio.sleep(0.02)
            assert not house.oracle.jobs[0].is_cancelled()

    asyncio.run(ask())
    until(house.oracle.jobs[0].is_cancelled, "it is told")
    house.oracle.free.set()
    until(lambda: house.counted().get("the client left before its answer"), "it is counted")


def test_who_says_nothing_is_cut_off(house, monkeypatch):
    monkeypatch.setattr(dialogue, "PATIENCE_S", 0.05)
    with closing(socket.create_connection(("127.0.0.1", house.unit.port), 30)) as sock:
        assert sock.recv(1) == b""
    assert house.counted() == {"the client left, or said nothing for too long": 1}


def test_so_many_connections(house):
    address = ("127.0.0.1", house.unit.port)
    open_ = [socket.create_connection(address, 30) for _ in range(MOST_CONNECTIONS)]
    until(lambda: len(house.unit._sessions) == MOST_CONNECTIONS, "all are welcome")
    with closing(socket.create_connection(address, 30)) as one_more:
        assert one_more.recv(1) == b""
    for sock in open_:
        sock.close()
    until(lambda: not house.unit._sessions, "there is room again")
    assert house.counted() == {f"refused: {MOST_CONNECTIONS} connections are open": 1}


def test_a_stop_answers_who_waits(house):
    house.oracle.free.clear()

    async def ask():
        async with house.client() as client:
            await speak(client)
            while not house.oracle.jobs:
                await asyncio.sleep(0.02)
            began = time.monotonic()
            await asyncio.to_thread(house.unit.stop)
            assert time.monotonic() - began < 10
            return Error.from_event(await told(client))

    assert asyncio.run(ask()).code == "503"
    assert house.unit.state() != "running"


def test_it_is_found_by_zeroconf():
    house = House(announce=True)

    async def find():
        zeroconf, found = AsyncZeroconf(interfaces=["127.0.0.1"]), asyncio.Event()
        loop = asyncio.get_running_loop()
        name = f"box.{KIND}"

        def seen(zeroconf, service_type, name, state_change):
            loop.call_soon_threadsafe(found.set)

        browser = AsyncServiceBrowser(zeroconf.zeroconf, KIND, handlers=[seen])
        await asyncio.wait_for(found.wait(), 60)
        info = await zeroconf.async_get_service_info(KIND, name, 30_000)
        await browser.async_cancel()
        await zeroconf.async_close()
        return info

    try:
        info = asyncio.run(find())
        assert (info.port, info.parsed_addresses()) == (house.unit.port, ["127.0.0.1"])
    finally:
        house.stop()


def test_a_network_that_cannot_be_told_is_no_fault(monkeypatch, caplog):
    def fails(**_):
        raise NotTold("no such network")

    monkeypatch.setattr(announcing, "AsyncZeroconf", fails)
    with caplog.at_level(logging.WARNING):
        house = House(announce=True)
        until(lambda: "cannot be announced by zeroconf: no such network" in caplog.text)
    assert house.unit.state() == "running"
    house.stop()


def test_strangers_are_not_let_in(monkeypatch):
    house = House()
    monkeypatch.setattr(WyomingSettings, "admits", lambda self, host: False)
    with closing(socket.create_connection(("127.0.0.1", house.unit.port), 30)) as sock:
        assert sock.recv(1) == b""
    assert house.counted() == {"refused: not among `wyoming.clients`": 1}
    house.stop()


def test_who_may_come():
    settings = WyomingSettings(listen="0.0.0.0:10300", clients=("192.168.1.0/24", "10.0.0.7", "fd00::/64"))
    for host in ("127.0.0.1", "::1", "192.168.1.99", "::ffff:192.168.1.99", "10.0.0.7", "fd00::2%eth0"):
        assert settings.admits(host), host
    for host in ("192.168.2.1", "10.0.0.8", "fd01::1", "::ffff:10.0.0.8"):
        assert not settings.admits(host), host
    assert not WyomingSettings(listen="127.0.0.1:1").admits("10.0.0.7")


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"listen": "0.0.0.0:10300"}, "name the `clients`"),
        ({"listen": "10300"}, "want host:port"),
        ({"clients": ["living-room"]}, "IPv4 or IPv6"),
        ({"longest": "3h"}, "3600"),
    ],
)
def test_settings_that_are_refused(settings, why):
    with pytest.raises(ValidationError, match=why):
        WyomingSettings(**settings)


def test_a_port_that_is_taken():
    house = House()
    with pytest.raises(EdgedError, match=r"`wyoming\.listen`: another program listens"):
        House(listen=f"127.0.0.1:{house.unit.port}")
    house.stop()


def test_without_the_extra(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"pip install 'edged\[wyoming\]'"):
        House()
