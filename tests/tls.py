"""A certificate authority of the tests, and what it signs."""

import datetime
from dataclasses import dataclass
from pathlib import Path

import trustme
from cryptography.hazmat.primitives import serialization

LONG_AGO = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)


@dataclass(frozen=True)
class Pair:
    """PEM files of a certificate and its key."""

    certificate: Path
    key: Path


class Authority:
    """Its own certificate stands in `ca`; each pair is written to files of a new name."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.ca = folder / "ca.pem"
        self._folder = folder
        self._ca = trustme.CA()
        self._ca.cert_pem.write_to_path(self.ca)
        self._made = 0

    def pair(self, *names: str, expired: bool = False, key_password: str | None = None) -> Pair:
        """For names or addresses of a server, or for a client."""
        self._made += 1
        found = self._ca.issue_cert(*names, not_after=LONG_AGO if expired else None)
        pair = Pair(self._folder / f"{self._made}.pem", self._folder / f"{self._made}.key")
        found.cert_chain_pems[0].write_to_path(pair.certificate)
        pair.key.write_bytes(_encrypted(found.private_key_pem.bytes(), key_password))
        pair.key.chmod(0o600)
        return pair


def _encrypted(key: bytes, password: str | None) -> bytes:
    if password is None:
        return key
    return serialization.load_pem_private_key(key, None).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(password.encode()),
    )
