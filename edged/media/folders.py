"""Files of this box that a request may name: only under configured folders, never through a link.

Each part of the path is looked up from the one before it, without following links, and what was checked is
what is opened, so nobody can swap a part meanwhile.
"""

import os
import stat
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path, PurePosixPath
from typing import IO
from urllib.parse import unquote_to_bytes

from edged.contracts.errors import BadRequest, NotAllowed, NotFound
from edged.media.policy import split

_SETTING = "`requests.fetch.folders`"
_UNFOLLOWED = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC  # opens nothing yet: no FIFO waits, no device wakes


def open_file(url: str, folders: Sequence[Path]) -> IO[bytes]:
    """Open a regular file by `file:` URL or absolute path.

    Raises `BadRequest`, `NotAllowed` for what lies elsewhere or is no file, `NotFound`.
    """
    path = PurePosixPath(_path(url))
    if ".." in path.parts:
        raise NotAllowed("a path with `..` is not followed; write it without")
    for folder in folders:
        if path.is_relative_to(folder):
            return _open_below(folder, path.relative_to(folder).parts)
    raise NotAllowed(f"the file does not lie in a folder that {_SETTING} allows")


def _path(url: str) -> str:
    if not url.lower().startswith("file:"):
        return _checked(url)
    parts = split(url)
    if parts.netloc.lower() not in ("", "localhost") or parts.query or parts.fragment:
        raise BadRequest("a `file:` URL has a path and nothing else: file:///folder/name")
    return _checked(os.fsdecode(unquote_to_bytes(parts.path)))


def _checked(path: str) -> str:
    if "\0" in path:
        raise BadRequest("the path holds a NUL")
    return path


def _open_below(folder: Path, names: Sequence[str]) -> IO[bytes]:
    if not names:
        raise NotAllowed("a folder is no media; name a file in it")
    try:
        with ExitStack() as opened:
            at = os.open(folder, os.O_PATH | os.O_CLOEXEC)
            opened.callback(os.close, at)
            for name in names:
                at = os.open(name, _UNFOLLOWED, dir_fd=at)
                opened.callback(os.close, at)
                if stat.S_ISLNK(os.fstat(at).st_mode):
                    raise NotAllowed("a link is on the way, and links are not followed; name the file itself")
            if not stat.S_ISREG(os.fstat(at).st_mode):
                raise NotAllowed("only regular files are read, no folders, devices or pipes")
            return Path(f"/proc/self/fd/{at}").open("rb")
    except (FileNotFoundError, NotADirectoryError) as error:
        raise NotFound("there is no such file") from error
    except OSError as error:
        raise NotAllowed(f"the file cannot be read: {error.strerror}") from error
