"""Microphones of a real PulseAudio, by PortAudio; and the sound of a real RTSP camera."""

import json
import logging
import subprocess
import threading
import time
from contextlib import closing
from importlib.util import find_spec
from textwrap import dedent

import numpy as np
import pytest

from edged.contracts.errors import SourceError
from edged.flow.counters import Counters
from edged.media.sound import RATE
from edged.streams import microphone, recorder
from edged.streams.camera import CameraSettings
from edged.streams.microphone import SoundSource, microphone_name, microphones
from edged.streams.recorder import Microphone
from tests.broker import until
from tests.media.sounds import encoded, pitch, tone
from tests.streams.cameras import RtspServer, write_stream

SOON_S = 15.0
"""So soon a microphone that has vanished is missed."""


class Listener:
    """A source that runs in a thread of its own: what it heard, and why it ended."""

    def __init__(self, source, emit=None, **settings):
        self.chunks, self.counters, self.fault = [], Counters(), None
        self._emit = emit
        self._source = SoundSource("room", CameraSettings(source=source, **settings), self.counters)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self):
        try:
            self._source.run(self._hear, self._stop)
        except SourceError as error:
            self.fault = str(error)

    def _hear(self, chunk):
        self.chunks.append(chunk)
        if self._emit:
            self._emit(chunk)

    def hears(self, seconds=0.1):
        """Wait for so much more."""
        wanted = len(self.chunks) + seconds / recorder.BLOCK_S
        until(lambda: self.fault or len(self.chunks) >= wanted, "more sound", 20)
        assert self.fault is None
        return self

    def ends(self):
        """Wait for the end; why."""
        self._thread.join(20)
        assert not self._thread.is_alive()
        return self.fault

    def close(self):
        self._stop.set()
        self.ends()

    def heard(self, threshold=0.05):
        """From the first to the last sound that is no silence; when the first was captured."""
        samples = np.concatenate([chunk.samples for chunk in self.chunks])
        loud = np.nonzero(np.abs(samples) > threshold)[0]
        return samples[loud[0] : loud[-1] + 1], self.chunks[0].captured_at + loud[0] / RATE


@pytest.fixture
def room(null_sink, monkeypatch):
    """This process hears the null sinks."""
    for name, value in null_sink.environment.items():
        monkeypatch.setenv(name, value)
    return null_sink


@pytest.fixture
def sound_card(room, monkeypatch, tmp_path):
    """Recorders find another sounddevice: the real one, and then these lines."""

    def write(lines):
        real = find_spec("sounddevice").origin
        (tmp_path / "sounddevice.py").write_text(f"exec(open({real!r}).read())\n{dedent(lines)}")
        monkeypatch.setenv("PYTHONPATH", str(tmp_path))

    return write


def listen(source, **settings):
    return closing(Listener(source, **settings))


def fault_of(source):
    return Listener(source).ends()


def test_the_names_of_microphones():
    assert microphone_name("mic:kitchen table") == "kitchen table"
    assert microphone_name("mic:") == microphone_name("mic:default") == "default"
    assert microphone_name("rtsp://host/mic:x") is None


def test_what_is_played_is_heard(room):
    with listen("mic:default") as listener:
        listener.hears()
        began = time.time()
        room.play(tone(1, RATE))
        listener.hears(0.5)
    samples, when = listener.heard()
    assert len(samples) / RATE == pytest.approx(1, abs=0.05), "nothing lost, nothing twice"
    assert pitch(samples) == pytest.approx(440, abs=2)
    assert np.median(np.abs(samples)) == pytest.approx(0.5 * np.sqrt(0.5), rel=0.02)
    assert began - 0.1 < when < time.time() - 1.4
    positions = [chunk.position for chunk in listener.chunks]
    assert positions == [i * len(listener.chunks[0].samples) for i in range(len(positions))]


def test_one_that_vanishes_is_missed_soon_and_found_when_it_is_back(room):
    with listen("mic:kitchen") as listener:
        listener.hears()
        began = time.monotonic()
        room.pull_out("kitchen")
        assert "microphone kitchen has vanished" in listener.ends()
        assert time.monotonic() - began < SOON_S
    assert "microphone kitchen cannot be opened" in fault_of("mic:kitchen")
    room.plug_in("kitchen")
    with listen("mic:kitchen") as listener:
        listener.hears()


def test_one_that_hands_over_nothing_is_missed(sound_card, monkeypatch):
    monkeypatch.setattr(microphone, "SILENT_S", 0.5)
    sound_card("""
        class RawInputStream(RawInputStream):
            def __init__(self, callback, **form):
                left = iter([callback] * 5 + [lambda *_: None] * 999)
                super().__init__(callback=lambda *block: next(left)(*block), **form)
    """)
    listener = Listener("mic:kitchen")
    assert listener.ends() == "microphone kitchen sent nothing for 0.5 s"
    assert len(listener.chunks) == 5


