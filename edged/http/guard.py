"""Who may come in: the token, the `Host` that a loopback server is called by, the origin of a form.

Without a token the server listens on loopback only, and there a web page of a stranger is the danger: by a
name of its own that resolves to 127.0.0.1 (so `Host` must be a loopback name), or by posting across origins.
"""

import hashlib
import hmac
import re
from functools import partial

import orjson
from starlette.datastructures import Headers
from starlette.requests import Request, cookie_parser
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from edged.contracts.errors import BadRequest
from edged.flow.counters import Counters
from edged.flow.listening import is_loopback
from edged.flow.token import TOKEN_WANTED, Token
from edged.http.connection import let_in
from edged.http.failures import failure
from edged.http.predict import Bodies
from edged.http.settings import HttpSettings

COOKIE = "edged"
COOKIE_DAYS = 30
OPEN = ("/", "/api/login", "/v2/health/live", "/v2/health/ready")
"""What wants no token, and /static/."""
READING = ("GET", "HEAD", "OPTIONS")
_HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[\w.-]+)(:\d{1,5})?")
_SECURITY = (
    (b"x-content-type-options", b"nosniff"),
    (
        b"content-security-policy",
        b"default-src 'self'; img-src 'self' blob: data:; media-src 'self' blob:; object-src 'none'; "
        b"base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    ),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"referrer-policy", b"no-referrer"),
)
"""Of every answer."""


class Keys(Token):
    """The token, or a cookie in its place, which holds a hash and not the token."""

    def __init__(self, settings: HttpSettings) -> None:
        super().__init__(settings.token)
        self._cookie = hmac.digest(self._token or b"", b"cookie of the page", hashlib.sha256).hex()

    def admits(self, headers: Headers) -> bool:
        """Whether a request brings the token, or the cookie that was given for it."""
        if self.brought_by(headers.get("authorization", "")):
            return True
        cookie = cookie_parser(headers.get("cookie", "")).get(COOKIE, "")
        return hmac.compare_digest(cookie.encode(errors="replace"), self._cookie.encode())

    def remember(self, answer: Response) -> None:
        """Give the cookie."""
        answer.set_cookie(
            COOKIE, self._cookie, max_age=COOKIE_DAYS * 86400, httponly=True, samesite="strict", path="/"
        )


class Login:
    """`POST /api/login {"token": ...}`: a cookie, for an <img> and an EventSource cannot send headers."""

    def __init__(self, keys: Keys, bodies: Bodies) -> None:
        self._keys = keys
        self._bodies = bodies

    async def respond(self, request: Request) -> Response:
        """204 and the cookie, or 401."""
        async with self._bodies.read(request) as body:
            try:
                fields = orjson.loads(body)
            except orjson.JSONDecodeError as error:
                raise BadRequest("the request is not JSON") from error
        token = fields.get("token") if isinstance(fields, dict) else None
        if not isinstance(token, str):
            raise BadRequest("the field `token` is missing, or no string")
        if not self._keys.opens(token):
            return failure(401, "this is not the token; it is `http.token` of the box's config.yaml")
        answer = Response(status_code=204)
        if self._keys.wanted:
            self._keys.remember(answer)
        return answer


class Guard:
    """Lets requests in to the application or refuses them; counts answers by code."""

    def __init__(self, app: ASGIApp, keys: Keys, counters: Counters) -> None:
        self._app = app
        self._keys = keys
        self._counters = counters

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._counters.count("http_answers", str(message["status"]))
                message["headers"] = [*message["headers"], *_SECURITY]
            await send(message)

        app = self._refusal(scope, Headers(scope=scope)) or self._app
        await app(scope, receive, guarded)

    def _refusal(self, scope: Scope, headers: Headers) -> Response | None:
        method, path = scope["method"], scope["path"]
        hosts = headers.getlist("host")
        host = hosts[0].lower() if len(hosts) == 1 else ""
        refused = partial(failure, service=path.rpartition("/")[2], path=path)
        if not self._keys.wanted and not _is_own_name(host):
            return refused(
                403, "the header `Host` must be localhost or a loopback address, or set `http.token`"
            )
        if method not in READING and _is_foreign(headers, host):
            return refused(403, "a page of another origin may not send requests to this box")
        if self._keys.admits(headers):
            let_in(scope)
            return None
        if path in OPEN or path.startswith("/static/"):
            return None
        return refused(401, TOKEN_WANTED, {"WWW-Authenticate": "Bearer"})


def _is_own_name(host: str) -> bool:
    found = _HOST.fullmatch(host)
    return found is not None and is_loopback(found[1].strip("[]"))


def _is_foreign(headers: Headers, host: str) -> bool:
    """Whether a browser says that a page of another origin asks."""
    if headers.get("sec-fetch-site", "none") not in ("none", "same-origin"):
        return True
    origin = headers.get("origin")
    return origin is not None and origin.lower().partition("://")[2] != host
