"""ONNX models and their readings, built side by side by hand: what `check` is tested on without any reader."""

from __future__ import annotations

from typing import Any

import numpy as np
from onnx import ModelProto, TensorProto, helper, numpy_helper

from intinfer_converters.symbolic import Reading, Symbolic, SymbolicNet, weight_of
from intinfer_converters.symbolic.pointwise import pointwise
from intinfer_converters.symbolic.vocabulary.arrangement import reshape
from intinfer_converters.symbolic.vocabulary.layers import batch_norm, conv, dense
from intinfer_converters.symbolic.vocabulary.reductions import Sliding, max_pool

F = np.float32


class Both:
    """A sequence of layers as an ONNX model (`model()`) and as a float net (`reading()`)."""

    def __init__(self, shape: tuple[int, ...], *, opset: int = 17, lo: int = 0, hi: int = 255, seed: int = 0) -> None:
        self.net = SymbolicNet()
        self.rng = np.random.default_rng(seed)
        self.nodes: list[Any] = []
        self.constants: list[Any] = []
        self.opset = opset
        self.x: Symbolic = self.net.input("x", (1, *shape), lo, hi)
        self.last = "x"
        self.input = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, *shape])
        self.tensors: dict[str, Symbolic] = {"x": self.x}

    def constant(self, array: Any) -> str:
        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(array), name))
        return name

    def node(self, op: str, *inputs: Any, name: str = "", domain: str = "", **attributes: Any) -> str:
        """An ONNX node on the last tensor and constants; its output's name."""
        out = name or f"t{len(self.nodes)}"
        names = [self.last, *(i if isinstance(i, str) else self.constant(i) for i in inputs)]
        self.nodes.append(helper.make_node(op, names, [out], name=f"n_{out}", domain=domain, **attributes))
        self.last = out
        return out

    def then(self, x: Symbolic, name: str) -> None:
        self.x = self.tensors[name] = x

    def quant(self, scale: float, bits: int, *, signed: int, mode: str = "ROUND", name: str = "") -> None:
        """A QONNX Quant without zero point."""
        numbers = (F(scale), F(0), F(bits))
        attributes = {"signed": signed, "narrow": 0, "rounding_mode": mode}
        out = self.node("Quant", *numbers, name=name, domain="qonnx.custom_op.general", **attributes)
        low, high = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)
        with self.net.at(out):
            y = pointwise(self.net, pointwise(self.net, self.x, "div", F(scale)), "clip", np.array([low, high], F))
            kind = {"ROUND": "rint", "FLOOR": "floor", "HALF_UP": "half_away", "CEIL": "ceil"}[mode]
            self.then(pointwise(self.net, pointwise(self.net, y, kind), "mul", F(scale)), out)

    def conv(
        self,
        outputs: int,
        kernel: int,
        *,
        scale: float,
        levels: int = 1,
        pad: int = 0,
        stride: int = 1,
        bias: bool = False,
    ) -> None:
        """A convolution with integer weights -levels..levels times a scale."""
        channels = self.x.shape[1]
        q = self.rng.integers(-levels, levels + 1, (outputs, channels, kernel, kernel))
        values = (q * F(scale)).astype(F)
        b = self.rng.normal(0, scale, outputs).astype(F) if bias else None
        more = [] if b is None else [b]
        out = self.node("Conv", values, *more, pads=[pad] * 4, strides=[stride] * 2)
        with self.net.at(out):
            weight = weight_of(values, (q, np.array(F(scale))))
            self.then(conv(self.net, self.x, weight, b, Sliding((kernel, kernel), (stride, stride), (pad,) * 4)), out)

    def dense(self, outputs: int, *, scale: float) -> None:
        features = self.x.shape[-1]
        q = self.rng.integers(-1, 2, (outputs, features))
        values = (q * F(scale)).astype(F)
        out = self.node("MatMul", values.T)
        with self.net.at(out):
            self.then(dense(self.net, self.x, weight_of(values, (q, np.array(F(scale))))), out)

    def batch_norm(self, deviation: float) -> None:
        """Statistics of sums of about this deviation."""
        channels = self.x.shape[1]
        gamma, beta = self.rng.uniform(0.5, 1.5, channels).astype(F), self.rng.normal(0.3, 0.3, channels).astype(F)
        mean = self.rng.normal(0, deviation, channels).astype(F)
        variance = (deviation**2 * self.rng.uniform(0.5, 2, channels)).astype(F)
        out = self.node("BatchNormalization", gamma, beta, mean, variance, epsilon=1e-5)
        with self.net.at(out):
            self.then(batch_norm(self.net, self.x, gamma, beta, mean, variance, 1e-5, folded=False), out)

    def max_pool(self, size: int = 2) -> None:
        out = self.node("MaxPool", kernel_shape=[size] * 2, strides=[size] * 2)
        with self.net.at(out):
            self.then(max_pool(self.net, self.x, Sliding((size, size), (size, size))), out)

    def flatten(self) -> None:
        """A reshape whose constant says one image."""
        out = self.node("Reshape", np.array([1, -1], dtype=np.int64))
        with self.net.at(out):
            self.then(reshape(self.x, (1, self.x.size)), out)

    def divide(self, number: float) -> None:
        out = self.node("Div", F(number))
        with self.net.at(out):
            self.then(pointwise(self.net, self.x, "div", F(number)), out)

    def model(self) -> ModelProto:
        output = helper.make_tensor_value_info(self.last, TensorProto.FLOAT, None)
        graph = helper.make_graph(self.nodes, "g", [self.input], [output], self.constants)
        domains = [helper.make_opsetid("", self.opset), helper.make_opsetid("qonnx.custom_op.general", 1)]
        return helper.make_model(graph, opset_imports=domains, ir_version=9)

    def reading(self) -> Reading:
        return self.net.finish({self.last: self.x}, self.tensors)


def small(seed: int = 0, opset: int = 11, bits: int = 2) -> Both:
    """Two convolutions, a pool, a dense layer; per-tensor float scales."""
    both = Both((3, 8, 8), opset=opset, seed=seed)
    both.divide(255)
    both.quant(1 / 128, 8, signed=1)
    both.conv(6, 3, scale=0.37, pad=1)
    both.batch_norm(0.9)
    both.quant(0.31, bits, signed=0)
    both.max_pool()
    both.conv(8, 3, scale=0.11, levels=3, bias=True)
    both.batch_norm(0.5)
    both.quant(0.2, 4, signed=1, mode="HALF_UP")
    both.flatten()
    both.dense(5, scale=0.07)
    return both
