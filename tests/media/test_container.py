"""Strangers' videos: bytes that name other files and hosts open none of them."""

import io
import tempfile

import av
import pytest

from edged.contracts.errors import NotMedia
from edged.media.container import open_media
from tests.media.clips import write_clip
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
    for target in f"{canary.url}/segment.ts", "file:///etc/passwd", "/etc/passwd":
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
    for data in b"", b"hello", bytes(1000), b"GIF89a":
        with pytest.raises(NotMedia):
            frames(io.BytesIO(data))
