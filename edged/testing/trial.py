"""Anybody's plugin, opened as the daemon opens it, and checked."""

from collections.abc import Iterator, Sequence
from hashlib import sha256
from pathlib import Path

from edged.config.settings import Config
from edged.contracts.card import ModelCard
from edged.contracts.errors import EdgedError, PluginError
from edged.contracts.services import any_service
from edged.contracts.slot import Report
from edged.discovery import Plugins
from edged.flow.counters import Counters
from edged.opening import make_opener, open_plugins
from edged.repository.opener import Opener
from edged.repository.puller import Puller
from edged.testing.checks import Row, checked_rows
from edged.testing.items import items_for
from edged.testing.subject import Subject


def tried(
    folder: Path,
    settings: Config | None = None,
    *,
    given: Sequence[str] = (),
    accept_licence: bool = False,
    report: Report | None = None,
) -> Iterator[Row]:
    """Load the plugin in `folder`, pull and open each of its models and run all checks, row by row.

    Never raises for what is wrong with the plugin. Its weights go into the models' folder of `settings`, by
    default `models` of the current folder, those with a restrictive licence with `accept_licence` only.
    `given`: what its models are tried on, as for `edged infer`; else something made by calculation.
    """
    settings = settings or Config()
    plugins = open_plugins(settings, [folder])
    models = [id_ for id_, source in plugins.sources.items() if _is(source, folder)]
    yield _loaded(folder, plugins, models)
    if not models:
        return
    opener = make_opener(settings, Counters(), plugins=plugins)
    puller = Puller(opener, settings.runtime.concurrency())
    for model in models:
        had = _had(puller, model, accept_licence, report or _silent)
        yield had
        if had.result == "ok":
            yield from _opened(opener, model, given)


def _loaded(folder: Path, plugins: Plugins, models: list[str]) -> Row:
    for source, failure in plugins.failures.items():
        if _is(source, folder):
            return Row(folder.name, "loading", "failed", str(failure), _how_to_load(failure))
    return Row(folder.name, "loading", "ok", ", ".join(models) or "offers decoders, and no model")


def _is(source: str, folder: Path) -> bool:
    return Path(source).resolve() == folder.resolve()


def _how_to_load(failure: PluginError) -> str:
    if "is taken by" in str(failure):
        return "give the card another `id`"
    return "mend what is said; docs/plugins.md tells how a plugin looks"


def _had(puller: Puller, model: str, accept: bool, report: Report) -> Row:
    """Whether its weights could be had."""
    catalogue = puller.catalogue
    try:
        cards = [catalogue.card(id_) for id_ in (model, *catalogue.used(model))]
        for card in () if accept else cards:
            if not card.licence.permissive and not catalogue.installed(card.id):
                said = f"the licence {card.licence.id} of {card.id} is not permissive: {card.licence.note}"
                return Row(model, "weights", "failed", said, "read it, then say --accept-licence")
        failures = puller.pull(model, report)
    except EdgedError as error:
        return Row(model, "weights", "failed", str(error), _how_to_have(catalogue.card(model)))
    missing = "; ".join(f"{variant} cannot be derived: {why}" for variant, why in failures.items())
    return Row(model, "weights", "ok", missing)


def _how_to_have(card: ModelCard) -> str:
    """Where a file beside the card is another one than it says: what to write there."""
    for name, weights in card.weights.items():
        for origin in weights.origins:
            path = card.folder / (origin.file or "")
            if origin.file and path.is_file():
                data = path.read_bytes()
                if (found := sha256(data).hexdigest()) != weights.checksum:
                    return f"if {name} is as it shall be, write: sha256: {found}, size: {len(data)}"
    return "mend `weights` and `graphs` of the card, or the place where the file is"


def _opened(opener: Opener, model: str, given: Sequence[str]) -> Iterator[Row]:
    try:
        instance = opener.acquire(model)
    except EdgedError as error:
        yield Row(model, "opening", "failed", str(error), "mend `graphs` and `uses` of the card")
        return
    yield Row(model, "opening", "ok", f"{instance.facts.variant} on {instance.facts.device}")
    try:
        items = items_for(any_service(instance.card.service), given, reference=instance.card.reference)
        yield from checked_rows(Subject(instance.model, instance.tools, items))
    except EdgedError as error:
        yield Row(model, "item", "failed", str(error), "give what `edged infer` takes")
    finally:
        opener.release(instance)


def _silent(task: str, done: int, total: int) -> None:
    """Nobody looks."""
