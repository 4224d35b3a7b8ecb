"""What commands ask of the daemon that runs, over HTTP."""

import http.client
from collections.abc import Iterator
from contextlib import closing, contextmanager

import orjson

from edged.contracts.errors import BadRequest, NotReady
from edged.flow.listening import near
from edged.http.settings import HttpSettings


@contextmanager
def asked(
    settings: HttpSettings, path: str, *, patience_s: float, accept: str = "application/json"
) -> Iterator[http.client.HTTPResponse]:
    """The answer to GET. Raises `BadRequest` as the daemon says, `NotReady` when there is no answer."""
    address = settings.address
    if address is None:
        raise NotReady("HTTP is switched off (`http.listen: null`), so the daemon cannot be asked")
    headers = {"Accept": accept}
    if settings.token is not None:
        headers["Authorization"] = f"Bearer {settings.token.get_secret_value()}"
    host = near(address.host)
    try:
        with closing(http.client.HTTPConnection(host, address.port, timeout=patience_s)) as connection:
            connection.request("GET", path, headers=headers)
            with connection.getresponse() as answer:
                _check(answer, f"the daemon at http://{settings.listen}")
                yield answer
    except (OSError, http.client.HTTPException) as error:
        raise NotReady(f"no daemon answers at http://{settings.listen}: {error}; is it running?") from error


def _check(answer: http.client.HTTPResponse, who: str) -> None:
    """Raise what it says, if that is no success."""
    if answer.status == http.client.OK:
        return
    try:
        why = orjson.loads(answer.read())["error_msg"]
    except (orjson.JSONDecodeError, KeyError, TypeError):
        why = ""
    if answer.status == http.client.BAD_REQUEST:
        raise BadRequest(str(why))
    raise NotReady(f"{who} answers {answer.status}{f': {why}' if why else ''}")
