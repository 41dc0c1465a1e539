"""ATen ops, one by one and together: the integer graph gives what torch gives, to the last bit."""

import io
import warnings

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.ao.quantization import FusedMovingAvgObsFakeQuantize, MovingAverageMinMaxObserver

from intinfer import reference
from intinfer.errors import DataError
from intinfer_converters.check import check
from intinfer_converters.check.aten_runner import AtenRunner
from intinfer_converters.floatnet import Conv, Quantise, QuantisedWeight
from intinfer_converters.lower import lower
from intinfer_converters.preprocess import Preprocess
from intinfer_converters.read_aten import export_program, read_exported, read_graph, read_program, read_pt2
from intinfer_converters.read_aten.program import read_stream

SIGNED = Preprocess(lo=-20, hi=20)
SHAPE = (4, 6, 6)
F = nn.functional


class Wrapped(nn.Module):
    """A function as a module."""

    def __init__(self, function, *children):
        super().__init__()
        self.function = function
        self.children_of = nn.ModuleList(children)

    def forward(self, x):
        return self.function(x, *self.children_of)


def given_images(shape=SHAPE, count=5, lo=-20, hi=20):
    return np.random.default_rng(3).integers(lo, hi + 1, (count, *shape))


def exported(module, shape=SHAPE):
    return export_program(module, torch.zeros(1, *shape))


def real_outputs(reading, images):
    """What the lowered graph gives, as real numbers in float64, by output."""
    graph = lower(reading.net)
    found = reference.run(graph, images)
    for out in graph.outputs:
        z = found[out.name]
        scale, offset = (np.array([float(n) for n in numbers]) for numbers in (out.scale, out.offset))
        column = (1, -1) + (1,) * (z.ndim - 2)
        yield z * scale.reshape(column) + offset.reshape(column)


def check_equal(module, shape=SHAPE, images=None, pixels=SIGNED):
    """The graph's output is torch's, exactly; and so is every tensor that the runner keeps."""
    module = module.eval()
    images = given_images(shape) if images is None else images
    program = exported(module, shape)
    reading = read_graph(program, pixels=pixels)
    with torch.no_grad():
        wanted = np.stack([module(torch.from_numpy(image[None]).float()).numpy()[0] for image in images])
    runner = AtenRunner(program, pixels=pixels)
    kept = runner.run(images)
    assert set(kept) >= set(runner.reading.tensors)
    assert np.array_equal(kept[program.outputs[0]], wanted)
    (found,) = real_outputs(reading, images)
    assert np.array_equal(found.reshape(wanted.shape), wanted.astype(np.float64))
    return reading


WEIGHT = torch.tensor(np.random.default_rng(0).integers(-2, 3, (6, 4, 3, 3)) / 4, dtype=torch.float32)
DEPTH = torch.tensor(np.random.default_rng(1).integers(-1, 2, (4, 1, 3, 3)), dtype=torch.float32)
LINE = torch.tensor(np.random.default_rng(2).integers(-1, 2, (3, 4, 3)), dtype=torch.float32)
MATRIX = torch.tensor(np.random.default_rng(4).integers(-3, 4, (5, 144)) / 2, dtype=torch.float32)
FEW = torch.tensor(np.random.default_rng(5).integers(-3, 4, (6, 5)), dtype=torch.float32)
CHANNEL = torch.tensor([0.5, -1.0, 2.0, 0.25]).reshape(1, 4, 1, 1)
EIGHTHS = torch.tensor([1.5, -0.25, 3.0, 0.125])
SQUARES = torch.tensor([4.0, 1.0, 0.25, 16.0])


def levels(x):
    """A quantiser to -4..4."""
    return torch.clamp(torch.round(x), -4, 4)


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
    "mm": lambda x: x.reshape(1, -1).mm(MATRIX.t()),
    "addmm": lambda x: torch.addmm(torch.arange(5.0), x.view(1, -1), MATRIX.t()),
    "batch norm": lambda x: F.batch_norm(x, EIGHTHS, SQUARES, EIGHTHS, -EIGHTHS, eps=0.0),
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


@pytest.mark.parametrize("channelwise", [False, True])
def test_quantised_weights_keep_their_integers(channelwise):
    ops = torch.ops.quantized_decomposed
    q = torch.tensor(np.random.default_rng(7).integers(-127, 128, (6, 4, 3, 3)), dtype=torch.int8)
    scales = torch.rand(6, generator=torch.Generator().manual_seed(1)) + 0.1
    zeros = torch.zeros(6, dtype=torch.int64)

    def dequantised():
        if channelwise:
            return ops.dequantize_per_channel.default(q, scales, zeros, 0, -127, 127, torch.int8)
        return ops.dequantize_per_tensor.default(q, 0.3, 0, -127, 127, torch.int8)

    module = Wrapped(lambda x: F.conv2d(x, dequantised()))
    reading = read_graph(exported(module), pixels=SIGNED)
    (weight,) = [node.op.weight for node in reading.net.nodes if isinstance(node.op, Conv)]
    assert isinstance(weight, QuantisedWeight)
    assert np.array_equal(weight.tensor.values, q.numpy())
    wanted = scales.numpy() if channelwise else np.float32([0.3])
    assert [float(s) for s in weight.scale] == wanted.astype(np.float64).tolist()


