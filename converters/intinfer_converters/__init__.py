"""Checkpoints in, exact integer graphs out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from intinfer.errors import DataError

if TYPE_CHECKING:
    from intinfer.graph import Graph
    from intinfer.types import IntArray

    from .preprocess import Preprocess
    from .sources import Source

__all__ = ["convert", "convert_checkpoint", "convert_source"]


def convert(
    source: Any,
    example: Any = None,
    *,
    classes: Sequence[str] = (),
    preprocess: Preprocess | None = None,
    shapes: Mapping[str, Sequence[int]] | None = None,
    outputs: Sequence[str] = (),
    weights: str | None = None,
    act_bits: int | None = None,
    calibration: IntArray | None = None,
    exact_pixels: bool = False,
    approximate_adds: bool = False,
) -> Graph:
    """The exact integer graph of a trained network.

    Args:
        source: the path of an `.onnx` or `.pt2` file, an onnx.ModelProto, or a torch module, which torch exports:
            one made of `intinfer_converters.nets.layers` under the names of its layers.
        example: for modules, an array or tensor (N, ...) or (C, H, W) like the input. The networks of `nets` know
            their own.
        classes: names of the outputs.
        preprocess: what integers come in and what makes the source's float input of them; pixels 0..255 as they are
            when None.
        shapes: of inputs whose shape the file leaves open, batch axis (1) first.
        outputs: ONNX tensors to stop at instead of the model's outputs.
        weights, act_bits: make floating-point weights "ternary", "binary" or "int2" .. "int8", and activations of so
            many bits, with the images `calibration` (N, *input), integers.
        exact_pixels, approximate_adds: see `lower`.

    Raises:
        DataError: the source cannot be read, or a parameter is not finite; or nodes are not supported, all of them
            listed.
        LoweringError: parts of it have no exact integer meaning; all of them are listed.
    """
    from .lower import lower
    from .preprocess import Preprocess

    pixels = preprocess or Preprocess()
    net = _read(source, example, pixels, shapes or {}, outputs)
    if (weights is None) != (act_bits is None) or (weights is None) != (calibration is None):
        raise DataError("weights, act_bits and calibration images belong together: give all of them or none")
    if weights is not None and act_bits is not None and calibration is not None:
        from .calibrate import quantise

        net, _ = quantise(net, calibration, weights=weights, act_bits=act_bits)
    return lower(net, classes=classes, exact_pixels=exact_pixels, approximate_adds=approximate_adds)


def _read(
    source: Any, example: Any, pixels: Preprocess, shapes: Mapping[str, Sequence[int]], outputs: Sequence[str]
) -> Any:
    """The float net of any source."""
    known = {name: tuple(int(extent) for extent in shape) for name, shape in shapes.items()}
    if isinstance(source, str | Path):
        from .sources import Source, SourceOptions

        return Source(source, SourceOptions(preprocess=pixels, shapes=known, outputs=tuple(outputs))).reading.net
    if type(source).__module__.startswith("onnx"):
        from .read_onnx import read_onnx

        return read_onnx(source, pixels=pixels, shapes=known, outputs=outputs or None).net
    from .read_aten import export_layers, export_program, is_ours, read_graph

    if is_ours(source):
        return read_graph(export_layers(source, _input_shape(source, example)), pixels=pixels).net
    if example is None:
        raise DataError("the input's shape is not known: pass an example, one image with a batch axis")
    return read_graph(export_program(source, example), pixels=pixels).net


def convert_source(source: Source, classes: Sequence[str] | None = None) -> Graph:
    """The integer graph of a source file that was read; its provenance says what `check` has to know.

    Raises as `convert`; every message names the file.
    """
    from intinfer.errors import GraphError, IntinferError

    from .lower import lower
    from .sources import OPTIONS, SHA256, SourceOptions, file_sha256, named

    options = source.options
    provenance = {SHA256: file_sha256(source.path)}
    if options.net is not None:
        provenance = {"net": options.net, **provenance}
    if options != SourceOptions(net=options.net):
        provenance[OPTIONS] = options.as_text()
    if source.report is not None:
        provenance["calibration"] = str(source.report.compared)
    try:
        return lower(source.reading.net, classes=classes or (), provenance=provenance, **options.lowering)
    except GraphError:  # class names that do not fit
        raise
    except IntinferError as error:
        raise named(source.path, error) from None


def convert_checkpoint(path: str | Path, net: str, classes: Sequence[str] | None = None) -> Graph:
    """The integer graph of a checkpoint file (`.pt`, `.pth`, `.safetensors`) of the network `net`.

    The graph's provenance holds `net` and the file's SHA-256. Raises as `convert`, and NetArgumentError, and
    DataError for a file that does not fit; every message names the file.
    """
    from .sources import Source, SourceOptions

    return convert_source(Source(path, SourceOptions(net=net)), classes)


def _input_shape(module: Any, example: Any) -> tuple[int, int, int]:
    shape = getattr(module, "input_shape", None) if example is None else tuple(example.shape)[-3:]
    if shape is None or len(shape) != 3:
        raise DataError("the input's shape is not known: pass an example of shape (C, H, W) or (N, C, H, W)")
    return (int(shape[0]), int(shape[1]), int(shape[2]))
