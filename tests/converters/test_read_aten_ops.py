"""ATen ops, one by one: the integer graph gives what torch gives, to the last bit, or the op is refused by name."""

import numpy as np
import pytest
import torch
import torch.ao.quantization.fx
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from converters.aten_reading import SIGNED, Wrapped, check_equal, exported, given_images, levels, real_outputs
from intinfer.errors import DataError
from intinfer_converters.preprocess import Preprocess
from intinfer_converters.read_aten import read_graph

F = nn.functional


WEIGHT = torch.tensor(np.random.default_rng(0).integers(-2, 3, (6, 4, 3, 3)) / 4, dtype=torch.float32)
DEPTH = torch.tensor(np.random.default_rng(1).integers(-1, 2, (4, 1, 3, 3)), dtype=torch.float32)
LINE = torch.tensor(np.random.default_rng(2).integers(-1, 2, (3, 4, 3)), dtype=torch.float32)
MATRIX = torch.tensor(np.random.default_rng(4).integers(-3, 4, (5, 144)) / 2, dtype=torch.float32)
FEW = torch.tensor(np.random.default_rng(5).integers(-3, 4, (6, 5)), dtype=torch.float32)
CHANNEL = torch.tensor([0.5, -1.0, 2.0, 0.25]).reshape(1, 4, 1, 1)
EIGHTHS = torch.tensor([1.5, -0.25, 3.0, 0.125])
SQUARES = torch.tensor([4.0, 1.0, 0.25, 16.0])


def chosen(x):
    """A multiplexer: the mean of a channel decides."""
    return torch.where(x.mean((2, 3), keepdim=True) > 0.5, levels(x), levels(x) + 1)


def in_place(x):
    """A chain of writes over one tensor, read by its old name, and an addition into it."""
    y = levels(x * 0.5)
    z = y.detach()
    y.mul_(2).add_(1)
    other = F.relu(levels(x), inplace=True)
    other += z
    return other + y


def stepped(x):
    """x + (q - x) is q; with another op of the difference it is not, whatever the integers' widths."""
    y, q = x.to(torch.int64) * 2**21, levels(x).to(torch.int64)
    return y + (q - y).clamp(-5, 2**24 + 5) + (q + (y - q).abs()) + (q - (q - y) * 3)


def straight_through(x):
    with torch.no_grad():
        q = torch.floor(x / 4)
    return x + (q - x).detach()


