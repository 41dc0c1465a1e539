"""`check` of ONNX sources: models and readings built side by side; every planted error is a mismatch where it is."""

from __future__ import annotations

import dataclasses
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from helpers import unchecked
from onnx import TensorProto, helper, numpy_helper

from converters.onnx_nets import Both, small
from intinfer.errors import DataError
from intinfer.graph import Graph
from intinfer.ops import ChannelSelect, Conv2d, Requant, Table, Threshold
from intinfer.tensor import IntTensor
from intinfer_converters.check import CheckReport, check
from intinfer_converters.check.onnx_runner import OnnxRunner
from intinfer_converters.check.runner import FloatRunner
from intinfer_converters.lower import lower
from intinfer_converters.preprocess import Preprocess
from intinfer_converters.read_onnx import read_onnx
from intinfer_converters.symbolic import Layout, SymbolicNet, Tap
from intinfer_converters.symbolic.pointwise import pointwise
from intinfer_converters.symbolic.vocabulary.arrangement import transpose

F = np.float32
IMAGES = np.random.default_rng(7).integers(0, 256, (6, 3, 8, 8))


def failing(report: CheckReport) -> list[str]:
    return [node.name for node in report.nodes if node.mismatches]


def replaced(graph: Graph, name: str, **changes: Any) -> Graph:
    """`graph` with attributes of one node's op replaced."""
    assert name in graph.node_by_name
    nodes = tuple(
        dataclasses.replace(node, op=dataclasses.replace(node.op, **changes)) if node.name == name else node
        for node in graph.nodes
    )
    return unchecked(graph, nodes=nodes)


@pytest.fixture(scope="module")
def net() -> tuple[OnnxRunner, Graph]:
    both = small(bits=5)
    reading = both.reading()
    return OnnxRunner(both.model(), reading), lower(reading.net)


def moved(tensor: IntTensor, index: tuple[int, ...], by: int = 1) -> IntTensor:
    values = tensor.values.copy()
    values[index] += by
    return IntTensor(values)


# ------------------------------------------------------------------------------------------------ agreement


@pytest.mark.parametrize("opset", [9, 13, 17])
def test_a_network_with_float_scales_has_no_mismatch(opset: int) -> None:
    both = small(seed=opset, opset=opset)
    reading = both.reading()
    runner = OnnxRunner(both.model(), reading)
    graph = lower(reading.net)
    report = check(graph, runner, IMAGES, batch=4)
    assert (report.mismatches, report.images) == (0, 6)
    assert report.exact + report.float_ties == report.values
    compared = {node.name: node for node in report.nodes}
    assert set(compared) == {*graph.node_by_name, f"output {both.last}"} - {
        node.name for node in graph.nodes if node.op.kind == "flatten"
    }
    for name, node in compared.items():
        if node.op in ("conv2d", "dense"):
            assert 0 < node.max_distance < node.max_bound < 1e-4, name
        if node.op in ("threshold", "table", "max_pool"):
            assert node.exact == node.values, name
    assert report.end_to_end.same_class == 6


def test_the_result_does_not_depend_on_the_batch(net: tuple[OnnxRunner, Graph]) -> None:
    runner, graph = net
    whole, single = check(graph, runner, IMAGES), check(graph, runner, IMAGES, batch=1)
    assert [(n.name, n.values, n.mismatches) for n in whole.nodes] == [
        (n.name, n.values, n.mismatches) for n in single.nodes
    ]


def test_boundaries_on_levels_are_float_ties() -> None:
    """x * 0.1f * 5 is rounded differently from x * 0.5: half of all sums lie on boundaries."""
    both = Both((2, 4, 4), hi=15, seed=3)
    both.quant(0.1, 4, signed=0)
    both.conv(4, 3, scale=0.1, pad=1)
    both.quant(0.02, 4, signed=1)
    both.flatten()
    reading = both.reading()
    images = np.random.default_rng(0).integers(0, 16, (32, 2, 4, 4)) // 8
    report = check(lower(reading.net), OnnxRunner(both.model(), reading), images)
    assert report.mismatches == 0
    ties = {node.name: node for node in report.nodes if node.float_ties}
    assert all(node.op in ("threshold", "requant") for node in ties.values())
    assert all(0 <= node.max_distance <= node.max_bound < 1e-4 for node in ties.values())


def test_a_calibrated_net_is_its_own_source() -> None:
    both = small(seed=2)
    net = both.reading().net
    report = check(lower(net), FloatRunner(net), IMAGES)
    assert report.mismatches == 0
    assert report.end_to_end.same_class == 6


