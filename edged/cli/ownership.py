"""What `sudo edged pull` and `enroll` write into folders of the service's belongs to the service."""

import os
from pathlib import Path


def hand_over(folder: Path) -> None:
    """Give what root owns in a folder to whom the folder, or the one around it, belongs.

    The service may do with these folders what it likes while root works: no link is followed.
    """
    if os.geteuid() != 0 or not folder.is_dir():
        return
    owner = next((of for of in (folder.stat(), folder.parent.stat()) if of.st_uid != 0), None)
    if owner is None:
        return
    for _, folders, files, here in os.fwalk(folder):
        for name in (".", *folders, *files):
            if os.stat(name, dir_fd=here, follow_symlinks=False).st_uid == 0:
                os.chown(name, owner.st_uid, owner.st_gid, dir_fd=here, follow_symlinks=False)
