"""All commands by name; the module of a command, and what it imports, is loaded when it is called."""

import gc
from collections.abc import Mapping
from importlib import import_module
from typing import Any, cast

import typer
from typer.core import TyperCommand, TyperGroup

COMMANDS: Mapping[str, tuple[str, str]] = {
    "run": ("run", "Run the daemon: prints every result message as one JSON line, and a summary at the end."),
    "infer": (
        "infer",
        "Answer one request: prints the JSON answer; exit 0 on success, 1 on an error answer.",
    ),
    "replay": (
        "replay",
        "Play a clip through the lines, zones and rules of a stream; prints what happens and the counts.",
    ),
    "bulk": (
        "bulk",
        "Answer many items: one row each with its URL, its answer or its error. What is done stays done.",
    ),
    "pull": (
        "pull",
        "Fetch weights, check their SHA-256, derive the variants for this machine and measure them.",
    ),
    "mirror": (
        "mirror",
        "Copy all files that models need into a folder or a bucket, from where `pull --from` takes them.",
    ),
    "quantize": (
        "quantize",
        "Calibrate int8 of a model on what your own camera shows, and take it where it is as good as f32.",
    ),
    "tune": (
        "tune",
        "Measure the variants of models on this machine again: speed, memory, and how far they are from f32.",
    ),
    "enroll": (
        "gallery",
        "Teach a product: copy pictures of it into the gallery. A running daemon knows it with its next "
        "answer.",
    ),
    "gallery": ("gallery", "List the products that are enrolled, each with its id in answers."),
    "check": (
        "show",
        "Check config.yaml and list every fault at once; exit 0 when there is none, 2 otherwise.",
    ),
    "services": ("show", "List the 25 services and what fulfils each of them."),
    "models": ("show", "List the models that the plugins offer, and what is installed of them."),
    "classes": ("show", "List the classes that a model knows, by their ids."),
    "devices": (
        "show",
        "List the devices that the runtimes find on this machine, and what a GPU lacks to be one of them.",
    ),
    "microphones": ("show", "List the microphones that a stream's `mic:NAME` can name now."),
    "schema": (
        "show",
        "Print the JSON Schemas of a service's request, answer, answer to a failed request, stream message.",
    ),
    "ps": (
        "ps",
        "Show the services that the running daemon has in memory, since when, and how often they were asked.",
    ),
    "fleet": (
        "fleet",
        "Show all nodes at the broker, as they tell of themselves; those first that need attention.",
    ),
    "events": (
        "events",
        "List what happened before cameras and microphones; it asks the running daemon.",
    ),
    "bench": (
        "bench",
        "Time a service stage by stage, and the whole against the bare runtime's own loop, in the same run.",
    ),
    "chaos": ("chaos", "Try faults on this box: is each request answered, and how soon is all well again?"),
    "new-plugin": ("plugin", "Write a plugin that works at once, for you to put your own graph into."),
    "test-plugin": (
        "plugin",
        "Try a plugin as the daemon would use it, and more strictly; exit status 1 when a check fails.",
    ),
    "test-action": (
        "action",
        "Send one message by an action of config.yaml, and tell what became of it; exit status 1 when it "
        "did not arrive.",
    ),
    "service": ("service", "Show the unit of systemd with what this configuration needs, or install it."),
}
"""The module of each, and the first paragraph of its help."""


class LaterCommand(TyperCommand):
    """A command of which the name and the help are known; the rest is loaded when it is called."""

    def make_context(self, *args: Any, **options: Any) -> Any:
        """The context of the real command."""
        return command(self.name or "").make_context(*args, **options)


class LaterGroup(TyperGroup):
    """The commands of `COMMANDS`."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.commands = {name: LaterCommand(name, help=told) for name, (_, told) in COMMANDS.items()}


def command(name: str) -> TyperCommand:
    """A command of `COMMANDS`, loaded; each paragraph of its help is one line, for terminals of any width."""
    gc.disable()  # nothing that modules define is garbage: looking for some takes a tenth of the time
    module = import_module(f"edged.cli.{COMMANDS[name][0]}")
    gc.enable()
    found = cast(TyperCommand, typer.main.get_group(module.app).commands[name])
    found.help = "\n\n".join(" ".join(told.split()) for told in (found.help or "").split("\n\n"))
    return found
