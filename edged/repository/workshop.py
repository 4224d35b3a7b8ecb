"""Where the variants of a model are made for this machine, and tried on the pictures of its card."""

import fcntl
import logging
import shutil
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from edged.contracts.card import ModelCard, VariantName
from edged.contracts.errors import CardError, EdgedError, RepositoryError, VariantError
from edged.contracts.model import AnyModel, Part, Tools
from edged.contracts.slot import Report, Slot
from edged.derive.build import GraphSources
from edged.derive.files import HALF_MADE, SHARED, Samples, derive
from edged.derive.manifest import METHOD, Manifest, Measured, own_variants
from edged.derive.tune import Pictures, feeds, pictures
from edged.repository.admission import SANITY, evidence
from edged.repository.comparison import NOBODYS, Comparison, Entrant, inference
from edged.repository.resources import open_resources
from edged.repository.variants import variants_of
from edged.runtimes.devices import Concurrency, Device, devices, usable_memory
from edged.runtimes.opening import open_session, split

GROWS = 4
"""A variant that is open takes so many times its files at most: what the runtime packs anew, what flows."""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Workshop:
    """One model on its way to variants. Used by one thread; other threads and processes wait for it."""

    model: AnyModel
    parts: Mapping[str, Part]
    """The models that it uses, open."""
    files: Mapping[str, Path]
    """Its weights and media, verified."""
    root: Path
    """Folder of the model in the repository."""
    concurrency: Concurrency
    """With which the variants are measured."""
    report: Report
    slot_for: Callable[[str], Slot] = lambda _: NOBODYS
    """The right to run on a device, by its name: taken for each run of a session while others work, too."""

    def run(
        self, only: Iterable[VariantName] | None = None, *, measured: bool = True
    ) -> dict[VariantName, str]:
        """Derive, and measure what is derived; what is up to date is left alone.

        `only`: other variants are left out, but for the one that they are compared with. Returns why not, by
        variant that could not be derived. Raises `CardError`, and `VariantError` when no variant could.
        """
        wanted = _in_order(self.model.card, only)
        self.root.mkdir(parents=True, exist_ok=True)
        with alone(self.root), GraphSources(self.model, self.files, self.root) as graphs:
            failures = self._derive_all(graphs, wanted)
            if measured:
                self._measure_all()
        return failures

    def _derive_all(self, sources: GraphSources, wanted: Sequence[VariantName]) -> dict[VariantName, str]:
        failures: dict[VariantName, str] = {}
        samples: Samples = {}
        card, task = self.model.card, f"{self.model.card.id}: derive variants"
        for done, variant in enumerate(wanted):
            self.report(task, done, len(wanted))
            try:
                self._tell_of_lost_own(variant)
                if self._wants_samples(variant) and not samples:
                    samples = self._samples()
                derive(card, variant, sources, samples, self.root)
            except CardError:
                raise
            except EdgedError as error:
                failures[variant] = str(error)
                log.warning("%s: %s is left out: %s", card.id, variant, error)
        if not wanted:  # it has no graph of its own
            return failures
        self.report(task, len(wanted), len(wanted))
        if len(failures) == len(wanted):
            reasons = "; ".join(f"{variant}: {why}" for variant, why in failures.items())
            raise VariantError(f"no variant of {card.id} can be derived here: {reasons}")
        return failures

    def _wants_samples(self, variant: VariantName) -> bool:
        graphs = self.model.card.graphs.values()
        calibrated = variant.endswith("int8") and not all(graph.quantized for graph in graphs)
        return calibrated and self._fresh(variant) is None

    def _fresh(self, variant: VariantName) -> Manifest | None:
        """The manifest of a variant that is derived and up to date."""
        manifest = Manifest.load(self.root / variant)
        return manifest if manifest and manifest.stale(self.model.card) is None else None

    def _tell_of_lost_own(self, variant: VariantName) -> None:
        card, manifest = self.model.card, Manifest.load(self.root / variant)
        if manifest and manifest.own and (changed := manifest.stale(card)):
            log.warning(
                "%s: %s was calibrated on %s, for another state of %s; now it is on the media of its card; "
                "`edged quantize %s --from %s` does it again",
                *(card.id, variant, manifest.own, changed, card.id, manifest.own.source),
            )

    def _samples(self) -> Samples:
        """What the model feeds its graphs, for int8 to be calibrated on."""
        found = self._pictures()
        if found is None:
            return {}
        first = self.reference("openvino-f32")  # mostly the faster one, and fed alike
        if first is None:
            raise VariantError("there is no f32 variant to calibrate int8 with")
        infer = partial(inference, self.model, slot_for=self.slot_for)
        return feeds(infer, self.tools(*first), found.calibration)

    def _pictures(self) -> Pictures | None:
        calibration = self.model.card.calibration
        if calibration is None:
            return None
        return pictures([self.files[name] for name in calibration.media], calibration.frames)

    def reference(self, rather: VariantName = "onnxruntime-f32") -> Entrant | None:
        """The f32 variant that the others are compared with, on the CPU: the first that is derived."""
        cpus = [device for device in devices() if device.name == "cpu"]
        derived = (variant for variant in references(self.model.card, rather) if self._fresh(variant))
        found = ((v, device) for v in derived for device in cpus if device.runtime == split(v)[0])
        return next(found, None)

    def tools(self, variant: VariantName, device: Device) -> Tools:
        """What runs a derived variant. Raises `VariantError`, `ChecksumError`."""
        folder = self.root / variant
        manifest = Manifest.load(folder)
        if manifest is None:
            raise VariantError(f"{variant} is not derived")
        sessions = {
            graph: open_session(manifest.checked(graph, folder), variant, device.name, self.concurrency)
            for graph in manifest.files
        }
        return Tools(sessions, open_resources(self.model, self.files.__getitem__), self.parts)

    def measure(self, full: bool = False) -> None:
        """Measure all variants again, though nothing has changed.

        `full`: on all items that there are, also where the card tells how accurate they are; from then on
        that counts.
        """
        with alone(self.root):
            self._measure_all(again=True, full=full)

    def _measure_all(self, again: bool = False, full: bool = False) -> None:
        """Measure all variants on all devices side by side, if one of them is not measured yet."""
        entrants, card, first = list(self.entrants()), self.model.card, self.reference()
        if not again and all(_is_measured(card, self.root, entrant, first) for entrant in entrants):
            return
        found = self._pictures()
        comparison = Comparison(
            self.model,
            {entrant: partial(self.tools, *entrant) for entrant in entrants},
            first,
            partial(self.report, f"{card.id}: measure variants"),
            () if full else [entrant for entrant in entrants if _is_known(card, self.root, entrant)],
            partial(_fit_together, self.root),
            self.slot_for,
        )
        for (variant, _), measured in comparison.measured(found.judgement if found else ()).items():
            if (manifest := self._fresh(variant)) is not None:
                manifest.with_measured(measured.model_copy(update={"full": full})).save(self.root / variant)
            log.info("%s: %s", card.id, _sentence(variant, measured))

    def entrants(self) -> Iterator[Entrant]:
        """The variants that are derived, each on the devices that can run it."""
        for variant in dict.fromkeys([*variants_of(self.model.card), *own_variants(self.root)]):
            for device in devices():
                if _fits(variant, device) and self._fresh(variant):
                    yield variant, device


