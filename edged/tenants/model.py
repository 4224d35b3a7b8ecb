"""A model with all that it uses, open in a child: answers the calls of `repository.isolated`."""

import secrets
import threading
from collections.abc import Iterator, Mapping, Set
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from edged.children.inside import Handle, Parent
from edged.children.values import Arrays, packed, unpacked
from edged.children.wire import Message, Tree
from edged.contracts.items import AudioClip, Frame, FramePair, PixelFormat, Pixels, SpeechChunk, TextPair
from edged.contracts.model import Options
from edged.contracts.services import any_service
from edged.contracts.slot import Priority
from edged.discovery import Plugins, discover
from edged.flow.budget import Budget
from edged.flow.counters import Counters
from edged.log import set_up
from edged.media.frame import AskedFrame
from edged.repository.catalogue import Catalogue
from edged.repository.instance import Instance
from edged.repository.isolated import Report, SentFrame
from edged.repository.opener import Opener
from edged.runtimes.devices import Concurrency
from edged.runtimes.signature import Ports


class AskedSlot:
    """The daemon's slot. Implements `contracts.slot.Slot`."""

    def __init__(self, parent: Parent, device: str, turn: threading.Lock) -> None:
        """`turn`: held by the thread that has the right; the daemon gives one a child."""
        self._parent = parent
        self._device = device
        self._turn = turn

    @contextmanager
    def hold(self, priority: Priority) -> Iterator[None]:
        """Wait for the turn; the daemon takes the right back, too, when this process dies."""
        with self._turn:
            self._parent.ask("slot", device=self._device, priority=int(priority))
            try:
                yield
            finally:
                self._parent.tell("back")


class AskedRun:
    """The handle of one call; the daemon says whether it goes on. Implements `contracts.model.Run`."""

    def __init__(self, parent: Parent) -> None:
        self._parent = parent

    def progress(self, done: float) -> None:
        """Pass on the share that is done."""
        self._parent.tell("progress", done=float(done))

    def check(self) -> None:
        """Raise what the daemon raises."""
        self._parent.ask("check")


class OpenModel:
    """Answers calls, and keeps the states of streams."""

    def __init__(self, parent: Parent, instance: Instance) -> None:
        self._parent = parent
        self._instance = instance
        self._states: dict[str, Any] = {}

    def report(self) -> Tree:
        """What the daemon wants to know."""
        opened = self._instance
        graphs = {
            name: Ports(tuple(known.inputs.values()), tuple(known.outputs.values()))
            for name, known in opened.signatures.items()
        }
        facts, skipped = opened.facts, dict(opened.skipped)
        report = Report(
            variant=facts.variant,
            device=facts.device,
            skipped=skipped,
            picture=opened.picture,
            graphs=graphs,
            hears_utterances=opened.hears_utterances,
            steps=opened.steps,
            frame_rate=opened.frame_rate,
        )
        said: Tree = packed(report, [])
        return said

    def answer(self, call: Message) -> Message:
        """One call."""
        said = call.tree
        if said["verb"] == "run":
            return self._run(call)
        for key in said["forget"]:
            self._states.pop(key, None)
        item = self._item(said["item"], call)
        options = any_service(self._instance.card.service).options.model_validate(said["options"])
        how = options, AskedRun(self._parent), Priority(said["priority"])
        more: dict[str, Any] = {}
        if said["verb"] == "step":
            result, more["state"] = self._stepped(item, said["state"], *how)
        else:
            result = self._instance.infer(item, *how)
        arrays: Arrays = []
        return Message({"result": packed(result, arrays), **more}, arrays)

    def _run(self, call: Message) -> Message:
        """A graph alone."""
        said = call.tree
        inputs = unpacked(said["inputs"], Mapping[str, NDArray[Any]], call.arrays)
        run, priority = AskedRun(self._parent), Priority(said["priority"])
        arrays: Arrays = []
        return Message(
            {"result": packed(dict(self._instance.run(said["graph"], inputs, run, priority)), arrays)}, arrays
        )

    def _stepped(
        self, chunk: Any, key: str | None, options: Options, run: AskedRun, priority: Priority
    ) -> tuple[Any, str]:
        """A chunk after the state of that key; one that is not known begins."""
        before = self._states.get(key) if key is not None else None
        before = self._instance.start(options) if before is None else before
        result, after = self._instance.step(chunk, before, options, run, priority)
        self._states[key := secrets.token_hex(8)] = after
        return result, key

    def _item(self, said: Mapping[str, Any], call: Message) -> Any:
        ((kind, tree),) = said.items()
        match kind:
            case "frame":
                return self._frame(tree, call)
            case "pair":
                return FramePair(*(self._frame(one, call) for one in tree))
            case "clip":
                return unpacked(tree, AudioClip, call.arrays)
            case "speech":
                return unpacked(tree, SpeechChunk, call.arrays)
        return unpacked(tree, TextPair, call.arrays)

    def _frame(self, tree: Any, call: Message) -> Frame:
        said: SentFrame = unpacked(tree, SentFrame, call.arrays)

        def ask(wanted: PixelFormat) -> Pixels:
            return self._parent.ask("pixels", number=said.number, form=packed(wanted, [])).arrays[0]

        known = {} if said.form is None or said.pixels is None else {said.form: said.pixels}
        return AskedFrame(ask, (said.height, said.width), said.captured_at, said.seq, known)


def concerned_plugins(given: Mapping[str, Any], models: Set[str]) -> Plugins:
    """The plugins of these models and of those that they use; all where that is not enough."""
    folders, single = [*map(Path, given["plugins"])], [*map(Path, given["single"])]
    found = discover(folders, single=single, words=models)
    return found if models <= found.models.keys() else discover(folders, single=single)


def open_model(parent: Parent, given: Mapping[str, Any]) -> tuple[Tree, Handle]:
    """Open the model that is named. Raises as `Opener.acquire`."""
    set_up()
    turn = threading.Lock()
    plugins = concerned_plugins(given, {given["model"], *(model for _, model in given["uses"])})
    opener = Opener(
        Catalogue(Path(given["models"]), plugins.models),
        Concurrency(1, given["threads"]),
        Counters(),
        lambda device: AskedSlot(parent, device, turn),
        gallery=Path(given["gallery"]),
        memory=Budget(given["memory"], "max_memory"),
    )
    uses = tuple((name, model) for name, model in given["uses"])
    instance = opener.acquire(given["model"], given["device"], given["precision"], given["strict"], uses)
    model = OpenModel(parent, instance)
    return model.report(), model.answer
