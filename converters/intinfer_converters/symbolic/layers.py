"""Convolutions, dense layers, pools, means, batch norm, argmax."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt

from intinfer.errors import GraphError
from intinfer.ops import ArgMax
from intinfer.ops.geometry import Pads, Pair, Window
from intinfer.tensor import IntTensor
from intinfer.types import IntArray

from ..floatnet import (
    AveragePool,
    Conv,
    Dense,
    FloatOp,
    GlobalAverage,
    GlobalSum,
    IntegerOp,
    MaximumPool,
    QuantisedWeight,
    RealWeight,
)
from . import integers, layout
from .emitter import Emitter
from .tensor import EVERYTHING, Bounds, Symbolic, Unsupported

Array = npt.NDArray[Any]
Weight = QuantisedWeight | RealWeight
NO_PADS: Pads = (0, 0, 0, 0)


class Layers(Emitter):
    """The ops of windows and of whole tensors."""

    def conv(
        self,
        x: Symbolic,
        weight: Weight,
        bias: Array | None = None,
        stride: Sequence[int] = (1, 1),
        pads: Sequence[int] = NO_PADS,
        dilation: Sequence[int] = (1, 1),
        groups: int = 1,
    ) -> Symbolic:
        """Cross-correlation with zero padding.

        Args:
            x: (1, C, H, W), or (1, C, L) with numbers of one entry for one axis: stride (s,), pads (before, after).
            weight: (O, C / groups, KH, KW) or (O, C / groups, K).
            bias: (O,).
            pads: (top, left, bottom, right). A pad of zeros that `x` already has is added to them.
        """
        rank = len(x.shape)
        if rank not in (3, 4) or len(weight.shape) != rank:
            raise Unsupported(f"a convolution of {x.shape} with weights {weight.shape}; 1-d and 2-d ones are supported")
        if rank == 3:
            stride, pads, dilation = (1, *stride), (0, pads[0], 0, pads[1]), (1, *dilation)
            weight = _reshaped(weight, (*weight.shape[:2], 1, weight.shape[2]))
        outputs, a_group = weight.shape[0], weight.shape[1]
        if groups < 1 or x.shape[1] != a_group * groups or outputs % groups:
            raise Unsupported(f"{groups} groups of {x.shape[1]} channels do not fit weights {weight.shape}")
        source, own = self._unpadded(x)
        border = _pads([p + q for p, q in zip(pads, own, strict=True)])
        op = Conv(weight, _pair(stride), border, _pair(dilation), groups, _fractions(bias, outputs))
        node = self._window(op, source)
        shape = (1, *self.value_shape(node))
        known = self._sums(x, weight, bias, any(border))
        return self._layered(node, (*shape[:2], shape[3]) if rank == 3 else shape, x, known)

    def dense(self, x: Symbolic, weight: Weight, bias: Array | None = None) -> Symbolic:
        """x (1, ..., C) times weight (O, C), plus bias (O,); with axes in between, a 1x1 convolution along them."""
        if len(x.shape) < 2 or len(weight.shape) != 2 or x.shape[-1] != weight.shape[1]:
            raise Unsupported(f"a product of {x.shape} with weights {weight.shape}; it takes (1, ..., C) and (O, C)")
        outputs, features = weight.shape
        between = x.shape[1:-1]
        if x.size == features:
            op = Dense(weight, _fractions(bias, outputs))
            node = self.emit(op, self.realised(x, (features,)))
            return self._layered(node, (1, *between, outputs), x, self._sums(x, weight, bias, False))
        count = int(np.prod(between))
        first = self.rearrange(x, lambda index: index.reshape(1, count, 1, features).transpose(0, 3, 1, 2))
        result = self.conv(first, _reshaped(weight, (outputs, features, 1, 1)), bias)
        return self.rearrange(result, lambda index: index.transpose(0, 2, 3, 1).reshape(1, *between, outputs))

    def _layered(self, node: str, shape: tuple[int, ...], x: Symbolic, bounds: Bounds | None) -> Symbolic:
        """The result of a conv or dense layer; of integers, in the type of `x`."""
        if bounds is None:
            if not x.is_float:
                raise Unsupported("it multiplies integers with weights that are no integers")
            return self.made(node, shape, x.dtype)
        result = self.made(node, shape, x.dtype, bounds=bounds, whole=True)
        return result if x.is_float else integers.in_type(self, result)

    def _sums(self, x: Symbolic, weight: Weight, bias: Array | None, padded: bool) -> Bounds | None:
        """The range of the sums, where input, weights and bias are integers."""
        whole = x.whole and isinstance(weight, QuantisedWeight) and weight.scale == (Fraction(1),)
        if not whole or (bias is not None and (bias != np.rint(bias)).any()):
            return None
        assert isinstance(weight, QuantisedWeight)
        assert weight.tensor is not None
        if not x.bounded and x.is_float:
            return EVERYTHING
        low, high = (int(n) for n in x.bounds) if x.bounded else integers.known_range(x)
        if padded:
            low, high = min(low, 0), max(high, 0)
        q = weight.tensor.values.reshape(weight.shape[0], -1)
        positive, negative = (np.array(np.clip(q, *ends).sum(axis=1), dtype=object) for ends in ((0, None), (None, 0)))
        constant = (
            np.zeros(1, dtype=object) if bias is None else np.array([int(b) for b in bias.reshape(-1)], dtype=object)
        )
        least = (positive * low + negative * high + constant).min()
        most = (positive * high + negative * low + constant).max()
        return (float(least), float(most))

    def _window(self, op: FloatOp, x: Symbolic) -> str:
        try:
            return self.emit(op, self.realised(x))
        except GraphError as error:
            raise Unsupported(str(error)) from None

    def _unpadded(self, x: Symbolic) -> tuple[Symbolic, Pads]:
        """`x` without a frame of zeros, and the frame, when it has one that a convolution can make itself."""
        if not x.padded or x.fill or x.chain or len(x.shape) not in (3, 4):
            return x, NO_PADS
        found = layout.border(x.index.reshape(layout.value_shape(x.shape)))
        if found is None:
            return x, NO_PADS
        inner, pads = found
        if len(x.shape) == 3 and (pads[0] or pads[2]):
            return x, NO_PADS
        shape = (1, inner.shape[0], *inner.shape[1:]) if len(x.shape) == 4 else (1, inner.shape[0], inner.shape[2])
        return replace(x, index=np.ascontiguousarray(inner).reshape(shape)), pads

    def pad(self, x: Symbolic, widths: Sequence[tuple[int, int]], value: float = 0.0) -> Symbolic:
        """A border of `value`: (before, after) an axis of `x`, negative ones cut off."""
        if len(widths) != len(x.shape) or any(widths[0]):
            raise Unsupported(f"pads {list(widths)} do not fit {x.shape}; the batch axis is not padded")
        if not any(n for pair in widths for n in pair):
            return x
        fill = Fraction(float(value))
        x = self.without_chain(x)
        if x.padded and x.fill != fill:
            x = self.spread(x)
        cut = tuple(slice(max(0, -a), n - max(0, -b)) for (a, b), n in zip(widths, x.shape, strict=True))
        grown = [(max(0, a), max(0, b)) for a, b in widths]
        if any(width > 2**20 for pair in grown for width in pair):
            raise Unsupported(f"it pads by {max(max(pair) for pair in grown)}; at most {2**20}")
        result = self.rearrange(x, lambda index: np.pad(index[cut], grown, constant_values=-1))
        bounds = (min(x.bounds[0], float(value)), max(x.bounds[1], float(value)))
        return replace(result, fill=fill, bounds=bounds, whole=x.whole and float(value).is_integer())

    def max_pool(
        self,
        x: Symbolic,
        kernel: Sequence[int],
        stride: Sequence[int],
        pads: Sequence[int] = NO_PADS,
        dilation: Sequence[int] = (1, 1),
        ceil_mode: bool = False,
    ) -> Symbolic:
        """The maximum of each window; the border never wins. Arguments as `conv`."""
        window = _window(x, kernel, stride, pads, dilation)
        if ceil_mode:
            window = _ceiled(window, layout.value_shape(x.shape))
        op = MaximumPool(window.kernel, window.stride, window.pads, window.dilation)
        node = self._window(op, x)
        return self.made(node, _pooled(x, self.value_shape(node)), x.dtype, bounds=x.bounds, whole=x.whole)

    def average_pool(
        self,
        x: Symbolic,
        kernel: Sequence[int],
        stride: Sequence[int],
        pads: Sequence[int] = NO_PADS,
        count_include_pad: bool = True,
        ceil_mode: bool = False,
    ) -> Symbolic:
        """The mean of each window, all of one count: padding is counted, or there is none."""
        self._need_float(x)
        window = _window(x, kernel, stride, pads, [1] * (len(x.shape) - 2))
        if ceil_mode and _ceiled(window, layout.value_shape(x.shape)) != window:
            raise Unsupported("with ceil_mode its last windows have fewer elements; pad or crop so that windows fit")
        if window.padded and not count_include_pad:
            raise Unsupported("the padding is left out of its counts, which differ then; use count_include_pad")
        value = layout.value_shape(x.shape)
        if window.kernel == value[1:] and not window.padded:
            return self.mean(x, tuple(range(2, len(x.shape))), keepdims=True)
        node = self._window(AveragePool(window.kernel, window.stride, window.pads), x)
        return self.made(node, _pooled(x, self.value_shape(node)), x.dtype)

    def mean(self, x: Symbolic, axes: Sequence[int], keepdims: bool = False) -> Symbolic:
        """The mean over some axes."""
        self._need_float(x)
        moved, shape = self._reduced(x, axes, keepdims)
        node = self.emit(GlobalAverage(), self.realised(moved))
        return self.made(node, shape, x.dtype, bounds=x.bounds)

    def sum(self, x: Symbolic, axes: Sequence[int], keepdims: bool = False) -> Symbolic:
        """The sum over some axes."""
        moved, shape = self._reduced(x, axes, keepdims)
        terms = moved.shape[2] * moved.shape[3]
        node = self.emit(GlobalSum(), self.realised(moved))
        if x.is_float:
            return self.made(node, shape, x.dtype, bounds=(terms * x.bounds[0], terms * x.bounds[1]), whole=x.whole)
        low, high = integers.known_range(x)
        result = self.made(node, shape, x.dtype, bounds=(float(terms * low), float(terms * high)), whole=True)
        return integers.in_type(self, result)

    def maximum_over(self, x: Symbolic, axes: Sequence[int], keepdims: bool = False) -> Symbolic:
        """The maximum over some axes."""
        moved, shape = self._reduced(x, axes, keepdims)
        result = self.max_pool(moved, moved.shape[2:], moved.shape[2:])
        return self.rearrange(result, lambda index: index.reshape(shape))

    def _reduced(self, x: Symbolic, axes: Sequence[int], keepdims: bool) -> tuple[Symbolic, tuple[int, ...]]:
        """`x` as a map (1, K, H, W) whose height and width are `axes`, and the shape of what is left."""
        rank = len(x.shape)
        if not axes or any(not -rank <= axis < rank for axis in axes):
            raise Unsupported(f"axes {tuple(axes)} of {x.shape}")
        chosen = sorted({axis % rank for axis in axes})
        kept = [axis for axis in range(rank) if axis not in chosen]
        if 0 in chosen:
            raise Unsupported("it reduces over the batch axis")
        shape = tuple(1 if a in chosen else n for a, n in enumerate(x.shape) if keepdims or a in kept)
        extents = [x.shape[axis] for axis in chosen]
        height, width = (extents[0], int(np.prod(extents[1:]))) if len(chosen) > 1 else (1, extents[0])
        count = int(np.prod([x.shape[axis] for axis in kept]))

        def move(index: IntArray) -> IntArray:
            return index.transpose(*kept, *chosen).reshape(1, count, height, width)

        return self.rearrange(x, move), shape

    def _need_float(self, x: Symbolic) -> None:
        if not x.is_float:
            raise Unsupported(f"the mean of {x.dtype} tensors rounds; dequantise before")

    def argmax(self, x: Symbolic, axis: int, keepdims: bool = False) -> Symbolic:
        """The place of the largest element, the first of equal ones, along `axis`."""
        rank = len(x.shape)
        axis = axis % rank
        if axis == 0:
            raise Unsupported("along the batch axis")
        count, rest = x.shape[axis], x.size // x.shape[axis]
        if rest == 1:
            node = self.emit(IntegerOp(ArgMax(), (1,)), self.realised(x, (count,)))
        else:
            moved = self.rearrange(x, lambda index: np.moveaxis(index, axis, 1).reshape(1, count, rest, 1))
            node = self.emit(IntegerOp(ArgMax(), (1, rest, 1)), self.realised(moved))
        shape = tuple(1 if a == axis else n for a, n in enumerate(x.shape) if keepdims or a != axis)
        return self.made(node, shape, np.dtype(np.int64), bounds=(0, count - 1), whole=True)

    def batch_norm(
        self,
        x: Symbolic,
        gamma: Array,
        beta: Array,
        mean: Array,
        variance: Array,
        epsilon: float,
        *,
        axis: int = 1,
        form: str = "onnx",
    ) -> Symbolic:
        """Inference batch norm, each operation rounded once.

        Args:
            gamma, beta, mean, variance: (C,).
            form: "onnx": (x - mean) / sqrt(variance + epsilon) * gamma + beta; "torch": x * alpha + beta' with
                alpha = (1 / sqrt(variance + epsilon)) * gamma and beta' = beta - mean * alpha, as ATen folds them.
        """
        column = tuple(-1 if a == axis % len(x.shape) else 1 for a in range(len(x.shape)))
        g, b, m, v = (np.asarray(a, dtype=self.dtype).reshape(column) for a in (gamma, beta, mean, variance))
        if v.min() < 0:
            raise Unsupported(f"its variance {float(v.min()):g} is negative")
        with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
            root = np.sqrt(v + self.dtype.type(epsilon))
            alpha = (self.dtype.type(1) / root) * g
            shift = b - m * alpha
        if form == "torch":
            return self.pointwise(self.pointwise(x, "mul", alpha), "add", shift)
        centred = self.pointwise(self.pointwise(x, "sub", m), "div", root)
        return self.pointwise(self.pointwise(centred, "mul", g), "add", b)


def _fractions(bias: Array | None, outputs: int) -> tuple[Fraction, ...] | None:
    if bias is None:
        return None
    if bias.size != outputs:
        raise Unsupported(f"a bias of {bias.size} numbers for {outputs} outputs")
    if not np.isfinite(bias).all():
        raise Unsupported("its bias has NaN or infinite entries")
    numbers = tuple(Fraction(b) for b in bias.reshape(-1).tolist())
    return numbers if any(numbers) else None


def _reshaped(weight: Weight, shape: tuple[int, ...]) -> Weight:
    if isinstance(weight, RealWeight):
        return RealWeight(weight.values.reshape(shape))
    assert isinstance(weight.tensor, IntTensor)
    return replace(weight, shape=shape, tensor=IntTensor(weight.tensor.values.reshape(shape), weight.encoding))


def _pair(numbers: Sequence[int]) -> Pair:
    first, second = numbers
    return int(first), int(second)


def _pads(numbers: Sequence[int]) -> Pads:
    top, left, bottom, right = (int(n) for n in numbers)
    if min(top, left, bottom, right) < 0:
        raise Unsupported(f"negative pads {tuple(numbers)}")
    return top, left, bottom, right


def _window(
    x: Symbolic, kernel: Sequence[int], stride: Sequence[int], pads: Sequence[int], dilation: Sequence[int]
) -> Window:
    """The window of a pool on (1, C, H, W), or on (1, C, L) with numbers for one axis."""
    if len(x.shape) == 3:
        kernel, stride, dilation = (1, *kernel), (1, *stride), (1, *dilation)
        pads = (0, pads[0], 0, pads[1]) if len(pads) == 2 else pads
    if len(x.shape) not in (3, 4) or len(kernel) != 2:
        raise Unsupported(f"a pool of {x.shape} with a kernel {tuple(kernel)}; 1-d and 2-d pools are supported")
    try:
        return Window(_pair(kernel), _pair(stride), _pads(pads), _pair(dilation))
    except GraphError as error:
        raise Unsupported(str(error)) from None


def _ceiled(window: Window, value: tuple[int, ...]) -> Window:
    """The window with pads such that the last one, which begins inside the map or its first pads, is there."""
    top, left, bottom, right = window.pads
    ends = []
    for extent, before, after, reach, stride in zip(
        value[1:], (top, left), (bottom, right), window.reach, window.stride, strict=True
    ):
        count = -(-(extent + before + after - reach) // stride) + 1
        if (count - 1) * stride >= extent + before:
            count -= 1
        ends.append(max(after, (count - 1) * stride + reach - extent - before))
    return replace(window, pads=(top, left, ends[0], ends[1]))


def _pooled(x: Symbolic, value: tuple[int, ...]) -> tuple[int, ...]:
    return (1, *value) if len(x.shape) == 4 else (1, value[0], value[2])
