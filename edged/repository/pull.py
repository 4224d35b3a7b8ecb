"""Bring a model to this machine: fetch its weights, derive its variants, and try each of them here."""

import fcntl
import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from edged.contracts.card import ModelCard, VariantName
from edged.contracts.errors import CardError, EdgedError, RepositoryError, VariantError
from edged.contracts.model import AnyModel, Part, Tools
from edged.contracts.slot import Report
from edged.derive.build import GraphSources
from edged.derive.files import SHARED, Samples, derive
from edged.derive.manifest import Manifest, Measured
from edged.repository.agreement import agreement
from edged.repository.resources import open_resources
from edged.repository.tune import Pictures, Trial, feeds, pictures, trial
from edged.repository.variants import variants_of
from edged.runtimes.devices import Concurrency, Device, devices
from edged.runtimes.opening import open_session, split
from edged.weights.store import WeightStore

log = logging.getLogger(__name__)


@dataclass
class Pull:
    """One model that is being brought here. Used by one thread; other processes wait for it."""

    model: AnyModel
    store: WeightStore
    root: Path
    """Folder of the model in the repository."""
    concurrency: Concurrency
    """With which the variants are measured."""
    report: Report
    parts: Mapping[str, Part] = field(default_factory=dict)
    """The models that it uses, open."""
    media: Sequence[Path] = ()
    """What to calibrate and measure on, once it is here."""

    def run(
        self, folder: Path | None = None, only: Iterable[VariantName] | None = None
    ) -> dict[VariantName, str]:
        """Fetch, derive and measure; what is up to date is left alone.

        `folder`: where files are looked for instead of the origins; `only`: other variants are left out, but
        for the one that they are compared with. Returns why not, by variant that could not be derived.
        Raises `OriginError`, `ChecksumError`, `CardError`, and `VariantError` when no variant could.
        """
        card = self.model.card
        sources = self.store.ensure(card, list(card.weights), self.report, folder)
        self.media = [sources[name] for name in card.calibration.media] if card.calibration else []
        self.root.mkdir(parents=True, exist_ok=True)
        with _alone(self.root), GraphSources(self.model, sources) as graphs:
            failures = self._derive_all(graphs, _in_order(card, only))
            self._measure_all()
        return failures

    def _derive_all(self, sources: GraphSources, wanted: Sequence[VariantName]) -> dict[VariantName, str]:
        failures: dict[VariantName, str] = {}
        samples: Samples = {}
        task = f"{self.model.card.id}: derive variants"
        for done, variant in enumerate(wanted):
            self.report(task, done, len(wanted))
            try:
                if self._wants_samples(variant) and not samples:
                    samples = self._samples()
                derive(self.model.card, variant, sources, samples, self.root)
            except CardError:
                raise
            except EdgedError as error:
                failures[variant] = str(error)
                log.warning("%s: %s is left out: %s", self.model.card.id, variant, error)
        if not wanted:  # it has no graph of its own
            return failures
        self.report(task, len(wanted), len(wanted))
        if len(failures) == len(wanted):
            raise VariantError(
                f"no variant of {self.model.card.id} can be derived here: "
                + "; ".join(f"{variant}: {why}" for variant, why in failures.items())
            )
        return failures

    def _wants_samples(self, variant: VariantName) -> bool:
        graphs = self.model.card.graphs.values()
        calibrated = variant.endswith("int8") and not all(graph.quantized for graph in graphs)
        return calibrated and not self._fresh(variant)

    def _fresh(self, variant: VariantName) -> bool:
        manifest = Manifest.load(self.root / variant)
        return manifest is not None and manifest.stale(self.model.card) is None

    def _samples(self) -> Samples:
        """What the model feeds its graphs, for int8 to be calibrated on."""
        found = self._pictures()
        if found is None:
            return {}
        first = self._reference()
        if first is None:
            raise VariantError("there is no f32 variant to calibrate int8 with")
        return feeds(self.model, self._tools(*first), found.calibration)

    def _pictures(self) -> Pictures | None:
        calibration = self.model.card.calibration
        return pictures(self.media, calibration.frames) if calibration else None

    def _reference(self) -> tuple[VariantName, Device] | None:
        """The f32 variant that the others are compared with, on the CPU: the first that is derived."""
        return next(
            (
                (variant, device)
                for variant in _references(self.model.card)
                for device in devices()
                if device.name == "cpu" and device.runtime == split(variant)[0] and self._fresh(variant)
            ),
            None,
        )

    def _tools(self, variant: VariantName, device: Device) -> Tools:
        manifest = Manifest.load(self.root / variant)
        if manifest is None:
            raise VariantError(f"{variant} is not derived")
        sessions = {
            graph: open_session(
                manifest.checked(graph, self.root / variant), variant, device.name, self.concurrency
            )
            for graph in manifest.files
        }
        return Tools(sessions, open_resources(self.model, self.store), self.parts)

    def _measure_all(self) -> None:
        """Measure what was not yet measured on the devices of this machine."""
        missing, first = list(self._unmeasured()), self._reference()
        found = self._pictures() if missing else None
        if found is None or not found.judgement:
            return
        task = f"{self.model.card.id}: measure variants"
        against = trial(self.model, self._tools(*first), found.judgement) if first else None
        for done, (variant, device) in enumerate(missing):
            self.report(task, done, len(missing))
            tried = against if (variant, device) == first else None
            measured = self._measure(variant, device, against, found, tried)
            manifest = Manifest.load(self.root / variant)
            if manifest is not None:
                manifest.with_measured(measured).save(self.root / variant)
            log.info("%s: %s", self.model.card.id, _sentence(variant, measured))
        self.report(task, len(missing), len(missing))

    def _unmeasured(self) -> Iterator[tuple[VariantName, Device]]:
        for variant in variants_of(self.model.card):
            manifest = Manifest.load(self.root / variant)
            if manifest is None or manifest.stale(self.model.card):
                continue
            for device in devices():
                if device.runtime == split(variant)[0] and manifest.measurement(device) is None:
                    yield variant, device

    def _measure(
        self,
        variant: VariantName,
        device: Device,
        against: Trial | None,
        found: Pictures,
        tried: Trial | None,
    ) -> Measured:
        """`against`: what f32 answers; none where there is no f32."""
        try:
            tried = tried or trial(self.model, self._tools(variant, device), found.judgement)
        except EdgedError as error:
            return Measured(device=device.name, identity=device.identity, why_not=str(error))
        share = agreement(against.results, tried.results) if against else None
        return Measured(
            device=device.name,
            identity=device.identity,
            agreement=None if share is None else round(share, 4),
            ms=round(tried.ms, 2),
        )


def _references(card: ModelCard) -> list[VariantName]:
    """The variants that others can be compared with: f32, ONNX Runtime's first."""
    f32 = (name for name in variants_of(card) if name.endswith("f32"))
    return sorted(f32, key=lambda name: name != "onnxruntime-f32")


def _in_order(card: ModelCard, only: Iterable[VariantName] | None) -> list[VariantName]:
    """f32 first, for the others are calibrated and compared with it; who borrows files comes last."""
    offered = variants_of(card)
    wanted = set(offered if only is None else only)
    if unknown := wanted.difference(offered):
        raise RepositoryError(
            f"{card.id} has no variant {', '.join(sorted(unknown))}; it has {', '.join(offered)}"
        )
    if any(not name.endswith("f32") for name in wanted):
        wanted.update(_references(card)[:1])
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
def _alone(folder: Path) -> Iterator[None]:
    """Wait until no other process pulls into this folder; ends by itself with the process."""
    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
