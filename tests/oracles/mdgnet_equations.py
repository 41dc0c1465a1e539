"""MDGNet (GRETSI 2023) from its equations: a second implementation that shares no code with intinfer.

`evaluate` takes the trained parameters (a state_dict as NumPy arrays), the net's arguments and images, and
returns the integers of every node; `equations` says how each of them is computed.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import numpy.typing as npt

from oracles.equations import Evaluation, IntArray, Pads, Run, State, bitshift, float32_scalar, multiplex, tgap

NO_PADS = ((0, 0), (0, 0))

# ----------------------------------------------------------------------------------------------- channels


def shuffle(x: npt.NDArray[np.generic], groups: int, axis: int = 1) -> npt.NDArray[np.generic]:
    """Deals the channels of `groups` equal parts in turn: the first of each part, then the second of each part, ..."""
    parts = np.split(x, groups, axis=axis)
    channels = [np.take(part, [place], axis=axis) for place in range(parts[0].shape[axis]) for part in parts]
    return np.concatenate(channels, axis=axis)


def pads_of(height: int, width: int, stride: int, pad: str) -> Pads:
    """The zeros around a map for a 3x3 kernel.

    "same" is TensorFlow's: ceil(size / stride) outputs on each axis, the fewest zeros that reach them, the odd one
    behind. "torch" is one zero on each side.
    """
    if pad == "torch":
        return (1, 1), (1, 1)
    if pad != "same":
        raise ValueError(f"pad {pad!r} is neither same nor torch")
    return _same(height, stride), _same(width, stride)


def _same(size: int, stride: int) -> tuple[int, int]:
    outputs = -(-size // stride)
    zeros = max((outputs - 1) * stride + 3 - size, 0)
    return zeros // 2, zeros - zeros // 2


# ------------------------------------------------------------------------------------------------ the net


@dataclass(frozen=True)
class Net:
    """What the state_dict does not say: activation bits k, groups g, stages, padding, eps, and the order of channels.

    block_groups: of the shuffle behind a block. gcm_order: "12" joins y1 and y2 in this order, "21" y2 first.
    gcm_half: y1 is joined "plain", or "shuffled" as GC2's input is. reduced_order: "gcm-dw" or "dw-gcm".
    """

    k: int
    groups: int
    stages: int = 4
    block_groups: int = 2
    pad: str = "same"
    gcm_order: str = "12"
    gcm_half: str = "plain"
    reduced_order: str = "gcm-dw"
    eps: float = 1e-5


def evaluate(state: State, net: Net, images: npt.NDArray[np.integer]) -> Evaluation:
    """Run MDGNet on integer pixels (B, 3, H, W). TypeError where a parameter is not of its stored dtype."""
    run = Blocks(state, net)
    x = run.branch("conv1", "conv1_bn", images.astype(np.int64), groups=1, stride=1)
    x = run.gcm("gcm0", x, net.groups, stride=2)
    for stage, widening in zip(range(1, net.stages + 1), (1, 1, 2, 4), strict=False):
        groups = net.groups * widening
        x = run.normal(f"s{stage}.n1", x, groups)
        x = run.normal(f"s{stage}.n2", x, groups)
        x = run.reduced(f"s{stage}.r", x, groups)
    run.classify("cls", x)
    return run.result


class Blocks(Run):
    """The blocks of MDGNet."""

    def __init__(self, state: State, net: Net) -> None:
        super().__init__(state, net.k, net.eps)
        self.net = net

    def branch(self, conv: str, norm: str, x: IntArray, groups: int, stride: int) -> IntArray:
        """A ternary 3x3 convolution, batch norm and quantiser."""
        pads = pads_of(*x.shape[2:], stride, self.net.pad)
        return self.quantise(conv, norm, self.ternary(conv, x, groups, stride, pads))

    def depthwise(self, name: str, x: IntArray, stride: int) -> IntArray:
        return self.branch(f"{name}.dw", f"{name}.dw_bn", x, x.shape[1], stride)

    def join(self, name: str, parts: list[IntArray], reverse: bool) -> IntArray:
        return self.keep(name, np.concatenate(parts[::-1] if reverse else parts, axis=1))

    def gcm(self, name: str, x: IntArray, groups: int, stride: int) -> IntArray:
        """Pointwise to a quarter, raw; GC1 to a half; the first quarter of its shuffle through GC2; both halves."""
        p = self.ternary(f"{name}.pw", x, pads=NO_PADS)
        y1 = self.branch(f"{name}.gc1", f"{name}.gc1_bn", p, groups, stride)
        shuffled = self.keep(f"{name}.shuffle", shuffle(y1, groups))
        t = self.keep(f"{name}.first", shuffled[:, : x.shape[1] // 4])
        y2 = self.branch(f"{name}.gc2", f"{name}.gc2_bn", t, groups, 1)
        half = {"plain": y1, "shuffled": shuffled}[self.net.gcm_half]
        return self.join(f"{name}.cat", [half, y2], reverse=self.net.gcm_order == "21")

    def normal(self, name: str, x: IntArray, groups: int) -> IntArray:
        """shuffle(S ? d : bitshift(d, u), B) with d = DW(x), u = GCM(x), S = TGAP(d)."""
        d = self.depthwise(name, x, 1)
        u = self.gcm(f"{name}.gcm", x, groups, 1)
        select = self.keep(f"{name}.tgap", tgap(d, self.k))
        merged = self.keep(f"{name}.shift", bitshift(d, u, self.k))
        chosen = self.keep(f"{name}.mux", multiplex(select, d, merged))
        return self.keep(f"{name}.shuffle", shuffle(chosen, self.net.block_groups))

    def reduced(self, name: str, x: IntArray, groups: int) -> IntArray:
        """shuffle(concat(GCM, DW), B), both at stride 2."""
        parts = [self.gcm(f"{name}.gcm", x, groups, 2), self.depthwise(name, x, 2)]
        both = self.join(f"{name}.cat", parts, reverse=self.net.reduced_order == "dw-gcm")
        return self.keep(f"{name}.shuffle", shuffle(both, self.net.block_groups))

    def classify(self, name: str, x: IntArray) -> None:
        """Pointwise to the classes, then one depthwise kernel of the whole map: a raw integer a class.

        The logits are these times the stored factor, or alpha * z + beta' where there is a batch norm instead.
        """
        z = self.ternary(f"{name}.pw", x, pads=NO_PADS)
        z = self.ternary(f"{name}.dw", z, groups=z.shape[1], pads=NO_PADS)
        factor = f"{name}.scale.factor"
        if factor in self.state:
            folded = [(float32_scalar(self.state[factor], factor), Fraction(0))] * z.shape[1]
        else:
            folded = [self.batch_norm(f"{name}.bn", channel).folded() for channel in range(z.shape[1])]
        self.result.logits = [
            [alpha * int(value) + beta for value, (alpha, beta) in zip(sums, folded, strict=True)]
            for sums in z[:, :, 0, 0]
        ]
