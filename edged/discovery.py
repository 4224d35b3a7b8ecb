"""Find plugins, take them in one by one, and say which could not be used.

First folders with code, in the order given, then installed packages, then folders with a card but no code:
these become models through the decoders that the former offered.
"""

import importlib.util
import inspect
import logging
import re
import sys
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from hashlib import sha256
from importlib import metadata
from pathlib import Path
from types import ModuleType

import pluggy

from edged import hookspecs
from edged.cards import load_card
from edged.contracts.card import ModelCard
from edged.contracts.errors import CardError, EdgedError, NotFound, PluginError
from edged.contracts.model import AnyModel, Model, StreamModel
from edged.contracts.services import card_options
from edged.hookspecs import Decoder
from edged.narrowing import concerned

log = logging.getLogger(__name__)

GROUP = "edged"
"""Entry-point group of packages that are plugins."""
CARD = "card.yaml"
"""The card of a plugin that names none."""


@dataclass(frozen=True, slots=True)
class Plugins:
    """What the plugins offer, and the plugins that could not be used."""

    models: dict[str, AnyModel] = field(default_factory=dict)
    """By id."""
    decoders: dict[str, Decoder] = field(default_factory=dict)
    """By the name that cards give."""
    sources: dict[str, str] = field(default_factory=dict)
    """Which plugin each model came from: a folder, or a package's entry point. By model id."""
    failures: dict[str, PluginError] = field(default_factory=dict)
    """Why a plugin was left out, by folder or entry point."""
    single: tuple[Path, ...] = ()
    """Folders that were named as plugins themselves."""


@dataclass(frozen=True, slots=True)
class _Offer:
    """All that one plugin offers; taken as a whole or not at all."""

    models: list[AnyModel] = field(default_factory=list)
    decoders: list[tuple[str, Decoder]] = field(default_factory=list)


def discover(
    folders: Sequence[Path],
    entry_points: bool = True,
    single: Iterable[Path] = (),
    words: Collection[str] = (),
) -> Plugins:
    """Take in the plugins in `folders` (each holds one folder a plugin) and of the installed packages.

    `single`: folders that are plugins themselves, in the others or not. `words`: ids of models, or services;
    where there are any, plugins of the first of `folders`, those that come with edged, are passed over that
    have nothing to do with them, nor with the user's own (`narrowing.concerned`).

    Never raises for a plugin's fault: it is left out, logged, and stands in `failures`. Nothing replaces
    anything: of two models with one id the later plugin is left out.
    """
    plugins = Plugins(single=tuple(single))
    places = [place for folder in folders for place in _places(folder, plugins)]
    known = {place.resolve() for place in places}
    alone = (place for place in plugins.single if place.resolve() not in known)
    places += [place for place in alone if _is_plugin(place, plugins)]
    if words:
        places = concerned(places, words, [place for place in places if place.parent != folders[0]])
    coded = [place for place in places if (place / "plugin.py").is_file()]
    for place in coded:
        _take(plugins, str(place), partial(_from_code, place))
    for entry in metadata.entry_points(group=GROUP) if entry_points else ():
        _take(plugins, f"{entry.dist.name if entry.dist else '?'}: {entry.name}", partial(_installed, entry))
    for place in places:
        if place not in coded:
            _take(plugins, str(place), partial(_from_card, place, plugins.decoders))
    return plugins


def _take(plugins: Plugins, source: str, load: Callable[[], _Offer]) -> None:
    try:
        offer = load()
        _check(plugins, offer)
    except (Exception, SystemExit) as error:  # noqa: BLE001 - the boundary of a plugin
        _fail(plugins, source, error)
        return
    for model in offer.models:
        plugins.models[model.card.id] = model
        plugins.sources[model.card.id] = source
    plugins.decoders.update(offer.decoders)


def _fail(plugins: Plugins, source: str, error: BaseException) -> None:
    known = isinstance(error, EdgedError)
    failure = PluginError(str(error) if known else f"{type(error).__name__}: {error}{_position(error)}")
    failure.__cause__ = error
    plugins.failures[source] = failure
    log.error("the plugin %s is left out: %s", source, failure)


def _position(error: BaseException) -> str:
    """Where in a plugin it happened: the deepest line outside of edged."""
    own = str(Path(__file__).parent)
    trace, found = error.__traceback__, ""
    while trace is not None:
        path = trace.tb_frame.f_code.co_filename
        if path.endswith(".py") and not path.startswith(own):
            found = f" ({path}, line {trace.tb_lineno})"
        trace = trace.tb_next
    return found


