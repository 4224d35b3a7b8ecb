"""Cameras that lead elsewhere: neither by a redirect nor by a playlist, unless the operator wants it."""

import contextlib
import threading

import av
import pytest

from edged.contracts.errors import SourceError
from edged.media.door import _LIVE, _PICTURES, _PLAYLISTS, allowed
from edged.media.video import VideoOptions, open_video
from tests.media.clips import write_clip
from tests.media.strangers import Stranger, moved, ok
from tests.media.test_container import CONCAT, DASH, HLS, SDP

OTHER = "127.0.0.2"
"""Another host that is this machine."""


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    return write_clip(tmp_path_factory.mktemp("clip") / "clip.ts", frames=25).read_bytes()


@pytest.fixture
def other(clip):
    with Stranger(lambda path: ok(clip), OTHER) as started:
        yield started


def shown(source, **options):
    """Frames until the camera ends its stream."""
    seen = []
    try:
        for frame in open_video(source, VideoOptions(timeout_s=1, **options), threading.Event()):
            seen.append(frame)
    except SourceError as error:
        if "ended its stream" not in str(error):
            raise
    return len(seen)


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
def test_a_redirect_to_another_host_is_not_followed_and_says_what_would_allow_it(other, code):
    with (
        Stranger(lambda path: moved(f"{other.url}/secret", code)) as camera,
        pytest.raises(SourceError, match=r"redirects to 127\.0\.0\.2, another host; `redirect_hosts`"),
    ):
        shown(f"{camera.url}/video")
    assert not other.asked


def test_a_redirect_to_a_host_that_the_operator_allowed_is_followed_without_the_password(other):
    with Stranger(lambda path: moved(f"{other.url}/video")) as camera:
        url = camera.url.replace("://", "://admin:hunter2@")
        assert shown(f"{url}/video", redirect_hosts=(OTHER,)) == 25
    assert other.asked
    assert "uthorization" not in str(other.asked)


@pytest.mark.parametrize(
    "to", ["/other", "other?token=1", "//127.0.0.1:{port}/other", "http://127.0.0.1:{port}/other"]
)
def test_a_redirect_within_the_host_is_followed(clip, to):
    def answer(path):
        return ok(clip) if path.startswith("/other") else moved(to.format(port=camera.port))

    with Stranger(answer) as camera:
        assert shown(f"{camera.url}/video") == 25


@pytest.mark.parametrize("to", ["file:///etc/passwd", "rtsp://127.0.0.1/x", "concat:/etc/passwd", "data:,"])
def test_a_redirect_leads_to_http_alone(to):
    with (
        Stranger(lambda path: moved(to)) as camera,
        pytest.raises(SourceError, match="to what is no http"),
    ):
        shown(f"{camera.url}/video")


def test_a_redirect_from_the_second_place_is_looked_at_as_well(other):
    with (
        Stranger(lambda path: moved("/b") if path == "/a" else moved(f"{other.url}/c")) as camera,
        pytest.raises(SourceError, match="another host"),
    ):
        shown(f"{camera.url}/a")
    assert not other.asked


def test_a_circle_of_redirects_ends():
    with (
        Stranger(lambda path: moved("/again")) as camera,
        pytest.raises(SourceError, match="more than 5 times"),
    ):
        shown(f"{camera.url}/video")


@pytest.mark.parametrize("script", [HLS, CONCAT, DASH, SDP], ids=["hls", "concat", "dash", "sdp"])
@pytest.mark.parametrize("name", ["video", "video.ts", "video.mjpeg", "video.jpg"])
def test_a_playlist_in_the_place_of_video_opens_nothing(other, tmp_path, script, name):
    for target in f"{other.url}/segment.ts", "file:///etc/passwd":
        text = script.format(target)
        (tmp_path / name).write_text(text)
        with Stranger(lambda path, text=text: ok(text.encode())) as camera:
            for source in f"{camera.url}/{name}", str(tmp_path / name):
                with contextlib.suppress(SourceError):
                    assert not shown(source, real_time=False)
            assert camera.asked
    assert not other.asked


def test_a_playlist_that_the_operator_named_is_played(clip):
    playlist = HLS.format("segment.ts").encode()
    with Stranger(lambda path: ok(playlist if path.endswith(".m3u8") else clip)) as camera:
        assert shown(f"{camera.url}/live.m3u8") == 25


def test_protocols_are_those_of_what_was_written():
    assert allowed("/media/clip.mp4")["protocol_whitelist"] == "file"
    assert allowed("file:///media/list.m3u8")["protocol_whitelist"] == "file"
    assert allowed("http://camera/video")["protocol_whitelist"] == "http,tcp"
    assert "file" not in allowed("https://camera/live.m3u8")["protocol_whitelist"]
    assert "http" not in allowed("rtsp://camera/1")["protocol_whitelist"]


def test_every_format_is_known_to_ffmpeg():
    """A misspelt one would be refused in silence."""
    known = {part for name in av.formats_available for part in name.split(",")}
    assert {*_LIVE, *_PICTURES, *_PLAYLISTS} <= known
