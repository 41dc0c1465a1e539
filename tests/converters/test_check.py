"""`check`: what is exact, what float32 rounding explains, and that every planted error is named where it is."""

from __future__ import annotations

import copy
import dataclasses
from typing import Any

import numpy as np
import pytest
import torch
from helpers import unchecked
from torch import nn

from converters.random_nets import DYADIC, RANDOM, TIES, randomised
from intinfer.accumulator import Accumulator, TapOrder
from intinfer.errors import DataError, RangeError
from intinfer.graph import Graph, Node
from intinfer.tensor import IntTensor
from intinfer_converters import convert
from intinfer_converters.check import CheckReport, check
from intinfer_converters.check.checker import Checker
from intinfer_converters.nets.layers import QReLU, TernaryConv2d

SMALL = "mognet:n=8,g=2,height=8,width=8,classes=5,layout=1m-2m-2,pool=12"
MDGNET = "mdgnet:f=8,g=1,k=3,height=16,width=16"
NOT_COMPARED = {"final1x1.gap", "logits"}


def counts(report: CheckReport) -> tuple[int, int, int]:
    assert report.exact + report.float_ties + report.mismatches == report.values
    return report.exact, report.float_ties, report.mismatches


def failing(report: CheckReport) -> list[str]:
    return [node.name for node in report.nodes if node.mismatches]


# --------------------------------------------------------------------------------------------- agreement


@pytest.mark.parametrize("style", [RANDOM, DYADIC])
@pytest.mark.parametrize("text", [f"{SMALL},k=1", f"{SMALL},k=3", f"{SMALL},k=8,last_bits=2", MDGNET])
def test_every_value_is_exact_on_generic_and_on_dyadic_parameters(text: str, style: str) -> None:
    net, images = randomised(text, style, seed=5, batch=4)
    graph = convert(net)
    report = check(graph, net, images, batch=3)
    assert report.images == 4
    assert counts(report) == (report.values, 0, 0)
    assert report.first is None
    whole = report.end_to_end
    assert (whole.images, whole.same_class) == (4, 4)
    assert whole.max_logit_difference < 1e-5
    if style == DYADIC and text != MDGNET:
        assert whole.max_logit_difference == 0


def test_every_node_is_compared_or_lies_on_the_way_to_the_logits() -> None:
    net, images = randomised(f"{SMALL},k=3", RANDOM, seed=1, batch=4)
    graph = convert(net)
    report = check(graph, net, images)
    compared = {node.name for node in report.nodes}
    assert compared == (set(graph.node_by_name) - NOT_COMPARED) | {"output logits"}
    assert report.values == 4 * (
        sum(node.output.size for node in graph.nodes if node.name not in NOT_COMPARED) + graph.values["logits"].size
    )


@pytest.mark.parametrize("text", [*(f"{SMALL},k={k}" for k in (1, 2, 3, 4)), MDGNET])
def test_boundaries_on_integers_give_float_ties_and_no_mismatch(text: str) -> None:
    net, images = randomised(text, TIES, seed=3, batch=4)
    report = check(convert(net), net, images)
    _, ties, mismatches = counts(report)
    assert mismatches == 0
    assert ties > 0
    for node in report.nodes:
        if node.float_ties:
            assert node.op == "threshold"
            assert 0 < node.max_distance <= node.max_bound < 1e-3


