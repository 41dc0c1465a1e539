"""The layers that MDGNet adds: four pads, channel shuffle and slice, the logits' scale; alone and as they are read."""

import numpy as np
import pytest
import torch
from torch import nn

from intinfer.errors import DataError
from intinfer_converters import convert
from intinfer_converters.nets import build
from intinfer_converters.nets.base import ChannelShuffle, ChannelSlice, LogitScale
from intinfer_converters.nets.layers import BinaryConv2d, TernaryConv2d

SMALL = "mdgnet:f=8,g=2,k=2,height=13,width=10,levels=1,classes=3"


# --- padding ----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("pads", [0, 1, (0, 0, 1, 1), (1, 0, 1, 1), (2, 0, 2, 0), (0, 3, 1, 2)])
def test_a_convolution_with_four_pads(pads):
    top, left, bottom, right = (pads,) * 4 if isinstance(pads, int) else pads
    conv = BinaryConv2d(2, 1, (3, 2), stride=2, padding=pads)
    x = torch.randint(0, 4, (1, 2, 5, 4)).float()
    bordered = np.zeros((2, 5 + top + bottom, 4 + left + right))
    bordered[:, top : top + 5, left : left + 4] = x[0].numpy()
    kernel = conv.integer_weight()[0].numpy()
    wanted = [
        [float((bordered[:, y : y + 3, c : c + 2] * kernel).sum()) for c in range(0, bordered.shape[2] - 1, 2)]
        for y in range(0, bordered.shape[1] - 2, 2)
    ]
    assert conv(x)[0, 0].tolist() == wanted


# --- channels ---------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("channels", "groups"), [(12, 1), (12, 2), (12, 3), (12, 4), (12, 12), (64, 2)])
def test_channel_shuffle(channels, groups):
    layer = ChannelShuffle(channels, groups)
    x = torch.arange(channels * 2 * 3 * 2).reshape(2, channels, 3, 2)
    out = layer(x)
    for i in range(groups):
        for j in range(channels // groups):
            assert layer.indices[j * groups + i] == i * (channels // groups) + j
            assert torch.equal(out[:, j * groups + i], x[:, i * (channels // groups) + j])


def test_channel_shuffle_of_groups_that_do_not_divide():
    with pytest.raises(ValueError, match=r"^3 groups do not divide 8 channels$"):
        ChannelShuffle(8, 3)


def test_channel_slice():
    x = torch.arange(24).reshape(1, 6, 2, 2)
    assert ChannelSlice(1, 4).indices == (1, 2, 3)
    assert torch.equal(ChannelSlice(1, 4)(x), x[:, [1, 2, 3]])


class Wired(nn.Module):
    """Reads one tensor twice, and gives a MUX its inputs by keyword, out of order."""

    def __init__(self):
        super().__init__()
        net = build(SMALL).s1.n1
        self.conv, self.act = TernaryConv2d(3, 4), net.dw_act
        self.tgap, self.mux, self.flat = net.tgap, net.mux, nn.Flatten()
        self.slice = ChannelSlice(0, 2)

    def forward(self, x):
        a = self.act(self.conv(x))
        b = self.slice(a)
        joined = torch.cat((b, b), dim=-3)
        return self.flat(torch.cat([self.mux(zero=joined, select=self.tgap(a), one=a), a], 1))


def test_operands_are_read_in_their_order():
    graph = convert(Wired().eval(), torch.zeros(3, 2, 2))
    reads = {node.name: node.inputs for node in graph.nodes}
    assert reads["cat"] == ("slice", "slice")
    assert reads["mux"] == ("tgap", "conv.act", "cat")
    assert reads["cat2"] == ("mux", "conv.act")


class WrongCall(Wired):
    """A MUX without its third input."""

    def forward(self, x):
        a = self.act(self.conv(x))
        return self.mux(self.tgap(a), a)


def test_a_layer_called_with_too_few_inputs():
    with pytest.raises(DataError, match=r"^mux \(Mux\): missing a required argument: 'zero'$"):
        convert(WrongCall().eval(), torch.zeros(3, 2, 2))


# --- the scale of the logits ------------------------------------------------------------------------------------------
def test_the_scale_is_the_steps_over_the_top_level():
    net = build(SMALL)
    assert net.cls.scale.factor == pytest.approx(1 / 3)
    sums = torch.tensor([[6.0, -3.0, 0.0]])
    steps = float(net.cls.pw.step) * float(net.cls.dw.step)
    assert net.cls.scale(sums).tolist()[0] == pytest.approx([2 * steps, -steps, 0])
    assert float(net.cls.scale.factor) == pytest.approx(steps / 3)
    net.cls.pw.quantised = net.cls.dw.quantised = False
    assert net.cls.scale(sums).tolist()[0] == pytest.approx([2, -1, 0])
    net.cls.scale.factor.fill_(0.5)
    assert net.eval().cls.scale(sums).tolist() == [[3, -1.5, 0]]  # evaluation takes what is stored
    assert [name for name, m in net.named_modules() if isinstance(m, LogitScale)] == ["cls.scale"]
    assert [name for name in net.state_dict() if name.startswith("cls.")] == [
        "cls.pw.weight", "cls.pw.step", "cls.dw.weight", "cls.dw.step", "cls.scale.factor",
    ]  # fmt: skip


def test_the_scale_is_the_output_s():
    net = build(SMALL).eval()
    net.cls.scale.factor.fill_(0.375)
    (output,) = convert(net).outputs
    assert output.value == "cls.flat"
    assert ([float(s) for s in output.scale], [float(o) for o in output.offset]) == ([0.375], [0])


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (0.0, "cls.scale.factor is [0.0]; the logit scale is one positive number"),
        (-2.0, "cls.scale.factor is [-2.0]; the logit scale is one positive number"),
        (
            float("nan"),
            "cls.scale.factor: element 0 is nan; a network with NaN or infinite parameters has no integer meaning, "
            "train it again or restore an earlier checkpoint",
        ),
    ],
)
def test_a_scale_that_is_not_positive(value, message):
    net = build(SMALL).eval()
    net.cls.scale.factor.fill_(value)
    with pytest.raises(DataError) as caught:
        convert(net)
    assert str(caught.value) == message


def test_a_flatten_of_some_axes_is_refused():
    net = nn.Sequential(nn.Flatten(2))
    with pytest.raises(DataError, match=r"^0: Flatten\(2, -1\) is not supported; use Flatten\(1, -1\)$"):
        convert(net, torch.zeros(3, 2, 2))
