"""A package out of the registry that the user's npm is configured with, fetched by npm itself.

Packed, never installed: none of its scripts runs.
"""

import json
import re
import shutil
import subprocess
from pathlib import Path

from edged.contracts.errors import OriginError

LIMIT_S = 3600
"""npm gives up by itself long before, unless bytes come very slowly."""
_PACKAGE = re.compile(r"(@[\w.~-]+/)?[\w.~][\w.~-]*@\d+\.\d+\.\d+[\w.+-]*")
_OPTIONS = ("--ignore-scripts", "--json", "--no-update-notifier")
_LOGIN = re.compile(r"(?<=://)[^/\s]*@")
_MEND = "install npm, which comes with Node.js (Debian: `apt install npm`), or pull with --from DIR"


def pack(package: str, folder: Path) -> Path:
    """Bring the archive of `name@version` into an empty folder. Raises `OriginError`."""
    if not _PACKAGE.fullmatch(package):  # npm also takes folders, git and URLs, and runs the scripts of those
        raise OriginError(f"{package!r} is not the name and exact version of a package: name@1.2.3")
    if (npm := shutil.which("npm")) is None:
        raise OriginError(f"npm is not installed: {_MEND}")
    command = [npm, "pack", *_OPTIONS, f"--pack-destination={folder.resolve()}", "--", package]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=LIMIT_S, cwd=folder, check=False
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise OriginError(f"npm cannot fetch {package}: {type(error).__name__}") from error
    found = list(folder.glob("*.tgz"))
    if done.returncode or len(found) != 1:
        raise OriginError(f"npm cannot fetch {package}: {_reason(done.stdout, done.stderr)}")
    return found[0]


def _reason(said: str, logged: str) -> str:
    """One line of what npm says, without logins."""
    try:
        text = str(json.loads(said)["error"]["summary"])
    except (ValueError, KeyError, TypeError):
        text = logged
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return _LOGIN.sub("", lines[0])[:300] if lines else "it does not say why"
