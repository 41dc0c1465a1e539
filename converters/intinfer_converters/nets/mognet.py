"""MOGNET (AICAS 2022): multiplexed on-off gated network with rule-30 pointwise weights.

Module paths are the layer names: ``conv1``, ``s1.cflog.pw1``, ``s2.mrb.c1.gconv``, ``final1x1``, ...
"""

from __future__ import annotations

from torch import Tensor, nn

from intinfer_converters.nets.arguments import MognetArgs
from intinfer_converters.nets.base import GlobalMean, Net, TensorModule
from intinfer_converters.nets.layers import (
    TGAP,
    BinaryConv2d,
    Bitshift,
    Mux,
    QReLU,
    Rule30Conv2d,
    TernaryConv2d,
)


class CFLOG(TensorModule):
    """Channel-factorised group convolution: binary 1x1, ternary 3x3 in groups, rule-30 1x1, BN, QReLU.

    in_channels -> m = in_channels/2 -> m -> out_channels; nothing between the three convolutions, their
    intermediate sums are raw integers. `source` picks the rule-30 seed row.
    """

    def __init__(self, in_channels: int, out_channels: int, arguments: MognetArgs, path: str) -> None:
        super().__init__()
        latent = in_channels // 2
        seed = Rule30Conv2d.random_seed(out_channels, f"{arguments.seed}:{path}.pw2")
        self.pw1 = BinaryConv2d(in_channels, latent)
        self.gconv = TernaryConv2d(latent, latent, kernel_size=3, padding=1, groups=arguments.g)
        self.pw2 = Rule30Conv2d(latent, out_channels, seed)
        self.bn = nn.BatchNorm2d(out_channels)
        self.act = QReLU(arguments.k)

    def forward(self, x: Tensor) -> Tensor:
        """(N, in_channels, H, W) levels -> (N, out_channels, H, W) levels."""
        return self.act(self.bn(self.pw2(self.gconv(self.pw1(x)))))


class MRB(TensorModule):
    """Multiplexed residual block: I1 = CFLOG(CFLOG(x)), I0 = bitshift(x, I1), out = TGAP(x) ? I1 : I0."""

    def __init__(self, channels: int, arguments: MognetArgs, path: str) -> None:
        super().__init__()
        self.c1 = CFLOG(channels, channels, arguments, f"{path}.c1")
        self.c2 = CFLOG(channels, channels, arguments, f"{path}.c2")
        self.tgap = TGAP(arguments.k)
        self.shift = Bitshift(arguments.k)
        self.mux = Mux()

    def forward(self, x: Tensor) -> Tensor:
        """(N, channels, H, W) levels -> the same shape, levels."""
        one = self.c2(self.c1(x))
        return self.mux(self.tgap(x), one, self.shift(x, one))


class MognetStage(TensorModule):
    """One stage: CFLOG, then an MRB and a 2x2 max pool where the layout has them."""

    def __init__(
        self, in_channels: int, out_channels: int, has_mrb: bool, has_pool: bool, arguments: MognetArgs, path: str
    ) -> None:
        super().__init__()
        self.cflog = CFLOG(in_channels, out_channels, arguments, f"{path}.cflog")
        self.mrb = MRB(out_channels, arguments, f"{path}.mrb") if has_mrb else None
        self.pool = nn.MaxPool2d(2) if has_pool else None

    def forward(self, x: Tensor) -> Tensor:
        """(N, in_channels, H, W) levels -> (N, out_channels, H or H/2, W or W/2) levels."""
        out: Tensor = self.cflog(x)
        if self.mrb is not None:
            out = self.mrb(out)
        if self.pool is not None:
            out = self.pool(out)
        return out


class Mognet(Net):
    """MOGNET(n, g): ternary 3x3 convolution, stages, 1x1 convolution to classes, batch norm, global average."""

    def __init__(self, arguments: MognetArgs) -> None:
        super().__init__(arguments)
        self.conv1 = TernaryConv2d(3, arguments.n, kernel_size=3, padding=1)
        self.conv1_bn = nn.BatchNorm2d(arguments.n)
        self.conv1_act = QReLU(arguments.k)
        channels = arguments.n
        for number, (multiple, has_mrb) in enumerate(arguments.stages, start=1):
            name, out_channels = f"s{number}", multiple * arguments.n
            has_pool = number in arguments.pooled_stages
            self.add_module(name, MognetStage(channels, out_channels, has_mrb, has_pool, arguments, name))
            channels = out_channels
        last = BinaryConv2d if arguments.last_bits == 1 else TernaryConv2d
        self.final1x1 = last(channels, arguments.classes)
        self.final_bn = nn.BatchNorm2d(arguments.classes)
        self.mean = GlobalMean()

    def forward(self, x: Tensor) -> Tensor:
        """(N, 3, H, W) raw pixels 0..255 as float -> (N, classes) float logits."""
        out = self.staged(self.conv1_act(self.conv1_bn(self.conv1(x))))
        return self.mean(self.final_bn(self.final1x1(out)))