def _places(folder: Path, plugins: Plugins) -> Iterator[Path]:
    """The plugins' folders within a folder; hidden ones and those that begin with `_` are none."""
    if not folder.is_dir():
        _fail(plugins, str(folder), PluginError("there is no such folder"))
        return
    for place in sorted(folder.iterdir()):
        if place.is_dir() and not place.name.startswith((".", "_")) and _is_plugin(place, plugins):
            yield place


def _is_plugin(place: Path, plugins: Plugins) -> bool:
    """Whether a folder is a plugin; one that is none is a failure."""
    if any((place / name).is_file() for name in ("plugin.py", CARD)):
        return True
    said = "the folder has neither plugin.py nor card.yaml" if place.is_dir() else "there is no such folder"
    _fail(plugins, str(place), PluginError(said))
    return False


def _from_code(place: Path) -> _Offer:
    """Import `plugin.py` as a package, so that it can import its neighbours: `from .graph import ...`."""
    digest = sha256(str(place.resolve()).encode()).hexdigest()[:8]
    name = "edged_plugin_" + re.sub(r"\W", "_", f"{place.name}_{digest}")
    spec = importlib.util.spec_from_file_location(
        name, place / "plugin.py", submodule_search_locations=[str(place)]
    )
    if spec is None or spec.loader is None:
        raise PluginError("plugin.py cannot be imported")
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return _hooked(module, place.name, place)


def _installed(entry: metadata.EntryPoint) -> _Offer:
    plugin = entry.load()
    return _hooked(plugin, entry.name, Path(inspect.getfile(_code_of(plugin))).parent)


def _code_of(plugin: object) -> ModuleType | type:
    """What stands in the file beside which the cards are."""
    return plugin if isinstance(plugin, ModuleType | type) else type(plugin)


def _from_card(place: Path, decoders: Mapping[str, Decoder]) -> _Offer:
    """A model made by the decoder that the card names."""
    card = load_card(place / CARD)
    decoder = decoders.get(card.decoder or "")
    if decoder is None:
        known = ", ".join(sorted(decoders)) or "none"
        raise CardError(
            f"{place / 'card.yaml'}: decoder: a folder without plugin.py must name one that is known "
            f"({known}), not {card.decoder!r}"
        )
    return _Offer(models=[decoder(card)])


def _hooked(plugin: object, name: str, folder: Path) -> _Offer:
    """What the hooks of one plugin offer; it has a plugin manager to itself."""
    manager = pluggy.PluginManager(GROUP)
    manager.add_hookspecs(hookspecs)
    offer = _Offer()
    try:
        manager.register(plugin, name)
        manager.check_pending()
    except pluggy.PluginValidationError as error:
        raise PluginError(f"{error}\nThe hooks are: {', '.join(_signatures())}") from error

    def register(model: Decoder, *cards: str) -> None:
        if not callable(model):
            raise PluginError(f"`register` wants a model's class, not {model!r}")
        offer.models.extend(model(load_card(folder / card)) for card in cards or (CARD,))

    manager.hook.register_models(register=register)
    manager.hook.register_decoders(register=lambda name, decoder: offer.decoders.append((name, decoder)))
    if not offer.models and not offer.decoders:
        raise PluginError("it offers nothing; is a hook marked with @hookimpl, and does it call `register`?")
    return offer


def _signatures() -> Iterator[str]:
    """`register_models(register)` and so on."""
    for name, hook in vars(hookspecs).items():
        if hasattr(hook, f"{GROUP}_spec"):
            yield f"{name}({', '.join(inspect.signature(hook).parameters)})"


def _check(plugins: Plugins, offer: _Offer) -> None:
    """Raises `PluginError` or `CardError` when anything of an offer cannot be taken."""
    taken = dict(plugins.sources)
    for model in offer.models:
        if not isinstance(model, Model | StreamModel) or not isinstance(
            getattr(model, "card", None), ModelCard
        ):
            raise PluginError(f"{model!r} is not an edged.Model with a card")
        card = model.card
        if card.id in taken:
            raise PluginError(f"the model id {card.id!r} is taken by {taken[card.id]}")
        taken[card.id] = "this plugin itself"
        try:
            card_options(card)
        except NotFound as error:
            raise CardError(f"{card.folder / 'card.yaml'}: service: {error}") from error
    names = set(plugins.decoders)
    for name, _ in offer.decoders:
        if name in names:
            raise PluginError(f"the decoder name {name!r} is taken")
        names.add(name)
