"""What the equations of MOGNET and MDGNet share: a second implementation that shares no code with intinfer.

Nothing here rounds in hardware: float32 steps are emulated on `Fraction`s, convolutions add and subtract shifted
int64 maps weight by weight.

Where the source computes in float32, two answers are given for each threshold node:

* the float32-faithful one, in `Evaluation.values`: every step rounded once to the nearest float32, ties to even, no
  fused multiply-add. With e = float32(eps):
  alpha = (1 / sqrt(var + e)) * gamma, beta' = beta - mean * alpha, x = float32(z) * alpha + beta';
  level = [x > 0] for k = 1, else half_to_even(clip(x, 0, 1) * N), N = 2^k - 1.
* the rational one, in `Evaluation.rational_levels`: the level of gamma * (z - mean) / sqrt(var + eps) + beta, all of
  it unrounded, for the same z; the square root is never taken, both sides of a comparison are squared.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction

import numpy as np
import numpy.typing as npt

from oracles.float32 import round_float32, sqrt_float32

IntArray = npt.NDArray[np.int64]
State = Mapping[str, npt.NDArray[np.generic]]
Pads = tuple[tuple[int, int], tuple[int, int]]
"""(top, bottom), (left, right)."""

ONE = Fraction(1)


# ---------------------------------------------------------------------------------------------- weights


def ternary_weights(proxies: npt.NDArray[np.generic], step: npt.NDArray[np.generic]) -> tuple[IntArray, int]:
    """q = clip(half_to_even(w / s), -1, 1), the quotient rounded to float32 first, as the torch layer does.

    Also returns how many weights the unrounded quotient would change. It is always 0, which makes the choice
    harmless: only quotients at +-1/2 matter, and no float32 quotient other than w = +-s/2 lies within half a
    float32 step of them.
    """
    s = float32_scalar(step, "step")
    quotients = [Fraction(float(w)) / s for w in float32_array(proxies, "weight").flat]
    chosen = [_clip_one(round(round_float32(quotient))) for quotient in quotients]
    unrounded = [_clip_one(round(quotient)) for quotient in quotients]
    changed = sum(a != b for a, b in zip(chosen, unrounded, strict=True))
    return np.array(chosen, dtype=np.int64).reshape(proxies.shape), changed


def _clip_one(value: int) -> int:
    return max(-1, min(1, value))


# ------------------------------------------------------------------------------------- integer operations


def convolution(x: IntArray, weight: IntArray, groups: int = 1, stride: int = 1, pads: Pads | None = None) -> IntArray:
    """(B, C, H, W) by (O, C/groups, KH, KW) with weights -1, 0, +1: (B, O, H', W').

    Zeros around: `pads`, or half the kernel on each side. One shifted map is added or subtracted for each weight
    that is not 0.
    """
    outputs, group_inputs, *kernel = weight.shape
    batch, channels, *size = x.shape
    if channels != group_inputs * groups or outputs % groups:
        raise ValueError(f"{channels} channels in {groups} groups do not fit weights {weight.shape}")
    vertical, horizontal = pads or tuple((extent // 2, extent // 2) for extent in kernel)
    padded = np.pad(x, ((0, 0), (0, 0), vertical, horizontal))
    height, width = (
        (extent + sum(pad) - taps) // stride + 1
        for extent, pad, taps in zip(size, (vertical, horizontal), kernel, strict=True)
    )
    total = np.zeros((batch, outputs, height, width), dtype=np.int64)
    for out, channel, row, column in np.argwhere(weight):
        source = out // (outputs // groups) * group_inputs + channel
        shifted = padded[:, source, row::stride, column::stride][:, :height, :width]
        if weight[out, channel, row, column] > 0:
            total[:, out] += shifted
        else:
            total[:, out] -= shifted
    return total


def bitshift(a: IntArray, b: IntArray, k: int) -> IntArray:
    """floor((a + b) / 2) of two k-bit levels; a OR b for k = 1."""
    return a | b if k == 1 else (a + b) >> 1


def tgap(x: IntArray, k: int) -> IntArray:
    """(B, C): 1 where the mean of the map is more than half of N = 2^k - 1, strictly."""
    height, width = x.shape[2:]
    return (2 * x.sum(axis=(2, 3)) > (2**k - 1) * height * width).astype(np.int64)


def multiplex(select: IntArray, one: IntArray, zero: IntArray) -> IntArray:
    """`one` in the channels whose select bit is 1, `zero` in the others."""
    return one * select[:, :, None, None] + zero * (1 - select)[:, :, None, None]


# --------------------------------------------------------------------------- batch norm and quantiser


@dataclass(frozen=True)
class BatchNorm:
    """One channel: the four parameters and eps, each as the exact value of its stored float."""

    gamma: Fraction
    beta: Fraction
    mean: Fraction
    var: Fraction
    eps: Fraction

    def folded(self) -> tuple[Fraction, Fraction]:
        """float32 alpha = (1 / sqrt(var + float32(eps))) * gamma and beta' = beta - mean * alpha."""
        root = sqrt_float32(round_float32(self.var + round_float32(self.eps)))
        alpha = round_float32(round_float32(1 / root) * self.gamma)
        return alpha, round_float32(self.beta - round_float32(self.mean * alpha))

    def rational_level(self, z: int, k: int) -> int:
        """The level of the real number gamma * (z - mean) / sqrt(var + eps) + beta, nothing rounded on the way."""
        if k == 1:
            return int(self._sign_against(z, Fraction(0)) > 0)
        top = 2**k - 1
        low, high = 0, top
        while low < high:
            level = (low + high) // 2
            sign = self._sign_against(z, Fraction(2 * level + 1, 2 * top))
            tie_goes_up = level % 2 == 1
            if sign > 0 or (sign == 0 and tie_goes_up):
                low = level + 1
            else:
                high = level
        return low

    def _sign_against(self, z: int, boundary: Fraction) -> int:
        """The sign of x(z) - boundary, that is of a - b * sqrt(v), from the signed squares."""
        a, b = self.gamma * (z - self.mean), boundary - self.beta
        difference = a * abs(a) - b * abs(b) * (self.var + self.eps)
        return (difference > 0) - (difference < 0)