def read(nodes: list[Any], constants: dict[str, Any], input_type: int, output_type: int, shape: tuple[int, ...]) -> Any:
    """The runner of a model of these nodes from x to y, and its graph."""
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", input_type, [1, *shape])],
        [helper.make_tensor_value_info("y", output_type, None)],
        [numpy_helper.from_array(np.asarray(array), name) for name, array in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 19)], ir_version=10)
    reading = read_onnx(model, pixels=Preprocess())
    return OnnxRunner(model, reading), lower(reading.net)


def quantised_weight(outputs: int, channels: int, kernel: int) -> dict[str, Any]:
    rng = np.random.default_rng(1)
    return {
        "w": rng.integers(-128, 128, (outputs, channels, kernel, kernel), dtype=np.int8),
        "ws": rng.uniform(0.001, 0.01, outputs).astype(F),
        "wz": np.zeros(outputs, dtype=np.int8),
    }


def test_quantised_operators_are_compared_with_their_exact_definition() -> None:
    bias = np.arange(-200, 300, 100, dtype=np.int32)
    numbers = {"xs": F(0.02), "xz": np.uint8(120), "ys": F(0.05), "yz": np.uint8(100), "b": bias}
    node = helper.make_node("QLinearConv", ["x", "xs", "xz", "w", "ws", "wz", "ys", "yz", "b"], ["y"], pads=[1] * 4)
    kinds = TensorProto.UINT8, TensorProto.UINT8
    runner, graph = read([node], {**numbers, **quantised_weight(5, 3, 3)}, *kinds, (3, 8, 8))
    report = check(graph, runner, IMAGES)
    assert (report.mismatches, report.end_to_end.max_logit_difference) == (0, 0)
    conv = next(node for node in graph.nodes if isinstance(node.op, Conv2d))
    assert isinstance(conv.op.weight, IntTensor)
    wrong = replaced(graph, conv.name, weight=moved(conv.op.weight, (0, 0, 1, 1), -3))
    assert failing(check(wrong, runner, IMAGES)) == [conv.name]


def test_an_integer_convolution_with_padding_is_exact() -> None:
    node = helper.make_node("ConvInteger", ["x", "w", "xz"], ["y"], pads=[1] * 4)
    constants = {"w": quantised_weight(5, 3, 3)["w"], "xz": np.uint8(7)}
    runner, graph = read([node], constants, TensorProto.UINT8, TensorProto.INT32, (3, 8, 8))
    report = check(graph, runner, IMAGES)
    assert (report.exact, report.mismatches) == (report.values, 0)


def test_a_block_of_a_qdq_network_with_everything_between_its_quantisers() -> None:
    """A residual sum of different scales, an average pool, a concatenation, a global mean."""
    constants = {
        "i": F(1 / 255),
        "s": F(1 / 64),
        "z": np.uint8(3),
        "ys": F(0.043),
        "yz": np.int8(-3),
        "ts": F(0.031),
        "tz": np.int8(0),
        **quantised_weight(3, 3, 3),
    }

    def quantised(name: str, scale: str, zero: str) -> list[Any]:
        return [
            helper.make_node("QuantizeLinear", [name, scale, zero], [f"{name}_q"]),
            helper.make_node("DequantizeLinear", [f"{name}_q", scale, zero], [f"{name}_d"]),
        ]

    nodes = [
        helper.make_node("Mul", ["x", "i"], ["scaled"]),
        *quantised("scaled", "s", "z"),
        helper.make_node("DequantizeLinear", ["w", "ws", "wz"], ["wd"], axis=0),
        helper.make_node("Conv", ["scaled_d", "wd"], ["c"], pads=[1] * 4),
        *quantised("c", "ys", "yz"),
        helper.make_node("Add", ["c_d", "scaled_d"], ["sum"]),
        *quantised("sum", "ts", "tz"),
        helper.make_node("AveragePool", ["sum_d"], ["pooled"], kernel_shape=[2, 2], strides=[2, 2]),
        *quantised("pooled", "ts", "tz"),
        helper.make_node("MaxPool", ["sum_d"], ["largest"], kernel_shape=[2, 2], strides=[2, 2]),
        helper.make_node("Concat", ["pooled_d", "largest"], ["both"], axis=1),
        helper.make_node("GlobalAveragePool", ["both"], ["y"]),
    ]
    runner, graph = read(nodes, constants, TensorProto.FLOAT, TensorProto.FLOAT, (3, 8, 8))
    report = check(graph, runner, IMAGES)
    assert report.mismatches == 0
    kinds = {node.op for node in report.nodes}
    assert {"conv2d", "max_pool", "concat", "output"} <= kinds
    assert report.end_to_end.same_class == len(IMAGES)
    # means of four levels lie on boundaries, which float sums of scaled levels miss
    tied = [node for node in report.nodes if node.float_ties]
    assert [node.op for node in tied] in ([], ["threshold"], ["requant"])
    assert all(node.max_distance <= node.max_bound < 1e-3 for node in tied)
    assert report.end_to_end.max_logit_difference < 0.031


