"""Post-training quantisation: a float net and some images to a net of integers with exact meaning.

Two walks over the calibration images. The first runs the float net and samples every place that gets a quantiser.
The second runs the float net and the quantised one side by side: each layer's weights are quantised, and the means
(and, before a batch norm, the variances) of its sums are brought back to the float net's, channel by channel, on
the inputs that the quantised net really has there.
"""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from itertools import takewhile
from typing import Any

import numpy as np
import numpy.typing as npt

from intinfer.errors import DataError
from intinfer.types import IntArray

from .. import floatnet as f
from ..evaluator import FloatArray
from ..floatnet.base import Executor
from ..primitives import Affine, Div, Mul
from .execute import check_images, deaths, live_bytes, walk
from .plan import ActivationRange, Grid, QuantiserPlan, Sample, choose_levels
from .report import ActivationReport, CalibrationReport, LayerReport, compare, sqnr
from .weights import WeightFormat, WeightStep, exact_step

MEMORY = 2**30
"""Bytes for the live tensors of the calibration images; images beyond that are only compared on at the end."""
MAX_GAIN = 4.0
"""A re-estimated variance changes a channel's gain by at most this factor: dead channels have none to measure."""
BIAS_BITS = 16
"""A corrected bias is a multiple of 2^-16 of the layer's output (a power of two near its root mean square)."""
Reals = npt.NDArray[np.float64]


