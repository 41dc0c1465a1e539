"""MDGNet (GRETSI 2023): ternary weights, a gated normal block that needs the group module only where its MUX says so.

Module paths are the layer names: ``conv1``, ``gcm0.pw``, ``s1.n1.dw``, ``s1.n1.gcm.gc1``, ``s1.r.dw``, ``cls.pw``, ...
The convolution inside a GCM that comes first (``pw``) and the classifier's (``cls.pw``) have no batch norm and no
activation behind them: what follows reads their raw integer sums.
"""

from __future__ import annotations

from torch import Tensor, nn

from intinfer_converters.nets.arguments import MdgnetArgs
from intinfer_converters.nets.base import ChannelConcat, ChannelShuffle, ChannelSlice, LogitScale, Net, TensorModule
from intinfer_converters.nets.layers import TGAP, Bitshift, Mux, Pads, QReLU, TernaryConv2d

Size = tuple[int, int]


def same_pads(size: int, kernel: int, stride: int) -> tuple[int, int]:
    """TensorFlow's "same" along one axis: ceil(size / stride) outputs, the odd pad goes behind.

    >>> same_pads(48, 3, 1), same_pads(48, 3, 2), same_pads(49, 3, 2)
    ((1, 1), (0, 1), (1, 1))
    """
    outputs = -(-size // stride)
    total = max((outputs - 1) * stride + kernel - size, 0)
    return total // 2, total - total // 2


def conv_pads(size: Size, stride: int, pad: str) -> Pads:
    """(top, left, bottom, right) of a 3x3 convolution on a map of `size`; `pad` is 'same' or 'torch'."""
    if pad == "torch":
        return (1, 1, 1, 1)
    (top, bottom), (left, right) = (same_pads(extent, 3, stride) for extent in size)
    return (top, left, bottom, right)


def halved(size: Size) -> Size:
    """The map size behind a stride of 2, rounded up."""
    return (size[0] + 1) // 2, (size[1] + 1) // 2


class GCM(TensorModule):
    """Group convolution module: y1 = BNQ(GC1(PW(x))), y2 = BNQ(GC2(first half of shuffle(y1))), both joined.

    PW channels -> channels/4 (raw sums), GC1 and GC2 channels/4 -> channels/2, 3x3 in `groups`; GC1 has the stride.
    """

    def __init__(self, channels: int, groups: int, stride: int, size: Size, arguments: MdgnetArgs) -> None:
        super().__init__()
        quarter, half = channels // 4, channels // 2
        inner = size if stride == 1 else halved(size)
        pads = [conv_pads(size, stride, arguments.pad), conv_pads(inner, 1, arguments.pad)]
        self.reverse = arguments.gcm_order == "21"
        self.join_shuffled = arguments.gcm_half == "shuffled"
        self.pw = TernaryConv2d(channels, quarter)
        self.gc1 = TernaryConv2d(quarter, half, 3, stride, pads[0], groups)
        self.gc1_bn = nn.BatchNorm2d(half)
        self.gc1_act = QReLU(arguments.k)
        self.shuffle = ChannelShuffle(half, groups)
        self.first = ChannelSlice(0, quarter)
        self.gc2 = TernaryConv2d(quarter, half, 3, 1, pads[1], groups)
        self.gc2_bn = nn.BatchNorm2d(half)
        self.gc2_act = QReLU(arguments.k)
        self.cat = ChannelConcat()

    def forward(self, x: Tensor) -> Tensor:
        """(N, channels, H, W) levels -> (N, channels, H or ceil(H/2), ...) levels."""
        y1 = self.gc1_act(self.gc1_bn(self.gc1(self.pw(x))))
        shuffled = self.shuffle(y1)
        y2 = self.gc2_act(self.gc2_bn(self.gc2(self.first(shuffled))))
        joined = [shuffled if self.join_shuffled else y1, y2]
        return self.cat(*(joined[::-1] if self.reverse else joined))


class Normal(TensorModule):
    """Normal block: d = BNQ(DW(x)), u = GCM(x), out = shuffle(TGAP(d) ? d : bitshift(d, u))."""

    def __init__(self, channels: int, groups: int, size: Size, arguments: MdgnetArgs) -> None:
        super().__init__()
        self.dw = TernaryConv2d(channels, channels, 3, 1, conv_pads(size, 1, arguments.pad), channels)
        self.dw_bn = nn.BatchNorm2d(channels)
        self.dw_act = QReLU(arguments.k)
        self.gcm = GCM(channels, groups, 1, size, arguments)
        self.tgap = TGAP(arguments.k)
        self.shift = Bitshift(arguments.k)
        self.mux = Mux()
        self.shuffle = ChannelShuffle(channels, arguments.block_groups)

    def forward(self, x: Tensor) -> Tensor:
        """(N, channels, H, W) levels -> the same shape, levels."""
        one = self.dw_act(self.dw_bn(self.dw(x)))
        zero = self.shift(one, self.gcm(x))
        return self.shuffle(self.mux(self.tgap(one), one, zero))


class Reduced(TensorModule):
    """Reduced block: shuffle(concat(GCM(x, stride 2), BNQ(DW(x, stride 2))))."""

    def __init__(self, channels: int, groups: int, size: Size, arguments: MdgnetArgs) -> None:
        super().__init__()
        self.depthwise_first = arguments.reduced_order == "dw-gcm"
        self.gcm = GCM(channels, groups, 2, size, arguments)
        self.dw = TernaryConv2d(channels, channels, 3, 2, conv_pads(size, 2, arguments.pad), channels)
        self.dw_bn = nn.BatchNorm2d(channels)
        self.dw_act = QReLU(arguments.k)
        self.cat = ChannelConcat()
        self.shuffle = ChannelShuffle(2 * channels, arguments.block_groups)

    def forward(self, x: Tensor) -> Tensor:
        """(N, channels, H, W) levels -> (N, 2 * channels, ceil(H/2), ceil(W/2)) levels."""
        branches = [self.gcm(x), self.dw_act(self.dw_bn(self.dw(x)))]
        return self.shuffle(self.cat(*(branches[::-1] if self.depthwise_first else branches)))


class MdgnetStage(TensorModule):
    """Two normal blocks and a reduced one."""

    def __init__(self, channels: int, groups: int, size: Size, arguments: MdgnetArgs) -> None:
        super().__init__()
        self.n1 = Normal(channels, groups, size, arguments)
        self.n2 = Normal(channels, groups, size, arguments)
        self.r = Reduced(channels, groups, size, arguments)

    def forward(self, x: Tensor) -> Tensor:
        """(N, channels, H, W) levels -> (N, 2 * channels, ceil(H/2), ceil(W/2)) levels."""
        return self.r(self.n2(self.n1(x)))


class Classifier(TensorModule):
    """PW to classes, then a depthwise convolution with a kernel of the whole map: one integer a class.

    `scale` is the positive factor to the float logits; it stays outside the integers. With
    `classifier_bn` a batch norm takes its place.
    """

    def __init__(self, channels: int, size: Size, arguments: MdgnetArgs) -> None:
        super().__init__()
        classes = arguments.classes
        self.pw = TernaryConv2d(channels, classes)
        self.dw = TernaryConv2d(classes, classes, size, groups=classes)
        self.bn = nn.BatchNorm2d(classes) if arguments.classifier_bn else None
        self.flat = nn.Flatten()
        self.scale = None if arguments.classifier_bn else LogitScale((self.pw, self.dw), arguments.k)

    def forward(self, x: Tensor) -> Tensor:
        """(N, channels, H, W) levels -> (N, classes) float logits."""
        sums = self.dw(self.pw(x))
        if self.bn is not None:
            sums = self.bn(sums)
        out: Tensor = self.flat(sums)
        return out if self.scale is None else self.scale(out)


class Mdgnet(Net):
    """MDGNet(f, g): 3x3 convolution, a GCM with stride 2, the stages, the classifier."""

    def __init__(self, arguments: MdgnetArgs) -> None:
        super().__init__(arguments)
        size = (arguments.height, arguments.width)
        self.conv1 = TernaryConv2d(3, arguments.f, 3, 1, conv_pads(size, 1, arguments.pad))
        self.conv1_bn = nn.BatchNorm2d(arguments.f)
        self.conv1_act = QReLU(arguments.k)
        self.gcm0 = GCM(arguments.f, arguments.g, 2, size, arguments)
        size = halved(size)
        for number, (channels, groups) in enumerate(arguments.stages, start=1):
            self.add_module(f"s{number}", MdgnetStage(channels, groups, size, arguments))
            size = halved(size)
        self.cls = Classifier(2 * arguments.stages[-1][0], size, arguments)

    def forward(self, x: Tensor) -> Tensor:
        """(N, 3, H, W) raw pixels 0..255 as float -> (N, classes) float logits."""
        return self.cls(self.staged(self.gcm0(self.conv1_act(self.conv1_bn(self.conv1(x))))))
