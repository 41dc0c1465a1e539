"""How far a float32 evaluation of the source may be from the exact value, derived and never tuned.

With u = 2^-24, an operation that does not underflow gives fl(a op b) = (a op b)(1 + d), |d| <= u. A value that passes
through at most n roundings carries a factor prod (1 + d_i)^(+-1), which differs from 1 by at most
gamma(n) = n u / (1 - n u) (Higham, Accuracy and Stability of Numerical Algorithms, lemma 3.1).

Sums. Of n products w*a added in any order or tree, with or without fused multiply-add, each product meets at most n
roundings (its own, and n - 1 additions): |computed - exact| <= gamma(n) * sum |w*a|. When all numbers are integers and
sum |w*a| < 2^24, every partial sum is an integer that float32 holds: the computed sum is exact.

Batch norm, y = (x - mean) * g / sqrt(var + eps) + beta. Frameworks compute it as it stands, or fold it to
x * a + b with a = g / sqrt(var + eps), b = beta - mean * a, with or without fused multiply-add (which only leaves
roundings out). Written as a sum of the three terms x*a, mean*a and beta, in either form each term meets at most eight
roundings: eps to float32, var + eps, the root, the quotient, times g, times x or mean, minus, and plus (a rounding
inside the root counts in full). So |computed - exact| <= gamma(8) * (|x|*A + |mean|*A + |beta|), A = |a|. An operation
that underflows may in addition lose all it has, at most 2^-126 even when subnormals are flushed; only the factors that
are multiplied afterwards can enlarge this: x, mean, g and 1.

Everything else in a chain is one rounding an operation. An error e of the input goes in as e times the slope. The
exact value is computed here in float64, whose own error is the same formula with u = 2^-53 and is added to the bound.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from intinfer.accumulator import Accumulator
from intinfer.ops import Conv2d, Dense, Tgap
from intinfer.tensor import IntTensor
from intinfer.types import IntArray

from ..evaluator import Chain

Floats = npt.NDArray[np.float64]

EXACT_BELOW = 2**24
"""float32 holds every integer of a magnitude up to this."""
SMALLEST = 2.0**-126
BATCH_NORM_ROUNDINGS = 8


def gamma(roundings: int) -> float:
    """n u / (1 - n u) of float32, plus the same of float64 for our own evaluation."""
    return sum(roundings * u / (1 - roundings * u) for u in (2.0**-24, 2.0**-53))


@dataclass(frozen=True, eq=False)
class Real:
    """Exact real values (in float64), and how far a float32 evaluation of them may be off."""

    value: Floats
    error: Floats

    @classmethod
    def exactly(cls, integers: IntArray) -> Real:
        """The source's own integers: what it reads has no error."""
        value = integers.astype(np.float64)
        return cls(value, np.zeros_like(value))

    def at(self, *index: Any) -> Real:
        return Real(self.value[index], self.error[index])


def sum_error(op: Conv2d | Dense, x: IntArray) -> Floats | None:
    """The bound of each sum of a convolution or dense layer on integers x; None when every partial sum is exact."""
    weights = np.abs(op.weight.values)
    taps = weights.reshape(len(weights), -1)
    largest = int(np.abs(x).max(initial=0))
    if isinstance(op, Conv2d):
        largest = max(largest, *(abs(value) for value in op.pad_value))
    if int(taps.sum(axis=1).max()) * largest < EXACT_BELOW:
        return None
    changes: dict[str, Any] = {"weight": IntTensor(weights), "accumulator": Accumulator.prove(62)}
    if isinstance(op, Conv2d):
        changes["pad_value"] = tuple(abs(value) for value in op.pad_value)
    magnitudes = replace(op, **changes).reference(np.abs(x))
    bound = gamma(taps.shape[1]) * magnitudes.astype(np.float64)
    return np.where(magnitudes < EXACT_BELOW, 0.0, bound)


def select_margin(op: Tgap, x: IntArray) -> tuple[Floats, Floats]:
    """For each channel |2 * sum - N*h*w|, and the bound of a float32 sum compared with a rounded N*h*w.

    The bound is -1, which explains nothing, where the float32 comparison is exact.
    """
    pixels = x.shape[2] * x.shape[3]
    total = 2.0 * x.sum(axis=(2, 3)).astype(np.float64)
    limit = float(op.top * pixels)
    exact = (total < EXACT_BELOW) & (limit < EXACT_BELOW)
    return np.abs(total - limit), np.where(exact, -1.0, gamma(pixels) * (total + limit))


def batch_norm(x: Real, norm: Any, channel: IntArray) -> Real:
    """`norm` (torch.nn.BatchNorm2d, evaluation) on x; `channel` indexes its parameters and broadcasts with x."""
    mean, var = (tensor.numpy().astype(np.float64)[channel] for tensor in (norm.running_mean, norm.running_var))
    factor, beta = np.ones_like(mean), np.zeros_like(mean)
    if norm.affine:
        factor, beta = (tensor.detach().numpy().astype(np.float64)[channel] for tensor in (norm.weight, norm.bias))
    slope = factor / np.sqrt(var + norm.eps)
    value = (x.value - mean) * slope + beta
    size = (np.abs(x.value) + x.error + np.abs(mean)) * np.abs(slope) + np.abs(beta)
    lost = SMALLEST * (np.abs(x.value) + x.error + np.abs(mean) + np.abs(factor) + 1)
    return Real(value, x.error * np.abs(slope) + gamma(BATCH_NORM_ROUNDINGS) * size + BATCH_NORM_ROUNDINGS * lost)


def chain(x: Real, primitives: Chain, channel: IntArray) -> Real:
    """Monotone primitives of the float net, one rounding each, up to a quantiser's last step."""
    for primitive in primitives:
        value, error = x.value, x.error
        if primitive.kind == "clip":
            assert primitive.operand is not None
            x = Real(np.clip(value, *primitive.operand.astype(np.float64)), error)
            continue
        assert primitive.operand is not None, "a rounding inside a chain ends it"
        operand = primitive.operand.astype(np.float64)
        constant = operand if operand.size == 1 else operand[channel]
        if primitive.kind in ("add", "sub"):
            value = value + constant if primitive.kind == "add" else value - constant
        else:
            slope = constant if primitive.kind == "mul" else 1 / constant
            value, error = value * slope, error * np.abs(slope)
        x = Real(value, error + gamma(1) * (np.abs(value) + error) + SMALLEST)
    return x


def mean(x: Real, axes: tuple[int, ...]) -> Real:
    """Mean over axes: a sum of n terms in any order, and one division."""
    count = int(np.prod([x.value.shape[axis] for axis in axes]))
    size = (np.abs(x.value) + x.error).mean(axis=axes)
    return Real(x.value.mean(axis=axes), x.error.mean(axis=axes) + gamma(count) * size + SMALLEST)


def interval(kind: str, counts: Floats, count: int) -> tuple[Floats, Floats]:
    """The closed interval of reals that a quantiser's last step takes to each of `counts`, 0..count.

    `kind`: rint, floor or greater (than 0). The lowest and the highest level reach to infinity.
    """
    lows = {"rint": counts - 0.5, "floor": counts, "greater": np.zeros_like(counts)}[kind]
    highs = {"rint": counts + 0.5, "floor": counts + 1, "greater": np.zeros_like(counts)}[kind]
    return np.where(counts <= 0, -np.inf, lows), np.where(counts >= count, np.inf, highs)
