"""What the service must be allowed beyond its unit, by its configuration: drop-ins of systemd.

The unit has no devices and no secrets. Each need is a file of its own, with the keys that make it needed.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from edged.config.credentials import secrets_folder
from edged.config.settings import Config
from edged.media.source import is_device
from edged.streams.microphone import microphone_name

MARK = "# Written by `edged service install`, which writes it anew and removes it."
"""First line of all that is ours."""
WRITABLE = Path("/var/lib/edged")
"""Below it alone the unit may write, beside its cache."""


@dataclass(frozen=True, slots=True)
class Hardware:
    """Devices of one sort."""

    devices: tuple[str, ...]
    """As `DeviceAllow=` names them: by sort, so that one which is plugged in later is allowed, too."""
    groups: tuple[str, ...]
    """Who may open them."""


HARDWARE = {
    "cameras": Hardware(("char-video4linux",), ("video",)),  # /dev/video*
    "microphones": Hardware(("char-alsa",), ("audio",)),  # /dev/snd/*
    "gpu": Hardware(("char-drm", "char-nvidia*"), ("video", "render")),  # /dev/dri/*, NVIDIA's
    "npu": Hardware(("char-accel",), ("render",)),  # /dev/accel/*
    "nvidia": Hardware(("char-nvidia*",), ("video",)),  # /dev/nvidia*
}
"""By the name of their drop-in."""
_WISHES = {"gpu": "gpu", "npu": "npu", "cuda": "nvidia"}
"""The drop-in of a device's name, without its number."""


@dataclass(frozen=True, slots=True)
class DropIn:
    """One file in `edged.service.d`."""

    name: str
    why: tuple[str, ...]
    """Keys of the configuration."""
    lines: tuple[str, ...]
    """Of the section `[Service]`."""

    @property
    def text(self) -> str:
        """The whole file."""
        return "\n".join([MARK, *(f"# for {key}" for key in self.why), "[Service]", *self.lines, ""])


def drop_ins(
    config: Config, credentials: Collection[str], folder: Path, groups: Collection[str]
) -> list[DropIn]:
    """All that this configuration needs.

    `credentials`: the names of its secrets, `folder`: that of config.yaml, `groups`: the machine's: with
    one that there is not systemd starts no service.
    """
    why: dict[str, list[str]] = {name: [] for name in HARDWARE}
    for name, key in _needs(config):
        why[name].append(key)
    found = [_hardware(name, tuple(keys), groups) for name, keys in why.items() if keys]
    if (shelf := config.artefacts.folder) is not None and not shelf.is_relative_to(WRITABLE):
        found.append(DropIn("artefacts.conf", ("artefacts.url",), (f"ReadWritePaths={_word(shelf)}",)))
    if credentials:
        loaded = tuple(
            "LoadCredential=" + _word(f"{name}:{secrets_folder(folder) / name}") for name in credentials
        )
        found.append(
            DropIn("secrets.conf", tuple(f"file:${{CREDENTIALS_DIRECTORY}}/{c}" for c in credentials), loaded)
        )
    return found


def warnings(config: Config) -> list[str]:
    """What the service cannot do as it is configured, in sentences."""
    folders = {"models": config.paths.models, "gallery": config.paths.gallery}
    return [
        f"paths.{key}: {folder} is read-only for the service; it may write below {WRITABLE}"
        for key, folder in folders.items()
        if not folder.absolute().is_relative_to(WRITABLE)
    ]


def _word(said: object) -> str:
    """One word of a unit, whatever its characters."""
    plain = str(said).replace("%", "%%")  # else systemd puts something in there
    return f'"{plain}"' if " " in plain else plain


def _needs(config: Config) -> Iterator[tuple[str, str]]:
    """The sorts of hardware, each with the key that names it."""
    for name, stream in config.streams.items():
        if stream.detect_source is not None and is_device(stream.detect_source):
            yield "cameras", f"streams.{name}.detect_source: {stream.detect_source}"
        if is_device(stream.source):
            yield "cameras", f"streams.{name}.source: {stream.source}"
        elif microphone_name(stream.source) is not None:
            yield "microphones", f"streams.{name}.source: {stream.source}"
    for name, settings in config.services.items():
        if (wish := _WISHES.get(settings.device.partition(":")[0])) is not None:
            yield wish, f"services.{name}.device: {settings.device}"


def _hardware(name: str, why: tuple[str, ...], groups: Collection[str]) -> DropIn:
    known = HARDWARE[name]
    mine = [group for group in known.groups if group in groups]
    lines = [
        "PrivateDevices=no",
        "DevicePolicy=closed",
        *(f"DeviceAllow={device} rw" for device in known.devices),
    ]
    return DropIn(f"{name}.conf", why, (*lines, *(f"SupplementaryGroups={group}" for group in mine)))
