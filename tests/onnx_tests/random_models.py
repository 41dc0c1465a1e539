"""Random small quantised ONNX networks, drawn node by node: every dialect, rounding mode and shape of parameter."""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

ROUNDING_MODES = ("ROUND", "HALF_EVEN", "CEIL", "FLOOR", "UP", "DOWN", "HALF_UP", "HALF_DOWN", "round", "half_up")
DOMAINS = ("qonnx.custom_op.general", "onnx.brevitas", "finn.custom_op.general")


@dataclass(frozen=True)
class Live:
    """A tensor of the network under construction: name, shape, and the scale of its levels."""

    name: str
    shape: tuple[int, ...]
    scale: float = 1.0


@dataclass
class Draft:
    """A model under construction. `random` draws every choice."""

    random: Random
    domain: str
    nodes: list[onnx.NodeProto] = field(default_factory=list)
    constants: list[onnx.TensorProto] = field(default_factory=list)
    quantisers: list[Live] = field(default_factory=list)
    trunc_version: int = 1

    def number(self, values, dtype=np.float32) -> str:
        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(values, dtype=dtype), name))
        return name

    def node(self, kind: str, *inputs: str, **attributes) -> str:
        name = f"{kind}_{len(self.nodes)}"
        custom = kind in ("Quant", "IntQuant", "BipolarQuant", "Trunc", "MultiThreshold")
        domain = {"domain": self.domain} if custom else {}
        self.nodes.append(helper.make_node(kind, list(inputs), [name], name=name, **domain, **attributes))
        return name

    def integers(self, low: int, high: int, shape) -> np.ndarray:
        """low..high, drawn by a generator that one choice seeds."""
        return np.random.default_rng(self.random.randrange(2**32)).integers(low, high + 1, shape)

    def choose(self, *options):
        return self.random.choice(options)

    def some_scale(self) -> float:
        """Powers of two make ties, others make roundings."""
        return float(np.float32(self.choose(0.125, 0.25, 0.5, 1.0, 2.0, 0.1, 0.3, 0.0473, 0.7)))

    # ---- weights

    def weight(self, shape: tuple[int, ...], outputs_last: bool = False) -> str:
        """Quantised weights of one of the dialects; (O, ...) or, for MatMul, (C, O)."""
        channels = shape[-1] if outputs_last else shape[0]
        per_channel = (1, channels) if outputs_last else (channels, *[1] * (len(shape) - 1))
        rows = per_channel if self.choose(True, False) else ()
        scale = np.array(np.random.default_rng(self.random.randrange(99)).choice([0.1, 0.25, 0.5, 0.37], rows))
        scale = scale.astype(np.float32)
        kind = self.choose("ternary", "int4", "bipolar", "one bit", "int8", "uint8", "plain")
        if kind == "plain":
            return self.number(self.integers(-1, 1, shape) * scale)
        if kind in ("int8", "uint8"):
            zero = self.choose(0, 3, -5) if kind == "int8" else self.choose(128, 121, 7)
            low, high = (-20, 20) if kind == "int8" else (zero - 7, zero + 20)
            if rows:
                scale, axis = scale.reshape(-1), len(shape) - 1 if outputs_last else 0
                zeros = np.full(channels, zero)
            else:
                zeros, axis = np.array(zero), 1
            names = self.number(self.integers(low, high, shape), kind), self.number(scale), self.number(zeros, kind)
            return self.node("DequantizeLinear", *names, axis=axis)
        # Floats around the levels, none of them half way: rounding to weights is not what is tested here.
        floats = self.number((self.integers(-9, 8, shape) + 0.3) * np.float32(0.1))
        if kind == "bipolar":
            return self.node("BipolarQuant", floats, self.number(scale))
        bits, narrow = {"ternary": (2, 1), "int4": (4, self.choose(0, 1)), "one bit": (1, self.choose(0, 1))}[kind]
        inputs = floats, self.number(scale), self.number(0.0), self.number(float(bits))
        return self.node(self.choose("Quant", "IntQuant"), *inputs, signed=1, narrow=narrow, rounding_mode="ROUND")

    # ---- quantisers of activations

    def quantise(self, x: Live, scale: float | None = None) -> Live:
        kind = self.choose("quant", "quant", "qdq", "qcdq", "multithreshold", "bipolar")
        if scale is not None and kind in ("multithreshold", "bipolar"):
            kind = "quant"
        scale = self.some_scale() if scale is None else scale
        made = getattr(self, f"_{kind}")(x, scale)
        self.quantisers.append(made)
        return made

    def _quant(self, x: Live, scale: float) -> Live:
        signed, narrow = self.choose(0, 1), self.choose(0, 1)
        bits = self.choose(2, 3, 4, 8) if not signed else self.choose(1, 2, 3, 4, 8)
        zero = 0.0 if bits == 1 else float(self.choose(0, 0, 0, 1, -1, 3))
        if not signed and zero:
            zero = abs(zero)
        scales = np.float32(scale)
        if len(x.shape) == 4 and self.choose(True, False, False, False):
            # Powers of two: a residual add of other ratios is defined on the source's rounded terms, not on exact ones.
            scales = scales * np.float32(2) ** self.integers(0, 2, (1, x.shape[1], 1, 1)).astype(np.float32)
        inputs = x.name, self.number(scales), self.number(zero), self.number(float(bits))
        attributes = {"signed": signed, "narrow": narrow}
        if self.choose(True, True, True, False):
            attributes["rounding_mode"] = self.choose(*ROUNDING_MODES)
        return Live(self.node(self.choose("Quant", "IntQuant"), *inputs, **attributes), x.shape, scale)

    def _qdq(self, x: Live, scale: float, clip: bool = False) -> Live:
        kind = self.choose("int8", "uint8")
        zero = self.choose(0, 1, 3, -7) if kind == "int8" else self.choose(0, 1, 127, 128)
        parameters = self.number(scale), self.number(zero, kind)
        name = self.node("QuantizeLinear", x.name, *parameters)
        if clip:
            low, high = (zero - 4, zero + 3) if kind == "int8" else (max(zero - 2, 0), zero + 13)
            name = self.node("Clip", name, self.number(low, kind), self.number(high, kind))
        return Live(self.node("DequantizeLinear", name, *parameters), x.shape, scale)

    def _qcdq(self, x: Live, scale: float) -> Live:
        return self._qdq(x, scale, clip=True)

    def _multithreshold(self, x: Live, scale: float) -> Live:
        rows = self.choose(1, x.shape[1])
        steps = np.sort(self.integers(-40, 40, (rows, self.choose(1, 3, 15))), axis=1)
        thresholds = self.number(steps * np.float32(self.choose(0.25, 1.0, 0.3)))
        attributes = {
            "out_dtype": "INT5",
            "out_scale": self.choose(1.0, 0.5),
            "out_bias": float(self.choose(0, -1, -8)),
        }
        attributes["out_bias"] *= attributes["out_scale"]
        return Live(self.node("MultiThreshold", x.name, thresholds, **attributes), x.shape, attributes["out_scale"])

    def _bipolar(self, x: Live, scale: float) -> Live:
        return Live(self.node("BipolarQuant", x.name, self.number(scale)), x.shape, scale)

    # ---- layers

    def convolution(self, x: Live, keep: bool = False) -> Live:
        """`keep`: the shape stays, for a residual add."""
        channels, extents = x.shape[1], x.shape[2:]
        groups = self.choose(1, channels) if not keep else 1
        outputs = channels if keep else groups * self.choose(1, 2)
        kernel = [3, 3] if keep else [self.choose(*range(1, min(3, e) + 1)) for e in extents]
        pads = [1, 1, 1, 1] if keep else [self.choose(0, 1) for _ in range(4)]
        strides = [1, 1] if keep else [self.choose(1, 2) for _ in range(2)]
        dilations = [self.choose(1, 2) if 2 * (k - 1) < e else 1 for k, e in zip(kernel, extents, strict=True)]
        dilations = [1, 1] if keep else dilations
        inputs = [x.name, self.weight((outputs, channels // groups, *kernel))]
        if self.choose(True, False):
            inputs.append(self.number(self.integers(-9, 9, outputs) * np.float32(self.choose(0.125, 0.3))))
        geometry = {"kernel_shape": kernel, "pads": pads, "strides": strides, "dilations": dilations}
        name = self.node("Conv", *inputs, group=groups, **geometry)
        reach = [d * (k - 1) + 1 for d, k in zip(dilations, kernel, strict=True)]
        sides = ((e + pads[a] + pads[a + 2] - reach[a]) // strides[a] + 1 for a, e in enumerate(extents))
        return Live(name, (1, outputs, *sides))

    def batch_norm(self, x: Live) -> Live:
        """Negative gammas, variances that are no squares."""
        channels = x.shape[1]
        draws = [self.integers(-8, 8, channels), self.integers(-9, 9, channels), self.integers(-30, 30, channels)]
        gamma = np.where(draws[0] == 0, 3, draws[0]) * np.float32(0.3)
        variance = self.integers(1, 20, channels) * np.float32(self.choose(0.25, 1.7))
        numbers = (gamma, draws[1] * np.float32(0.25), draws[2] * np.float32(0.5), variance)
        return Live(self.node("BatchNormalization", x.name, *map(self.number, numbers)), x.shape)

    def affine(self, x: Live) -> Live:
        kind = self.choose("Mul", "Add", "Sub", "Div")
        values = np.where((drawn := self.integers(-9, 9, (1, x.shape[1], *[1] * (len(x.shape) - 2)))) == 0, 1, drawn)
        return Live(self.node(kind, x.name, self.number(values * np.float32(0.35))), x.shape)

    def pool(self, x: Live) -> Live:
        if min(x.shape[2:]) < 2:
            return x
        kind = self.choose("MaxPool", "AveragePool", "GlobalAveragePool")
        if kind == "GlobalAveragePool":
            return self.quantise(Live(self.node(kind, x.name), (*x.shape[:2], 1, 1)))
        stride, pads = self.choose(1, 2), [self.choose(0, 0, 1) for _ in range(4)]
        attributes = {"kernel_shape": [2, 2], "strides": [stride] * 2, "pads": pads}
        if kind == "AveragePool":
            attributes["count_include_pad"] = 1
        sides = ((e + pads[a] + pads[a + 2] - 2) // stride + 1 for a, e in enumerate(x.shape[2:]))
        pooled = Live(self.node(kind, x.name, **attributes), (*x.shape[:2], *sides), x.scale)
        return pooled if kind == "MaxPool" else self.quantise(pooled)

    def trunc(self, x: Live) -> Live:
        """Levels of 4 bits cut to 2 or 3."""
        inputs = x.name, self.number(x.scale), self.number(0.0), self.number(4.0)
        name = self.node("Quant", *inputs, signed=self.choose(0, 1), narrow=0, rounding_mode="FLOOR")
        bits, mode = self.choose(2, 3), self.choose("FLOOR", "ROUND", "CEIL")
        numbers = [self.number(v) for v in (x.scale, 0.0, 4.0)]
        if self.trunc_version == 2:
            numbers.append(self.number(np.float32(x.scale) * 2 ** (4 - bits)))
        numbers.append(self.number(float(bits)))
        made = Live(self.node("Trunc", name, *numbers, rounding_mode=mode), x.shape, x.scale)
        self.quantisers.append(made)
        return made

    def layer(self, x: Live) -> Live:
        """Convolution, batch norm, affine, ReLU, quantiser; all but the ends may be left out."""
        x = self.convolution(x)
        for step in (self.batch_norm, self.affine):
            if self.choose(True, False):
                x = step(x)
        if self.choose(True, False):
            x = Live(self.node("Relu", x.name), x.shape)
        return self.quantise(x)

    def residual(self, x: Live) -> Live:
        """x + f(x), scales equal or in a ratio of a power of two; x is quantised at the same place."""
        scale = self.some_scale()
        a = self.quantise(x, scale)
        b = self.quantise(self.convolution(a, keep=True), scale * self.choose(1, 1, 2, 4))
        added = Live(self.node(self.choose("Add", "Add", "Sub"), *self.random.sample([a.name, b.name], 2)), x.shape)
        return self.quantise(added)

    def concat(self, x: Live) -> Live:
        scale = self.some_scale()
        parts = [self.quantise(x, scale), self.quantise(x, scale * self.choose(1, 2))]
        shape = (1, 2 * x.shape[1], *x.shape[2:])
        return Live(self.node("Concat", *(part.name for part in parts), axis=1), shape, scale)

    def head(self, x: Live) -> Live:
        features = int(np.prod(x.shape))
        flat = self.node("Flatten", x.name)
        if self.choose(True, False):
            return Live(self.node("MatMul", flat, self.weight((features, 3), outputs_last=True)), (1, 3))
        bias = self.number(self.integers(-9, 9, 3) * np.float32(0.5))
        return Live(self.node("Gemm", flat, self.weight((3, features)), bias, transB=1), (1, 3))


def random_model(random: Random) -> tuple[onnx.ModelProto, tuple[int, int]]:
    """A model with input "x" (1, C, H, W), every quantiser an output, and the range of its input."""
    draft = Draft(random, random.choice(DOMAINS), trunc_version=random.choice((1, 2)))
    shape = (1, random.choice((1, 2, 3)), random.choice((3, 4, 5)), random.choice((3, 4, 5)))
    bounds = random.choice(((0, 15), (-8, 7), (0, 255)))
    x = Live("x", shape)
    if random.choice((True, False)):
        x = draft.quantise(x)
    for _ in range(random.choice((1, 2, 3))):
        x = getattr(draft, random.choice(("layer", "layer", "pool", "residual", "concat", "trunc")))(x)
    if random.choice((True, False)):
        x = draft.head(x)
    return finished(draft, shape, x), bounds


def finished(draft: Draft, shape: tuple[int, ...], end: Live) -> onnx.ModelProto:
    outputs = {live.name: live.shape for live in (*draft.quantisers, end)}
    if not draft.choose(True, False):
        outputs = {end.name: end.shape}
    graph = helper.make_graph(
        draft.nodes,
        "random",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in outputs.items()],
        draft.constants,
    )
    opsets = [helper.make_opsetid("", 21), helper.make_opsetid(draft.domain, draft.trunc_version)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=10)
