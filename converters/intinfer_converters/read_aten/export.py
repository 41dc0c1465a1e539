"""A torch module as the exported graph of one image."""

from __future__ import annotations

import io
import warnings
from typing import Any

import torch
from torch import nn

from intinfer.errors import DataError
from intinfer.files.foreign import reason as first_line

from .program import Program, read_stream

OPEN_BATCH = 2
"""Images that a graph with an open batch axis is exported and read for, to see that it does not mix them."""


def export_program(module: nn.Module, example: Any) -> Program:
    """The exported graph of a module for a batch of one, in inference mode.

    Args:
        example: a tensor or array (N, ...) like the module's input; its first image gives shape and type; floating
            point numbers become those of the module's parameters.

    Raises:
        DataError: torch cannot export the module.
    """
    tensor = torch.as_tensor(example).detach().cpu()
    if tensor.is_floating_point():
        tensor = tensor.to(next((p.dtype for p in module.parameters() if p.is_floating_point()), torch.float32))
    if tensor.ndim < 2 or not len(tensor):
        raise DataError(f"the example has shape {tuple(tensor.shape)}; (N, C, H, W) or (N, C) with N >= 1 is needed")
    return exported(module, tensor[:1].contiguous())


def exported(module: nn.Module, example: torch.Tensor, batch: Any = None) -> Program:
    """The exported graph of a module in evaluation mode, for the batch of `example`, or any `batch` (an export Dim)."""
    name = type(module).__name__
    training = [part for part in module.modules() if part.training]
    axes = None if batch is None else ({0: batch},)
    buffer = io.BytesIO()
    try:
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")
            module.eval()
            torch.export.save(torch.export.export(module, (example,), dynamic_shapes=axes), buffer)
    except DataError:
        raise
    except Exception as error:  # the user's own forward runs under torch.export: anything may come out of it
        raise DataError(
            f"torch.export cannot export {name}: {first_line(error)}; write its forward without branches on values, or "
            "export it to ONNX and convert that"
        ) from None
    finally:
        for part in training:
            part.training = True
    return read_stream(buffer, name)
