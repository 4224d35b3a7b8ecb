"""Where a package's files are: the index that the user's pip is configured with, asked by its simple API."""

import json
import os
import re
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
    parse_sdist_filename,
    parse_wheel_filename,
)
from packaging.version import InvalidVersion, Version

from edged.contracts.errors import OriginError
from edged.repository.web import Web, shown

MAX_PAGE = 50_000_000
"""Bytes of an index page; those of old packages have thousands of files."""
_ACCEPT = {"Accept": "application/vnd.pypi.simple.v1+json, text/html;q=0.1"}
_DEFAULT = "from pip._internal.models.index import PyPI; print(PyPI.simple_url)"
_SETTING = re.compile(r"(?:global|install|download|:env:)\.([\w-]+)='(.*)'")


@dataclass(frozen=True, slots=True)
class PipSettings:
    """What the user's pip is told."""

    indexes: tuple[str, ...]
    """URLs of simple APIs, in the order in which they are asked."""
    cert: str | None
    proxy: str | None


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


@cache
def pip_settings() -> PipSettings:
    """Ask pip, and the environment, which has the last word. pip itself knows its default."""
    found: dict[str, str] = {}
    for line in _pip("config", "list").splitlines():
        if setting := _SETTING.fullmatch(line):
            found[setting[1]] = setting[2]
    for key in ("index-url", "extra-index-url", "cert", "proxy"):
        if value := os.environ.get("PIP_" + key.upper().replace("-", "_")):
            found[key] = value
    first = found.get("index-url") or _default_index()
    extra = found.get("extra-index-url", "").replace("\\n", " ").split()
    return PipSettings((first, *extra), found.get("cert"), found.get("proxy"))


def _pip(*args: str) -> str:
    for command in _pips():
        done = subprocess.run([*command, *args], capture_output=True, text=True, check=False, timeout=60)
        if done.returncode == 0:
            return done.stdout
    return ""


def _pips() -> Iterator[list[str]]:
    yield [sys.executable, "-m", "pip"]
    yield from ([path] for name in ("pip", "pip3") if (path := shutil.which(name)))


def _default_index() -> str:
    for python in (sys.executable, shutil.which("python3"), "/usr/bin/python3"):
        if python and Path(python).exists():
            done = subprocess.run(
                [python, "-c", _DEFAULT], capture_output=True, text=True, check=False, timeout=60
            )
            if done.returncode == 0:
                return done.stdout.strip()
    raise OriginError("pip is not installed, so its package index is not known: set PIP_INDEX_URL")


def archives(web: Web, settings: PipSettings, requirement: str) -> list[Archive]:
    """The files of `name==version`, wheels first. Raises `OriginError` with what each index said."""
    name, _, version = requirement.partition("==")
    said = []
    for index in settings.indexes:
        try:
            listed = list(_listed(web, f"{index.rstrip('/')}/{canonicalize_name(name)}/"))
        except OriginError as error:
            said.append(str(error))
            continue
        if found := [archive for archive in listed if _is_of(archive.name, name, version)]:
            return sorted(found, key=lambda archive: not archive.is_wheel)
        said.append(f"{shown(index)} has no {requirement}")
    raise OriginError("; ".join(said))


def _listed(web: Web, page: str) -> Iterator[Archive]:
    if page.startswith("file:"):
        body, kind, base = _local_page(page), "text/html", page
    else:
        body, kind, base = web.document(page, MAX_PAGE, _ACCEPT)
    if "json" in kind:
        for file in json.loads(body)["files"]:
            yield Archive(file["filename"], urljoin(base, file["url"]), file.get("hashes", {}).get("sha256"))
        return
    links = _Links()
    links.feed(body.decode("utf-8", "replace"))
    for href in links.found:
        url, fragment = urldefrag(urljoin(base, href))
        digest = fragment.removeprefix("sha256=") if fragment.startswith("sha256=") else None
        yield Archive(unquote(urlsplit(url).path.rsplit("/", 1)[1]), url, digest)


def _local_page(page: str) -> bytes:
    folder = Path(unquote(urlsplit(page).path))
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
    try:
        parsed = parse_wheel_filename(file)[:2] if file.endswith(".whl") else parse_sdist_filename(file)
        return parsed[0] == canonicalize_name(name) and parsed[1] == Version(version)
    except (InvalidSdistFilename, InvalidWheelFilename, InvalidVersion):
        return False