class Deep(nn.Module):
    """Three raw convolutions in a row: sums beyond 2^24, which float32 rounds."""

    def __init__(self) -> None:
        super().__init__()
        self.a = TernaryConv2d(3, 16, 3)
        self.b = TernaryConv2d(16, 16, 3)
        self.c = TernaryConv2d(16, 24, 3)
        self.bn = nn.BatchNorm2d(24)
        self.act = QReLU(2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = self.act(self.bn(self.c(self.b(self.a(x)))))
        return out


@pytest.fixture(scope="module")
def deep() -> tuple[Any, Graph, np.ndarray]:
    rng = np.random.default_rng(0)
    net = Deep().eval()
    with torch.no_grad():
        for conv in (net.a, net.b, net.c):
            conv.step.fill_(0.5)
            conv.weight.copy_(torch.tensor(rng.choice([1.0] * 7 + [-1.0], conv.weight.shape)))
        images = rng.integers(200, 256, (2, 3, 9, 9))
        z = net.c(net.b(net.a(torch.tensor(images, dtype=torch.float32)))).double()
        net.bn.running_mean.copy_(z.mean((0, 2, 3)))
        net.bn.running_var.copy_(z.var((0, 2, 3)))
        net.bn.bias.fill_(0.5)
    return net, convert(net, images), images


def test_sums_beyond_2_24_are_compared_within_their_bound(deep: tuple[Any, Graph, np.ndarray]) -> None:
    net, graph, images = deep
    report = check(graph, net, images)
    by_name = {node.name: node for node in report.nodes}
    assert counts(report)[2] == 0
    assert by_name["a"].exact + by_name["b"].exact == by_name["a"].values + by_name["b"].values
    assert by_name["c"].float_ties > 0
    assert 1 <= by_name["c"].max_distance <= by_name["c"].max_bound
    assert by_name["c.act"].mismatches == 0


# --------------------------------------------------------------------------------------- planted errors


@pytest.fixture(scope="module")
def plain() -> tuple[Any, Graph, np.ndarray]:
    net, images = randomised(f"{SMALL},k=3", RANDOM, seed=2, batch=4)
    return net, convert(net), images


def replaced(graph: Graph, name: str, **changes: Any) -> Graph:
    """`graph` with fields of one node, or attributes of its op, replaced."""
    assert name in graph.node_by_name

    def changed(node: Node) -> Node:
        of_node = {key: value for key, value in changes.items() if key == "inputs"}
        of_op = {key: value for key, value in changes.items() if key != "inputs"}
        return dataclasses.replace(node, op=dataclasses.replace(node.op, **of_op), **of_node)

    nodes = tuple(changed(node) if node.name == name else node for node in graph.nodes)
    return unchecked(graph, nodes=nodes)


def moved_threshold(graph: Graph, name: str, z: np.ndarray) -> tuple[Graph, int, int]:
    """One T + 1 that changes a level of z (N, C, H, W); the channel and how many levels."""
    op: Any = graph.node(name).op
    for channel in range(z.shape[1]):
        row = op.thresholds.values[min(channel, len(op.thresholds.values) - 1)]
        for index in reversed(range(len(row))):
            hits = int((z[:, channel] == row[index]).sum())
            if hits and not op.descending.values[channel] and (row == row[index]).sum() == 1:
                values = op.thresholds.values.copy()
                values[channel, index] += 1
                return replaced(graph, name, thresholds=IntTensor(values)), channel, hits
    raise AssertionError("no sum equals a threshold")


def sums(net: Any, images: np.ndarray, path: str) -> np.ndarray:
    seen: list[np.ndarray] = []
    hook = net.get_submodule(path).register_forward_hook(lambda layer, x, y: seen.append(y.detach().numpy()))
    with torch.no_grad():
        net(torch.tensor(images, dtype=torch.float32))
    hook.remove()
    return seen[0]


@pytest.mark.parametrize("name", ["conv1", "s1.mrb.c1.pw2", "s3.cflog.pw2"])
def test_a_threshold_moved_by_one_is_a_mismatch_there_and_nowhere_else(
    plain: tuple[Any, Graph, np.ndarray], name: str
) -> None:
    net, graph, images = plain
    z = sums(net, images, name)
    moved, channel, hits = moved_threshold(graph, f"{name}.act", z)
    report = check(moved, net, images, batch=2)
    assert failing(report) == [f"{name}.act"]
    assert report.mismatches == hits
    first = report.first
    assert first is not None
    image, (c, y, x) = first.image, first.at
    assert (c, first.source) == (channel, graph.node(f"{name}.act").source)
    assert first.accumulator == z[image, c, y, x]
    assert first.got == first.expected - 1
    assert first.boundary == first.expected - 0.5
    assert first.exact - first.boundary == pytest.approx(first.distance)
    assert first.distance > first.bound > 0
    assert str(first).startswith(
        f"{name}.act (from {', '.join(first.source)}), image {image}, c={c}, y={y}, x={x}: the model has "
        f"{first.got:g}, the source {first.expected:g}; accumulator {first.accumulator}, exact value "
    )


def test_a_threshold_moved_by_one_is_no_float_tie_even_where_the_boundary_is_an_integer() -> None:
    """There the exact value lies on the boundary; but a new conversion would not move the threshold."""
    net, images = randomised(f"{SMALL},k=3", TIES, seed=4, batch=4)
    graph = convert(net)
    before = check(graph, net, images)
    moved, _, hits = moved_threshold(graph, "conv1.act", sums(net, images, "conv1"))
    report = check(moved, net, images)
    assert failing(report) == ["conv1.act"]
    assert 0 < report.mismatches <= hits
    assert before.mismatches == 0


def test_a_flipped_weight_of_the_checkpoint_is_a_mismatch_of_its_convolution(
    plain: tuple[Any, Graph, np.ndarray],
) -> None:
    net, graph, images = plain
    for path in ("conv1", "s1.mrb.c2.gconv", "final1x1"):
        other = copy.deepcopy(net)
        with torch.no_grad():
            weight = other.get_submodule(path).weight
            weight[1, 0, weight.shape[2] // 2, weight.shape[3] // 2] = 0.9 if float(weight[1, 0].max()) < 0.9 else -0.9
            weight[1] *= -1
        report = check(graph, other, images)
        assert failing(report) == [path]
        first = report.first
        assert first is not None
        assert (first.node, first.source, first.at[0]) == (path, (path,), 1)
        assert first.distance == abs(first.got - first.expected) >= 1
        assert first.bound == 0


def test_another_slope_or_offset_of_a_batch_norm_is_a_mismatch_of_its_levels(
    plain: tuple[Any, Graph, np.ndarray],
) -> None:
    net, graph, images = plain
    for path, nodes in (
        ("conv1_bn", {"conv1.act"}),
        ("s2.cflog.bn", {"s2.cflog.pw2.act"}),
        ("final_bn", {"logits", "output logits"}),  # the stored affine, and what it is seen as
    ):
        for parameter in ("weight", "bias", "running_mean", "running_var"):
            other = copy.deepcopy(net)
            with torch.no_grad():
                getattr(other.get_submodule(path), parameter).mul_(1.2)
            report = check(graph, other, images)
            found = set(failing(report))
            assert found, (path, parameter)
            assert found <= nodes, (path, parameter)


def test_a_swapped_mux_is_a_mismatch(plain: tuple[Any, Graph, np.ndarray]) -> None:
    net, graph, images = plain
    select, one, zero = graph.node("s1.mrb.mux").inputs
    report = check(replaced(graph, "s1.mrb.mux", inputs=(select, zero, one)), net, images)
    assert failing(report) == ["s1.mrb.mux"]
    assert report.end_to_end.max_logit_difference > 0


def test_another_tgap_level_and_another_bitshift_are_mismatches(plain: tuple[Any, Graph, np.ndarray]) -> None:
    net, graph, images = plain
    assert failing(check(replaced(graph, "s1.mrb.tgap", top=14), net, images)) == ["s1.mrb.tgap"]
    inputs = graph.node("s1.mrb.shift").inputs
    assert failing(check(replaced(graph, "s1.mrb.shift", inputs=(inputs[0],) * 2), net, images)) == ["s1.mrb.shift"]


def test_a_shifted_output_is_a_mismatch(plain: tuple[Any, Graph, np.ndarray]) -> None:
    net, graph, images = plain
    (out,) = graph.outputs
    shifted = dataclasses.replace(out, offset=(out.offset[0] + 1,))
    report = check(unchecked(graph, outputs=(shifted,)), net, images)
    assert (failing(report), report.mismatches) == (["output logits"], 20)


def test_a_weight_among_sums_beyond_2_24_is_found(deep: tuple[Any, Graph, np.ndarray]) -> None:
    net, graph, images = deep
    other = copy.deepcopy(net)
    with torch.no_grad():
        other.c.weight[3] *= -1
    assert failing(check(graph, other, images))[0] == "c"


def test_a_trapping_accumulator_names_node_and_image(deep: tuple[Any, Graph, np.ndarray]) -> None:
    net, graph, images = deep
    narrow = replaced(graph, "c", accumulator=Accumulator.trap(25, TapOrder.CKK))
    dark = np.zeros_like(images[:1])
    with pytest.raises(RangeError, match=r"^node 'c' \(conv2d\): accumulator of 25 bits holds .* at image 1, .*\)$"):
        check(narrow, net, np.concatenate([dark, images]))
    with pytest.raises(RangeError, match=r" at image 0, .* \(images counted from 1\)$"):
        check(narrow, net, np.concatenate([dark, images]), batch=1)


# ---------------------------------------------------------------------------------- what does not fit


def test_a_model_of_another_network_is_refused() -> None:
    net, images = randomised(f"{SMALL},k=3", RANDOM, seed=2, batch=4)
    other, _ = randomised("mognet:n=8,g=2,height=8,width=8,classes=5,layout=1m-2,pool=12,k=3", RANDOM, seed=2, batch=4)
    with pytest.raises(DataError) as error:
        check(convert(other), net, images)
    assert str(error.value) == (
        "the model was not made from this source: node 's2.mrb.c1.pw1' of the source is not in the model; "
        "'s2.mrb.c1.gconv' of the source is not in the model; 's2.mrb.c1.pw2' of the source is not in the model and "
        f"{len(set(convert(net).values) - set(convert(other).values)) - 3} more; give the checkpoint, and --net, that "
        "it was converted from"
    )


@pytest.mark.parametrize("other", [lambda run: lambda x: run(x) + 1, lambda run: lambda x: run(x.roll(1, 3))])
def test_a_module_that_does_something_else_than_its_graph_is_refused(
    deep: tuple[Any, Graph, np.ndarray], other: Any
) -> None:
    net, graph, images = deep
    checker = Checker(graph, net)
    module: Any = checker.runner
    module = module.module
    module.forward = other(module.forward)
    with pytest.raises(DataError, match=r"^Deep: its result differs from its exported graph's$"):
        checker.add(images)


def test_the_module_is_left_as_it_was(plain: tuple[Any, Graph, np.ndarray]) -> None:
    net, graph, images = plain
    other = copy.deepcopy(net).train()
    other.conv1_act.quantised = False
    threads = torch.get_num_threads()
    assert check(graph, other, images).mismatches == 0
    assert other.training
    assert not other.conv1_act.quantised
    assert not other.conv1._forward_hooks
    assert torch.get_num_threads() == threads
