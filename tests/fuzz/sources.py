"""Small source files of every kind, and what has to be said to convert them."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from converters.onnx_nets import small
from converters.onnx_reading import constants, model, node
from converters.random_nets import RANDOM, randomised
from onnx import TensorProto
from safetensors.torch import save_file
from torch import nn

NET = "mognet:n=4,g=1,k=2,layout=1m,pool=1,classes=3,height=8,width=8"
F = np.float32
OPTIONS = {".pt": ["--net", NET], ".safetensors": ["--net", NET]}
"""Of `convert`, by suffix."""


def quantised_linears() -> onnx.ModelProto:
    """QuantizeLinear and DequantizeLinear around a convolution, a pool, a padded concat and a dense layer."""
    random = np.random.default_rng(0)
    arrays = {
        "xs": F(1 / 64), "xz": np.uint8(3), "w": random.integers(-127, 128, (4, 3, 3, 3), dtype=np.int8),
        "ws": random.uniform(0.01, 0.02, 4).astype(F), "wz": np.zeros(4, np.int8),
        "b": random.integers(-99, 99, 4, dtype=np.int32), "bs": (random.uniform(0.01, 0.02, 4) / 64).astype(F),
        "bz": np.zeros(4, np.int32), "ys": F(0.5), "yz": np.uint8(120), "pads": np.array([0, 0, 1, 0, 0, 0, 0, 2]),
        "fw": random.integers(-7, 8, (5, 48), dtype=np.int8), "fs": F(0.125), "fz": np.int8(0),
    }  # fmt: skip
    nodes: list[Any] = [
        ("QuantizeLinear", "x xs xz", "xq"), ("DequantizeLinear", "xq xs xz", "xd"),
        ("DequantizeLinear", "w ws wz", "wd", {"axis": 0}), ("DequantizeLinear", "b bs bz", "bd", {"axis": 0}),
        ("Conv", "xd wd bd", "c", {"pads": [1, 0, 1, 0], "strides": [2, 2]}), ("Relu", "c", "r"),
        ("QuantizeLinear", "r ys yz", "rq"), ("DequantizeLinear", "rq ys yz", "rd"),
        ("MaxPool", "rd", "p", {"kernel_shape": [2, 2], "strides": [2, 1]}), ("Pad", "p pads", "pp"),
        ("Transpose", "pp", "t", {"perm": [0, 2, 3, 1]}), ("Flatten", "t", "f"),
        ("DequantizeLinear", "fw fs fz", "fd"), ("Gemm", "f fd", "y", {"transB": 1}),
    ]  # fmt: skip
    return _made(nodes, arrays, (1, 3, 8, 8))


def quantised_operators() -> onnx.ModelProto:
    """QLinearConv, QLinearMatMul and integer ops."""
    random = np.random.default_rng(1)
    arrays = {
        "s": F(0.02), "z": np.uint8(7), "w": random.integers(0, 255, (4, 2, 2, 2), dtype=np.uint8),
        "ws": F(0.01), "wz": np.uint8(128), "b": random.integers(-99, 99, 4, dtype=np.int32), "ys": F(0.05),
        "yz": np.uint8(100), "lo": np.uint8(20), "shape": np.array([1, -1]),
        "m": random.integers(0, 255, (36, 3), dtype=np.uint8), "os": F(0.3), "oz": np.uint8(128),
    }  # fmt: skip
    nodes: list[Any] = [
        ("QLinearConv", "x s z w ws wz ys yz b", "c", {"dilations": [1, 2], "group": 2}),
        ("Max", "c lo", "h"),
        ("MaxPool", "h", "p", {"kernel_shape": [2, 2], "strides": [2, 2], "ceil_mode": 1}),
        ("Reshape", "p shape", "f"), ("QLinearMatMul", "f ys yz m ws wz os oz", "y"),
    ]  # fmt: skip
    return _made(nodes, arrays, (1, 4, 7, 7), TensorProto.UINT8)


def _made(nodes: list[Any], arrays: dict[str, Any], shape: tuple[int, ...], elem: int = TensorProto.FLOAT) -> Any:
    protos = [node(*n[:3], **(n[3] if len(n) > 3 else {})) for n in nodes]
    return model(protos, shape, constants(**arrays), elem=elem)


class Exported(nn.Module):
    """Rounded activations and ternary weights by ATen ops."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.conv = nn.Conv2d(3, 4, 3, padding=1, bias=False)
        self.conv.weight.data = torch.randint(-1, 2, (4, 3, 3, 3)).float()
        self.norm = nn.BatchNorm2d(4)
        self.norm.running_mean = torch.randn(4) * 100
        self.norm.running_var = torch.rand(4) * 1e4 + 1
        self.fc = nn.Linear(64, 3)
        self.fc.weight.data = torch.randint(-2, 3, (3, 64)).float()
        self.fc.bias.data = torch.tensor([0.5, -1.0, 2.0])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = torch.clamp(torch.round(self.norm(self.conv(x)) * 4), 0, 7)
        return self.fc(torch.flatten(torch.max_pool2d(x, 2), 1))


def write(folder: Path) -> dict[str, Path]:
    """Name -> file."""
    models = {"quant": small().model(), "qdq": quantised_linears(), "qoperator": quantised_operators()}
    for name, proto in models.items():
        onnx.save(proto, str(folder / f"{name}.onnx"))
    net, _ = randomised(NET, RANDOM, seed=1, batch=4)
    torch.save(net.state_dict(), folder / "parameters.pt")
    save_file(net.state_dict(), folder / "parameters.safetensors")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.export.save(torch.export.export(Exported().eval(), (torch.zeros(1, 3, 8, 8),)), folder / "exported.pt2")
    return {path.name: path for path in sorted(folder.iterdir())}
