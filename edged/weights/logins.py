"""The login that a host gets: of its URL, of `HF_TOKEN`, of the user's netrc; never another host's."""

import logging
import os
import re
from functools import cache
from netrc import NetrcParseError, netrc
from urllib.parse import unquote, urlsplit

from urllib3 import make_headers

from edged.contracts.errors import OriginError

log = logging.getLogger(__name__)

_HUB = "huggingface.co"
"""The one host that is told `HF_TOKEN`."""
_TOKEN = re.compile(r"[!-~]+")


def login(url: str) -> dict[str, str]:
    """The header that logs in, if there is one. Over a connection that is not encrypted: of the URL alone.

    Raises `OriginError` for a token that is none.
    """
    parts = urlsplit(url)
    if user := parts.netloc.rpartition("@")[0]:
        return dict(make_headers(basic_auth=unquote(user)))
    host = parts.hostname or ""
    if parts.scheme != "https":
        return {}
    if host == _HUB and (token := os.environ.get("HF_TOKEN", "").strip()):
        if not _TOKEN.fullmatch(token):
            raise OriginError("HF_TOKEN is no token: it has blanks or signs in it that no token has")
        return {"Authorization": f"Bearer {token}"}
    found = _of_netrc(host)
    return dict(make_headers(basic_auth=found)) if found else {}


def _of_netrc(host: str) -> str | None:
    """`user:password` of the entry of this very host: `default` would be told to any that a link leads to."""
    path = os.environ.get("NETRC") or os.path.expanduser("~/.netrc")  # noqa: PTH111 - raises nothing
    try:
        found = netrc(path).hosts.get(host)
    except FileNotFoundError:
        return None
    except NetrcParseError as error:  # its text may hold a password
        _warn(path, f"line {error.lineno} cannot be understood")
        return None
    except (OSError, ValueError) as error:
        _warn(path, getattr(error, "strerror", None) or type(error).__name__)
        return None
    return f"{found[0]}:{found[2]}" if found else None


@cache
def _warn(path: str, why: str) -> None:
    """Once is enough: there are many requests."""
    log.warning("%s is not used: %s", path, why)
