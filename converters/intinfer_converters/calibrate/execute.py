"""A `FloatNet` run on images in floating point, in NumPy: what post-training quantisation measures with.

Convolutions are im2col and BLAS, so sums are rounded in an order of BLAS' choosing: the results are close to the
net's real values, never a definition of them. Pointwise chains and quantisers are the evaluator's own primitives.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from functools import singledispatchmethod
from typing import Any

import numpy as np
import numpy.typing as npt

from intinfer.errors import DataError
from intinfer.graph import Shape
from intinfer.ops import ArgMax
from intinfer.ops.geometry import Window
from intinfer.types import IntArray

from .. import floatnet as f
from ..evaluator import Chain, FloatArray

COLUMN_BYTES = 2**25
"""Most memory for the im2col columns of a convolution; more images than fit are taken in turns."""
BATCH_BYTES = 2**28
"""Most memory for the live tensors of a batch in `run_float`."""


class Executor:
    """Runs the nodes of one net, one at a time, on batches: arrays (N, C, H, W) or (N, C) of `dtype`.

    `dtype` is float64 for a float64 net, else float32; chains are rounded in the net's own dtype.
    """

    def __init__(self, net_dtype: npt.DTypeLike) -> None:
        self.chain_dtype: np.dtype[Any] = np.dtype(net_dtype)
        self.dtype: np.dtype[Any] = np.result_type(self.chain_dtype, np.float32)

    def step(self, name: str, op: f.FloatOp, *inputs: FloatArray) -> FloatArray:
        """The value of the node `name` from those of its inputs. Raises DataError when it is not finite."""
        values = self._run(op, *inputs).astype(self.dtype, copy=False)
        if not np.isfinite(values).all():
            raise DataError(f"{name}: the float network gives values that are not finite; check its parameters")
        return values

    def chain(self, chain: Chain, x: FloatArray) -> FloatArray:
        """A pointwise chain on a batch."""
        values = np.ascontiguousarray(x, dtype=self.chain_dtype).reshape(*x.shape[:2], -1)
        for primitive in chain:
            values = primitive.apply(values)
        return values.reshape(x.shape).astype(self.dtype, copy=False)

    @singledispatchmethod
    def _run(self, op: f.FloatOp, *inputs: FloatArray) -> FloatArray:
        raise DataError(f"a {type(op).__name__} cannot be run in floating point")

    @_run.register
    def _(self, op: f.Pixels, x: FloatArray) -> FloatArray:
        return x.astype(self.dtype)

    @_run.register
    def _(self, op: f.Conv, x: FloatArray) -> FloatArray:
        weight = real_weight(op.weight).astype(self.dtype)
        window = Window((weight.shape[2], weight.shape[3]), op.stride, op.pads, op.dilation)
        return self._biased(convolve(x, weight, window, op.groups), op.bias)

    @_run.register
    def _(self, op: f.Dense, x: FloatArray) -> FloatArray:
        return self._biased(x @ real_weight(op.weight).astype(self.dtype).T, op.bias)

    @_run.register
    def _(self, op: f.Pointwise, x: FloatArray) -> FloatArray:
        return self.chain(op.chain, x)

    @_run.register
    def _(self, op: f.Quantise, x: FloatArray) -> FloatArray:
        return self.chain(op.chain, x)

    @_run.register
    def _(self, op: f.BitshiftMean, a: FloatArray, b: FloatArray) -> FloatArray:
        return np.maximum(a, b) if op.bits == 1 else np.floor((a + b) / 2)

    @_run.register
    def _(self, op: f.ThresholdedMean, x: FloatArray) -> FloatArray:
        return np.asarray(2 * x.sum(axis=(2, 3)) > op.top * x.shape[2] * x.shape[3])

    @_run.register
    def _(self, op: f.Multiplex, select: FloatArray, one: FloatArray, zero: FloatArray) -> FloatArray:
        mask = select.reshape(*select.shape[:2], *[1] * (one.ndim - 2))
        return np.where(mask != 0, one, zero)

    @_run.register
    def _(self, op: f.Sum, *inputs: FloatArray) -> FloatArray:
        signs = op.signs or (1,) * len(inputs)
        total: FloatArray = inputs[0] * self.dtype.type(signs[0])
        for sign, x in zip(signs[1:], inputs[1:], strict=True):
            total = total + x if sign > 0 else total - x
        return total

    @_run.register
    def _(self, op: f.Concatenate, *inputs: FloatArray) -> FloatArray:
        return np.concatenate(inputs, axis=1)

    @_run.register
    def _(self, op: f.SelectChannels, x: FloatArray) -> FloatArray:
        return x[:, list(op.indices)]

    @_run.register
    def _(self, op: f.Gather, x: FloatArray) -> FloatArray:
        flat = x.reshape(len(x), -1)[:, op.index]
        if (op.index < 0).any():
            flat[:, op.index < 0] = float(op.fill)
        return flat.reshape(len(x), *op.size)

    @_run.register
    def _(self, op: f.MaximumPool, x: FloatArray) -> FloatArray:
        window = Window(op.kernel, op.stride, op.pads, op.dilation)
        return np.asarray(_windows(x, window, -np.inf).max(axis=(4, 5)))

    @_run.register
    def _(self, op: f.AveragePool, x: FloatArray) -> FloatArray:
        return np.asarray(_windows(x, Window(op.kernel, op.stride, op.pads), 0).mean(axis=(4, 5)))

    @_run.register
    def _(self, op: f.GlobalAverage, x: FloatArray) -> FloatArray:
        return np.asarray(x.mean(axis=(2, 3)))

    @_run.register
    def _(self, op: f.GlobalSum, x: FloatArray) -> FloatArray:
        return np.asarray(x.sum(axis=(2, 3)))

    @_run.register
    def _(self, op: f.FlattenMap, x: FloatArray) -> FloatArray:
        return x.reshape(len(x), -1)

    @_run.register
    def _(self, op: f.IntegerOp, *inputs: FloatArray) -> FloatArray:
        if isinstance(op.op, ArgMax):  # it reads real scores
            return np.asarray(inputs[0].argmax(axis=1, keepdims=True))
        values: IntArray = op.op.reference(*(np.rint(x).astype(np.int64) for x in inputs))
        return values.astype(self.dtype)

    def _biased(self, y: FloatArray, bias: tuple[Any, ...] | None) -> FloatArray:
        if bias is None:
            return y
        constants: FloatArray = np.array([float(b) for b in bias], dtype=self.dtype)
        return y + constants.reshape(-1, *[1] * (y.ndim - 2))


def real_weight(weight: f.QuantisedWeight | f.RealWeight) -> FloatArray:
    """The real weights (O, ...): as they are, or scale * q in float64."""
    if isinstance(weight, f.RealWeight):
        values: FloatArray = weight.values
        return values
    scale = np.array([float(s) for s in weight.scale]).reshape(-1, *[1] * (len(weight.shape) - 1))
    return np.asarray(weight.tensor.values * scale)


def convolve(x: FloatArray, weight: FloatArray, window: Window, groups: int) -> FloatArray:
    """Cross-correlation with a zero border: x (N, C, H, W), weight (O, C / groups, KH, KW) -> (N, O, OH, OW)."""
    images, channels = x.shape[:2]
    outputs = len(weight)
    height, width = window.output(x.shape[2], x.shape[3])
    taps = window.kernel[0] * window.kernel[1]
    matrix = weight.reshape(groups, outputs // groups, -1)
    result = np.empty((images, groups, outputs // groups, height * width), dtype=x.dtype)
    turn = max(1, COLUMN_BYTES // max(1, channels * taps * height * width * x.itemsize))
    for start in range(0, images, turn):
        part = x[start : start + turn]
        columns = _columns(_padded(part, window, 0), window, (height, width))
        columns = columns.reshape(len(part), groups, channels // groups * taps, height * width)
        np.matmul(matrix, columns, out=result[start : start + turn])
    return result.reshape(images, outputs, height, width)


def _columns(padded: FloatArray, window: Window, size: tuple[int, int]) -> FloatArray:
    """(N, C, KH * KW, OH, OW): one shifted copy of the map a tap."""
    if window.kernel == (1, 1) and window.stride == (1, 1):
        return padded
    columns = np.empty((*padded.shape[:2], window.kernel[0] * window.kernel[1], *size), dtype=padded.dtype)
    (step_y, step_x), (gap_y, gap_x) = window.stride, window.dilation
    for tap in range(columns.shape[2]):
        top, left = tap // window.kernel[1] * gap_y, tap % window.kernel[1] * gap_x
        bottom, right = top + (size[0] - 1) * step_y + 1, left + (size[1] - 1) * step_x + 1
        columns[:, :, tap] = padded[:, :, top:bottom:step_y, left:right:step_x]
    return columns


def _padded(x: FloatArray, window: Window, value: float) -> FloatArray:
    top, left, bottom, right = window.pads
    if not window.padded:
        return x
    return np.pad(x, ((0, 0), (0, 0), (top, bottom), (left, right)), constant_values=value)


def _windows(x: FloatArray, window: Window, value: float) -> Any:
    return window.view(_padded(x, window, value))  # type: ignore[arg-type]  # only its geometry is used


@dataclass(frozen=True)
class _Plan:
    """When a tensor was read last, and how much memory an image needs."""

    last: dict[str, int]
    bytes_an_image: int


def live_bytes(net: f.FloatNet, keep: Collection[str] = ()) -> int:
    """Peak bytes an image of the tensors alive at the same time, in float32, `keep` being kept to the end."""
    return _plan(net, keep).bytes_an_image


def _plan(net: f.FloatNet, keep: Collection[str]) -> _Plan:
    last = {node.name: index for index, node in enumerate(net.nodes)}
    for index, node in enumerate(net.nodes):
        last.update(dict.fromkeys(node.inputs, index))
    last.update(dict.fromkeys(keep, len(net.nodes)))
    size = {node.name: 4 * _size(node.shape) for node in net.nodes}
    live = peak = 0
    for index, node in enumerate(net.nodes):
        live += size[node.name]
        peak = max(peak, live)
        live -= sum(size[name] for name in {*node.inputs, node.name} if last[name] == index)
    return _Plan(last, peak)


def _size(shape: Shape) -> int:
    return int(np.prod(shape, dtype=np.int64))


def walk(net: f.FloatNet, images: IntArray, keep: Collection[str] = ()) -> Iterator[tuple[f.FloatNode, FloatArray]]:
    """Every node and its value on `images`, in order; values are dropped when nobody reads them any more."""
    executor, last = Executor(net.dtype), _plan(net, keep).last
    values: dict[str, FloatArray] = {}
    for index, node in enumerate(net.nodes):
        inputs = [values[name] for name in node.inputs] if node.inputs else [images.astype(executor.dtype)]
        values[node.name] = executor.step(node.name, node.op, *inputs)
        yield node, values[node.name]
        for name in {*node.inputs, node.name}:
            if last[name] == index:
                del values[name]


def run_float(net: f.FloatNet, images: IntArray, *, taps: Collection[str] = ()) -> dict[str, FloatArray]:
    """The values of the output nodes, and of the nodes `taps`, on images.

    Args:
        net: real or quantised weights, with values.
        images: (N, C, H, W) integers inside the range of the net's input.
        taps: names of nodes.

    Returns:
        Node name -> (N, *node.shape), float32 (float64 for a float64 net).

    Raises:
        DataError: images that do not fit, an unknown tap, weights without values, values that are not finite.
    """
    check_images(net, images)
    wanted = {*net.outputs.values(), *taps}
    unknown = wanted - {node.name for node in net.nodes}
    if unknown:
        raise DataError(f"the network has no node {min(unknown)!r} to tap")
    batch = max(1, BATCH_BYTES // live_bytes(net))
    parts: dict[str, list[FloatArray]] = {name: [] for name in wanted}
    for start in range(0, len(images), batch):
        for node, value in walk(net, images[start : start + batch]):
            if node.name in wanted:
                parts[node.name].append(value)
    return {name: np.concatenate(arrays) for name, arrays in parts.items()}


def check_images(net: f.FloatNet, images: IntArray) -> f.Pixels:
    """The net's input op. Raises DataError when there is not one, or when `images` do not fit it."""
    inputs = [node.op for node in net.nodes if isinstance(node.op, f.Pixels)]
    if len(inputs) != 1:
        raise DataError(f"the network has {len(inputs)} inputs; one image input is supported here")
    pixels = inputs[0]
    if images.dtype.kind not in "iu" or images.shape[1:] != pixels.size or not len(images):
        raise DataError(
            f"images of shape {images.shape} and dtype {images.dtype} do not fit the input: "
            f"integers (N, {', '.join(map(str, pixels.size))}) with N of at least 1 are needed"
        )
    lo, hi = int(images.min()), int(images.max())
    if lo < pixels.lo or hi > pixels.hi:
        raise DataError(f"images hold the values {lo}..{hi}; the input takes {pixels.lo}..{pixels.hi}")
    return pixels