# ------------------------------------------------------------------------------------------- planted errors


def test_one_entry_of_the_input_table(net: tuple[OnnxRunner, Graph]) -> None:
    runner, graph = net
    (node,) = [node for node in graph.nodes if isinstance(node.op, Table)]
    value = int(IMAGES[0, 0, 0, 0])
    wrong = replaced(graph, node.name, entries=moved(node.op.entries, (0, value), -1))
    report = check(wrong, runner, IMAGES)
    assert failing(report) == [node.name]
    assert report.mismatches == int((value == IMAGES).sum())
    first = report.first
    assert first is not None
    assert (first.image, first.at, first.accumulator) == (0, (0, 0, 0), value)
    assert first.got == first.expected - 1


def test_one_weight(net: tuple[OnnxRunner, Graph]) -> None:
    runner, graph = net
    for node in graph.nodes:
        if isinstance(node.op, Conv2d):
            report = check(replaced(graph, node.name, weight=moved(node.op.weight, (1, 0, 1, 1))), runner, IMAGES)
            assert failing(report) == [node.name]
            assert report.first is not None
            assert report.first.at[0] == 1
            assert report.first.distance > 100 * report.first.bound


def test_one_threshold(net: tuple[OnnxRunner, Graph]) -> None:
    runner, graph = net
    node = next(node for node in graph.nodes if isinstance(node.op, Threshold))
    op: Any = node.op
    z = traced(graph, node.inputs[0])
    found = 0
    for channel, row in enumerate(op.thresholds.values):
        for index, limit in enumerate(row):
            if (z[:, channel] == limit).any() and not op.descending.values[min(channel, len(op.descending.values) - 1)]:
                wrong = replaced(graph, node.name, thresholds=moved(op.thresholds, (channel, index)))
                report = check(wrong, runner, IMAGES)
                assert failing(report) == [node.name]
                assert report.first is not None
                assert (report.first.at[0], report.first.accumulator) == (channel, int(limit))
                found += 1
                break
    assert found >= 2


def traced(graph: Graph, name: str) -> np.ndarray:
    live = {graph.inputs[0].name: IMAGES}
    for node in graph.nodes:
        live[node.name] = node.op.reference(*(live[i] for i in node.inputs))
    return live[name]


def test_a_node_that_no_tensor_shows() -> None:
    """The rearrangement before a dense layer is of our own making; a wrong one is named all the same."""
    both = Both((3, 2, 2), hi=7)
    both.quant(1.0, 3, signed=0)
    last = both.node("Transpose", perm=[0, 2, 3, 1])
    both.then(transpose(both.x, (0, 2, 3, 1)), last)
    both.flatten()
    both.dense(4, scale=0.07)
    reading = both.reading()
    graph, runner = lower(reading.net), OnnxRunner(both.model(), reading)
    images = np.random.default_rng(0).integers(0, 8, (8, 3, 2, 2))
    assert check(graph, runner, images).mismatches == 0
    (node,) = [node for node in graph.nodes if node.op.kind == "channel_select"]
    assert isinstance(node.op, ChannelSelect)
    wrong = replaced(graph, node.name, indices=IntTensor(node.op.indices.values[[1, 0, *range(2, 12)]]))
    assert failing(check(wrong, runner, images)) == [node.name]


def test_a_scale_of_the_output_that_is_wrong_in_the_last_place(net: tuple[OnnxRunner, Graph]) -> None:
    runner, graph = net
    (out,) = graph.outputs
    other = dataclasses.replace(out, scale=tuple(s * (1 + Fraction(1, 2**40)) for s in out.scale))
    report = check(unchecked(graph, outputs=(other,)), runner, IMAGES)
    assert failing(report) == [f"output {out.name}"]


