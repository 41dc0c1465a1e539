"""MOGNET (AICAS 2022) from its equations: a second implementation that shares no code with intinfer.

`evaluate` takes the trained parameters (a state_dict as NumPy arrays), the net's arguments and images, and
returns the integers of every node. `equations` says how each of them is computed; rule 30 works on the bits of
Python ints.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import numpy.typing as npt

from oracles.equations import (
    Evaluation,
    IntArray,
    Run,
    State,
    bitshift,
    convolution,
    float32_array,
    multiplex,
    tgap,
)

# ---------------------------------------------------------------------------------------------- weights


def binary_weights(proxies: npt.NDArray[np.generic]) -> IntArray:
    """+1 where the proxy is >= 0 (either zero included), else -1."""
    signs = [1 if float(w) >= 0 else -1 for w in float32_array(proxies, "weight").flat]
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


def max_pool(x: IntArray) -> IntArray:
    """2x2 windows, stride 2, of even-sized maps."""
    return np.maximum(
        np.maximum(x[:, :, 0::2, 0::2], x[:, :, 0::2, 1::2]), np.maximum(x[:, :, 1::2, 0::2], x[:, :, 1::2, 1::2])
    )


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


def evaluate(state: State, net: Net, images: npt.NDArray[np.integer]) -> Evaluation:
    """Run MOGNET on integer pixels (B, 3, H, W). TypeError where a parameter is not of its stored dtype.

    `logits` are the mean over the pixels of alpha * z + beta', with the float32 alpha and beta'.
    """
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


class _Run(Run):
    """The blocks of MOGNET."""

    def __init__(self, state: State, net: Net) -> None:
        super().__init__(state, net.k, net.eps)
        self.groups = net.groups

    def binary(self, name: str, x: IntArray) -> IntArray:
        return self.keep(name, convolution(x, binary_weights(self.state[f"{name}.weight"])))

    def cflog(self, name: str, x: IntArray) -> IntArray:
        """Binary 1x1, ternary 3x3 in groups, rule-30 1x1 with nothing in between, then batch norm and quantiser."""
        z = self.binary(f"{name}.pw1", x)
        z = self.ternary(f"{name}.gconv", z, self.groups)
        z = self.keep(f"{name}.pw2", convolution(z, rule30_weights(self.state[f"{name}.pw2.seed"], z.shape[1])))
        return self.quantise(f"{name}.pw2", f"{name}.bn", z)

    def mrb(self, name: str, x: IntArray) -> IntArray:
        """I1 = CFLOG(CFLOG(x)), I0 = bitshift(x + I1), out = TGAP(x) ? I1 : I0."""
        one = self.cflog(f"{name}.c2", self.cflog(f"{name}.c1", x))
        select = self.keep(f"{name}.tgap", tgap(x, self.k))
        zero = self.keep(f"{name}.shift", bitshift(x, one, self.k))
        return self.keep(f"{name}.mux", multiplex(select, one, zero))


def _mean(values: list[Fraction]) -> Fraction:
    return sum(values, Fraction(0)) / len(values)