def _fits(variant: VariantName, device: Device) -> bool:
    runtime, precision = split(variant)
    return device.runtime == runtime and (runtime == "openvino" or precision in device.capabilities)


def _fit_together(root: Path, entrants: Collection[Entrant]) -> bool:
    """Whether the memory of the box has room for so many variants of the model in `root` at a time."""
    folders = {root / variant for variant, _ in entrants}
    size = sum(path.stat().st_size for folder in folders for path in folder.glob("*") if path.is_file())
    return GROWS * size <= usable_memory() // 2


def _is_known(card: ModelCard, root: Path, entrant: Entrant) -> bool:
    """Whether the card tells how accurate it is."""
    manifest = Manifest.load(root / entrant[0])
    return manifest is not None and evidence(card, manifest, entrant[1]) is not None


def _is_measured(card: ModelCard, root: Path, entrant: Entrant, reference: Entrant | None) -> bool:
    """By the method of this edged, and on enough items where the card tells nothing."""
    manifest = Manifest.load(root / entrant[0])
    measured = manifest.measurement(entrant[1]) if manifest else None
    if measured is None or measured.method != METHOD:
        return False
    few = 0 < measured.items <= SANITY
    return not few or entrant == reference or _is_known(card, root, entrant)


def references(card: ModelCard, rather: VariantName = "onnxruntime-f32") -> list[VariantName]:
    """The variants that others can be compared with: f32, that of one runtime first."""
    f32 = (name for name in variants_of(card) if name.endswith("f32"))
    return sorted(f32, key=lambda name: name != rather)


def _in_order(card: ModelCard, only: Iterable[VariantName] | None) -> list[VariantName]:
    """f32 first, for the others are calibrated and compared with it; who borrows files comes last."""
    offered = variants_of(card)
    wanted = set(offered if only is None else only)
    if unknown := wanted.difference(offered):
        raise RepositoryError(
            f"{card.id} has no variant {', '.join(sorted(unknown))}; it has {', '.join(offered)}"
        )
    if any(not name.endswith("f32") for name in wanted):
        wanted.update(references(card)[:1])
    return sorted(
        (name for name in offered if name in wanted),
        key=lambda name: (not name.endswith("f32"), name in SHARED, offered.index(name)),
    )


def _sentence(variant: VariantName, measured: Measured) -> str:
    if measured.why_not:
        return f"{variant} does not run on {measured.device}: {measured.why_not}"
    share = "" if measured.agreement is None else f", agreement with f32 {measured.agreement:.3f}"
    return f"{variant} on {measured.device}: {measured.ms:.1f} ms{share}"


@contextmanager
def alone(folder: Path, *, waits: bool = True) -> Iterator[None]:
    """Wait until no other process pulls into this folder; ends by itself with the process.

    What one that was killed left half made is removed. Raises `OSError` where the folder cannot be written;
    without `waits` also where another process is at work.
    """
    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | (0 if waits else fcntl.LOCK_NB))
        for left in (half for pattern in HALF_MADE for half in folder.glob(pattern)):
            shutil.rmtree(left, ignore_errors=True)
        yield