@pytest.mark.parametrize("end", ["_os.abort()", "_os.kill(_os.getpid(), 9)"])
def test_portaudio_that_ends_its_process_is_a_microphone_that_vanishes(sound_card, end):
    sound_card(f"""
        class RawInputStream(RawInputStream):
            def __init__(self, callback, **form):
                super().__init__(callback=lambda *_: {end}, **form)
    """)
    assert "microphone kitchen has vanished" in fault_of("mic:kitchen")


def test_a_recorder_ends_with_its_parent(room):
    command = [*microphone._RECORDER, "record", "kitchen"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert json.loads(process.stdout.readline())["name"] == "kitchen"
        process.stdin.close()
        process.wait(60)


def test_two_at_a_time(room):
    room.plug_in("hall")
    with listen("mic:hall") as hall:
        hall.hears()
        with listen("mic:kitchen") as kitchen:
            kitchen.hears()
        room.play(tone(0.3, RATE), "hall")
        hall.hears(0.5)
    assert len(hall.heard()[0]) / RATE == pytest.approx(0.3, abs=0.02), "it goes on when the other is closed"
    assert not np.concatenate([chunk.samples for chunk in kitchen.chunks]).any()


def test_a_stop_ends_the_wait(sound_card):
    sound_card("""
        class RawInputStream(RawInputStream):
            def __init__(self, callback, **form):
                super().__init__(callback=lambda *_: None, **form)
    """)
    with listen("mic:default") as listener:
        time.sleep(0.5)
        began = time.monotonic()
    assert time.monotonic() - began < 10
    assert (listener.chunks, listener.fault) == ([], None)


def test_a_slow_reader_loses_the_oldest_and_is_told(sound_card, caplog):
    sound_card("import __main__; __main__.MOST_BLOCKS = 3")
    slow = threading.Event()
    with caplog.at_level(logging.WARNING), listen("mic:default", emit=lambda _: slow.wait()) as listener:
        until(lambda: listener.chunks, "the first chunk")
        time.sleep(3)  # the pipe holds one second
        slow.set()
        listener.hears(2)
    assert listener.counters.counts()["frames_dropped/room"]["overrun"] >= 1
    assert "left out; the last: the box is too busy to listen" in caplog.text
    gaps = np.diff([chunk.position for chunk in listener.chunks])
    assert max(gaps) > 0.3 * RATE
    times = np.diff([chunk.captured_at for chunk in listener.chunks])
    assert times == pytest.approx(gaps / RATE, abs=0.1)


def test_one_that_has_no_16_khz_and_no_single_channel(room, sound_card):
    """As many sound cards are: asked for what they do not have, PortAudio refuses so."""
    sound_card("""
        class RawInputStream(RawInputStream):
            def __init__(self, **form):
                if form["samplerate"] != 48_000:
                    raise PortAudioError("Invalid sample rate", -9997)
                if form["channels"] != 2:
                    raise PortAudioError("Invalid number of channels", -9998)
                super().__init__(**form)

        def query_devices(*which, real=query_devices):
            card = {"max_input_channels": 2, "default_samplerate": 48_000.0}
            return real(*which) if which else [device | card for device in real()]
    """)
    with listen("mic:kitchen") as listener:
        listener.hears()
        room.play(tone(1, RATE))
        listener.hears(0.5)
    samples, _ = listener.heard()
    assert pitch(samples) == pytest.approx(440, abs=2)
    assert np.median(np.abs(samples)) == pytest.approx(0.5 * np.sqrt(0.5), rel=0.02)


def test_what_is_not_finite_becomes_silence(sound_card):
    sound_card("""
        import array

        class RawInputStream(RawInputStream):
            def __init__(self, callback, **form):
                def wild(samples, count, *rest):
                    wild = array.array("f", [0.0, float("nan"), float("inf")] * (count // 3))
                    callback(wild.tobytes(), count, *rest)

                super().__init__(callback=wild, **form)
    """)
    with listen("mic:default") as listener:
        listener.hears(0.5)
    assert not np.concatenate([chunk.samples for chunk in listener.chunks]).any()


def test_microphones_are_listed_and_named(room):
    assert {"kitchen", "default"} <= {found.name for found in microphones()}
    assert all(found.channels and found.rate for found in microphones())
    said = fault_of("mic:bathroom")
    assert said.startswith("there is no microphone bathroom; there are: ")
    assert "kitchen" in said
    assert "several microphones" in fault_of("mic:l")
    index = next(found.index for found in microphones() if found.name == "kitchen")
    for name in (index, "KITCH"):
        with listen(f"mic:{name}") as listener:
            listener.hears()


def test_what_a_sound_server_records_is_named_too(room):
    room.plug_in("hall")
    found = {one.name: one for one in microphones()}
    assert found["hall.monitor"].kind == "monitor"
    assert (found["hall.monitor"].channels, found["kitchen"].kind) == (2, "device")
    with listen("mic:hall.monitor") as hall, listen("mic:kitchen.mon") as kitchen:
        hall.hears()
        kitchen.hears()
        room.play(tone(0.3, RATE), "hall")
        hall.hears(0.5)
    assert len(hall.heard()[0]) / RATE == pytest.approx(0.3, abs=0.02)
    assert not np.concatenate([chunk.samples for chunk in kitchen.chunks]).any()
    room.pull_out("hall")
    assert fault_of("mic:hall.monitor").startswith("there is no microphone hall.monitor; there are: ")


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ("yeti", ["alsa_input.usb-Yeti"]),  # not the bare device, nor what its headphones play
        ("blue yeti: usb (hw:1,0)", ["Blue Yeti: USB (hw:1,0)"]),
        ("2", ["pulse"]),
        ("usb-yeti.mon", ["alsa_output.usb-Yeti.monitor"]),
        ("hw:", ["Blue Yeti: USB (hw:1,0)", "HDA: Analog (hw:0,0)"]),
        ("tascam", []),
    ],
)
def test_which_microphone_is_meant(wanted, expected):
    listed = [
        Microphone(0, "Blue Yeti: USB (hw:1,0)", 2, 48_000),
        Microphone(1, "HDA: Analog (hw:0,0)", 2, 44_100),
        Microphone(2, "pulse", 32, 44_100),
        Microphone(2, "alsa_output.usb-Yeti.monitor", 2, 48_000, "monitor"),
        Microphone(2, "alsa_input.usb-Yeti", 2, 48_000, "input"),
    ]
    assert [one.name for one in recorder._fitting(wanted, listed)] == expected


