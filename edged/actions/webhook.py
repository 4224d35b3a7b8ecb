"""Webhooks by our own client: the operator names the host, and nobody else can name another one."""

import base64
import http.client
import socket
import ssl
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from pathlib import Path
from urllib.parse import quote, urljoin

import orjson
import pybase64

from edged import __version__
from edged.actions.parcel import Parcel
from edged.actions.receiver import Undelivered
from edged.contracts.errors import EdgedError, NotFound, TimedOut
from edged.media.dial import Until, dialled, looked_up, tls_context
from edged.media.policy import ASCII, Destination, web_place

MOST_REDIRECTS = 3
LONGEST_WAIT_S = 3600.0
"""A receiver may ask for as long a pause, by `Retry-After`."""
_MOVED = (301, 302, 307, 308)
_PASSING = (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS)
"""Of the errors that are the sender's, those that another try may mend."""


class Webhook:
    """One URL. What it answers is not read beyond its headers."""

    def __init__(self, url: str, headers: Mapping[str, str], ca: Path | None, timeout_s: float) -> None:
        self._url = url
        self._headers = headers
        self._ca = ca
        self._timeout_s = timeout_s
        self._socket: socket.socket | None = None
        self._stopped = False

    def deliver(self, parcel: Parcel) -> None:
        """As of `Receiver`. Any status of 200 to 299 means that it has arrived."""
        picture = None if parcel.picture is None else pybase64.b64encode_as_string(parcel.picture)
        message = parcel.message.model_copy(update={"picture": picture})
        body = orjson.dumps(message.model_dump(by_alias=True))
        until = Until(time.monotonic() + self._timeout_s, "`timeout`", "it does not answer")
        asked = web_place(self._url)
        for _ in range(MOST_REDIRECTS + 1):
            with self._asked(asked, body, parcel.key, until) as response:
                moved = response.getheader("Location") if response.status in _MOVED else None
                if moved is None:
                    return _judge(response)
                asked = _moved(asked, moved)
        raise Undelivered(f"it redirects more than {MOST_REDIRECTS} times", again=False)

    def rest(self) -> None:
        """It holds nothing between two messages."""

    def stop(self) -> None:
        """As of `Receiver`."""
        self._stopped = True
        if (held := self._socket) is not None:
            with suppress(OSError):
                held.shutdown(socket.SHUT_RDWR)

    @contextmanager
    def _asked(
        self, asked: Destination, body: bytes, key: str, until: Until
    ) -> Iterator[http.client.HTTPResponse]:
        try:
            addresses = looked_up(asked, until)
            with dialled(asked, addresses, until, lambda: tls_context(self._ca)) as sock:
                self._socket = sock
                if self._stopped:
                    raise Undelivered("edged ends")
                with self._post(asked, sock, body, key, until) as response:
                    yield response
        except (TimedOut, TimeoutError):
            raise Undelivered(f"it does not answer within {self._timeout_s:g} s, the `timeout`") from None
        except NotFound as error:
            raise Undelivered(str(error)) from None
        except ssl.SSLCertVerificationError as error:
            raise Undelivered(
                f"its certificate is not trusted ({error.verify_message}); `ca` names more to trust"
            ) from None
        except (OSError, http.client.HTTPException) as error:
            raise Undelivered(_reason(error)) from None
        finally:
            self._socket = None

    def _post(
        self, asked: Destination, sock: socket.socket, body: bytes, key: str, until: Until
    ) -> http.client.HTTPResponse:
        connection = http.client.HTTPConnection(asked.host, asked.port)
        connection.sock = sock
        connection.putrequest("POST", asked.path, skip_host=True, skip_accept_encoding=True)
        login = {}
        if asked.login is not None:
            login["Authorization"] = f"Basic {base64.b64encode(asked.login.encode()).decode()}"
        own = {
            "Host": asked.authority,
            "User-Agent": f"edged/{__version__}",
            "Content-Type": "application/json",
            "Content-Length": str(len(body)),
            "Idempotency-Key": key,
            "Connection": "close",
        }
        for name, value in {**login, **self._headers, **own}.items():
            connection.putheader(name, value.encode("latin-1"))
        sock.settimeout(until.left())  # for all that is sent; each read asks anew
        connection.endheaders(body)
        return connection.getresponse()


def _judge(response: http.client.HTTPResponse) -> None:
    """Raises `Undelivered` unless the message has arrived."""
    status = response.status
    if HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
        return
    again = status >= HTTPStatus.INTERNAL_SERVER_ERROR or status in _PASSING
    wait_s = _wait_s(response.getheader("Retry-After", "")) if again else 0.0
    name = HTTPStatus(status).phrase if status in list(HTTPStatus) else ""
    raise Undelivered(f"it answers {status} {name}".rstrip(), again=again, after_s=wait_s)


def _moved(came_from: Destination, location: str) -> Destination:
    """Where a redirect leads. Raises `Undelivered` where that is not the same host."""
    here = f"{came_from.scheme}://{came_from.authority}{came_from.path}"
    try:
        found = web_place(urljoin(here, quote(location, safe=ASCII, encoding="latin-1")))
    except (EdgedError, ValueError):
        raise Undelivered("it redirects to what is no URL of http or https", again=False) from None
    upgraded = (came_from.scheme, found.scheme) == ("http", "https") and found.host == came_from.host
    if not upgraded and (found.scheme, found.authority) != (came_from.scheme, came_from.authority):
        to = f"{found.scheme}://{found.authority}"
        raise Undelivered(f"it redirects to {to}, and nothing is sent there: name that itself", again=False)
    return Destination(found.scheme, found.host, found.port, found.path, came_from.login)


def _wait_s(told: str) -> float:
    """Of `Retry-After`: seconds, or a date."""
    if told.strip().isdecimal():
        return min(float(told), LONGEST_WAIT_S)
    try:
        at = parsedate_to_datetime(told)
    except ValueError:
        return 0.0
    at = at if at.tzinfo else at.replace(tzinfo=UTC)
    return min(max(0.0, (at - datetime.now(UTC)).total_seconds()), LONGEST_WAIT_S)


def _reason(error: Exception) -> str:
    if isinstance(error, ssl.SSLError):
        return "TLS with it fails"
    if isinstance(error, http.client.HTTPException | ConnectionResetError):
        return "what it sends is no HTTP answer, or it hangs up"
    return error.strerror.lower() if isinstance(error, OSError) and error.strerror else "it cannot be reached"
