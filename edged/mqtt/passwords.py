"""The embedded broker's file of passwords: mosquitto's own format, read by both brokers.

Written here rather than by `mosquitto_passwd`, which wants the password among its arguments, where every
user of the machine can read it.
"""

import base64
import hashlib
import hmac
import os
import secrets
from pathlib import Path

_ITERATIONS = 10_000
"""A hundred times what mosquitto_passwd takes; 5 ms for each connection."""
_SALT_BYTES = 12
"""mosquitto 2.0 reads no other."""
_SCHEME = "7"
"""mosquitto's name of PBKDF2 with SHA-512."""


def write_passwords(path: Path, username: str, password: str) -> None:
    """The file, with this user alone, hashed; readable by us only. Raises `OSError`."""
    salt = secrets.token_bytes(_SALT_BYTES)
    fields = (_SCHEME, str(_ITERATIONS), _encoded(salt), _encoded(_hash(password, salt, _ITERATIONS)))
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(f"{username}:${'$'.join(fields)}\n")


def accepts(path: Path, username: str | None, password: str | None) -> bool:
    """Whether the file knows this user with this password. Raises `OSError`."""
    known, _, rest = path.read_text("utf-8").strip().partition(":")
    _, _, iterations, salt, expected = rest.split("$")
    given = _hash(password or "", base64.b64decode(salt), int(iterations))
    return hmac.compare_digest(given, base64.b64decode(expected)) and username == known


def _hash(password: str, salt: bytes, iterations: int) -> bytes:
    return hashlib.pbkdf2_hmac("sha512", password.encode(), salt, iterations)


def _encoded(data: bytes) -> str:
    return base64.b64encode(data).decode()
