"""Strangers' videos: bytes that name other files and hosts open none of them."""

import base64
import io
import struct
import tempfile

import av
import cv2
import numpy as np
import pytest

from edged.contracts.errors import NotMedia
from edged.media.container import FORMATS, open_media
from tests.media.clips import write_clip
from tests.media.sounds import encoded, tone
from tests.media.strangers import Stranger, ok

HLS = "#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXTINF:5,\n{0}\n#EXT-X-ENDLIST\n"
CONCAT = "ffconcat version 1.0\nfile {0}\n"
DASH = (
    '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" '
    'mediaPresentationDuration="PT5S"><Period><AdaptationSet mimeType="video/mp4">'
    '<Representation id="1" bandwidth="1"><BaseURL>{0}</BaseURL></Representation></AdaptationSet>'
    "</Period></MPD>"
)
SDP = "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 5004 RTP/AVP 26\n"


@pytest.fixture
def canary():
    with Stranger(lambda path: ok(b"")) as started:
        yield started


def frames(file):
    with open_media(file) as container:
        return sum(1 for _ in container.decode(video=0))


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "avi", "ts", "mov"])
def test_files_are_opened_whatever_their_name(tmp_path, suffix):
    clip = write_clip(tmp_path / f"clip.{suffix}")
    assert frames(io.BytesIO(clip.read_bytes())) == 12
    disguised = clip.rename(tmp_path / "clip.m3u8")
    with disguised.open("rb") as file:
        assert frames(file) == 12
    with tempfile.SpooledTemporaryFile(100) as spool:  # as `fetch` brings it
        spool.write(disguised.read_bytes())
        spool.seek(0)
        assert frames(spool) == 12


@pytest.mark.parametrize("script", [HLS, CONCAT, DASH, SDP], ids=["hls", "concat", "dash", "sdp"])
@pytest.mark.parametrize("name", ["x.m3u8", "x.mp4", "x.ffconcat", "x.mpd", "x.sdp"])
def test_a_playlist_opens_nothing(tmp_path, canary, script, name):
    sound = f"data:audio/wav;base64,{base64.b64encode(encoded(tone(0.1))).decode()}"
    for target in f"{canary.url}/segment.ts", "file:///etc/passwd", "/etc/passwd", sound:
        path = tmp_path / name
        path.write_text(script.format(target))
        with path.open("rb") as file, pytest.raises(NotMedia):
            frames(file)
    assert not canary.asked


def test_the_canary_would_be_asked(tmp_path, canary):
    """What FFmpeg does with a path and all its protocols: the reason for all of this."""
    path = tmp_path / "x.m3u8"
    path.write_text(HLS.format(f"{canary.url}/segment.ts"))
    with pytest.raises(av.error.FFmpegError):
        av.open(str(path), options={"protocol_whitelist": "file,http,tcp"})
    assert canary.asked


def test_numbered_pictures_and_text_are_no_media(tmp_path):
    picture = tmp_path / "picture%d.png"
    cv2.imencode(".png", np.zeros((40, 40, 3), np.uint8))[1].tofile(tmp_path / "picture1.png")
    picture.write_bytes((tmp_path / "picture1.png").read_bytes())
    for data in b"", b"hello", bytes(1000), b"GIF89a":
        with pytest.raises(NotMedia):
            frames(io.BytesIO(data))
    with picture.open("rb") as file, pytest.raises(NotMedia):
        frames(file)


def test_every_format_is_known_to_ffmpeg():
    """A misspelt one would be refused in silence."""
    known = {part for name in av.formats_available for part in name.split(",")}
    assert set(FORMATS) <= known


def box(kind, *content):
    """A box of an MP4 file."""
    whole = b"".join(content)
    return struct.pack(">I", 8 + len(whole)) + kind + whole


def elsewhere(mp4, path):
    """The MP4 file, its sound now said to lie in the file `path`, as QuickTime's aliases do."""
    place = path.encode()
    ends = struct.pack(">hH", 2, len(place)) + place + bytes(len(place) % 2) + struct.pack(">hH", -1, 0)
    alias = box(b"alis", bytes(4), bytes(10), bytes([4]), b"disk".ljust(27, b"\0"), bytes(12), bytes([1]),
                b"x".ljust(63, b"\0"), bytes(16), struct.pack(">HH", 1, 1), bytes(16), ends)  # fmt: skip
    references = box(b"dref", bytes(4), struct.pack(">I", 1), alias)
    start = mp4.index(b"dref") - 4
    (old,) = struct.unpack_from(">I", mp4, start)
    changed = bytearray(mp4[:start] + references + mp4[start + old :])
    for parent in (b"moov", b"trak", b"mdia", b"minf", b"dinf"):
        at = mp4.index(parent) - 4
        struct.pack_into(">I", changed, at, struct.unpack_from(">I", mp4, at)[0] + len(references) - old)
    return bytes(changed)


def test_a_track_that_lies_in_another_file_is_not_read(tmp_path):
    mp4 = encoded(tone(1), "mov", "pcm_s16le")
    other = tmp_path / "other.mov"
    other.write_bytes(mp4)
    linked = tmp_path / "linked.mov"
    linked.write_bytes(elsewhere(mp4, str(other)))
    with av.open(str(linked), options={"enable_drefs": "1", "use_absolute_path": "1"}) as careless:
        assert sum(frame.samples for frame in careless.decode(audio=0)) == 48_000, "it would be read"
    with linked.open("rb") as file, open_media(file) as container:
        assert not list(container.decode(audio=0))
