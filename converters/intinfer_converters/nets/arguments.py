"""The arguments of the networks: what they share, those of MDGNet, those of MOGNET. Needs no torch."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from intinfer.errors import MalformedError


class NetArgumentError(MalformedError):
    """A network text that cannot be built; the message says what is wrong, what is allowed and what to do."""


LARGEST = {"f": 4096, "n": 4096, "classes": 65536, "height": 8192, "width": 8192}


def check_common(net: str, arguments: Any) -> None:
    """Refuse sizes above their limit, no groups, activation bits but 1..8, and fewer than two classes.

    Raises NetArgumentError.
    """
    for name, limit in LARGEST.items():
        if getattr(arguments, name, 0) > limit:
            raise NetArgumentError(f"{net}: {name}={getattr(arguments, name)} is too large; use {limit} or less")
    if arguments.g < 1:
        raise NetArgumentError(f"{net}: g={arguments.g} is not a number of groups; use g=1 or more")
    if not 1 <= arguments.k <= 8:
        raise NetArgumentError(f"{net}: k={arguments.k} activation bits are not supported; use k=1 to k=8")
    if arguments.classes < 2:
        raise NetArgumentError(f"{net}: classes={arguments.classes} leaves nothing to classify; use 2 or more")


def round_up(value: int, multiple: int) -> int:
    """The smallest multiple that is `value` or more."""
    return -(-value // multiple) * multiple


CHOICES = {
    "pad": ("same", "torch"),
    "gcm_order": ("12", "21"),
    "gcm_half": ("plain", "shuffled"),
    "reduced_order": ("gcm-dw", "dw-gcm"),
}


@dataclass(frozen=True)
class MdgnetArgs:
    """Arguments of MDGNet(f, g) (GRETSI 2023). The paper leaves open what the last six decide.

    f: width of the first stage. g: groups of the 3x3 group convolutions of stages 1 and 2; stages 3 and 4 have 2g
    and 4g. k: activation bits, 1..8. classes: outputs. height, width: input size in pixels; every stride 2 gives
    the half, rounded up.
    levels: stages, 1..4; fewer suit small images: a last map of 1x1 leaves the classifier one ternary weight a class,
    and a class whose weight is 0 always gets the logit 0.
    block_groups: groups of the channel shuffle that ends every block.
    pad: 'same', TensorFlow's, per axis: at stride 2 (0, 1) for an even size, (1, 1) for an odd one; 'torch', 1 on
    every side.
    gcm_order: '12' joins GC1's result and GC2's in this order, '21' the other way.
    gcm_half: 'plain' joins GC1's result as it is, 'shuffled' behind the shuffle inside the GCM.
    reduced_order: which branch of a reduced block comes first in the join.
    classifier_bn: 1 puts a batch norm behind the classifier; 0 leaves raw integer sums.
    """

    f: int = 32
    g: int = 1
    k: int = 4
    classes: int = 10
    height: int = 96
    width: int = 96
    levels: int = 4
    block_groups: int = 2
    pad: str = "same"
    gcm_order: str = "12"
    gcm_half: str = "plain"
    reduced_order: str = "gcm-dw"
    classifier_bn: int = 0

    def __post_init__(self) -> None:
        """Check every argument; raises NetArgumentError."""
        check_common("mdgnet", self)
        if self.f < 4 or self.f % (4 * self.g):
            raise NetArgumentError(
                f"mdgnet: g={self.g} does not divide f/4={self.f / 4:g}, the input channels of the group convolutions; "
                f"f must be a multiple of 4*g={4 * self.g}: try f={max(round_up(self.f, 4 * self.g), 4 * self.g)}"
            )
        if self.block_groups < 1 or self.f % self.block_groups:
            raise NetArgumentError(
                f"mdgnet: block_groups={self.block_groups} does not divide f={self.f}, the channels that are "
                "shuffled; use 1 or a divisor of f, as in block_groups=2"
            )
        for axis in ("height", "width"):
            if getattr(self, axis) < 1:
                raise NetArgumentError(f"mdgnet: {axis}={getattr(self, axis)} is no image; use {axis}=1 or more")
        if not 1 <= self.levels <= 4:
            raise NetArgumentError(f"mdgnet: levels={self.levels} is not a number of stages; use levels=1 to levels=4")
        for name, offered in CHOICES.items():
            if getattr(self, name) not in offered:
                raise NetArgumentError(
                    f"mdgnet: {name}={getattr(self, name)} is not offered; use {name}={f' or {name}='.join(offered)}"
                )
        if self.classifier_bn not in (0, 1):
            raise NetArgumentError(f"mdgnet: classifier_bn={self.classifier_bn} is not offered; use 0 or 1")

    @property
    def stages(self) -> tuple[tuple[int, int], ...]:
        """(channels, groups) of each stage: (f, g), (2f, g), (4f, 2g), (8f, 4g)."""
        return tuple((self.f << i, self.g << max(0, i - 1)) for i in range(self.levels))


@dataclass(frozen=True)
class MognetArgs:
    """Arguments of MOGNET(n, g) (AICAS 2022). The paper leaves layout, pooling, CA seeds and last layer open.

    n: width of the first stage. g: groups of each 3x3 group convolution. k: activation bits, 1..8.
    classes: outputs. height, width: input size in pixels.
    layout: stages joined by '-'; each is its width as a multiple of n, with a trailing 'm' when an MRB
    follows the CFLOG. pool: the stages that end in a 2x2 max pool, as digits ('0' for none).
    last_bits: 1 for a binary last layer, 2 for a ternary one.
    seed: picks the random rule-30 seed rows, one for each layer; the rows themselves are in the state_dict.
    """

    n: int = 128
    g: int = 4
    k: int = 3
    classes: int = 10
    height: int = 32
    width: int = 32
    layout: str = "1m-2m-4m-4"
    pool: str = "123"
    last_bits: int = 1
    seed: int = 0

    def __post_init__(self) -> None:
        """Check every argument; raises NetArgumentError."""
        check_common("mognet", self)
        if self.n < 4 or self.n % (2 * self.g):
            raise NetArgumentError(
                f"mognet: g={self.g} does not divide n/2={self.n / 2:g}, the channels of the group "
                f"convolutions; n must be a multiple of 2*g={2 * self.g}, at least 4: "
                f"try n={max(round_up(self.n, 2 * self.g), round_up(4, 2 * self.g))}"
            )
        if self.last_bits not in (1, 2):
            raise NetArgumentError(f"mognet: last_bits={self.last_bits} is not offered; use 1 (binary) or 2 (ternary)")
        if self.seed < 0:
            raise NetArgumentError(f"mognet: seed={self.seed} is negative; use seed=0 or more")
        if not re.fullmatch(r"[1-9][0-9]?m?(-[1-9][0-9]?m?)*", self.layout):
            raise NetArgumentError(
                f"mognet: layout={self.layout!r} is not a list of stages; write each stage as a multiple of n "
                "from 1 to 99, with 'm' when an MRB follows, joined by '-', as in layout=1m-2m-4m-4"
            )
        count = len(self.stages)
        if count > 9:
            raise NetArgumentError(f"mognet: layout={self.layout!r} has {count} stages; use 9 or fewer")
        if not re.fullmatch(f"0|[1-{count}]+", self.pool):
            raise NetArgumentError(
                f"mognet: pool={self.pool!r} does not name stages of the {count}-stage layout {self.layout!r}; "
                f"use digits 1 to {count} without separators, as in pool=12, or pool=0 for none"
            )
        shrink = 2 ** len(self.pooled_stages)
        for axis, size in (("height", self.height), ("width", self.width)):
            if size < 1 or size % shrink:
                raise NetArgumentError(
                    f"mognet: {axis}={size} is not a positive multiple of {shrink}, which the "
                    f"{len(self.pooled_stages)} max pools of pool={self.pool} need; "
                    f"try {axis}={max(round_up(size, shrink), shrink)}"
                )

    @property
    def stages(self) -> tuple[tuple[int, bool], ...]:
        """For each stage its width in multiples of n, and whether an MRB follows its CFLOG."""
        return tuple((int(stage.rstrip("m")), stage.endswith("m")) for stage in self.layout.split("-"))

    @property
    def pooled_stages(self) -> frozenset[int]:
        """1-based numbers of the stages that end in a 2x2 max pool."""
        return frozenset(int(mark) for mark in self.pool) - {0}
