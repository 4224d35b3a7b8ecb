"""`edged service`: the unit of systemd, and what this configuration adds to it."""

import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from edged.cli.terminal import say
from edged.config import reading
from edged.config.dropins import MARK, drop_ins, warnings
from edged.config.settings import Config
from edged.contracts.errors import EdgedError

app = typer.Typer()

UNIT = "edged.service"
PLACES = ("usr/local/lib/systemd/system", "usr/lib/systemd/system", "lib/systemd/system")
"""Where a package puts it."""
ADMINISTRATOR = "etc/systemd/system"
"""What is here goes first."""
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin"
"""Where systemd finds programs."""
SYSTEM_CONFIG = Path("/etc/edged/config.yaml")


class Action(StrEnum):
    """What to do."""

    SHOW = "show"
    INSTALL = "install"


@dataclass(frozen=True, slots=True)
class Change:
    """A file as it shall be."""

    path: Path
    text: str | None
    """None: it shall go."""
    why: str

    @property
    def due(self) -> bool:
        """Whether it is not so yet."""
        return self.text is None or not self.path.is_file() or self.path.read_text("utf-8") != self.text

    def apply(self) -> None:
        """Make it so. Raises `EdgedError` where that is not allowed."""
        try:
            if self.text is None:
                self.path.unlink()
            else:
                self.path.parent.mkdir(parents=True, exist_ok=True)
                self.path.write_text(self.text, "utf-8")
                self.path.chmod(0o644)
        except OSError as error:
            raise EdgedError(f"{self.path}: {error.strerror}; this wants root: sudo edged service") from error


@app.command()
def service(
    action: Annotated[Action, typer.Argument(metavar="ACTION", help="`show` changes nothing.")] = Action.SHOW,
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be written.")] = False,
    root: Annotated[Path, typer.Option("--root", help="Root folder of another system.")] = Path("/"),
    config: Annotated[Path, typer.Option("--config", "-c", help="Path of config.yaml.")] = SYSTEM_CONFIG,
) -> None:
    """Show the unit of systemd with what this configuration needs, or install it."""
    settings = reading.load(config)
    for warning in warnings(settings):
        say(warning, "yellow")
    changes = [*_unit(root), *_drop_ins(settings, config, root)]
    if action is Action.SHOW:
        for change in changes:
            _show(change)
        return
    due = [change for change in changes if change.due]
    for change in due:
        if not dry_run:
            change.apply()
        say(f"{_verb(change, dry_run)} {change.path}: {change.why}")
    if not due:
        say("all is in place")
    elif not dry_run:
        say("now run: systemctl daemon-reload && systemctl restart edged")


def _verb(change: Change, dry_run: bool) -> str:
    if change.text is None:
        return "would remove" if dry_run else "removed"
    return "would write" if dry_run else "wrote"


def _show(change: Change) -> None:
    """A file as `systemctl cat` shows it."""
    if change.text is None:
        say(f"{change.path}: is to be removed: {change.why}")
        return
    typer.echo(f"# {change.path}\n{change.text}")
    if change.due:
        say(f"{change.path}: is not in place: sudo edged service install")


def _unit(root: Path) -> Iterator[Change]:
    """Ours, where no package has brought one and the administrator has written none."""
    own = root / ADMINISTRATOR / UNIT
    theirs = own.is_file() and not own.read_text("utf-8").startswith(MARK)
    if theirs:
        say(f"{own}: is yours, and left alone")
    elif not any((root / place / UNIT).is_file() for place in PLACES):
        yield Change(own, f"{MARK}\n{_unit_text()}", "the unit")
    elif own.is_file():
        yield Change(own, None, "a package has brought the unit")


def _unit_text() -> str:
    """Of the packaged unit; a program that systemd would not find is named by its path."""
    packaged = Path(__file__).parent.parent / UNIT
    checkout = Path(__file__).parents[2] / "packaging" / UNIT
    text = (packaged if packaged.is_file() else checkout).read_text("utf-8")
    if shutil.which("edged", path=PATH) is None:
        text = text.replace("/usr/bin/env edged", str(Path(sys.executable).parent / "edged"))
    return text


def _drop_ins(settings: Config, config: Path, root: Path) -> Iterator[Change]:
    folder = root / ADMINISTRATOR / f"{UNIT}.d"
    wanted = drop_ins(settings, reading.credentials_of(config), config.parent, _groups(root))
    for drop_in in wanted:
        yield Change(folder / drop_in.name, drop_in.text, ", ".join(drop_in.why))
    names = {drop_in.name for drop_in in wanted}
    for path in sorted(folder.glob("*.conf")):
        if path.name not in names and path.read_text("utf-8").startswith(MARK):
            yield Change(path, None, "the configuration needs it no more")


def _groups(root: Path) -> set[str]:
    try:
        lines = (root / "etc/group").read_text("utf-8").splitlines()
    except OSError:
        return set()
    return {line.partition(":")[0] for line in lines}
