"""What FFmpeg may open for a source that the operator wrote: that, and nothing that its answer names.

A camera is a computer, too, and may be somebody else's by now. A playlist that it sends in the place of its
video would lead FFmpeg to any file and host, and so would a redirect: protocols are those of the scheme that
was written, playlists are followed only where the operator named one, redirects within the same host. One
way stays open: FFmpeg follows a redirect of RTSP to RTSP on any host, and no option forbids it. (To ask the
camera before would not help: it may answer FFmpeg otherwise. To stand between them would cost each packet.)
"""

import base64
import contextlib
import http.client
import ssl
from collections.abc import Collection
from urllib.parse import SplitResult, unquote, urljoin, urlsplit

from edged.contracts.errors import SourceError
from edged.media.container import FORMATS

MAX_REDIRECTS = 5

_PICTURES = tuple(f"{kind}_pipe" for kind in ("jpeg", "png", "bmp", "webp", "gif", "tiff", "ppm", "jpegxl"))
_LIVE = (
    *("mpjpeg", "mjpeg", "h264", "hevc", "vvc", "obu", "ivf", "m4v", "mpegvideo", "vc1", "dirac", "live_flv"),
    *("dhav", "mxf", "gxf", "nut", "dv", "rm", "wtv", "yuv4mpegpipe", "gif", "apng", "image2"),
)
"""Formats that hold their pictures within, beside those of `container`; `image2` opens one file."""
_PLAYLISTS = ("hls", "dash", "webvtt")
_PLAYLIST = (".m3u8", ".m3u", ".mpd")
_TLS = ("tls", "tcp", "httpproxy")
_PROTOCOLS = {
    "file": ("file",),
    "http": ("http", "tcp"),
    "https": ("https", *_TLS),
    "rtsp": ("rtsp", "rtp", "udp", "tcp"),
    "rtsps": ("rtsp", "rtsps", "rtp", "udp", *_TLS),
    "rtmp": ("rtmp", "tcp"),
    "rtmps": ("rtmps", *_TLS),
    "rtp": ("rtp", "udp"),
    "srt": ("srt",),
    "udp": ("udp",),
    "tcp": ("tcp",),
}
_REDIRECTS = (301, 302, 303, 307, 308)


def allowed(source: str) -> dict[str, str]:
    """FFmpeg's options for a file, or a URL; a scheme that is not known gets its own protocol alone."""
    parts = urlsplit(source)
    scheme = parts.scheme or "file"
    protocols = _PROTOCOLS.get(scheme, (scheme, "tcp", "udp"))
    formats = (*FORMATS, *_PICTURES, *_LIVE, *(("rtsp", "rtp") if scheme.startswith("rt") else ()))
    if parts.path.lower().endswith(_PLAYLIST):
        formats += _PLAYLISTS
        protocols += ("http", "https", *_TLS, "crypto") if scheme.startswith("http") else ()
    return {
        "protocol_whitelist": ",".join(dict.fromkeys(protocols)),
        "format_whitelist": ",".join(formats),
        "pattern_type": "none",  # else %d in a name stands for numbered pictures
        **({"max_redirects": "0"} if scheme in ("http", "https") else {}),
    }


def redirected(source: str, hosts: Collection[str], timeout_s: float) -> str | None:
    """Where an HTTP camera leads to, if it redirects; only FFmpeg's failure is a reason to ask.

    `hosts`: others than its own to which it may. Raises `SourceError`.
    """
    came_from = urlsplit(source)
    location = _location(came_from, timeout_s)
    if location is None:
        return None
    target = urlsplit(urljoin(source, location))
    host = (target.hostname or "").lower()
    if target.scheme not in ("http", "https") or not host:
        raise SourceError(f"{came_from.hostname} redirects to what is no http or https")
    if host == (came_from.hostname or "").lower():
        login, _, _ = came_from.netloc.rpartition("@")
        place = target.netloc.rpartition("@")[2]
        return target._replace(netloc=f"{login}@{place}" if login else place).geturl()
    if host not in hosts:
        raise SourceError(
            f"{came_from.hostname} redirects to {host}, another host; `redirect_hosts` of the stream would "
            "allow it"
        )
    return target.geturl()


def _location(asked: SplitResult, timeout_s: float) -> str | None:
    with contextlib.closing(_connection(asked, timeout_s)) as connection:
        login, _, _ = asked.netloc.rpartition("@")
        told = (
            {"Authorization": f"Basic {base64.b64encode(unquote(login).encode()).decode()}"} if login else {}
        )
        path = (asked.path or "/") + (f"?{asked.query}" if asked.query else "")
        with contextlib.suppress(OSError, ValueError, http.client.HTTPException):
            connection.request("GET", path, headers=told)
            response = connection.getresponse()
            return response.getheader("Location") if response.status in _REDIRECTS else None
    return None


def _connection(asked: SplitResult, timeout_s: float) -> http.client.HTTPConnection:
    host = asked.hostname or ""
    if asked.scheme == "http":
        return http.client.HTTPConnection(host, asked.port, timeout=timeout_s)
    unproven = ssl.create_default_context()  # a camera's certificate is its own, and FFmpeg takes it as well
    unproven.check_hostname, unproven.verify_mode = False, ssl.CERT_NONE
    return http.client.HTTPSConnection(host, asked.port, timeout=timeout_s, context=unproven)
