"""Checkpoints in, exact integer graphs out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from intinfer.errors import DataError

if TYPE_CHECKING:
    from intinfer.graph import Graph

__all__ = ["convert", "convert_checkpoint"]


def convert(source: Any, example: Any = None, *, classes: Sequence[str] = ()) -> Graph:
    """The exact integer graph of a torch module.

    Args:
        source: a module made of `intinfer_converters.nets.layers`; its input is raw pixels 0..255.
        example: an array or tensor (N, C, H, W) or (C, H, W) whose shape fixes the input's. The networks of
            `nets` know their own.
        classes: names of the outputs.

    Raises:
        DataError: the module cannot be read, or a parameter is not finite.
        LoweringError: parts of it have no exact integer meaning; all of them are listed.
    """
    from .lower import lower
    from .read_torch import read_module

    return lower(read_module(source, _input_shape(source, example)), classes=classes)


def convert_checkpoint(path: str | Path, net: str, classes: Sequence[str] | None = None) -> Graph:
    """The integer graph of a checkpoint file (`.pt`, `.pth`, `.safetensors`) of the network `net`.

    The graph's provenance holds `net` and the file's SHA-256. Raises as `convert`, and NetArgumentError, and
    DataError for a file that does not fit; every message names the file.
    """
    from .checkpoint import file_sha256, load_net
    from .lower import lower
    from .nets import NetArgumentError
    from .read_torch import read_module

    module = load_net(path, net)
    provenance = {"net": net, "checkpoint sha256": file_sha256(path)}
    try:
        float_net = read_module(module, _input_shape(module, None))
        return lower(float_net, classes=classes or (), provenance=provenance)
    except NetArgumentError:
        raise
    except DataError as error:
        raise DataError(f"{path}: {error}") from None


def _input_shape(module: Any, example: Any) -> tuple[int, int, int]:
    shape = getattr(module, "input_shape", None) if example is None else tuple(example.shape)[-3:]
    if shape is None or len(shape) != 3:
        raise DataError("the input's shape is not known: pass an example of shape (C, H, W) or (N, C, H, W)")
    return (int(shape[0]), int(shape[1]), int(shape[2]))
