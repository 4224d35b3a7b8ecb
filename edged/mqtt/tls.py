"""TLS to the broker: its certificate and its name are verified, always; what goes wrong is said in words."""

import ssl
from collections.abc import Iterator
from pathlib import Path

from pydantic import model_validator

from edged.contracts.errors import ConfigError
from edged.contracts.settings import FromFolder, Secret, Settings

_HANGS_UP = "it hangs up; does it speak TLS at this port?"
_REASONS = (
    ("CERTIFICATE_REQUIRED", "it wants a certificate of ours: give mqtt.tls.certificate and mqtt.tls.key"),
    ("ALERT_UNKNOWN_CA", "it does not know the CA of our certificate (mqtt.tls.certificate)"),
    ("ALERT_CERTIFICATE_EXPIRED", "our certificate (mqtt.tls.certificate) has expired"),
    ("ALERT_CERTIFICATE_REVOKED", "our certificate (mqtt.tls.certificate) was revoked"),
    ("ALERT_BAD_CERTIFICATE", "it does not accept our certificate (mqtt.tls.certificate)"),
    (
        "HANDSHAKE_FAILURE",
        "it gives up; does it want a certificate of ours (mqtt.tls.certificate)?",
    ),
    ("PROTOCOL", "it speaks no TLS 1.2 or newer"),
    ("WRONG_VERSION_NUMBER", "it speaks no TLS at this port; is mqtt:// or another port meant?"),
    ("UNEXPECTED_EOF", _HANGS_UP),
)
"""Parts of OpenSSL's reasons, and what they mean; the first that is found counts."""
_UNKNOWN_CA = (18, 19, 20, 21)
"""OpenSSL's codes of a chain that ends at nobody whom we trust."""


class TlsSettings(Settings):
    """Certificates for `mqtts://`. Verification has no switch: a private broker gets a private CA."""

    ca: FromFolder | None = None
    """PEM file of the CAs of the broker's certificate; none: those that the system trusts."""
    certificate: FromFolder | None = None
    """PEM file of our own certificate and its chain, for a broker that asks for one."""
    key: FromFolder | None = None
    """PEM file of the key of `certificate`; none: it stands in the same file."""
    key_password: Secret | None = None
    """Of an encrypted `key`; never shown. `file:/run/secrets/x` reads it from a file."""

    @model_validator(mode="after")
    def _usable(self) -> "TlsSettings":
        if faults := list(_load(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), self)):
            raise ValueError("\n".join(faults))
        return self


class TlsSocket(ssl.SSLSocket):
    """Keeps what ended it: in TLS 1.3 a broker refuses our certificate only after the handshake."""

    failure: ssl.SSLError | None = None

    def do_handshake(self, block: bool = False) -> None:
        """paho leaves a socket open whose handshake failed."""
        try:
            super().do_handshake(block)
        except OSError:
            self.close()
            raise

    def recv(self, buflen: int = 1024, flags: int = 0) -> bytes:
        try:
            return super().recv(buflen, flags)
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            raise
        except ssl.SSLError as error:
            self.failure = error
            raise


def client_context(settings: TlsSettings) -> ssl.SSLContext:
    """TLS 1.2 or newer; certificates are read now, so that renewed ones count at the next connection.

    Raises `ConfigError` when a file cannot be used any more.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.sslsocket_class = TlsSocket
    if faults := list(_load(context, settings)):
        raise ConfigError(*(f"mqtt.tls: {fault}" for fault in faults))
    if settings.ca is None:
        context.load_default_certs()
    return context


def tls_reason(error: ssl.SSLError | ConnectionResetError, host: str) -> str:
    """Why TLS with the broker failed, to stand behind its address."""
    if isinstance(error, ConnectionResetError):
        return _HANGS_UP
    if isinstance(error, ssl.SSLCertVerificationError):
        if error.verify_code in _UNKNOWN_CA:
            return "its certificate is of a CA that is not trusted; give its CA as mqtt.tls.ca"
        if "mismatch" in error.verify_message:
            return f"its certificate is for another name than {host!r}; connect to a name that it holds"
        return f"its certificate is refused: {error.verify_message}"
    said = error.reason or ""
    return next((words for part, words in _REASONS if part in said), f"TLS fails: {said or error}")


def _load(context: ssl.SSLContext, settings: TlsSettings) -> Iterator[str]:
    """Load the files; yields what is wrong with them."""
    ca, certificate, key = settings.ca, settings.certificate, settings.key
    if certificate is None and (key is not None or settings.key_password is not None):
        yield "`key` and `key_password` are of use only with `certificate`"
    faults = [
        f"`{name}`: {path}: {fault}"
        for name, path in (("ca", ca), ("certificate", certificate))
        if path is not None and (fault := _certificate_fault(path))
    ]
    if key is not None and (fault := _reading_fault(key)):
        faults.append(f"`key`: {key}: {fault}")
    if faults:
        yield from faults
        return
    if ca is not None:
        context.load_verify_locations(ca)
    if certificate is not None and (fault := _pair_fault(context, settings, certificate)):
        yield fault


def _certificate_fault(path: Path) -> str | None:
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(path)
    except ssl.SSLError:
        return "is no file of certificates in PEM"
    except OSError as error:
        return error.strerror
    return None


def _reading_fault(path: Path) -> str | None:
    try:
        path.read_bytes()
    except OSError as error:
        return error.strerror
    return None


def _pair_fault(context: ssl.SSLContext, settings: TlsSettings, certificate: Path) -> str | None:
    password = settings.key_password
    try:
        # without any password OpenSSL would ask for one at the terminal
        context.load_cert_chain(certificate, settings.key, password.get_secret_value() if password else "")
    except ssl.SSLError as error:
        where = settings.key or certificate
        if error.reason == "KEY_VALUES_MISMATCH":
            return f"`key`: {where}: does not belong to the certificate {certificate}"
        if b"ENCRYPTED" not in where.read_bytes():
            return f"`key`: {where}: holds no private key in PEM"
        return f"`key_password`: {'does not open' if password else 'is needed for'} {where}"
    return None
