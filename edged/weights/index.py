"""Where a package's files are: the index that the user's pip is configured with, asked by its simple API."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urldefrag, urljoin, urlsplit

from packaging.utils import (
    InvalidSdistFilename,
    InvalidWheelFilename,
    canonicalize_name,
    canonicalize_version,
    parse_sdist_filename,
    parse_wheel_filename,
)

from edged.contracts.errors import OriginError
from edged.weights.pools import has_certificates
from edged.weights.refusals import shown
from edged.weights.web import Web

MAX_PAGE = 50_000_000
"""Bytes of an index page; those of old packages have thousands of files."""
_ACCEPT = {"Accept": "application/vnd.pypi.simple.v1+json, text/html;q=0.1"}
_MEND = "set PIP_INDEX_URL to the simple index of your package registry, or pull with --from DIR"
_ASK = """
import json
from pip._internal.commands import create_command
from pip._vendor import certifi
options, _ = create_command("download").parse_args([])
indexes = [] if options.no_index else [options.index_url, *options.extra_index_urls]
print(json.dumps({"indexes": indexes, "cert": options.cert or None, "proxy": options.proxy or None,
                  "timeout": options.timeout, "bundle": certifi.where()}))
"""


@dataclass(frozen=True, slots=True)
class PipSettings:
    """What the user's pip is told."""

    indexes: tuple[str, ...]
    """URLs of simple APIs, in the order in which they are asked."""
    cert: str | None = None
    """File or folder of certificates; none: the system's."""
    proxy: str | None = None
    """URL; none: what the environment says."""
    timeout: float = 30
    """Seconds without a byte."""


@dataclass(frozen=True, slots=True)
class Archive:
    """One file of a package."""

    name: str
    url: str
    sha256: str | None
    """As the index gives it."""

    @property
    def is_wheel(self) -> bool:
        """A plain zip; else an sdist."""
        return self.name.endswith(".whl")

    @property
    def local(self) -> Path | None:
        """Where it is, if it needs no transfer."""
        return _local(self.url)


@cache
def pip_settings() -> PipSettings:
    """Ask pip, which merges its files, the environment and its own default; without pip, the environment."""
    for python in dict.fromkeys(filter(None, _pythons())):
        try:
            done = subprocess.run(
                [python, "-c", _ASK], capture_output=True, text=True, check=True, timeout=60, cwd="/"
            )
            said = json.loads(done.stdout)
        except (OSError, subprocess.SubprocessError, ValueError):
            continue  # has no pip
        cert = said["cert"] or (None if has_certificates() else said["bundle"])
        return PipSettings(tuple(said["indexes"]), cert, said["proxy"], said["timeout"])
    if not (first := os.environ.get("PIP_INDEX_URL")):
        raise OriginError(f"pip is not installed, so its package index is not known: {_MEND}")
    extra = os.environ.get("PIP_EXTRA_INDEX_URL", "").split()
    return PipSettings((first, *extra), os.environ.get("PIP_CERT"), os.environ.get("PIP_PROXY"))


def _pythons() -> Iterator[str | None]:
    """This interpreter, the one that its environment was made from (uv's have no pip), those on PATH."""
    yield sys.executable
    yield getattr(sys, "_base_executable", None)
    yield shutil.which("python3")
    yield "/usr/bin/python3"


def archives(web: Web, settings: PipSettings, requirement: str) -> list[Archive]:
    """The files of `name==version`: wheels for any machine, other wheels, sdists.

    Raises `OriginError` with what each index said.
    """
    name, _, version = requirement.partition("==")
    said = []
    for index in sorted(settings.indexes, key=lambda url: _local(url) is None):  # a mirror needs no network
        try:
            listed = list(_listed(web, f"{index.rstrip('/')}/{canonicalize_name(name)}/"))
        except OriginError as error:
            said.append(str(error))
            continue
        if found := [archive for archive in listed if _is_of(archive.name, name, version)]:
            return sorted(found, key=lambda a: (not a.is_wheel, not a.name.endswith("-none-any.whl")))
        said.append(f"{shown(index)} has no {requirement}")
    raise OriginError("; ".join(said) or f"pip is configured without an index: {_MEND}")


def _listed(web: Web, page: str) -> Iterator[Archive]:
    if folder := _local(page):
        body, kind, base = _local_page(folder), "text/html", page
    else:
        body, kind, base = web.document(page, MAX_PAGE, _ACCEPT)
    try:
        text = body.decode("utf-8")
        files = _from_json(text, base) if "json" in kind else _from_html(text, base)
        yield from (file for file in files if folder or file.local is None)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise OriginError(f"{shown(page)} is no page of a package index: {error!r}") from error


def _from_json(text: str, base: str) -> Iterator[Archive]:
    for file in json.loads(text)["files"]:
        yield Archive(file["filename"], urljoin(base, file["url"]), file.get("hashes", {}).get("sha256"))


def _from_html(text: str, base: str) -> Iterator[Archive]:
    links = _Links()
    links.feed(text)
    for href in links.found:
        url, fragment = urldefrag(urljoin(base, href))
        digest = fragment.removeprefix("sha256=") if fragment.startswith("sha256=") else None
        yield Archive(unquote(urlsplit(url).path.rpartition("/")[2]), url, digest)


def _local(url: str) -> Path | None:
    parts = urlsplit(url)
    return Path(unquote(parts.path)) if parts.scheme == "file" else None


def _local_page(folder: Path) -> bytes:
    try:
        return (folder / "index.html").read_bytes()
    except OSError as error:
        raise OriginError(f"{folder} cannot be read: {error.strerror}") from error


class _Links(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "a":
            self.found += [value for key, value in attrs if key == "href" and value]


def _is_of(file: str, name: str, version: str) -> bool:
    """Whether the file name is that of this package and version, which may be written with a wheel's build.

    Names older than the rules are of none: pip takes them no more either.
    """
    try:
        if file.endswith(".whl"):
            of, release, build, _ = parse_wheel_filename(file)
        else:
            of, release = parse_sdist_filename(file)
            build = ()
    except (InvalidWheelFilename, InvalidSdistFilename):
        return False
    written = {canonicalize_version(text) for text in (f"{release}", f"{release}-{''.join(map(str, build))}")}
    return of == canonicalize_name(name) and canonicalize_version(version) in written