OPS = {
    "conv2d": lambda x: F.conv2d(x, WEIGHT, torch.arange(6.0), stride=2, padding=(1, 0), dilation=(1, 2)),
    "conv2d same": lambda x: F.conv2d(x, WEIGHT[:, :, :2], padding="same"),
    "conv2d valid": lambda x: F.conv2d(x, WEIGHT, padding="valid"),
    "depthwise": lambda x: F.conv2d(x, DEPTH, groups=4, padding=1),
    "convolution": lambda x: torch.convolution(x, DEPTH, None, [1, 1], [0, 0], [1, 1], False, [0, 0], 4),
    "conv1d": lambda x: F.conv1d(x.flatten(2), LINE, padding=1, stride=2),
    "linear": lambda x: F.linear(x.flatten(1), MATRIX, torch.arange(5.0)),
    "linear on the last axis": lambda x: F.linear(x, FEW.t()),
    "matmul": lambda x: x @ FEW,
    "a matrix from the left": lambda x: FEW.t()[:, :6] @ x.flatten(2, 3).reshape(1, 6, 24),
    "any": lambda x: (
        torch.any(x > 15, 1).float() + torch.any(x > 18, dim=-1, keepdim=True).float().sum((1, 3)).view(1, 1, 6)
    ),
    "all": lambda x: torch.all(x < 17, 1).float(),
    "remainder": lambda x: torch.remainder(x.to(torch.int32), 5).float() + torch.remainder(levels(x), -3),
    "shifts": lambda x: ((x.to(torch.int32) << 3) + (x.to(torch.int32) >> 2)).float(),
    "lerp": lambda x: torch.lerp(x, levels(x), 0.25) + torch.lerp(levels(x), x, 0.75),
    "addcmul": lambda x: torch.addcmul(levels(x), x, torch.tensor([0.5, 2.0, -1.0, 4.0, 0.25, 1.0]), value=2),
    "columns": lambda x: F.unfold(levels(x), (3, 2), padding=(1, 0), stride=2),
    "mm": lambda x: x.reshape(1, -1).mm(MATRIX.t()),
    "addmm": lambda x: torch.addmm(torch.arange(5.0), x.view(1, -1), MATRIX.t()),
    "batch norm": lambda x: F.batch_norm(x, EIGHTHS, SQUARES - 2**-6, EIGHTHS, -EIGHTHS, eps=2**-6),
    "relu": lambda x: levels(F.relu(x)),
    "relu6": lambda x: torch.round(F.relu6(x * 0.5)),
    "hardtanh": lambda x: torch.round(F.hardtanh(x, -3.0, 5.0)),
    "clamp": lambda x: torch.clamp(x, min=-2.0, max=7.0),
    "clamp one side": lambda x: x.clamp_min(-2.0).clamp_max(3.0).clip(max=1),
    "threshold": lambda x: levels(F.threshold(x, 1.0, 1.0)),
    "leaky relu": lambda x: levels(F.leaky_relu(x, 0.125)),
    "prelu": lambda x: levels(F.prelu(x, torch.tensor([0.5, 0.25, 0.0, 1.0]))),
    "arithmetic": lambda x: (2 - (x + 3) * CHANNEL - CHANNEL) / 4,
    "alpha": lambda x: torch.add(torch.sub(levels(x), 3, alpha=2), levels(x * 0.5), alpha=-2),
    "rsub": lambda x: torch.rsub(x, 5.0, alpha=2),
    "negative": lambda x: -x,
    "roundings": lambda x: (
        torch.floor(x * 0.375) + torch.ceil(x * 0.375) + torch.trunc(x * 0.375) + torch.round(x * 0.375)
    ),
    "floor division": lambda x: torch.div(levels(x), 2, rounding_mode="floor"),
    "division of integers": lambda x: sum(
        torch.div(x.to(torch.int32), number, rounding_mode=mode)
        for mode in ("trunc", "floor")
        for number in (3, -7, torch.tensor([1, 2, -3, 40], dtype=torch.int32).view(1, 4, 1, 1))
    ),
    "true division of integers": lambda x: x.to(torch.int16) / 4,
    "sign": lambda x: torch.sign(x + CHANNEL),
    "absolute": lambda x: torch.abs(x) - torch.absolute(levels(x * 0.5)),
    "absolute of integers": lambda x: x.to(torch.int8).abs() - x.to(torch.int64).abs() + x.to(torch.int32).abs(),
    "what is no straight through": stepped,
    "hard sigmoid": lambda x: torch.round(F.hardsigmoid(x * 0.375) * 31),
    "comparisons": lambda x: (x > 1).float() + (x >= -2).float() + (x < 0.5) + (x <= CHANNEL).to(torch.float32),
    "logic": lambda x: (
        (torch.logical_and(x > -3, x < 5) | (x > CHANNEL)).float()
        + (torch.logical_or(x > 9, levels(x) + 4) & torch.logical_not(levels(x) + 4)).float()
        + (~((x > 1) & (levels(x) > 2))).float()
        + torch.logical_and(x > 1, torch.tensor([0, 2, 0, -1]).view(1, 4, 1, 1)).float()
    ),
    "logical not": lambda x: torch.where(torch.logical_not(x > 2), 1.0, -1.0),
    "comparison of two": lambda x: torch.gt(levels(x), levels(x * 0.5)).float(),
    "where": lambda x: torch.where(x > 0, 3.0, -1.0),
    "where a clip": lambda x: levels(torch.where(x > 1, x, torch.tensor(1.0))),
    "multiplexer": chosen,
    "a constant condition": lambda x: (
        torch.where(torch.tensor(True), x, 3.0)
        + x.masked_fill(torch.tensor(False), 9.0)
        + x.masked_fill(CHANNEL > 9, 1)
    ),
    "masked fill": lambda x: levels(x).masked_fill(x.mean((2, 3), keepdim=True) > 0.5, 2.0),
    "maximum": lambda x: torch.maximum(torch.minimum(x, torch.tensor(7.0)), torch.tensor(-3.0)),
    "maximum of numbers": lambda x: torch.fmax(torch.fmin(x, torch.tensor(7.0)), levels(x * 0.5)),
    "max pool": lambda x: F.max_pool2d(x, 3, stride=2, padding=1, dilation=1),
    "max pool, ceil": lambda x: F.max_pool2d(x, 4, ceil_mode=True),
    "max pool 1d": lambda x: F.max_pool1d(x.flatten(2), 3),
    "adaptive max pool": lambda x: F.adaptive_max_pool2d(x, (2, 1)),
    "average pool": lambda x: F.avg_pool2d(x, 2, stride=1),
    "adaptive average pool": lambda x: F.adaptive_avg_pool2d(x[..., :4, :4], (2, 1)),
    "global average": lambda x: F.adaptive_avg_pool2d(x[..., :4, :2], 1),
    "mean": lambda x: x[..., :4].mean(-1, keepdim=True)[:, :, :4].mean(2),
    "sum": lambda x: x.sum((2, 3)),
    "amax": lambda x: x.amax((1,)),
    "max over an axis": lambda x: x.max(dim=1).values,
    "amin": lambda x: x.amin((2, 3), keepdim=True) - torch.amin(levels(x), 1, keepdim=True).amax((2, 3), keepdim=True),
    "min over an axis": lambda x: x.min(dim=1).values + x.to(torch.int8).amin((1,)),
    "min of bits": lambda x: (x > 2).amin((2, 3)).float() + (x > 2).amax((1, 2)).sum(1, keepdim=True),
    "argmin": lambda x: x.argmin(2).float() + x.to(torch.int32).argmin(2, keepdim=False) * 2,
    "argmax": lambda x: x.flatten(1).argmax(1).float(),
    "concatenate": lambda x: torch.cat([levels(x), levels(x * 0.25), torch.ones(1, 2, 6, 6)], 1),
    "concatenate rows": lambda x: torch.cat([x, x.flip(2)], 2),
    "stack": lambda x: torch.stack([x, x * 1], 2).flatten(1),
    "split": lambda x: torch.cat([*torch.split(x, [1, 3], 1)[::-1], *x.chunk(3, 1), x.unbind(1)[2][:, None]], 1),
    "slices": lambda x: x[:, 1:3, ::2, 1:-1],
    "select": lambda x: x[:, 2],
    "constant indices": lambda x: x[:, torch.tensor([3, 0, 0])].index_select(3, torch.tensor([1, 4])),
    "transposes": lambda x: x.permute(0, 2, 3, 1).transpose(1, 2).reshape(1, -1, 4).mT.contiguous().view(1, 4, 6, 6),
    "squeeze": lambda x: x[:, :1].squeeze(1).unsqueeze(-1).squeeze(-1).unsqueeze(1),
    "expand": lambda x: x[:, :1].expand(-1, 3, -1, -1).repeat(1, 1, 2, 1),
    "pixel shuffle": lambda x: F.pixel_unshuffle(F.pixel_shuffle(x, 2), 3),
    "channel shuffle": lambda x: F.channel_shuffle(x, 2),
    "nearest": lambda x: F.interpolate(x, scale_factor=2, mode="nearest"),
    "nearest, uneven": lambda x: F.interpolate(x, size=(9, 4), mode="nearest"),
    "pads": lambda x: F.pad(F.pad(x, (1, 0, 2, -1), value=-3.0), (0, 1)),
    "reflection": lambda x: F.pad(x, (1, 2, 0, 1), mode="reflect"),
    "circular": lambda x: F.pad(x, (1, 1, 1, 1), mode="circular"),
    "copies": lambda x: F.dropout(x.clone().contiguous().detach() + torch.tensor([1.0]), 0.5, False).to(torch.float32),
    "in place": in_place,
    "straight through": straight_through,
    "integers": lambda x: (x.to(torch.int32) * 3).clamp(0, 21).to(torch.float32),
    "constants": lambda x: x * torch.sqrt(torch.full((4, 1, 1), 4.0)) + torch.arange(4.0).view(1, 4, 1, 1).abs(),
    "unflatten": lambda x: x.flatten(1).unflatten(1, (12, 12)).movedim(2, 1),
}


