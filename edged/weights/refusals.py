"""What a host, a proxy or a network says instead of the file, in one sentence that tells what to do."""

import html
import re
from socket import EAI_NONAME, gaierror
from urllib.parse import urlsplit, urlunsplit

from urllib3 import BaseHTTPResponse, Retry
from urllib3.exceptions import HTTPError, InvalidHeader, NameResolutionError, ProxyError, SSLError

ELSEWHERE = "take the file from elsewhere with `edged pull --from DIR`"
_LOGIN = "it wants a login, or its terms accepted: name a login in ~/.netrc (Hugging Face: HF_TOKEN), or "
_MEND = {
    401: _LOGIN + ELSEWHERE,
    403: _LOGIN + ELSEWHERE,
    404: f"it is not there, or only for who logs in: {ELSEWHERE}",
    407: "the proxy wants a login: HTTPS_PROXY=http://USER:PASSWORD@HOST:PORT",
    410: f"it is not there any more: {ELSEWHERE}",
    429: "it was asked too often: pull again later",
}
"""What to do, by status."""
_POINTER = b"version https://git-lfs.github.com/spec/"
_MOST = 120
"""Characters of a stranger's text that are repeated."""


def shown(url: str) -> str:
    """The URL as it may stand in a log: without user, password, query and fragment."""
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def refusal(url: str, response: BaseHTTPResponse) -> str:
    """What the server answered instead of the file, and what to do."""
    status = response.status
    said = f"{_reached(url, response)} answers {status} {response.reason or ''}".rstrip()
    if own := _plain(response.headers.get("X-Error-Message", "")):
        said += f" ({own})"
    mend = _MEND.get(status) or ("it has trouble of its own: pull again later" if status >= 500 else "")
    wait = asked_to_wait(response)
    if wait and mend:
        mend = f"{mend.partition(':')[0]}: pull again in {wait:.0f} s"
    return f"{said}: {mend}" if mend else said


def asked_to_wait(response: BaseHTTPResponse) -> float | None:
    """Seconds that a busy server asks for; none where it does not say."""
    if response.status not in (429, 503):
        return None
    try:
        return Retry.DEFAULT.get_retry_after(response)
    except InvalidHeader:
        return None


def unreachable(url: str, error: HTTPError) -> str:
    """Why no answer came, and what to do."""
    said = f"{shown(url)} cannot be reached: "
    reason = str(error.original_error) if isinstance(error, ProxyError) else str(error)
    if isinstance(error, SSLError):
        return (
            f"{said}its certificate is not trusted here ({reason}); where a proxy opens TLS, name the "
            "certificate of its authority: SSL_CERT_FILE=/path/to/ca.pem"
        )
    if " 407 " in reason:
        return f"{said}{_MEND[407]}"
    if isinstance(error, ProxyError):
        return (
            f"{said}the proxy does not let it through ({reason}); it is named in HTTPS_PROXY, and hosts that "
            "want none in NO_PROXY"
        )
    return f"{said}{reason}; a proxy is named in HTTPS_PROXY, and without a network {ELSEWHERE}"


def final(error: HTTPError) -> bool:
    """Whether another try would say the same: no login, no trusted certificate, or no such host."""
    if isinstance(error, NameResolutionError):
        return isinstance(error.__cause__, gaierror) and error.__cause__.errno == EAI_NONAME
    return isinstance(error, SSLError) or (isinstance(error, ProxyError) and "failed: 4" in str(error))


def no_file(url: str, response: BaseHTTPResponse, head: bytes) -> str | None:
    """What an answer of status 200 is, by its first bytes, where it is not the file; none: it may be."""
    where, kind = _reached(url, response), response.headers.get("Content-Type", "")
    begins = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if head.startswith(_POINTER):
        return f"{where} sends a pointer of Git LFS instead of the file, its quota is used up: {ELSEWHERE}"
    if begins.startswith(b"<") and ("text/html" in kind or re.search(rb"<!doctype html|<html\b", head, re.I)):
        found = re.search(rb"<title[^>]*>(.*?)</title", head, re.I | re.S)
        title = _plain(html.unescape(found[1].decode("utf-8", "replace"))) if found else ""
        return (
            f"{where} sends a web page{title and f' ({title})'} instead of the file: a login, terms or a "
            f"quota stand before it; look at it in a browser, or {ELSEWHERE}"
        )
    if "json" in kind and begins.startswith(b"{") and not urlsplit(url).path.endswith(".json"):
        note = _plain(head.decode("utf-8", "replace"))
        return f"{where} sends a note instead of the file ({note}): {ELSEWHERE}"
    return None


def _reached(url: str, response: BaseHTTPResponse) -> str:
    """The URL, and the host that answered where it is another one."""
    host = urlsplit(response.url or url).hostname
    return shown(url) if host == urlsplit(url).hostname else f"{shown(url)}, sent on to {host},"


def _plain(text: str) -> str:
    """A stranger's text in one short line."""
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return line if len(line) <= _MOST else f"{line[:_MOST]}..."