def float32_level(z: int, alpha: Fraction, beta: Fraction, k: int) -> int:
    """The level float32 arithmetic gives to accumulator z: see the module text."""
    x = round_float32(round_float32(round_float32(Fraction(z)) * alpha) + beta)
    if k == 1:
        return int(x > 0)
    return round(round_float32(max(Fraction(0), min(ONE, x)) * (2**k - 1)))


# ----------------------------------------------------------------------------------------------- a whole net


@dataclass
class Evaluation:
    """Every integer of a net by node name, (B, C, H, W) or (B, C), and the exact logits of each image.

    `rational_levels` answers `values` for each threshold node; `changed_weights` counts, for each ternary layer,
    the weights that w/s without float32 rounding would change.
    """

    values: dict[str, IntArray] = field(default_factory=dict)
    rational_levels: dict[str, IntArray] = field(default_factory=dict)
    changed_weights: dict[str, int] = field(default_factory=dict)
    logits: list[list[Fraction]] = field(default_factory=list)


class Run:
    """The layers both nets have; each keeps the integers it makes under the name of their node.

    TypeError where a parameter is not of its stored dtype.
    """

    def __init__(self, state: State, k: int, eps: float) -> None:
        self.state = state
        self.k = k
        self.eps = Fraction(eps)
        self.result = Evaluation()

    def keep(self, name: str, value: IntArray) -> IntArray:
        self.result.values[name] = value
        return value

    def ternary(self, name: str, x: IntArray, groups: int = 1, stride: int = 1, pads: Pads | None = None) -> IntArray:
        weight, changed = ternary_weights(self.state[f"{name}.weight"], self.state[f"{name}.step"])
        self.result.changed_weights[name] = changed
        return self.keep(name, convolution(x, weight, groups, stride, pads))

    def quantise(self, conv: str, norm: str, z: IntArray) -> IntArray:
        """Both kinds of levels, each computed once for every distinct accumulator of a channel."""
        faithful, rational = np.empty_like(z), np.empty_like(z)
        for channel in range(z.shape[1]):
            bn = self.batch_norm(norm, channel)
            alpha, beta = bn.folded()
            for distinct in np.unique(z[:, channel]):
                here = z[:, channel] == distinct
                faithful[:, channel][here] = float32_level(int(distinct), alpha, beta, self.k)
                rational[:, channel][here] = bn.rational_level(int(distinct), self.k)
        self.result.rational_levels[f"{conv}.act"] = rational
        return self.keep(f"{conv}.act", faithful)

    def batch_norm(self, name: str, channel: int) -> BatchNorm:
        stored = (
            Fraction(float(float32_array(self.state[f"{name}.{key}"], f"{name}.{key}")[channel]))
            for key in ("weight", "bias", "running_mean", "running_var")
        )
        return BatchNorm(*stored, self.eps)


def float32_array(array: npt.NDArray[np.generic], name: str) -> npt.NDArray[np.generic]:
    """`array`, or TypeError where it is not float32."""
    if array.dtype != np.float32:
        raise TypeError(f"{name} must be float32, got {array.dtype}")
    return array


def float32_scalar(array: npt.NDArray[np.generic], name: str) -> Fraction:
    """The exact value of a float32 array of one element."""
    return Fraction(float(float32_array(array, name).reshape(())))
