"""MOGNET (AICAS 2022) from its equations: a second implementation that shares no code with intinfer.

`evaluate` takes the trained parameters (a state_dict as NumPy arrays), the net's arguments and images, and
returns the integers of every node. Nothing here rounds in hardware: float32 steps are emulated on `Fraction`s,
convolutions add and subtract shifted int64 maps weight by weight, rule 30 works on the bits of Python ints.

Where the source computes in float32, two answers are given for each threshold node:

* the float32-faithful one, in `values`: every step rounded once to the nearest float32, ties to even, no fused
  multiply-add. With e = float32(eps):
  alpha = (1 / sqrt(var + e)) * gamma, beta' = beta - mean * alpha, x = float32(z) * alpha + beta';
  level = [x > 0] for k = 1, else half_to_even(clip(x, 0, 1) * N), N = 2^k - 1.
* the rational one, in `rational_levels`: the level of gamma * (z - mean) / sqrt(var + eps) + beta, all of it
  unrounded, for the same z; the square root is never taken, both sides of a comparison are squared.
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

ONE = Fraction(1)


# ---------------------------------------------------------------------------------------------- weights


def ternary_weights(proxies: npt.NDArray[np.generic], step: npt.NDArray[np.generic]) -> tuple[IntArray, int]:
    """q = clip(half_to_even(w / s), -1, 1), the quotient rounded to float32 first, as the torch layer does.

    Also returns how many weights the unrounded quotient would change. It is always 0, which makes the choice
    harmless: only quotients at +-1/2 matter, and no float32 quotient other than w = +-s/2 lies within half a
    float32 step of them.
    """
    s = _scalar(step, "step")
    quotients = [Fraction(float(w)) / s for w in _float32(proxies, "weight").flat]
    chosen = [_clip_one(round(round_float32(quotient))) for quotient in quotients]
    unrounded = [_clip_one(round(quotient)) for quotient in quotients]
    changed = sum(a != b for a, b in zip(chosen, unrounded, strict=True))
    return np.array(chosen, dtype=np.int64).reshape(proxies.shape), changed


def _clip_one(value: int) -> int:
    return max(-1, min(1, value))


def binary_weights(proxies: npt.NDArray[np.generic]) -> IntArray:
    """+1 where the proxy is >= 0 (either zero included), else -1."""
    signs = [1 if float(w) >= 0 else -1 for w in _float32(proxies, "weight").flat]
    return np.array(signs, dtype=np.int64).reshape(proxies.shape)


def rule30_states(seed: list[int], count: int) -> list[list[int]]:
    """The first `count` states of rule 30 on a ring, the seed being the first; each state is one Python int.

    new[i] = s[i-1] XOR (s[i] OR s[i+1]): cell i is bit i, so s[i-1] is the state rotated up by one.
    """
    width = len(seed)
    mask = (1 << width) - 1
    state = sum(bit << cell for cell, bit in enumerate(seed))
    states = []
    for _ in range(count):
        states.append([state >> cell & 1 for cell in range(width)])
        before = (state << 1 | state >> (width - 1)) & mask
        after = (state >> 1 | state << (width - 1)) & mask
        state = before ^ (state | after)
    return states


def rule30_weights(seed: npt.NDArray[np.generic], latent: int) -> IntArray:
    """Pointwise weights (C_out, latent, 1, 1): state t belongs to latent channel t, bit 0 is -1, bit 1 is +1."""
    if seed.dtype != np.uint8:
        raise TypeError(f"the rule-30 seed must be uint8, got {seed.dtype}")
    states = rule30_states([int(bit) for bit in seed], latent)
    return np.array([[[[2 * state[cell] - 1]] for state in states] for cell in range(len(seed))], dtype=np.int64)


# ------------------------------------------------------------------------------------- integer operations


def convolution(x: IntArray, weight: IntArray, groups: int = 1) -> IntArray:
    """(B, C, H, W) by (O, C/groups, K, K) with weights -1, 0, +1, stride 1, zeros around: (B, O, H, W).

    One shifted map is added or subtracted for each weight that is not 0.
    """
    outputs, group_inputs, size, _ = weight.shape
    batch, channels, height, width = x.shape
    if channels != group_inputs * groups or outputs % groups:
        raise ValueError(f"{channels} channels in {groups} groups do not fit weights {weight.shape}")
    border = size // 2
    padded = np.zeros((batch, channels, height + 2 * border, width + 2 * border), dtype=np.int64)
    padded[:, :, border : border + height, border : border + width] = x
    total = np.zeros((batch, outputs, height, width), dtype=np.int64)
    for out, channel, row, column in np.argwhere(weight):
        source = out // (outputs // groups) * group_inputs + channel
        shifted = padded[:, source, row : row + height, column : column + width]
        if weight[out, channel, row, column] > 0:
            total[:, out] += shifted
        else:
            total[:, out] -= shifted
    return total


def max_pool(x: IntArray) -> IntArray:
    """2x2 windows, stride 2, of even-sized maps."""
    return np.maximum(
        np.maximum(x[:, :, 0::2, 0::2], x[:, :, 0::2, 1::2]), np.maximum(x[:, :, 1::2, 0::2], x[:, :, 1::2, 1::2])
    )


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
        top, level = 2**k - 1, 0
        while level < top:
            sign = self._sign_against(z, Fraction(2 * level + 1, 2 * top))
            tie_goes_up = level % 2 == 1
            if sign < 0 or (sign == 0 and not tie_goes_up):
                break
            level += 1
        return level

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


# ---------------------------------------------------------------------------------------------- the net


@dataclass(frozen=True)
class Stage:
    """A stage is a CFLOG, then an MRB and a 2x2 max pool where these are set."""

    mrb: bool
    pool: bool


@dataclass(frozen=True)
class Net:
    """What the state_dict does not say: activation bits, groups, stages, bits of the last layer (1, 2), eps."""

    k: int
    groups: int
    stages: tuple[Stage, ...]
    last_bits: int = 1
    eps: float = 1e-5


@dataclass
class Evaluation:
    """Every integer of the net by node name, (B, C, H, W) or (B, C), and the logits of each image.

    `logits` are exact: the mean over the pixels of alpha * z + beta', with the float32 alpha and beta'.
    `rational_levels` answers `values` for each threshold node; `changed_weights` counts, for each ternary layer,
    the weights that w/s without float32 rounding would change.
    """

    values: dict[str, IntArray] = field(default_factory=dict)
    rational_levels: dict[str, IntArray] = field(default_factory=dict)
    changed_weights: dict[str, int] = field(default_factory=dict)
    logits: list[list[Fraction]] = field(default_factory=list)


def evaluate(state: State, net: Net, images: npt.NDArray[np.integer]) -> Evaluation:
    """Run MOGNET on integer pixels (B, 3, H, W). TypeError where a parameter is not of its stored dtype."""
    run = _Run(state, net)
    x = run.quantise("conv1", "conv1_bn", run.ternary("conv1", images.astype(np.int64)))
    for number, stage in enumerate(net.stages, start=1):
        x = run.cflog(f"s{number}.cflog", x)
        if stage.mrb:
            x = run.mrb(f"s{number}.mrb", x)
        if stage.pool:
            x = run.keep(f"s{number}.pool", max_pool(x))
    last = run.binary if net.last_bits == 1 else run.ternary
    z = last("final1x1", x)
    folded = [run.batch_norm("final_bn", channel).folded() for channel in range(z.shape[1])]
    run.result.logits = [
        [_mean([alpha * int(v) + beta for v in plane.flat]) for plane, (alpha, beta) in zip(maps, folded, strict=True)]
        for maps in z
    ]
    return run.result


class _Run:
    """The blocks of the net; each keeps the integers it makes under the name of their node."""

    def __init__(self, state: State, net: Net) -> None:
        self.state = state
        self.net = net
        self.result = Evaluation()

    def keep(self, name: str, value: IntArray) -> IntArray:
        self.result.values[name] = value
        return value

    def ternary(self, name: str, x: IntArray, groups: int = 1) -> IntArray:
        weight, changed = ternary_weights(self.state[f"{name}.weight"], self.state[f"{name}.step"])
        self.result.changed_weights[name] = changed
        return self.keep(name, convolution(x, weight, groups))

    def binary(self, name: str, x: IntArray) -> IntArray:
        return self.keep(name, convolution(x, binary_weights(self.state[f"{name}.weight"])))

    def cflog(self, name: str, x: IntArray) -> IntArray:
        """Binary 1x1, ternary 3x3 in groups, rule-30 1x1 with nothing in between, then batch norm and quantiser."""
        z = self.binary(f"{name}.pw1", x)
        z = self.ternary(f"{name}.gconv", z, self.net.groups)
        z = self.keep(f"{name}.pw2", convolution(z, rule30_weights(self.state[f"{name}.pw2.seed"], z.shape[1])))
        return self.quantise(f"{name}.pw2", f"{name}.bn", z)

    def mrb(self, name: str, x: IntArray) -> IntArray:
        """I1 = CFLOG(CFLOG(x)), I0 = bitshift(x + I1), out = TGAP(x) ? I1 : I0."""
        one = self.cflog(f"{name}.c2", self.cflog(f"{name}.c1", x))
        select = self.keep(f"{name}.tgap", tgap(x, self.net.k))
        zero = self.keep(f"{name}.shift", bitshift(x, one, self.net.k))
        return self.keep(f"{name}.mux", multiplex(select, one, zero))

    def quantise(self, conv: str, norm: str, z: IntArray) -> IntArray:
        """Both kinds of levels, each computed once for every distinct accumulator of a channel."""
        faithful, rational = np.empty_like(z), np.empty_like(z)
        for channel in range(z.shape[1]):
            bn = self.batch_norm(norm, channel)
            alpha, beta = bn.folded()
            for distinct in np.unique(z[:, channel]):
                here = z[:, channel] == distinct
                faithful[:, channel][here] = float32_level(int(distinct), alpha, beta, self.net.k)
                rational[:, channel][here] = bn.rational_level(int(distinct), self.net.k)
        self.result.rational_levels[f"{conv}.act"] = rational
        return self.keep(f"{conv}.act", faithful)

    def batch_norm(self, name: str, channel: int) -> BatchNorm:
        stored = (
            Fraction(float(_float32(self.state[f"{name}.{key}"], f"{name}.{key}")[channel]))
            for key in ("weight", "bias", "running_mean", "running_var")
        )
        return BatchNorm(*stored, Fraction(self.net.eps))


def _mean(values: list[Fraction]) -> Fraction:
    return sum(values, Fraction(0)) / len(values)


def _float32(array: npt.NDArray[np.generic], name: str) -> npt.NDArray[np.generic]:
    if array.dtype != np.float32:
        raise TypeError(f"{name} must be float32, got {array.dtype}")
    return array


def _scalar(array: npt.NDArray[np.generic], name: str) -> Fraction:
    return Fraction(float(_float32(array, name).reshape(())))
