"""The arguments of MOGNET. Needs no torch."""

from __future__ import annotations

import re
from dataclasses import dataclass

from .arguments import NetArgumentError, check_common, check_sizes, round_up


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
        check_sizes("mognet", self, n=4096, classes=65536, height=8192, width=8192)
        if self.g < 1:
            raise NetArgumentError(f"mognet: g={self.g} is not a number of groups; use g=1 or more")
        if self.n < 4 or self.n % (2 * self.g):
            raise NetArgumentError(
                f"mognet: g={self.g} does not divide n/2={self.n / 2:g}, the channels of the group "
                f"convolutions; n must be a multiple of 2*g={2 * self.g}, at least 4: "
                f"try n={max(round_up(self.n, 2 * self.g), round_up(4, 2 * self.g))}"
            )
        check_common("mognet", self)
        if self.last_bits not in (1, 2):
            raise NetArgumentError(f"mognet: last_bits={self.last_bits} is not offered; use 1 (binary) or 2 (ternary)")
        if self.seed < 0:
            raise NetArgumentError(f"mognet: seed={self.seed} is negative; use seed=0 or more")
        self._check_stages()

    def _check_stages(self) -> None:
        if not re.fullmatch(r"[1-9][0-9]?m?(-[1-9][0-9]?m?)*", self.layout):
            raise NetArgumentError(
                f"mognet: layout={self.layout!r} is not a list of stages; write each stage as a multiple of n "
                "from 1 to 99, with 'm' when an MRB follows, joined by '-', as in layout=1m-2m-4m-4"
            )
        count = len(self.stages)
        if count > 9:
            raise NetArgumentError(f"mognet: layout={self.layout!r} has {count} stages; use 9 or fewer")
        wrong = sorted({mark for mark in self.pool if mark not in "0123456789"[: count + 1]})
        if wrong or not self.pool or (self.pool != "0" and "0" in self.pool):
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