@pytest.mark.parametrize("name", OPS)
def test_an_op_is_exact(name):
    check_equal(Wrapped(OPS[name]))


@settings(max_examples=15, deadline=None)
@given(before=st.integers(1, 50), after=st.integers(1, 50), factor=st.booleans())
def test_nearest_takes_torchs_own_elements(before, after, factor):
    arguments = {"scale_factor": after / before} if factor else {"size": after}
    module = Wrapped(lambda x: F.interpolate(x.flatten(2), mode="nearest", **arguments))
    images = np.arange(before).reshape(1, 1, 1, before)
    check_equal(module, (1, 1, before), images, Preprocess(lo=0, hi=63))


@settings(max_examples=25, deadline=None)
@given(
    scale=st.floats(2**-6, 4.0),
    zero=st.integers(0, 255),
    divide=st.sampled_from([1, 3, 7, 16]),
)
def test_fake_quantisation_is_torchs(scale, zero, divide):
    """Every reciprocal as torch takes it: 1 of 3 scales has pixels where the choice is visible."""
    images = np.arange(-512, 512).reshape(1, 4, 16, 16)

    def fake(x):
        return torch.fake_quantize_per_tensor_affine(x / divide, scale, zero, 0, 255)

    def decomposed(x):
        ops = torch.ops.quantized_decomposed
        q = ops.quantize_per_tensor.default(x / divide, scale, zero, 0, 255, torch.uint8)
        return ops.dequantize_per_tensor.default(q, scale, zero, 0, 255, torch.uint8)

    for function in (fake, decomposed):
        module = Wrapped(function)
        reading = read_graph(exported(module, (4, 16, 16)), pixels=Preprocess(lo=-512, hi=511))
        wanted = module(torch.from_numpy(images).float()).numpy()
        (found,) = real_outputs(reading, images)
        assert np.array_equal(found.astype(np.float32), wanted)


