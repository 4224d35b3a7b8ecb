"""int8 by each runtime's own quantizer, calibrated on what the model really feeds its graph.

NNCF's ONNX in ONNX Runtime runs at a third of the speed of its own, so the two are never mixed.
"""

import contextlib
import io
import logging
from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from edged.contracts.errors import VariantError
from edged.contracts.model import Tensors
from edged.runtimes.failures import raised_by
from edged.runtimes.ov_core import core

PER_CHANNEL_OPSET = 13
"""The first ONNX operator set whose DequantizeLinear has an axis."""


def quantize_onnxruntime(folded: Path, target: Path, samples: Sequence[Tensors], keep: Sequence[str]) -> None:
    """Static quantization (QDQ, u8 activations, s8 weights per channel) of a folded ONNX graph.

    `samples`: inputs to calibrate on. `keep`: patterns of nodes that stay f32. Raises `VariantError`.
    """
    import onnx.version_converter  # noqa: PLC0415 - only deriving needs it
    from onnxruntime import quantization as ortq  # noqa: PLC0415

    try:
        model = _for_per_channel(onnx.load(str(folded)))
        with _without_advice():
            ortq.quantize_static(
                model,
                str(target),
                _reader(samples),
                quant_format=ortq.QuantFormat.QDQ,
                activation_type=ortq.QuantType.QUInt8,
                weight_type=ortq.QuantType.QInt8,
                per_channel=True,
                nodes_to_exclude=_matching((node.name for node in model.graph.node), keep),
            )
    except raised_by(onnx.version_converter) as error:
        raise VariantError(f"ONNX Runtime cannot quantize {folded.name}: {error}") from error


def _for_per_channel(model: Any) -> Any:
    from onnx import version_converter  # noqa: PLC0415

    opset = next(o.version for o in model.opset_import if o.domain in ("", "ai.onnx"))
    if opset >= PER_CHANNEL_OPSET:
        return model
    return version_converter.convert_version(model, PER_CHANNEL_OPSET)


def _reader(samples: Sequence[Tensors]) -> Any:
    from onnxruntime.quantization import CalibrationDataReader  # noqa: PLC0415

    class Samples(CalibrationDataReader):  # type: ignore[misc]  # its package has no types
        """Hands out one sample after the other."""

        def __init__(self) -> None:
            self._rest = iter(samples)

        def get_next(self) -> Tensors | None:
            return next(self._rest, None)

    return Samples()


def quantize_openvino(folded: Path, target: Path, samples: Sequence[Tensors], keep: Sequence[str]) -> None:
    """Post-training quantization by NNCF of a folded IR; arguments and errors as `quantize_onnxruntime`."""
    if find_spec("nncf") is None:
        raise VariantError("quantizing for OpenVINO needs NNCF: install edged[quantize]")
    import openvino  # noqa: PLC0415

    with _quiet_nncf() as nncf:
        try:
            model = _fused(core().read_model(str(folded)))
            names = _matching((node.get_friendly_name() for node in model.get_ops()), keep)
            quantized = nncf.quantize(
                model,
                nncf.Dataset(samples, dict),
                subset_size=len(samples),
                preset=nncf.QuantizationPreset.MIXED,
                ignored_scope=nncf.IgnoredScope(names=names, validate=False),
            )
            openvino.save_model(quantized, str(target), compress_to_fp16=False)
        except raised_by(nncf.errors) as error:
            raise VariantError(f"NNCF cannot quantize {folded.name}: {error}") from error


def _fused(model: Any) -> Any:
    """Fold batch normalisation into the convolutions, as OpenVINO does later anyway.

    NNCF calibrates what it sees: with the two apart, as Paddle has them, nothing of an int8 PicoDet agrees
    with f32; fused, .9 of its boxes do.
    """
    from openvino._offline_transformations import apply_moc_transformations  # noqa: PLC0415 - has no other door

    if any(node.get_type_name() == "BatchNormInference" for node in model.get_ops()):
        apply_moc_transformations(model, False)
    return model


def _matching(names: Any, patterns: Sequence[str]) -> list[str]:
    """Names that match a pattern. OpenVINO splits the bias off a node and adds a suffix to its name."""
    return [n for n in names if any(fnmatchcase(n.removesuffix("/WithoutBiases"), p) for p in patterns)]


@contextlib.contextmanager
def _quiet_nncf() -> Iterator[Any]:
    """The package nncf, kept from writing to stdout and from replacing the class of all loggers."""
    logger_class = logging.getLoggerClass()
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            import nncf  # noqa: PLC0415

            logging.getLogger("nncf").setLevel(logging.ERROR)  # its own function also turns others' handlers
            yield nncf
    finally:
        logging.setLoggerClass(logger_class)


@contextlib.contextmanager
def _without_advice() -> Iterator[None]:
    """Silence what ONNX Runtime says by `logging.warning`: it would also configure the root logger."""
    root, nothing = logging.getLogger(), logging.NullHandler()

    def own_records(_: logging.LogRecord) -> bool:
        return False  # a logger's filter sees what is logged on that logger itself, and nothing else

    root.addHandler(nothing)
    root.addFilter(own_records)
    try:
        yield
    finally:
        root.removeFilter(own_records)
        root.removeHandler(nothing)
