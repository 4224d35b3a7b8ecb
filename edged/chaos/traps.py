"""Plugins that break on purpose, as files: one raises, one takes its process along."""

from pathlib import Path

RAISES, DIES = "image-similarity", "scene-classification"
"""The services that they fulfil; the daemon under test serves no other model of them."""

_PLUGIN = '''"""Breaks on purpose, for `edged chaos`."""

import ctypes

from edged import Model, hookimpl


class Raising(Model):
    """A plugin with a defect."""

    def infer(self, item, options, tools, run):
        raise RuntimeError("chaos: raised on purpose")


class Dying(Model):
    """A plugin that reads where nothing is."""

    def infer(self, item, options, tools, run):
        ctypes.string_at(0)


@hookimpl
def register_models(register):
    register(Raising, "raising.yaml")
    register(Dying, "dying.yaml")
'''

_CARD = """\
api: 2
id: chaos-{name}
service: {service}
rank: 1
summary: breaks on purpose
source: made by edged chaos
licence: {{id: Apache-2.0, permissive: true}}
uses: {{other: {model}}}
isolation: {isolation}
"""


def write_traps(folder: Path, model: str) -> None:
    """The folder of one plugin with both. `model`: an installed one to build on, which spares weights."""
    folder.mkdir(parents=True)
    (folder / "plugin.py").write_text(_PLUGIN, "utf-8")
    for name, service, isolation in (("raising", RAISES, "none"), ("dying", DIES, "process")):
        card = _CARD.format(name=name, service=service, isolation=isolation, model=model)
        (folder / f"{name}.yaml").write_text(card, "utf-8")