def test_fake_quantisation_of_a_channel():
    scale, zero = torch.tensor([0.1, 0.25, 1 / 3, 2.0]), torch.zeros(4, dtype=torch.int32)
    module = Wrapped(lambda x: torch.fake_quantize_per_channel_affine(x, scale, zero, 1, -8, 7))
    images = given_images()
    (found,) = real_outputs(read_graph(exported(module), pixels=SIGNED), images)
    assert np.array_equal(found.astype(np.float32), module(torch.from_numpy(images).float()).numpy())


def test_fake_quantisation_with_a_zero_point_a_channel():
    """The levels of a channel are those of its own zero point."""
    scale, zero = torch.tensor([0.1, 0.25, 1 / 3, 2.0]), torch.tensor([0, 3, -8, 7], dtype=torch.int32)
    module = Wrapped(lambda x: torch.fake_quantize_per_channel_affine(x, scale, zero, 1, -8, 7))
    images = given_images()
    (found,) = real_outputs(read_graph(exported(module), pixels=SIGNED), images)
    assert np.array_equal(found.astype(np.float32), module(torch.from_numpy(images).float()).numpy())


def overwritten_view(x):
    y = levels(x)
    z = y.flatten(1)
    y.add_(1)
    return z


STATE = nn.BatchNorm2d(4)


