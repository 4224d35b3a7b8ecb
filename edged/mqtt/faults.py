"""Why there is no connection, in a sentence that says what to do. Pure: nothing here knows a client."""

import ssl

from paho.mqtt.reasoncodes import ReasonCode

from edged.contracts.errors import ConfigError
from edged.mqtt.settings import BrokerAddress
from edged.mqtt.tls import tls_reason

_WRONG_USER = (0x86, 0x87)
"""Bad user name or password; not authorized, which mosquitto says for both."""


def unreachable(address: BrokerAddress, error: Exception) -> str:
    """The socket could not be opened, or broke at once."""
    if isinstance(error, ConfigError):
        return str(error)
    if isinstance(error, ssl.SSLError | ConnectionResetError) and address.tls:
        return f"no TLS with the broker at {address}: {tls_reason(error, address.host)}"
    return f"cannot reach the broker at {address}: {error}"


def hung_up(address: BrokerAddress) -> str:
    """Neither side said anything."""
    wants = "a certificate of ours (mqtt.tls.certificate)" if address.tls else "TLS (mqtts://)"
    return f"the broker at {address} closed the connection without a word; does it want {wants}?"


def refused(address: BrokerAddress, reason: ReasonCode, named: bool) -> str:
    """The broker says no; `named`: we gave it a user."""
    why = str(reason)
    if reason.value in _WRONG_USER:
        why = (
            "the user or the password is wrong"
            if named
            else "it wants a user and a password (mqtt.username, mqtt.password)"
        )
    return f"the broker at {address} refuses us: {why}"


def rival(address: BrokerAddress, client_id: str) -> str:
    """Somebody else seems to be us."""
    return f"does another box connect to {address} as {client_id!r}? give each a `node` name of its own"