class Block(nn.Module):
    """A residual block as torchvision writes it, with fake quantisers."""

    def __init__(self, channels, wider, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(channels, wider, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(wider)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(wider, wider, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(wider)
        self.down = nn.Sequential(nn.Conv2d(channels, wider, 1, stride, bias=False), nn.BatchNorm2d(wider))

    def forward(self, x):
        y = self.relu(self.bn1(self.conv1(x)))
        y = torch.fake_quantize_per_tensor_affine(y, 0.125, 0, 0, 15)
        y = torch.fake_quantize_per_tensor_affine(self.bn2(self.conv2(y)), 0.25, 0, -8, 7)
        out = y + torch.fake_quantize_per_tensor_affine(self.down(x), 0.25, 0, -8, 7)
        return torch.fake_quantize_per_tensor_affine(self.relu(out), 0.25, 0, 0, 15)


def residual(dyadic=True):
    """A network of two blocks; with dyadic parameters every float op of it is exact."""
    torch.manual_seed(5)
    module = nn.Sequential(Block(3, 4, 1), Block(4, 8, 2), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 5))
    with torch.no_grad():
        for part in module.modules():
            if isinstance(part, (nn.Conv2d, nn.Linear)):
                part.weight.copy_(torch.randint(-1, 2, part.weight.shape) / 8)
            if isinstance(part, nn.BatchNorm2d):
                part.running_mean.copy_(torch.randint(-4, 5, part.running_mean.shape) / 8)
                part.running_var.copy_(torch.tensor([4.0, 1.0, 0.25, 1.0])[torch.arange(part.num_features) % 4])
                part.weight.copy_(torch.randint(1, 4, part.weight.shape) / 4)
                part.bias.copy_(torch.randint(-4, 5, part.bias.shape) / 4)
                part.eps = 0.0 if dyadic else 1e-5
        module[-1].bias.copy_(torch.arange(5) / 4)
    return module.eval()


def test_a_residual_network():
    reading = check_equal(residual(), (3, 8, 8), given_images((3, 8, 8)))
    sources = {source for node in reading.net.nodes for source in node.source}
    assert {"0.conv1.weight", "0.bn1.running_mean", "1.down.0", "4.weight", "4.bias"} <= sources


@pytest.mark.parametrize("batch", [1, 3, None])
def test_the_batch_of_the_export_does_not_matter(tmp_path, batch):
    def forward(x):
        y = levels(x).view(x.shape[0], 2, -1)
        return torch.cat(y.chunk(2, 1), 2).reshape(x.size(0), -1)[:, ::2] + torch.ones(x.shape[0], 1)

    module = Wrapped(forward)
    example = torch.zeros(batch or 2, *SHAPE)
    dynamic = None if batch else ({0: torch.export.Dim("n")},)
    program = torch.export.export(module.eval(), (example,), dynamic_shapes=dynamic)
    path = tmp_path / "m.pt2"
    torch.export.save(program, path)
    images = given_images(count=7)
    reading = read_pt2(path, pixels=SIGNED)
    (found,) = real_outputs(reading, images)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        wanted = module(torch.from_numpy(images).float()).numpy()
    assert np.array_equal(found, wanted)
    kept = AtenRunner(read_program(path), pixels=SIGNED).run(images)
    assert all(len(array) == 7 for array in kept.values())
    assert np.array_equal(kept[next(iter(reading.net.outputs))], wanted)


def test_blocks_without_gradients_are_written_in_place(tmp_path):
    """`with torch.no_grad():` is exported as a graph in the graph."""

    def forward(x):
        y = levels(x)
        with torch.no_grad():
            kept, q = y, torch.floor(y / 2)
        with torch.no_grad():
            q = q + 1
        return kept + q

    module = Wrapped(forward)
    program = torch.export.export(module, (torch.zeros(1, *SHAPE),))
    assert any("set_grad_enabled" in str(node.target) for node in program.graph.nodes)
    path = tmp_path / "m.pt2"
    torch.export.save(program, path)
    images = given_images()
    (found,) = real_outputs(read_pt2(path, pixels=SIGNED), images)
    wanted = module(torch.from_numpy(images).float()).numpy()
    assert np.array_equal(found, wanted)
    kept = AtenRunner(read_program(path), pixels=SIGNED).run(images)
    assert np.array_equal(kept["add_1" if "add_1" in kept else "add"], wanted)


def test_check_explains_every_difference():
    """Parameters as training leaves them: float ties, but no mismatch."""
    runner = AtenRunner(exported(residual(dyadic=False), (3, 8, 8)), pixels=Preprocess(divide="255"))
    images = given_images((3, 8, 8), count=20, lo=0, hi=255)
    report = check(lower(runner.reading.net), runner, images)
    assert report.images == 20
    assert sum(node.values for node in report.nodes) > 10_000
    assert not [node for node in report.nodes if node.mismatches]


def test_an_open_axis_needs_its_size(tmp_path):
    dynamic = ({2: torch.export.Dim("h", min=4, max=32)},)
    path = tmp_path / "m.pt2"
    torch.export.save(torch.export.export(Wrapped(levels), (torch.zeros(1, *SHAPE),), dynamic_shapes=dynamic), path)
    with pytest.raises(DataError, match=r"has shape \(1, 4, \?, 6\); say its open axes: --shape x=1,\.\.\."):
        read_pt2(path, pixels=SIGNED)
    with pytest.raises(DataError, match=r"the given \(1, 4, 8, 7\) does not fit it"):
        read_pt2(path, pixels=SIGNED, shapes={"x": (1, 4, 8, 7)})
    with pytest.raises(DataError, match="a shape is given for 'y'; the network's input is 'x'"):
        read_pt2(path, pixels=SIGNED, shapes={"y": (1, 4, 8, 6)})
    for name in ("x", "input"):
        reading = read_pt2(path, pixels=SIGNED, shapes={name: (1, 4, 8, 6)})
        assert reading.net.nodes[0].op.size == (4, 8, 6)


class Straight(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return torch.round(torch.clamp(x, 0, 1) * 15) / 15

    @staticmethod
    def backward(ctx, gradient):
        return gradient


def test_autograd_functions_are_what_they_compute():
    reading = read_graph(exported(Wrapped(lambda x: Straight.apply(x / 8))), pixels=SIGNED)
    (quantise,) = [node.op for node in reading.net.nodes if isinstance(node.op, Quantise)]
    assert (quantise.base, quantise.step, quantise.count) == (0, 1, 15)


def test_all_refusals_in_one_line():
    class Odd(nn.Module):
        def __init__(self):
            super().__init__()
            self.act = nn.Sigmoid()

        def forward(self, x):
            y = self.act(x)
            return y * 2, torch.softmax(x, 1), torch.topk(x, 2, dim=1).values, levels(x)

    with pytest.raises(DataError) as caught:
        read_graph(exported(Odd()), pixels=SIGNED)
    text = str(caught.value)
    assert text.startswith(
        "3 node(s) cannot be converted: sigmoid (aten.sigmoid.default in act): the op is supported for"
    )
    assert "; softmax (aten.softmax.int): the op is not supported" in text
    assert "\n" not in text


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


def test_the_fake_quantiser_of_qat_with_its_observer_off():
    fake = FusedMovingAvgObsFakeQuantize(MovingAverageMinMaxObserver, quant_min=0, quant_max=255, dtype=torch.quint8)
    fake(torch.linspace(-20, 20, 100))
    module = Wrapped(lambda x, f: f(x), fake)
    with pytest.raises(DataError, match="its observer is on, so that it changes its own scale; call disable_observer"):
        read_graph(exported(module), pixels=SIGNED)
    fake.disable_observer()
    images = given_images()
    (found,) = real_outputs(read_exported(module, torch.zeros(1, *SHAPE), pixels=SIGNED), images)
    assert np.array_equal(found.astype(np.float32), module(torch.from_numpy(images).float()).detach().numpy())


def test_images_that_are_mixed_are_seen():
    dynamic = ({0: torch.export.Dim("n")},)
    for function in (lambda x: levels(x).flip(0), lambda x: levels(x) - levels(x)[:1]):
        program = torch.export.export(Wrapped(function).eval(), (torch.zeros(2, *SHAPE),), dynamic_shapes=dynamic)
        buffer = io.BytesIO()
        torch.export.save(program, buffer)
        with pytest.raises(DataError, match=r"mixes the images of a batch|the batch axis stays first"):
            read_graph(read_stream(buffer, "m"), pixels=SIGNED)


def test_a_module_that_cannot_be_exported():
    def branching(x):
        return x if x.sum() > 0 else -x

    with pytest.raises(DataError, match=r"torch\.export cannot export Wrapped: .*; write its forward without branches"):
        read_exported(Wrapped(branching), torch.zeros(1, *SHAPE), pixels=SIGNED)
    module = residual().train()
    reading = read_exported(module, np.zeros((2, 3, 8, 8)), pixels=SIGNED)
    assert reading.net.dtype == np.float32
    assert all(part.training for part in module.modules())