def counted(x, norm):
    return x + norm.running_mean.add_(1).reshape(1, -1, 1, 1)


REFUSED = {
    "a view of what is written over": (overwritten_view, "it reads 'flatten', part of whose memory 'add_' has written"),
    "two computed factors": (lambda x: x * x, "multiplies two computed tensors"),
    "a computed divisor": (lambda x: x / x, "divides by a computed tensor"),
    "uneven windows": (lambda x: F.adaptive_avg_pool2d(x, 4), r"windows differ in size: \(6, 6\) does not divide"),
    "indices": (lambda x: F.max_pool2d(x, 2, return_indices=True)[1], "indices of a maximum are not computed"),
    "a transposed convolution": (lambda x: F.conv_transpose2d(x, DEPTH), "conv_transpose2d"),
    "floor division by 3": (lambda x: torch.div(x, 3, rounding_mode="floor"), "by what is no power of two"),
    "a fused factor": (lambda x: torch.add(x, levels(x), alpha=0.3), "its alpha 0.3 is no power of two"),
    "indices of a minimum": (
        lambda x: x.min(dim=1).indices,
        "indices of a maximum are not computed; argmax and argmin",
    ),
    "the minimum of a batch": (lambda x: levels(x) - x.min(), "it reduces over the batch axis; give the other axes"),
    "a fused product": (lambda x: torch.lerp(x, levels(x), 0.3), "write product and sum as two ops"),
    "a remainder of reals": (lambda x: torch.remainder(x * 0.3, 1), "the remainder of what may be no integer"),
    "far shifts": (lambda x: (x.to(torch.int32) << 40).float(), "it shifts int32 by 40 to 40 places"),
    "computed shifts": (lambda x: (3 << x.to(torch.int32)).float(), "integers are shifted by a constant"),
    "computed weights": (lambda x: F.linear(FEW, x.flatten(1)[:, :5]), "its weights are computed; exchange them"),
    "bits of integers": (lambda x: x.to(torch.int32) & 3, r"its input is int32; bits \(bool\) are due"),
    "what may be negative as a truth": (lambda x: torch.logical_not(x).float(), "casts to bool what may be negative"),
    "a softmax": (
        lambda x: torch.softmax(x, 1),
        "the op is not supported; it has no integer meaning; the largest score",
    ),
    "large quotients": (
        lambda x: torch.div((x * 2**20).to(torch.int64), 3, rounding_mode="floor"),
        "it divides integers up to 2.09715e\\+07 by constants of int64; integers below 16777216",
    ),
    "decimals": (lambda x: torch.round(x, decimals=1), "rounds to 1 decimals"),
    "an activation in double": (lambda x: x.double() * 0.1, "the float ops of a network are all in float32"),
    "NaN": (lambda x: x * float("nan"), "no integer meaning with NaN"),
    "bits": (lambda x: levels(x).view(torch.int32).float(), "takes the bits of its argument for another type"),
    "a state": (counted, "(it changes '.*running_mean', a state from one image to the next|has a buffer mutation)"),
    "no input": (lambda x: torch.ones(1, 2), "it does not depend on the input"),
    "the batch": (lambda x: x.transpose(0, 1), "the batch axis stays first"),
    "a training batch norm": (
        lambda x: F.batch_norm(x, None, None, training=True),
        "batch norm in training mode; call .eval",
    ),
    "training dropout": (lambda x: F.dropout(x, 0.5, True), "training mode; call .eval"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused(name):
    function, words = REFUSED[name]
    with pytest.raises(DataError, match=words) as caught:
        read_graph(exported(Wrapped(function, *[STATE] * (function is counted))), pixels=SIGNED)
    assert "\n" not in str(caught.value)