def quantise(
    net: f.FloatNet,
    images: IntArray,
    *,
    weights: str,
    act_bits: int,
    weight_step: WeightStep = "lsq",
    act_range: ActivationRange = "percentile",
    correct_bias: bool = True,
    reestimate_bn: bool = True,
    labels: IntArray | None = None,
) -> tuple[f.FloatNet, CalibrationReport]:
    """The net with integer weights and quantised activations that `lower` accepts, and what that costs.

    Weights that are quantised already stay. Every convolution, dense layer, pool and merge reads levels of
    `act_bits` bits (unsigned behind a ReLU, else two's complement; one bit is 0/1 or -1/+1); the input has 8 bits, or
    its own integers where preprocessing keeps 0 on their grid. The outputs stay as they are. Batch norm stays
    pending before its quantiser, whose thresholds absorb it exactly. What meets in an add or a concat has scales a
    power of two apart, so that merges are exact.

    Args:
        net: with one input; its weights have values.
        images: (N, C, H, W) integers for calibration, a few hundred; those beyond `MEMORY` are only compared on.
        weights: "ternary", "binary" or "int2" .. "int8" (symmetric; one step an output channel).
        act_bits: 1..8.
        weight_step: "lsq", least squared error; "tertile", BTQ's step of the layer (ternary only).
        act_range: "percentile" (99.99 % from 6 bits on, 99.9 % below) or "mse".
        correct_bias: bring the mean of every layer's output channels back to the float net's.
        reestimate_bn: bring their variance back too where a batch norm (per-channel gain) follows.
        labels: (N,) classes of the images: the report then has accuracies.

    Raises:
        DataError: arguments, images or labels that do not fit; nothing to quantise; values that are not finite.
    """
    format_ = WeightFormat(weights, weight_step)
    if type(act_bits) is not int or not 1 <= act_bits <= 8:
        raise DataError(f"activations of {act_bits} bits: 1 to 8 are supported")
    check_images(net, images)
    if not any(isinstance(getattr(node.op, "weight", None), f.RealWeight) for node in net.nodes):
        raise DataError("no layer has floating-point weights: there is nothing to quantise")
    plan = QuantiserPlan.of(net)
    used = images[: max(1, MEMORY // (4 * live_bytes(net)))]
    samples = {node.name: Sample.of(value) for node, value in walk(net, used) if node.name in plan.points}
    levels = choose_levels(plan, samples, act_bits, act_range)
    work = _Calibration(net, plan, levels, format_, correct_bias, reestimate_bn)
    work.run(used)
    settings = {
        "weights": weights,
        "act_bits": act_bits,
        "weight_step": weight_step,
        "act_range": act_range,
        "correct_bias": correct_bias,
        "reestimate_bn": reestimate_bn,
    }
    quantised = work.result()
    report = CalibrationReport(settings, len(used), compare(net, quantised, images, labels), work.layers, work.points)
    return quantised, report


class _Calibration:
    """The second walk: the new net under construction, and its values on the calibration images."""

    def __init__(
        self,
        net: f.FloatNet,
        plan: QuantiserPlan,
        levels: dict[str, Grid],
        format_: WeightFormat,
        correct_bias: bool,
        reestimate_bn: bool,
    ) -> None:
        self.net, self.plan, self.levels, self.format = net, plan, levels, format_
        self.correct_bias = correct_bias
        self.normed = _batch_normed(net) if reestimate_bn else set()
        self.executor = Executor(net.dtype)
        self.builder = f.FloatNetBuilder(net.dtype)
        self.values: dict[str, FloatArray] = {}
        self.real: dict[str, str] = {}
        self.layers: list[LayerReport] = []
        self.points: list[ActivationReport] = []
        self._names = {node.name for node in net.nodes}

    def run(self, images: IntArray) -> None:
        """Rewrite every node; quantised values are made from quantised values."""
        for (node, expected), unread in zip(walk(self.net, images), deaths(self.net), strict=True):
            names = tuple(
                self.real[name] if (node.name, number) in self.plan.reads else name
                for number, name in enumerate(node.inputs)
            )
            inputs: list[FloatArray] = (
                [self.values[name] for name in names] if names else [images.astype(self.executor.dtype)]
            )
            op = self._on_grid(node)
            if isinstance(op, f.Conv | f.Dense):
                op, value = self._layer(node, op, inputs[0], expected)
            else:
                value = op.values(node.name, self.executor, *inputs)
            self.values[self.builder.add(node.name, op, *names, source=node.source)] = value
            if node.name in self.plan.points:
                self._point(node, expected, value)
            for name in unread:
                self.values.pop(name)
                self.values.pop(self.real.get(name, ""), None)

    def result(self) -> f.FloatNet:
        """The net that was built, its outputs quantised where the plan says so."""
        outputs = {
            name: self.real[source] if name in self.plan.outputs else source
            for name, source in self.net.outputs.items()
        }
        return self.builder.finish(outputs, self.net.image)

    def _point(self, node: f.FloatNode, expected: FloatArray, value: FloatArray) -> None:
        """The quantiser behind `node`, and the multiplication that gives its levels their real value."""
        levels = self.levels[node.name]
        scale = np.array([float(levels.scale)], dtype=self.net.dtype)
        quantiser = f.Quantise(levels.chain(self.net.dtype), levels.lo, levels.step, levels.count)
        real = f.Pointwise((Mul(scale),))
        level = self.builder.add(self._unique(f"{node.name}.quant"), quantiser, node.name, source=node.source)
        name = self.builder.add(self._unique(f"{node.name}.real"), real, level, source=node.source)
        quantised = self.executor.chain(quantiser.chain + real.chain, value)
        self.values[name], self.real[node.name] = quantised, name
        low, high = (levels.lo - 0.5) * scale[0], (levels.hi + 0.5) * scale[0]
        clipped = float(((value < low) | (value > high)).mean())
        self.points.append(
            ActivationReport(node.name, float(scale[0]), levels.lo, levels.hi, clipped, sqnr(expected, quantised))
        )

    def _layer(self, node: f.FloatNode, op: Any, x: FloatArray, expected: FloatArray) -> tuple[f.FloatOp, FloatArray]:
        """The layer with integer weights and corrected bias and gain, and its values."""
        if isinstance(op.weight, f.RealWeight):
            op = replace(op, weight=self.format.quantise(op.weight.values))
        value = op.values(node.name, self.executor, x)
        correction = 0.0
        if self.correct_bias:
            op, value, correction = _corrected(op, value, expected, node.name in self.normed)
        weight = op.weight
        steps = [float(step) for step in weight.scale]
        zeros = float((weight.tensor.values == 0).mean())
        self.layers.append(
            LayerReport(
                node.name, weight.tensor.encoding.name, min(steps), max(steps), zeros, correction, sqnr(expected, value)
            )
        )
        return op, value

    def _on_grid(self, node: f.FloatNode) -> f.FloatOp:
        """A constant that a gather fills in, moved to the nearest level of the quantiser it is mixed with."""
        if not isinstance(node.op, f.Gather) or node.op.fill == 0 or (node.name, 0) not in self.plan.reads:
            return node.op
        levels = self.levels[node.inputs[0]]
        level = min(max(round(node.op.fill / levels.scale), levels.lo), levels.hi)
        return replace(node.op, fill=level * levels.scale)

    def _unique(self, name: str) -> str:
        while name in self._names:
            name += "_"
        self._names.add(name)
        return name


def _corrected(op: Any, value: FloatArray, expected: FloatArray, gain: bool) -> tuple[Any, FloatArray, float]:
    """The layer whose output channels have the means of `expected`, with `gain` its variances too."""
    axes = (0, *range(2, value.ndim))
    got, wanted = (x.mean(axis=axes, dtype=np.float64) for x in (value, expected))
    factor = np.ones(len(got))
    if gain:
        spread, target = (x.std(axis=axes, dtype=np.float64) for x in (value, expected))
        usable = (spread > 0) & (target > 0)
        factor[usable] = np.clip(target[usable] / spread[usable], 1 / MAX_GAIN, MAX_GAIN)
    old_scale = op.weight.scale * len(got) if len(op.weight.scale) == 1 else op.weight.scale
    scale = tuple(s if g == 1 else exact_step(float(s) * g) for s, g in zip(old_scale, factor, strict=True))
    factor = np.array([float(new / old) for new, old in zip(scale, old_scale, strict=True)])
    old_bias = np.array([float(b) for b in op.bias]) if op.bias is not None else np.zeros(len(got))
    unit = _bias_unit(expected)
    bias = tuple(round(Fraction(float(b)) / unit) * unit for b in wanted - factor * (got - old_bias))
    shift = np.array([float(b) for b in bias]) - factor * old_bias
    shape = (-1, *[1] * (value.ndim - 2))
    changed = value * factor.reshape(shape).astype(value.dtype) + shift.reshape(shape).astype(value.dtype)
    weight = replace(op.weight, scale=scale)
    return replace(op, weight=weight, bias=bias), changed, float(np.abs(wanted - got).max())


def _bias_unit(output: FloatArray) -> Fraction:
    rms = float(np.sqrt(np.mean(np.square(output, dtype=np.float64))))
    return Fraction(2) ** (int(np.floor(np.log2(rms))) - BIAS_BITS) if rms > 0 else Fraction(1)


def _batch_normed(net: f.FloatNet) -> set[str]:
    """Layers read by one pointwise op alone that starts as an affine with a gain a channel."""
    found = set()
    for node in net.nodes:
        follow = [reader.op for reader in net.nodes for name in reader.inputs if name == node.name]
        if isinstance(node.op, f.Conv | f.Dense) and len(follow) == 1 and isinstance(follow[0], f.Pointwise):
            head = takewhile(lambda primitive: isinstance(primitive, Affine), follow[0].chain)
            if any(isinstance(primitive, Mul | Div) and primitive.channels > 1 for primitive in head):
                found.add(node.name)
    return found
