"""Derive a variant from verified weights, once: fold, convert, quantize; whole or not at all."""

import logging
import shutil
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from edged.contracts.card import ModelCard, Runtime, VariantName
from edged.contracts.errors import VariantError
from edged.contracts.model import Tensors
from edged.derive.build import GraphSources
from edged.derive.fold import fold_onnx, fold_openvino
from edged.derive.manifest import Manifest, Own, recipe, sha256
from edged.derive.quantize import quantize_onnxruntime, quantize_openvino
from edged.runtimes.devices import tool_version
from edged.runtimes.opening import split

log = logging.getLogger(__name__)

Samples = Mapping[str, Sequence[Tensors]]
"""By graph: inputs as the model feeds them, to calibrate on."""

SHARED: Mapping[VariantName, VariantName] = {"openvino-bf16": "openvino-f32"}
"""Variants that run another one's files: bf16 is the same graph, opened with another hint."""

HALF_MADE = (".edged-*", ".onnxruntime-*", ".openvino-*")
"""Folders within a model's while something is derived; whoever is alone there may remove them."""

_SUFFIX: Mapping[Runtime, str] = {"onnxruntime": ".onnx", "openvino": ".xml"}
TOOLS = ("onnx", "onnxruntime", "openvino", "nncf")
"""Packages that derive."""


def derive(
    card: ModelCard,
    variant: VariantName,
    sources: GraphSources,
    samples: Samples,
    root: Path,
    *,
    own: Own | None = None,
) -> Manifest:
    """Make `root/<variant>/` and its manifest; a variant that is up to date is left alone.

    `root`: the folder of the model; `own`: of what the samples are, where not of the card's media. Raises
    `CardError` where the card and the graph differ, `VariantError` when this variant cannot be derived here.
    """
    present = Manifest.load(root / variant)
    if present and present.stale(card) is None and _intact(present, root / variant):
        return present
    root.mkdir(parents=True, exist_ok=True)
    started = time.monotonic()
    partial = Path(tempfile.mkdtemp(prefix=f".{variant}-", dir=root))
    try:
        if variant in SHARED:
            files = _borrowed(derive(card, SHARED[variant], sources, samples, root), SHARED[variant])
        else:
            files = _derived(card, variant, sources, samples, partial)
        manifest = Manifest(
            model=card.id,
            variant=variant,
            recipe=recipe(card, variant, own=own is not None),
            tools={tool: tool_version(tool) for tool in TOOLS},
            files=files,
            seconds=round(time.monotonic() - started, 2),
            own=own,
        )
        manifest.save(partial)
        partial.chmod(0o755)  # mkdtemp makes it for us alone, but the daemon may be another user
        put_in_place(partial, root / variant)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    log.info("%s: derived %s in %.1f s", card.id, variant, manifest.seconds)
    return manifest


def _intact(manifest: Manifest, folder: Path) -> bool:
    return all(
        (folder / name).is_file() and sha256(folder / name) == expected
        for files in manifest.files.values()
        for name, expected in files.items()
    )


def _borrowed(lender: Manifest, variant: VariantName) -> dict[str, dict[str, str]]:
    return {
        graph: {f"../{variant}/{name}": checksum for name, checksum in files.items()}
        for graph, files in lender.files.items()
    }


def _derived(
    card: ModelCard, variant: VariantName, sources: GraphSources, samples: Samples, folder: Path
) -> dict[str, dict[str, str]]:
    """Derive every graph into `folder`: SHA-256 by file by graph, the file to open first."""
    runtime, precision = split(variant)
    files = {}
    for name, graph in card.graphs.items():
        target = folder / f"{name}{_SUFFIX[runtime]}"
        calibrated = precision == "int8" and not graph.quantized
        folded = target.with_stem(f"{name}.f32") if calibrated else target
        (fold_onnx if runtime == "onnxruntime" else fold_openvino)(sources.path(name), folded, graph)
        if calibrated:
            if not samples.get(name):
                raise VariantError(
                    f"nothing was fed to the graph {name!r} of {card.id} to calibrate int8 on"
                    if samples
                    else f"int8 needs `calibration` in the card of {card.id}"
                )
            quantize = quantize_onnxruntime if runtime == "onnxruntime" else quantize_openvino
            quantize(folded, target, samples[name], graph.keep_f32)
            _remove(folded)
        files[name] = {path.name: sha256(path) for path in (target, *_weights_beside(target))}
    return files


def _weights_beside(target: Path) -> list[Path]:
    """The IR keeps its weights in a second file."""
    beside = target.with_suffix(".bin")
    return [beside] if beside.is_file() else []


def _remove(folded: Path) -> None:
    for path in (folded, *_weights_beside(folded)):
        path.unlink()


def put_in_place(partial: Path, final: Path) -> None:
    """Rename into place; what stood there goes aside first, for a folder cannot replace another."""
    aside = partial.with_name(partial.name + ".old")
    if final.exists():
        final.rename(aside)
    partial.rename(final)
    shutil.rmtree(aside, ignore_errors=True)
