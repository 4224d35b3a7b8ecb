"""The token that opens the doors of the box which the network can reach."""

import hmac

from edged.contracts.settings import Secret

TOKEN_WANTED = "this address wants the token of the box: send `Authorization: Bearer <token>`"  # noqa: S105
"""What is said to who did not bring it."""


class Token:
    """Judges tokens, always in the same time; without a secret everybody may come in."""

    def __init__(self, secret: Secret | None) -> None:
        self._token = secret.get_secret_value().encode() if secret is not None else None

    @property
    def wanted(self) -> bool:
        """Whether a token is wanted at all."""
        return self._token is not None

    def opens(self, token: str) -> bool:
        """Whether this is the token."""
        return self._token is None or hmac.compare_digest(token.encode(errors="replace"), self._token)

    def brought_by(self, authorization: str) -> bool:
        """Whether it stands in a header `Authorization`, or none is wanted."""
        scheme, _, token = authorization.partition(" ")
        return self._token is None or (scheme.lower() == "bearer" and self.opens(token.strip()))
