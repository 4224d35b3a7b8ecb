"""`edged check`, `services`, `devices`, `microphones`, `schema`: look, change nothing."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from edged import config as configuration
from edged.cli.terminal import default_config, print_json, say, table
from edged.config import Config
from edged.contracts.errors import ConfigError, EdgedError, NotReady
from edged.contracts.services import SERVICES, Service, service
from edged.opening import open_catalogue
from edged.pipeline.serve import named
from edged.repository.catalogue import Catalogue
from edged.runtimes.devices import devices as find_devices
from edged.streams.microphone import microphones as find_microphones

app = typer.Typer()

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON on stdout.")]
ConfigPath = Annotated[Path | None, typer.Option(help="Path of config.yaml.")]


@app.command()
def check(config: ConfigPath = None) -> None:
    """Check config.yaml and list every fault at once; exit 0 when there is none, 2 otherwise."""
    path = config or default_config()
    settings = configuration.load(path)
    if faults := list(_model_faults(settings, open_catalogue(settings))):
        raise ConfigError(*(f"{path}: {fault}" for fault in faults))
    say(f"{path} is fine: {len(settings.wanted_services())} services, {len(settings.streams)} streams")


def _model_faults(settings: Config, catalogue: Catalogue) -> Iterator[str]:
    """What no plugin can fulfil, installed or not."""
    for name, wanted in settings.wanted_services().items():
        try:
            model, uses = named(name, wanted, catalogue)
            catalogue.used(model or catalogue.best(name), uses)
        except EdgedError as error:
            yield f"services.{name}{'.' if isinstance(error, ConfigError) else ': '}{error}"


@app.command()
def services(as_json: AsJson = False, config: ConfigPath = None) -> None:
    """List the 25 services and what fulfils each of them."""
    settings = configuration.load(config or default_config())
    catalogue = open_catalogue(settings)
    facts = [_service_facts(known, settings, catalogue) for known in SERVICES.values()]
    if as_json:
        print_json(facts)
        return
    columns = ("service", "group", "model", "variant", "device", "installed", "verified")
    shown = {None: "-", True: "yes", False: "no"}
    rows = [[shown[v] if isinstance(v := row[c], bool | None) else v for c in columns] for row in facts]
    table("services", columns, rows)


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
def devices(as_json: AsJson = False) -> None:
    """List the devices that the runtimes find on this machine."""
    found = find_devices()
    if as_json:
        print_json(found)
        return
    rows = [(d.name, d.runtime, d.full_name, ", ".join(d.capabilities)) for d in found]
    table("devices", ("device", "runtime", "name", "capabilities"), rows)


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
    table("microphones", ("microphone", "kind", "index", "channels", "rate"), rows)


@app.command()
def schema(name: Annotated[str, typer.Argument(metavar="SERVICE")]) -> None:
    """Print the JSON Schemas of a service's request, answer and stream message."""
    known = service(name)
    print_json(
        {
            "request": known.request_schema(),
            "answer": known.answer_schema(),
            "stream_message": known.message_schema(),
        }
    )
