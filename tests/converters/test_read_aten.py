"""Exported networks as a whole: the integer graph gives what torch gives, to the last bit."""

import io
import warnings

import numpy as np
import pytest
import torch
import torch.ao.quantization.fx
from torch import nn
from torch.ao.quantization import FusedMovingAvgObsFakeQuantize, MovingAverageMinMaxObserver

from converters.aten_reading import (
    SHAPE,
    SIGNED,
    Wrapped,
    check_equal,
    exported,
    given_images,
    levels,
    read_pt2,
    real_outputs,
)
from intinfer.errors import DataError
from intinfer_converters.check import check
from intinfer_converters.check.aten_runner import AtenRunner
from intinfer_converters.floatnet import Conv, Quantise, QuantisedWeight
from intinfer_converters.lower import lower
from intinfer_converters.preprocess import Preprocess
from intinfer_converters.read_aten import export_program, read_graph, read_program
from intinfer_converters.read_aten.program import read_stream

F = nn.functional


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
                part.eps = 2.0**-6 if dyadic else 1e-5
                part.running_var.copy_(torch.tensor([4.0, 1.0, 0.25, 1.0])[torch.arange(part.num_features) % 4])
                part.running_var.sub_(part.eps if dyadic else 0)
                part.weight.copy_(torch.randint(1, 4, part.weight.shape) / 4)
                part.bias.copy_(torch.randint(-4, 5, part.bias.shape) / 4)
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


def test_the_fake_quantiser_of_qat_with_its_observer_off():
    fake = FusedMovingAvgObsFakeQuantize(MovingAverageMinMaxObserver, quant_min=0, quant_max=255, dtype=torch.quint8)
    fake(torch.linspace(-20, 20, 100))
    module = Wrapped(lambda x, f: f(x), fake)
    with pytest.raises(DataError, match="its observer is on, so that it changes its own scale; call disable_observer"):
        read_graph(exported(module), pixels=SIGNED)
    fake.disable_observer()
    images = given_images()
    (found,) = real_outputs(read_graph(export_program(module, torch.zeros(1, *SHAPE)), pixels=SIGNED), images)
    assert np.array_equal(found.astype(np.float32), module(torch.from_numpy(images).float()).detach().numpy())


def test_images_that_are_mixed_are_seen():
    dynamic = ({0: torch.export.Dim("n")},)
    mixing = (
        lambda x: levels(x).flip(0),
        lambda x: levels(x) - levels(x)[:1],
        lambda x: levels(x).flatten(0, 1)[: x.shape[0]],
    )
    for function in mixing:
        program = torch.export.export(Wrapped(function).eval(), (torch.zeros(2, *SHAPE),), dynamic_shapes=dynamic)
        buffer = io.BytesIO()
        torch.export.save(program, buffer)
        with pytest.raises(DataError, match=r"mixes the images of a batch|the batch axis stays first"):
            read_graph(read_stream(buffer, "m"), pixels=SIGNED)


def test_a_module_that_cannot_be_exported():
    def branching(x):
        return x if x.sum() > 0 else -x

    with pytest.raises(DataError, match=r"torch\.export cannot export Wrapped: .*; write its forward without branches"):
        export_program(Wrapped(branching), torch.zeros(1, *SHAPE))
    module = residual().train()
    reading = read_graph(export_program(module, np.zeros((2, 3, 8, 8))), pixels=SIGNED)
    assert reading.net.dtype == np.float32
    assert all(part.training for part in module.modules())
