"""One torch.fx trace with the quantisation-aware layers as leaves gives the `FloatNet`."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np
import torch
from torch import fx, nn

from intinfer.errors import DataError
from intinfer.graph import ImageInput, Shape

from ..floatnet import FloatNet, FloatNetBuilder, GlobalAverage, Pixels
from .layers import READERS

INPUT = "image"
OUTPUT = "logits"


class _Tracer(fx.Tracer):
    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return type(m) in READERS or super().is_leaf_module(m, module_qualified_name)


def read_module(module: nn.Module, input_shape: Shape) -> FloatNet:
    """The float net of a module whose input is raw pixels 0..255, (C, H, W), as float.

    Node names are module paths, so that they equal the state_dict's.

    Raises:
        DataError: a parameter is not finite, the module cannot be traced, or parts of it are not supported; all
            unsupported parts are listed.
    """
    try:
        trace = _Tracer().trace(module)
    except Exception as error:  # the user's own forward runs under torch.fx: anything may come out of it
        raise DataError(f"torch.fx cannot trace {type(module).__name__}: {error}") from None
    modules = dict(module.named_modules())
    builder = FloatNetBuilder(np.float32)
    names: dict[str, str] = {}
    unsupported: list[str] = []
    outputs: dict[str, str] = {}
    for node in trace.nodes:
        inputs = [names.get(arg.name) for arg in node.all_input_nodes]
        if node.op == "output":
            if inputs and inputs[0] is not None:
                outputs[OUTPUT] = inputs[0]
        elif node.op == "placeholder":
            names[node.name] = builder.add(INPUT, Pixels(input_shape, 0, 255), source=(node.name,))
        elif None in inputs:
            continue  # behind something unsupported, which is reported already
        elif node.op == "call_module" and type(modules[str(node.target)]) in READERS:
            path = str(node.target)
            op = READERS[type(modules[path])](modules[path], path)
            names[node.name] = builder.add(path, op, *(str(i) for i in inputs))
        elif _is_global_mean(node):
            names[node.name] = builder.add(node.name, GlobalAverage(), *(str(i) for i in inputs))
        else:
            unsupported.append(_describe(node, modules))
    if unsupported:
        supported = ", ".join(sorted(layer.__name__ for layer in READERS))
        raise DataError(f"not supported: {'; '.join(unsupported)}. Supported: {supported}, mean over H and W")
    mode = {3: "RGB", 1: "L"}.get(input_shape[0])
    return builder.finish(outputs, ImageInput(mode) if mode else None)


def _is_global_mean(node: fx.Node) -> bool:
    """x.mean((2, 3)) or torch.mean(x, (2, 3)), the batch axis being 0."""
    if (node.op, node.target) not in (("call_method", "mean"), ("call_function", torch.mean)):
        return False
    axes: Any = node.args[1] if len(node.args) > 1 else node.kwargs.get("dim")
    keep = node.args[2] if len(node.args) > 2 else node.kwargs.get("keepdim", False)
    return axes is not None and sorted(a % 4 for a in axes) == [2, 3] and not keep


def _describe(node: fx.Node, modules: dict[str, nn.Module]) -> str:
    if node.op == "call_module":
        return f"{node.target} ({type(modules[str(node.target)]).__name__})"
    if node.target is operator.getitem:
        return f"{node.name} (indexing)"
    return f"{node.name} ({node.op} {getattr(node.target, '__name__', node.target)})"
