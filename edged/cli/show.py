"""Commands that look and change nothing: `check`, `services`, `models`, `classes`, `devices`, `schema`..."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import astuple
from typing import Annotated, Any

import typer

from edged.answers.schema import answer_schema, message_schema
from edged.cli.options import AsJson, ConfigPath
from edged.cli.terminal import print_json, say, table
from edged.config import reading
from edged.config.settings import Config
from edged.contracts.card import ModelCard
from edged.contracts.errors import ConfigError, EdgedError, NotReady
from edged.contracts.service import Service
from edged.contracts.services import SERVICES, service
from edged.opening import open_catalogue
from edged.repository.catalogue import Catalogue, VariantRow
from edged.repository.variants import variants_of
from edged.runtimes.devices import GPU, onnxruntime_build
from edged.runtimes.devices import devices as find_devices
from edged.runtimes.gpu import gpu
from edged.runtimes.opening import split
from edged.serving.unit import named
from edged.streams.microphone import microphones as find_microphones

app = typer.Typer()


@app.command()
def check(config: ConfigPath) -> None:
    """Check config.yaml and list every fault at once; exit 0 when there is none, 2 otherwise."""
    settings, faults = reading.examine(config)
    if settings is not None:
        faults += [reading.located(config, fault) for fault in _model_faults(settings)]
    if settings is None or faults:
        raise ConfigError(*faults)
    counts = {"service": len(settings.wanted_services()), "stream": len(settings.streams)}
    said = ", ".join(f"{count} {what if count == 1 else what + 's'}" for what, count in counts.items())
    say(f"{config} is fine: {said}")


def _model_faults(settings: Config) -> Iterator[str]:
    """What no plugin can fulfil, installed or not."""
    known = {n: wanted for n, wanted in settings.wanted_services().items() if n in SERVICES}
    sources = {name: stream.model for name, stream in settings.streams.items() if stream.model}
    if not known and not sources:
        return
    catalogue = open_catalogue(settings)
    for name, wanted in known.items():
        try:
            model, uses = named(name, wanted, catalogue)
            catalogue.used(model or catalogue.best(name), uses)
        except EdgedError as error:
            yield f"services.{name}{'.' if isinstance(error, ConfigError) else ': '}{error}"
    for name, source in sources.items():
        try:
            catalogue.card(source)
        except EdgedError as error:
            yield f"streams.{name}.source: {error}"


@app.command()
def services(*, as_json: AsJson = False, config: ConfigPath) -> None:
    """List the 25 services and what fulfils each of them."""
    settings = reading.load(config)
    catalogue = open_catalogue(settings)
    facts = [_service_facts(known, settings, catalogue) for known in SERVICES.values()]
    columns = ("service", "group", "model", "variant", "device", "installed", "verified")
    _show("services", columns, facts, as_json)


def _service_facts(known: Service, settings: Config, catalogue: Catalogue) -> dict[str, Any]:
    """One row; model, variant and device are what would run, null where nothing would."""
    wanted = settings.service(known.name)
    facts: dict[str, Any] = {
        "service": known.name,
        "group": known.group,
        "model": None,
        "variant": None,
        "device": None,
        "installed": False,
        "verified": False,
    }
    try:
        model, uses = named(known.name, wanted, catalogue)
        model = model or _likely(known.name, catalogue)
        facts |= {"model": model, "verified": catalogue.card(model).verified}
        facts["installed"] = catalogue.installed(model, uses)
        choice = catalogue.choice(model, wanted.device, wanted.precision)
        facts |= {"variant": choice.variant, "device": choice.device}
    except EdgedError:
        pass  # the nulls say it
    return facts


def _likely(name: str, catalogue: Catalogue) -> str:
    """The model that would serve: the first installed by rank, else the one to pull."""
    try:
        return catalogue.preferred(name)
    except NotReady:
        return catalogue.best(name)


@app.command()
def models(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="MODEL", help="Of these, each variant.")
    ] = None,
    *,
    as_json: AsJson = False,
    config: ConfigPath,
) -> None:
    """List the models that the plugins offer, and what is installed of them."""
    catalogue = open_catalogue(reading.load(config))
    cards = [catalogue.card(name) for name in names] if names else catalogue.cards
    if names and not as_json:
        for card in cards:
            variants_table(catalogue, card.id)
        return
    facts = [
        {
            "model": card.id,
            "service": card.service,
            "rank": card.rank,
            "licence": card.licence.id,
            "installed": catalogue.installed(card.id),
            "verified": card.verified,
            "runtimes": sorted({split(variant)[0] for variant in variants_of(card)}),
            "variants": [v.variant for v in catalogue.variants(card.id) if v.derived],
            "uses": catalogue.used(card.id),
            **_chosen(catalogue, card),
        }
        for card in cards
    ]
    columns = ("model", "service", "rank", "licence", "installed", "variant", "ms", "mb", "accuracy", "uses")
    _show("models", columns, facts, as_json)


def _chosen(catalogue: Catalogue, card: ModelCard) -> dict[str, Any]:
    """What would run, how it does here, and all that could; nulls where nothing is derived."""
    rows = catalogue.variants(card.id)
    try:
        choice = catalogue.choice(card.id) if card.graphs else None
    except NotReady:
        choice = None
    best = next((row for row in rows if choice and (row.variant, row.device) == astuple(choice)), None)
    return {
        "variant": best.variant if best else None,
        "ms": best.ms if best else None,
        "mb": best.mb if best else None,
        "accuracy": (best.accuracy or None) if best else None,
        "measured": [row.facts() for row in rows],
    }


def _named(row: VariantRow) -> str:
    """A variant, with its device where that is not the CPU, and what its user calibrated it on."""
    device = "" if row.device == "cpu" else f" on {row.device}"
    return f"{row.variant}{device}{f' (calibrated on {row.own})' if row.own else ''}"


def variants_table(catalogue: Catalogue, name: str) -> None:
    """What is known of each variant of a model here, and why it is not taken."""
    rows = [
        (
            _named(v),
            "-" if v.ms is None else f"{v.ms:.1f}",
            "-" if v.mb is None else f"{v.mb:.0f}" if v.mb_of == "process" else f"{v.mb:.0f} (its files)",
            v.accuracy or "-",
            v.why_not,
        )
        for v in catalogue.variants(name)
    ]
    table(f"variants of {name} on this machine", ("variant", "ms", "MB", "accuracy", "why not"), rows)


@app.command()
def classes(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="One of `edged models`.")],
    *,
    as_json: AsJson = False,
    config: ConfigPath,
) -> None:
    """List the classes that a model knows, by their ids."""
    card = open_catalogue(reading.load(config)).card(model)
    names = card.class_names()
    if not names and not as_json:
        say(f"{model} has no list of classes: {card.summary}")
        return
    facts = [{"id": number, "name": name} for number, name in enumerate(names)]
    _show("classes", ("id", "name"), facts, as_json)


@app.command()
def devices(as_json: AsJson = False) -> None:
    """List the devices that the runtimes find on this machine, and what a GPU lacks to be one of them."""
    found, lacking = find_devices(), gpu()
    lacks = lacking is not None and bool(lacking.missing)
    if as_json:
        print_json([*found, lacking] if lacks else found)
        return
    rows = [(d.name, d.runtime, d.full_name, ", ".join(d.capabilities), d.version) for d in found]
    table("devices", ("device", "runtime", "name", "capabilities", "version"), rows)
    if build := onnxruntime_build():
        say(f"ONNX Runtime is {build}")
    if lacks:
        say(f"no {GPU} for ONNX Runtime: {lacking}")


@app.command()
def microphones(as_json: AsJson = False) -> None:
    """List the microphones that a stream's `mic:NAME` can name now."""
    found = find_microphones()
    if as_json:
        print_json(found)
        return
    rows = [
        (m.name, m.kind, m.index if m.kind == "device" else "-", m.channels, f"{m.rate:g}") for m in found
    ]
    none = "no microphone is there, or none that this user may use: docs/cameras.md says what it needs"
    table("microphones", ("microphone", "kind", "index", "channels", "rate"), rows, without=none)


@app.command()
def schema(name: Annotated[str, typer.Argument(metavar="SERVICE", help="One of `edged services`.")]) -> None:
    """Print the JSON Schemas of a service's request, answer, answer to a failed request, stream message."""
    known = service(name)
    print_json(
        {
            "request": known.request_schema(),
            "answer": answer_schema(known),
            "failed_answer": known.failure.model_json_schema(),
            "stream_message": message_schema(known),
        }
    )


def _show(title: str, columns: Sequence[str], facts: Sequence[Mapping[str, object]], as_json: bool) -> None:
    """Facts as JSON, or those of them that `columns` name as a table."""
    if as_json:
        print_json(facts)
    else:
        table(title, columns, [[_cell(row[column]) for column in columns] for row in facts])


def _cell(value: object) -> str:
    match value:
        case None:
            return "-"
        case bool():
            return "yes" if value else "no"
        case list():
            return ", ".join(value)
    return str(value)