def test_no_microphone_at_all(room, monkeypatch):
    monkeypatch.setenv("PULSE_SERVER", "unix:/nowhere")
    assert microphones() == []
    assert fault_of("mic:default").startswith("no microphone is found")


def test_without_portaudio_it_says_what_to_install(sound_card):
    sound_card('raise OSError("PortAudio library not found")')
    assert "apt-get install libportaudio2 libasound2-plugins" in fault_of("mic:default")
    with pytest.raises(SourceError, match="apt-get install libportaudio2"):
        microphones()


def test_portaudio_that_ends_its_process_at_once(sound_card):
    """As some versions do where ALSA knows no device at all."""
    sound_card("_os.abort()")
    with pytest.raises(SourceError, match="cannot look for microphones"):
        microphones()
    assert "cannot look for microphones" in fault_of("mic:default")


@pytest.fixture
def camera(tmp_path, gstreamer):
    """An RTSP camera: `deaf`, and one that hears a tone; only its owner may listen."""
    picture = write_stream(tmp_path / "a.h264", (48, 64))
    sound = tmp_path / "b.aac"
    sound.write_bytes(encoded(tone(10), "adts", "aac"))
    mounts = {"deaf": picture, "both": f"{picture}+{sound}"}
    server = RtspServer(mounts, "digest", "admin", "hunter2")
    server.start()
    yield server
    server.kill()


def test_the_sound_of_a_camera(camera, caplog):
    with caplog.at_level(logging.DEBUG), listen(f"rtsp://admin:hunter2@{camera.address}/both") as listener:
        listener.hears(2)
        age = time.time() - listener.chunks[-1].captured_at
        assert 0 < age < 20
        samples, _ = listener.heard()
        assert pitch(samples) == pytest.approx(440, abs=2)
        camera.kill()
        assert "hunter2" not in listener.ends()
    assert "hunter2" not in caplog.text


def test_a_camera_that_is_deaf(camera):
    said = fault_of(f"rtsp://admin:hunter2@{camera.address}/deaf")
    assert said == f"rtsp://{camera.address}/deaf has no sound, or refuses to send it"


def test_a_file_in_real_time(tmp_path):
    (tmp_path / "tone.wav").write_bytes(encoded(tone(0.5)))
    began = time.monotonic()
    with listen(str(tmp_path / "tone.wav")) as listener:
        assert listener.ends() is None
    assert time.monotonic() - began > 0.4
    assert pitch(listener.heard()[0]) == pytest.approx(440, abs=2)
