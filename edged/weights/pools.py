"""Connections to hosts: through the proxy that the environment or pip names, with the right certificates."""

import os
import ssl
from pathlib import Path
from urllib.parse import unquote, urlsplit
from urllib.request import getproxies, proxy_bypass

from urllib3 import PoolManager, ProxyManager, make_headers

from edged.contracts.errors import OriginError


class Pools:
    """One pool for each proxy. `cert` is a file or folder of certificates, `proxy` a URL; else the system's
    count: `SSL_CERT_FILE`, `HTTPS_PROXY`, `NO_PROXY` and their like."""

    def __init__(self, cert: str | None, proxy: str | None) -> None:
        self._proxies = {"http": proxy, "https": proxy} if proxy else getproxies()
        self._context = _context(cert)
        self._pools: dict[str | None, PoolManager] = {}

    def of(self, url: str) -> PoolManager:
        """What asks the host of this URL."""
        parts = urlsplit(url)
        proxy = self._proxies.get(parts.scheme) or self._proxies.get("all")
        if proxy and proxy_bypass(parts.netloc.rpartition("@")[2]):
            proxy = None
        if proxy not in self._pools:
            self._pools[proxy] = self._proxied(proxy) if proxy else PoolManager(ssl_context=self._context)
        return self._pools[proxy]

    def _proxied(self, proxy: str) -> ProxyManager:
        parts = urlsplit(proxy if "://" in proxy else f"http://{proxy}")
        user, _, host = parts.netloc.rpartition("@")
        login = make_headers(proxy_basic_auth=unquote(user)) if user else {}
        return ProxyManager(
            f"{parts.scheme}://{host}",
            proxy_headers=login,
            ssl_context=self._context,
            proxy_ssl_context=self._context,
        )


def has_certificates() -> bool:
    """Whether the system, or the environment, has any: bare containers have none."""
    paths = ssl.get_default_verify_paths()
    return bool(paths.cafile) or (paths.capath is not None and any(Path(paths.capath).iterdir()))


def _context(cert: str | None) -> ssl.SSLContext:
    folder = cert is not None and Path(cert).is_dir()
    try:
        if not cert:  # OpenSSL would pass over a file that is not there
            if own := os.environ.get("SSL_CERT_FILE"):
                ssl.create_default_context(cafile=own)
            return ssl.create_default_context()
        return ssl.create_default_context(cafile=None if folder else cert, capath=cert if folder else None)
    except OSError as error:
        named = cert or f"{os.environ.get('SSL_CERT_FILE')}, which SSL_CERT_FILE names"
        raise OriginError(f"cannot read the certificates in {named}: {error}") from error
