"""The arguments of MDGNet. Needs no torch."""

from __future__ import annotations

from dataclasses import dataclass

from .arguments import NetArgumentError, check_common, check_sizes, round_up

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
        check_sizes("mdgnet", self, f=4096, classes=65536, height=8192, width=8192)
        if self.g < 1:
            raise NetArgumentError(f"mdgnet: g={self.g} is not a number of groups; use g=1 or more")
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
        check_common("mdgnet", self)
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
