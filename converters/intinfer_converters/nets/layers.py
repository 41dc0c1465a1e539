"""Quantisation-aware layers: the torch side of the integer semantics.

Conventions a converter relies on:

* An activation travels as its integer level 0..N, N = 2^k - 1, stored in a float tensor.
* A quantised weight enters a convolution as the bare integer -1, 0 or +1, without its step: batch norm
  absorbs the scale. So every convolution result is an integer, exact in float32 below 2^24.
* Every class here is a layer of the float net, under its module path (`ops` has an op of each).
* ``quantised = False`` gives the float form that the early stages of training use.

Sources: MOGNET (AICAS 2022) for BTQ, QReLU, Bitshift, TGAP and the rule-30 weights.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from intinfer.files.packing import Encoding
from intinfer.graph import Shape
from intinfer.tensor import CellularWeights
from intinfer.types import IntType

from .base import Layer

Pads = tuple[int, int, int, int]


def four_pads(padding: int | Pads) -> Pads:
    """(top, left, bottom, right) of one number for all sides, or of four.

    >>> four_pads(1), four_pads((0, 1, 1, 1))
    ((1, 1, 1, 1), (0, 1, 1, 1))
    """
    return (padding,) * 4 if isinstance(padding, int) else padding


def pair(number: int | tuple[int, int]) -> tuple[int, int]:
    """(vertical, horizontal) of one number for both, or of two."""
    return (number, number) if isinstance(number, int) else number


def ternary(proxies: Tensor, step: Tensor) -> Tensor:
    """clip(rnd(w / s), -1, 1), half to even."""
    return (proxies / step).round().clamp(-1, 1)


def binary(proxies: Tensor) -> Tensor:
    """+1 where w >= 0, else -1; a proxy of exactly 0 (either sign) gives +1."""
    return torch.where(proxies >= 0, 1.0, -1.0)


def convolved(x: Tensor, weight: Tensor, stride: int | Sequence[int], pads: Sequence[int], groups: int) -> Tensor:
    """Cross-correlation of (N, I, H, W) with a border of 0, `pads` being (top, left, bottom, right)."""
    top, left, bottom, right = pads
    if (top, left) != (bottom, right):
        x, top, left = functional.pad(x, (left, right, top, bottom)), 0, 0
    return functional.conv2d(x, weight, None, stride, (top, left), 1, groups)


def _straight_through(exact: Tensor, smooth: Tensor) -> Tensor:
    """`exact` forward, the gradient of `smooth` backward.

    The sum below equals `exact` bit for bit here: |exact - smooth| <= 1/2 or exact is 0 or 1, so the
    difference is exact or its rounding error is at most half an ulp of the result.
    """
    if not smooth.requires_grad:
        return exact
    return smooth + (exact - smooth).detach()


class Convolution(Layer):
    """What the convolutions share: the code of their weights, and their geometry as plain attributes.

    Attributes:
        code: of the weights; an input channel and a tap have one weight each.
        generated: whether the weights are computed from a seed and not stored.
    """

    kind = "conv2d"
    code: ClassVar[Encoding]
    generated: ClassVar[bool] = False

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | tuple[int, int] = 1,
        stride: int = 1,
        padding: int | Pads = 0,
        groups: int = 1,
    ) -> None:
        super().__init__()
        self.in_channels, self.out_channels, self.groups = in_channels, out_channels, groups
        self.kernel_size, self.stride, self.padding = kernel_size, stride, padding

    @property
    def taps(self) -> int:
        """How many products one sum has."""
        height, width = pair(self.kernel_size)
        return self.in_channels // self.groups * height * width

    def integers(self, shape: Shape, *inputs: IntType) -> IntType:
        """The sums of `taps` products, all weights at full magnitude and of any sign."""
        widest = self.taps * max(abs(inputs[0].lo), abs(inputs[0].hi)) * max(-self.code.lo, self.code.hi)
        return IntType(-widest, widest)


class QuantisedConv2d(Convolution):
    """Base of the trainable convolutions: no bias, zero padding (integer level 0).

    kernel_size: one number, or (KH, KW). padding: one number for all sides, or (top, left, bottom, right).
    `weight` (O, I/groups, KH, KW) holds the float proxies, kept in [-1, 1] by training.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.quantised = True
        shape = (self.out_channels, self.in_channels // self.groups, *pair(self.kernel_size))
        self.weight = nn.Parameter(torch.empty(shape))
        nn.init.kaiming_uniform_(self.weight, a=5**0.5)

    def integer_weight(self) -> Tensor:
        """The quantised weight, shape of `weight`, no gradient; what the integer network stores."""
        raise NotImplementedError

    def effective_weight(self) -> Tensor:
        """The weight of the forward pass; straight-through gradient with the mask |w| <= 1."""
        proxies = self.weight.clamp(-1, 1)
        return _straight_through(self.integer_weight(), proxies) if self.quantised else proxies

    def forward(self, x: Tensor) -> Tensor:
        """(N, I, H, W) levels -> (N, O, H', W') sums of weight times level."""
        return convolved(x, self.effective_weight(), self.stride, four_pads(self.padding), self.groups)

    def extra_repr(self) -> str:
        """What the printed module shows: channels and geometry."""
        return (
            f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, stride={self.stride}, "
            f"padding={self.padding}, groups={self.groups}"
        )


class TernaryConv2d(QuantisedConv2d):
    """Convolution with weights q = clip(rnd(w / s), -1, 1), rounding half to even (BTQ).

    `step` is the buffer s = |q1| + |q2|, q1 and q2 the tertiles of the proxies. It changes only in
    `update_step`, once an epoch; a converter uses the stored step, never tertiles of its own.
    """

    code = Encoding("ternary")
    step: Tensor

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.register_buffer("step", torch.ones(()))
        self.update_step()

    def integer_weight(self) -> Tensor:
        """Values -1, 0, +1."""
        return ternary(self.weight.detach(), self.step)

    def zero_filter_rate(self) -> float:
        """Share of the output filters whose quantised weights are all 0, in 0..1."""
        return float((self.integer_weight().flatten(1) == 0).all(1).double().mean())

    @torch.no_grad()
    def update_step(self, max_zero_filters: float = 0.5) -> str | None:
        """Re-estimate `step` from the proxies. Returns None, or one line that says how it was limited.

        With more than 2/3 of the proxies at one rail BTQ gives s = 2 and w/s = +-0.5, which rounds to 0:
        the layer is dead and cannot recover. When the layer, or more than `max_zero_filters` of its
        filters, would be all zero, the step is limited to just under twice the lower tertile of |w|,
        its value for symmetric proxies, so that at least two thirds of the weights are not 0.
        """
        if self.weight.is_meta:
            return None
        proxies = self.weight.clamp(-1, 1).flatten().double()
        thirds = torch.tensor([1 / 3, 2 / 3], dtype=torch.float64, device=proxies.device)
        wanted = float(torch.quantile(proxies, thirds).abs().sum())
        self.step.fill_(wanted)
        if wanted > 0 and self.zero_filter_rate() <= max_zero_filters:
            return None
        before = self.zero_filter_rate() if wanted > 0 else 1.0
        magnitudes = proxies.abs()
        tertile = float(torch.quantile(magnitudes, 1 / 3)) or float(magnitudes.max()) or 1.0
        limited = 2 * tertile * (1 - 2**-10)
        self.step.fill_(min(limited, wanted) if wanted > 0 else limited)
        return (
            f"BTQ step {wanted:.6g} leaves {before:.0%} of the filters all zero; "
            f"limited to {float(self.step):.6g}, now {self.zero_filter_rate():.0%}"
        )


class BinaryConv2d(QuantisedConv2d):
    """Convolution with weights +1 where the proxy is >= 0, else -1; never 0."""

    code = Encoding("binary")

    def integer_weight(self) -> Tensor:
        """Values -1, +1; a proxy of exactly 0 (either sign) gives +1."""
        return binary(self.weight.detach())


class Rule30Conv2d(Convolution):
    """1x1 convolution whose weights come from the cellular automaton rule 30 (MOGNET, AICAS 2022).

    Row t of the automaton belongs to input (latent) channel t, column c to output channel c; bit 0 is
    the weight -1, bit 1 is +1. Only the buffer `seed` (uint8, one bit an output channel) is stored.
    A seed of only 0 or only 1 is a ValueError: every later row would be 0.
    """

    code = Encoding("binary")
    generated = True
    seed: Tensor
    kernel: Tensor

    def __init__(self, in_channels: int, out_channels: int, seed: Sequence[int]) -> None:
        super().__init__(in_channels, out_channels)
        if len(seed) != out_channels:
            raise ValueError(f"the rule-30 seed has {len(seed)} bits, the layer {out_channels} output channels")
        self.register_buffer("seed", torch.tensor(list(seed), dtype=torch.uint8))
        self.register_buffer("kernel", self._kernel_of(list(seed)), persistent=False)

    @staticmethod
    def random_seed(width: int, source: str) -> list[int]:
        """A seed row of `width` random bits, both values present; the same `source` text gives the same row."""
        generator = random.Random(source)
        while True:
            bits = [generator.getrandbits(1) for _ in range(width)]
            if 0 < sum(bits) < width:
                return bits

    def _kernel_of(self, seed: list[int]) -> Tensor:
        if not set(seed) <= {0, 1}:
            raise ValueError(f"a rule-30 seed holds bits 0 and 1, found {sorted(set(seed) - {0, 1})}")
        if sum(seed) in (0, len(seed)):
            raise ValueError(f"the rule-30 seed is all {seed[0]}: every later row would be 0; use a mixed one")
        return torch.tensor(CellularWeights.of(30, seed, self.in_channels).values, dtype=torch.float32)

    def integer_weight(self) -> Tensor:
        """Values -1, +1, shape (O, I, 1, 1)."""
        return self.kernel

    def _load_from_state_dict(self, *args: Any, **kwargs: Any) -> None:
        super()._load_from_state_dict(*args, **kwargs)
        if not self.seed.is_meta:
            self.kernel = self._kernel_of(self.seed.tolist()).to(self.seed.device)

    def forward(self, x: Tensor) -> Tensor:
        """(N, I, H, W) -> (N, O, H, W), exact sums."""
        return convolved(x, self.kernel, 1, (0, 0, 0, 0), 1)

    def extra_repr(self) -> str:
        """What the printed module shows: the channels."""
        return f"{self.in_channels}, {self.out_channels}"


class OfLevels(Layer):
    """A layer of levels 0..N, N = 2^bits - 1.

    `quantised` is there for those that have a float form.
    """

    def __init__(self, bits: int) -> None:
        super().__init__()
        self.bits = bits
        self.top = (1 << bits) - 1
        self.quantised = True

    def extra_repr(self) -> str:
        """What the printed module shows: the bits of its levels."""
        return f"bits={self.bits}"


class QReLU(OfLevels):
    """Batch-norm output to levels: rnd(clip(x, 0, 1) * N), half to even; for 1 bit [x > 0], strict.

    Gradient N where 0 <= x <= 1, else 0. Float form: N * clip(x, 0, 1).
    """

    kind = "threshold"

    def forward(self, x: Tensor) -> Tensor:
        """Any shape, reals -> levels 0..N."""
        smooth = x.clamp(0, 1) * self.top
        if not self.quantised:
            return smooth
        exact = (x > 0).to(x.dtype) if self.bits == 1 else smooth.round()
        return _straight_through(exact, smooth)

    def integers(self, shape: Shape, *inputs: IntType) -> IntType:
        """The levels 0..N."""
        return IntType(0, self.top)


class Bitshift(OfLevels):
    """The shortcut sum: floor((a + b) / 2) for k > 1, a OR b for k = 1. Gradient 1/2 to each.

    Float form: (a + b) / 2.
    """

    kind = "bitshift"

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        """Two tensors of levels 0..N of one shape -> levels 0..N."""
        smooth = (a + b) * 0.5
        if not self.quantised:
            return smooth
        return _straight_through(torch.maximum(a, b) if self.bits == 1 else smooth.floor(), smooth)


class TGAP(OfLevels):
    """Thresholded global average: S_c = [2 * sum a_c > N * h * w], strict. No gradient."""

    kind = "tgap"

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) levels -> (N, C) of 0 and 1. The sum is float32: exact below 2^24."""
        total = x.detach().sum((2, 3), dtype=torch.float32)
        return (2 * total > self.top * x.shape[2] * x.shape[3]).to(x.dtype)

    def integers(self, shape: Shape, *inputs: IntType) -> IntType:
        """A bit, 0 or 1."""
        return IntType(0, 1)


class Mux(Layer):
    """Channel-wise choice: S_c ? I1 : I0."""

    kind = "mux"

    def forward(self, select: Tensor, one: Tensor, zero: Tensor) -> Tensor:
        """select (N, C) of 0 and 1; one, zero (N, C, H, W) -> (N, C, H, W)."""
        return torch.where(select[:, :, None, None] > 0, one, zero)

    def integers(self, shape: Shape, *inputs: IntType) -> IntType:
        """The integers that either branch may give."""
        return super().integers(shape, *inputs[1:])
