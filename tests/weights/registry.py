"""A package index on 127.0.0.1 that may refuse ranges, break off, redirect and change its files."""

import base64
import hashlib
import io
import json
import re
import ssl
import tarfile
import zipfile
from http.server import BaseHTTPRequestHandler
from urllib.parse import unquote

from edged.weights.index import PipSettings
from tests.web import WebServer


def wheel(members: dict[str, bytes], compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    """A zip of these members, in this order."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compression) as archive:
        for name, body in members.items():
            archive.writestr(name, body)
    return file.getvalue()


def sdist(members: dict[str, bytes | tarfile.TarInfo]) -> bytes:
    """A tar.gz of these members; a ready-made entry stands for something that is no file."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz") as archive:
        for name, body in members.items():
            if isinstance(body, tarfile.TarInfo):
                archive.addfile(body)
                continue
            info = tarfile.TarInfo(name)
            info.size = len(body)
            archive.addfile(info, io.BytesIO(body))
    return file.getvalue()


class Registry(WebServer):
    """Serves `/simple/<package>/` and `/files/<name>`; a context manager."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.files: dict[str, bytes] = {}
        """By file name."""
        self.digests: dict[str, str] = {}
        """What the index says of a file, where that is a lie."""
        self.ranges = True
        self.as_json = False
        self.etag = '"1"'
        """Empty: the server tells nothing about versions."""
        self.cuts: list[int] = []
        """The next answers with more bytes than this are cut there, one each."""
        self.failures: list[int] = []
        """The next answers, as status codes."""
        self.moved = ""
        """Base URL that everything has moved to."""
        self.login = ""
        """The only `Authorization` that is accepted."""
        self.packages: dict[str, dict[str, bytes]] = {}
        """Versions of packages that npm may ask for, as archives, by name."""
        self.page = ""
        """What every page says instead of the list of files."""
        self.sent: list[tuple[str, str, int]] = []
        """(path, range asked for, bytes sent) of each answer."""
        super().__init__(_Answers, tls=tls)
        self.url = f"http{'s' if tls else ''}://127.0.0.1:{self.port}"

    @property
    def pip(self) -> PipSettings:
        """Settings of a pip that uses this index."""
        return PipSettings((f"{self.url}/simple",), timeout=20)

    @property
    def travelled(self) -> int:
        """Bytes of files sent so far."""
        return sum(count for path, _, count in self.sent if path.startswith("/files/"))

    def listing(self) -> str:
        """The page of a package, as HTML or JSON."""
        hashes = {
            name: self.digests.get(name, hashlib.sha256(body).hexdigest())
            for name, body in self.files.items()
        }
        if self.as_json:
            files = [
                {"filename": name, "url": f"../../files/{name}", "hashes": {"sha256": digest}}
                for name, digest in hashes.items()
            ]
            return json.dumps({"files": files})
        return "".join(f'<a href="../../files/{n}#sha256={d}">{n}</a>' for n, d in hashes.items())

    def add_npm(self, name: str, version: str, members: dict[str, bytes | tarfile.TarInfo]) -> None:
        """Publish a package; its members are named with the folder at the top, `package/...`."""
        self.packages.setdefault(name, {})[version] = sdist(members)

    def packument(self, name: str) -> str:
        """What npm reads of a package."""
        versions = {}
        for version, archive in self.packages[name].items():
            file = f"{name.rpartition('/')[2]}-{version}.tgz"
            self.files[file] = archive
            digest = base64.b64encode(hashlib.sha512(archive).digest()).decode()
            dist = {"tarball": f"{self.url}/files/{file}", "integrity": f"sha512-{digest}"}
            versions[version] = {"name": name, "version": version, "dist": dist}
        return json.dumps({"name": name, "dist-tags": {"latest": version}, "versions": versions})


class _Answers(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Registry

    def do_GET(self):
        if self.server.failures:
            self.answer(self.server.failures.pop(0), b"")
        elif self.server.moved:
            self.answer(302, b"", Location=self.server.moved + self.path)
        elif self.server.login and self.headers.get("Authorization") != self.server.login:
            self.answer(401, b"")
        elif self.path.startswith("/simple/"):
            kind = "application/vnd.pypi.simple.v1+json" if self.server.as_json else "text/html"
            page = self.server.page or self.server.listing()
            self.answer(200, page.encode(), **{"Content-Type": kind})
        elif (name := unquote(self.path.removeprefix("/npm/"))) in self.server.packages:
            self.answer(200, self.server.packument(name).encode(), **{"Content-Type": "application/json"})
        elif (body := self.server.files.get(self.file())) is None:
            self.answer(404, b"")
        else:
            self.send_file(body)

    def file(self):
        return self.path.partition("?")[0].removeprefix("/files/")

    def send_file(self, body):
        asked = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        etag = {"ETag": self.server.etag} if self.server.etag else {}
        if (
            not (asked and self.server.ranges)
            or self.headers.get("If-Range", self.server.etag) != self.server.etag
        ):
            self.answer(200, body, **etag)
            return
        first, last = int(asked[1]), min(int(asked[2] or len(body)), len(body) - 1)
        if first >= len(body):
            self.answer(416, b"")
            return
        content = {"Content-Range": f"bytes {first}-{last}/{len(body)}"}
        self.answer(206, body[first : last + 1], **content, **etag)

    def answer(self, status, body, **headers):
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.server.cuts and len(body) > self.server.cuts[0]:
            body = body[: self.server.cuts.pop(0)]
            self.close_connection = True
        self.server.sent.append((self.path, self.headers.get("Range", ""), len(body)))
        try:
            self.wfile.write(body)
        except OSError:  # the client has closed a whole that it did not ask for
            self.close_connection = True
