"""What a model is calibrated on by `edged quantize --from`: a stream's frames or clips, a file, a folder."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from edged.cli.options import one_of
from edged.config.settings import Config, StreamSettings
from edged.contracts.card import ModelCard
from edged.contracts.errors import ConfigError, SourceError
from edged.contracts.items import TextPair
from edged.contracts.model import Part
from edged.contracts.services import any_service
from edged.control import Switches
from edged.opening import resolve_source
from edged.repository.catalogue import Catalogue
from edged.streams.camera import CameraSettings
from edged.streams.microphone import microphone_name
from edged.streams.taking import Portion, Spread, Taken, Told, take_clips, take_frames

STREAM = "stream:"
_TOKENS = 64
"""Of a text, at most."""


@dataclass(frozen=True)
class Given:
    """A source as the user named it."""

    name: str
    """As the manifest tells it: `stream:door`, or an absolute path."""
    settings: CameraSettings

    def take(self, card: ModelCard, portion: Portion, told: Told, voice: Part | None) -> Taken:
        """Items that the model eats. `voice`: as of `take_clips`. Raises `SourceError`."""
        media, path = any_service(card.service).media, Path(self.settings.source)
        if media == "picture":
            return take_frames(self.name, self.settings, portion, told)
        if media == "text":
            return _texts(path, portion)
        pieces = any_service(card.service).listens == "always"
        take = partial(take_clips, self.name, portion=portion, told=told, voice=voice, pieces=pieces)
        return _of_all(path, self.settings, take, portion) if path.is_dir() else take(self.settings)


def given(source: str, config: Config, catalogue: Catalogue) -> Given:
    """What `--from` names. Raises `ConfigError` for what there is not, `SourceError` for what is off."""
    if source.startswith(STREAM):
        name = source.removeprefix(STREAM)
        return Given(source, _stream(name, config, catalogue))
    path = Path(source)
    if "://" in source or microphone_name(source) is not None or not path.exists():
        raise ConfigError(
            f"there is no folder or file {source!r}; a camera or microphone is one of the configuration's "
            f"streams: `--from {STREAM}NAME`"
        )
    return Given(str(path.resolve()), CameraSettings(source=str(path.resolve())))


def _stream(name: str, config: Config, catalogue: Catalogue) -> StreamSettings:
    stream = one_of(config.streams, "stream", name)
    if name in Switches(config.paths.state).off():
        raise SourceError(
            f"stream {name} is switched off, so nobody looks through it; `control/enable` switches it on"
        )
    return stream.model_copy(update={"source": resolve_source(stream.source, catalogue)})


def _texts(path: Path, portion: Portion) -> Taken:
    """The lines of the `.txt` files of a folder, or of one file."""
    spread, damaged = Spread[TextPair](portion.count), 0
    files = sorted(path.glob("*.txt")) if path.is_dir() else [path]
    if not files or not path.exists():
        raise SourceError(
            f"the model reads texts: give a folder of .txt files, a text a line; {path} has none"
        )
    for file in files:
        try:
            lines = file.read_text("utf-8").splitlines()
        except (OSError, UnicodeDecodeError):
            damaged += 1
            continue
        for number, line in enumerate(filter(str.strip, lines)):
            spread.put(partial(TextPair, f"{file.name}:{number}", line, "", _TOKENS))
    return Taken(spread.rest(), 0, damaged)


def _of_all(
    folder: Path, settings: CameraSettings, take: Callable[[CameraSettings], Taken], portion: Portion
) -> Taken:
    """Of each file of a folder; what cannot be read is counted."""
    taken = list(_each(folder, settings, take))
    if not taken:
        raise SourceError(f"{folder} holds no recording")
    spread = Spread[object](portion.count)
    for one in taken:
        for item in one.items:
            spread.put(partial(_same, item))
    return Taken(spread.rest(), sum(one.alike for one in taken), sum(one.damaged for one in taken))


def _same(item: object) -> object:
    return item


def _each(folder: Path, settings: CameraSettings, take: Callable[[CameraSettings], Taken]) -> Iterator[Taken]:
    for path in sorted(folder.iterdir()):
        if path.name.startswith(".") or not path.is_file():
            continue
        found = Taken((), 0, 1)
        with suppress(SourceError):
            found = take(settings.model_copy(update={"source": str(path)}))
        yield found