def test_one_constant_of_a_requant() -> None:
    both = Both((2, 6, 6), hi=15, seed=5)
    both.quant(1.0, 4, signed=0)
    both.conv(3, 3, scale=0.013, levels=3)
    both.quant(0.021, 6, signed=1)
    both.flatten()
    reading = both.reading()
    graph, runner = lower(reading.net), OnnxRunner(both.model(), reading)
    images = np.random.default_rng(0).integers(0, 16, (8, 2, 6, 6))
    assert check(graph, runner, images).mismatches == 0
    (node,) = [node for node in graph.nodes if isinstance(node.op, Requant)]
    for changes in (
        {"multiplier": moved(node.op.multiplier, (0,), max(1, int(node.op.multiplier.values[0]) // 16))},
        {"offset": moved(node.op.offset, (0,), 1 << (int(node.op.shift.values[0]) - 2))},
        {"shift": moved(node.op.shift, (0,))},
    ):
        assert failing(check(replaced(graph, node.name, **changes), runner, images)) == [node.name]


# ------------------------------------------------------------------------------------- sources read wrongly


def test_a_source_that_computes_something_else_is_named_with_its_tensor() -> None:
    both = small(seed=1)
    reading = both.reading()
    model = both.model()
    quant = next(node for node in model.graph.node if node.op_type == "Quant")
    scale = next(tensor for tensor in model.graph.initializer if tensor.name == quant.input[1])
    scale.raw_data = np.array(0.03, dtype=F).tobytes()
    with pytest.raises(DataError) as error:
        check(lower(reading.net), OnnxRunner(model, reading), IMAGES)
    assert str(error.value).startswith(f"tensor {quant.output[0]!r} of the source, image 0, element 0: ")
    assert " is none of its 128 levels " in str(error.value)
    assert "\n" not in str(error.value)


def test_another_weight_in_the_source_is_a_mismatch_of_its_convolution() -> None:
    both = small(seed=1)
    reading = both.reading()
    model = both.model()
    conv = next(node for node in model.graph.node if node.op_type == "Conv")
    weight = next(tensor for tensor in model.graph.initializer if tensor.name == conv.input[1])
    values = np.frombuffer(weight.raw_data, dtype=F).copy()
    values[5] += F(0.37)
    weight.raw_data = values.tobytes()
    assert failing(check(lower(reading.net), OnnxRunner(model, reading), IMAGES)) == [conv.output[0]]


def test_a_tensor_read_in_the_wrong_order_is_found() -> None:
    both = small(seed=4)
    reading = both.reading()
    name, tap = next((name, tap) for name, tap in reading.tensors.items() if name == both.nodes[2].output[0])
    turned = Tap(tap.node, Layout.of(tap.index[::-1]), tap.chain, tap.fill)
    wrong = dataclasses.replace(reading, tensors={**reading.tensors, name: turned})
    report = check(lower(reading.net), OnnxRunner(both.model(), wrong), IMAGES)
    assert report.mismatches > 0


def test_a_missing_node_is_named() -> None:
    both = small()
    model = both.model()
    del model.graph.node[2]
    reading = both.reading()
    with pytest.raises(DataError, match=r"^n_t3 \(BatchNormalization\): its input 't2' is computed by no node"):
        OnnxRunner(model, reading).run(IMAGES[:1])


# -------------------------------------------------------------------------------------------------- runner


def test_a_graph_that_moves_the_batch_axis_runs_image_by_image() -> None:
    net = SymbolicNet()
    x = net.input("x", (1, 2, 3, 4), 0, 9)
    y = pointwise(net, pointwise(net, x, "div", F(3)), "floor")
    both = Both((2, 3, 4))
    both.node("Transpose", perm=[1, 2, 3, 0])
    both.node("Div", F(3))
    both.node("Floor")
    last = both.node("Transpose", perm=[3, 0, 1, 2])
    both.nodes[-1].output[0] = "moved"
    both.nodes.append(helper.make_node("Transpose", ["moved"], [last], perm=[0, 2, 1, 3]))
    reading = net.finish({last: transpose(y, (0, 2, 1, 3))}, {"x": x, "t2": y})
    runner = OnnxRunner(both.model(), reading)
    images = np.random.default_rng(0).integers(0, 10, (5, 2, 3, 4))
    found = runner.run(images)
    assert np.array_equal(found["t2"].reshape(images.shape), images // 3)
    assert np.array_equal(found[last].reshape(5, 3, 2, 4), (images // 3).transpose(0, 2, 1, 3))


def test_nodes_that_the_runtime_rejects_are_evaluated_by_the_reference() -> None:
    """ConvInteger with padding is rejected by ONNX Runtime; a too new operator set too."""
    both = Both((1, 3, 3), opset=28)
    both.node("Relu")
    reading = both.net.finish({both.last: pointwise(both.net, both.x, "clip", np.array([0, np.inf]))}, both.tensors)
    model = both.model()
    image = np.arange(9).reshape(1, 1, 3, 3)
    assert np.array_equal(OnnxRunner(model, reading).run(image)[both.last], image)
