"""Every standard operator that is read, against ONNX's own reference evaluator."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from converters.onnx_reading import constants, model, node, read, values
from intinfer.errors import DataError
from intinfer_converters.floatnet import Conv, Dense, IntegerOp, QuantisedWeight, RealWeight
from intinfer_converters.read_onnx import refused
from intinfer_converters.read_onnx.refused import KINDS
from intinfer_converters.read_onnx.table import ONNX

I8, F = TensorProto.INT8, TensorProto.FLOAT
RNG = np.random.default_rng(5)
W = RNG.integers(-3, 4, (4, 2, 3, 3)).astype(np.float32) * np.float32(0.25)
MAP = (1, 2, 6, 5)
VECTOR = (1, 12)
I64 = np.int64


def ints(*numbers):
    return np.array(numbers, dtype=np.int64)


def case(kind, shape, /, *, elem=F, opset=21, low=-20, high=20, extra="", outputs="y", attributes=None, **arrays):
    """One operator on x and constants: its inputs are x and the constants in order, `extra` replaces that."""
    inputs = extra or " ".join(("x", *arrays))
    proto = model(
        [node(kind, inputs, outputs, **(attributes or {}))], shape, constants(**arrays), elem, opset, outputs.split()
    )
    return pytest.param(proto, shape, elem, low, high, id=f"{kind}-{opset}-{len(arrays)}-{sorted(attributes or {})}")


SAME = {"auto_pad": "SAME_UPPER", "strides": [2, 2]}
LAYERS = [
    case("Conv", MAP, w=W, attributes={"pads": [1, 0, 2, 1], "strides": [2, 1], "dilations": [1, 2]}),
    case("Conv", MAP, w=W, b=np.float32([1, -2, 0.5, 0]), attributes=SAME),
    case("Conv", MAP, w=W, attributes={"auto_pad": "SAME_LOWER"}),
    case("Conv", MAP, w=W, attributes={"auto_pad": "VALID"}),
    case("Conv", MAP, w=W[:, :1], attributes={"group": 2, "kernel_shape": [3, 3]}),
    case("Conv", (1, 2, 9), w=W[:, :, 0], attributes={"pads": [2, 1], "strides": [2]}),
    case("Gemm", VECTOR, w=W.reshape(12, -1)[:, :5], c=np.float32([[1, 2, 3, 4, 5]])),
    case("Gemm", VECTOR, w=W.reshape(12, -1)[:, :5], c=np.float32(3), attributes={"alpha": 0.5, "beta": 2.0}),
    case("Gemm", VECTOR, w=W.reshape(6, 12), c=np.float32([1] * 6), attributes={"transB": 1, "beta": 0.0}),
    case("MatMul", VECTOR, w=W.reshape(12, -1)),
    case("MatMul", VECTOR, w=W.reshape(-1)[:12]),
    case("MatMul", (1, 3, 4), w=W.reshape(4, -1)),
    case("MatMul", (1, 3, 4), extra="w x", w=W.reshape(-1, 3)),
    case(
        "ConvInteger",
        MAP,
        elem=I8,
        low=-128,
        high=127,
        w=W.astype(np.int8),
        xz=np.int8(3),
        attributes={"pads": [1, 1, 1, 1]},
    ),
    case(
        "ConvInteger", MAP, elem=I8, low=-128, high=127, w=W.astype(np.int8), xz=np.int8(-7), wz=np.int8([1, -2, 3, 0])
    ),
    case(
        "MatMulInteger",
        VECTOR,
        elem=I8,
        low=-128,
        high=127,
        w=W.reshape(12, -1).astype(np.int8),
        xz=np.int8([5]),
        wz=np.int8([1, -1, 2, -2, 0, 3]),
    ),
    case("MaxPool", MAP, attributes={"kernel_shape": [3, 2], "strides": [2, 2], "pads": [1, 0, 1, 1]}),
    case("MaxPool", MAP, attributes={"kernel_shape": [3, 3], "strides": [2, 2], "ceil_mode": 1}),
    case("MaxPool", MAP, attributes={"kernel_shape": [2, 2], "dilations": [2, 2]}),
    case("MaxPool", (1, 2, 9), elem=I8, attributes={"kernel_shape": [2], "strides": [2]}),
    case("AveragePool", MAP, attributes={"kernel_shape": [2, 2], "strides": [2, 1]}),
    case("AveragePool", MAP, attributes={"kernel_shape": [3, 3], "pads": [1, 1, 1, 1], "count_include_pad": 1}),
    case("GlobalAveragePool", MAP),
    case("GlobalMaxPool", MAP),
    case("ReduceMean", MAP, axes=ints(2, 3), attributes={"keepdims": 0}),
    case("ReduceMean", MAP, opset=13, attributes={"axes": [-1, -2]}),
    case("ReduceSum", MAP, axes=ints(1)),
    case("ReduceSum", MAP),
    case("ReduceMax", MAP, axes=ints(3), attributes={"keepdims": 0}),
    case("ReduceMin", MAP, axes=ints(1, 2, 3)),
    case("ArgMax", VECTOR, attributes={"axis": 1}),
    case("ArgMax", VECTOR, low=0, high=2, attributes={"axis": 1, "select_last_index": 1, "keepdims": 0}),
    case("ArgMin", VECTOR, low=0, high=2, attributes={"axis": -1}),
    case(
        "BatchNormalization",
        MAP,
        g=np.float32([2, -1]),
        b=np.float32([0.5, 1]),
        m=np.float32([3, -4]),
        v=np.float32([2, 0.25]),
    ),
]
POINTWISE = [
    case("Relu", MAP),
    case("Relu", MAP, elem=I8),
    case("Clip", MAP, lo=np.float32(-2), hi=np.float32(6)),
    case("Clip", MAP, extra="x - hi", hi=np.float32(6)),
    case("Clip", MAP, opset=6, attributes={"min": -1.0, "max": 6.0}),
    case("LeakyRelu", MAP, attributes={"alpha": 0.125}),
    case("PRelu", MAP, slope=np.float32([0.5, 0.25]).reshape(2, 1, 1)),
    case("HardSigmoid", MAP),
    case("Sign", MAP),
    case("Neg", MAP),
    case("Abs", MAP),
    case("Abs", MAP, elem=I8, low=-127, high=100),
    case("Add", MAP, b=np.float32([0.5, 7]).reshape(1, 2, 1, 1)),
    case("Sub", MAP, extra="b x", b=np.float32(3)),
    case("Mul", MAP, b=np.float32(-0.5)),
    case("Div", MAP, b=np.float32(3)),
    case("Div", MAP, elem=I8, low=-128, high=127, b=np.int8(-3)),
    case("Mod", MAP, elem=I8, low=-128, high=127, b=np.int8(-3)),
    case("Mod", MAP, elem=TensorProto.UINT8, low=0, high=255, b=np.uint8(7)),
    case("BitShift", MAP, elem=TensorProto.UINT8, low=0, high=255, attributes={"direction": "RIGHT"}, b=np.uint8(3)),
    case("BitShift", MAP, elem=TensorProto.UINT8, low=0, high=31, attributes={"direction": "LEFT"}, b=np.uint8(3)),
    case("Add", MAP, elem=I8, low=-100, high=120, b=np.int8(9)),
    case("Max", MAP, b=np.float32(3), c=np.float32(-1)),
    case("Min", MAP, elem=I8, b=np.int8(3)),
    case("Sum", MAP, extra="x x b", b=np.float32(3)),
    case("Mean", MAP, extra="x x x b", b=np.float32(1)),
    case("Greater", MAP, b=np.float32(3)),
    case("LessOrEqual", MAP, extra="b x", b=np.float32(3)),
    case("Cast", MAP, attributes={"to": I8}),
    case("Cast", MAP, elem=I8, attributes={"to": F}),
    case("Identity", MAP),
    case("Dropout", MAP),
]
LAYOUT = [
    case("Reshape", MAP, to=ints(0, -1)),
    case("Reshape", MAP, to=ints(1, 2, -1)),
    case("Flatten", MAP),
    case("Flatten", MAP, attributes={"axis": -3}),
    case("Transpose", MAP, attributes={"perm": [0, 2, 3, 1]}),
    case("Squeeze", (1, 3, 1, 4), axes=ints(2)),
    case("Unsqueeze", VECTOR, axes=ints(1, -1)),
    case("Expand", (1, 2, 1, 3), to=ints(2, 4, 1)),
    case("Tile", MAP, repeats=ints(1, 2, 1, 3)),
    case("Split", MAP, outputs="y z", sizes=ints(1, 4), attributes={"axis": 3}),
    case("Split", MAP, outputs="y z", attributes={"axis": 2, "num_outputs": 2}),
    case("Slice", MAP, s=ints(1, -1), e=ints(5, -100), a=ints(2, 3), st=ints(2, -1)),
    case("Slice", MAP, s=ints(-2), e=ints(2**62), a=ints(-1)),
    case("Slice", MAP, opset=9, attributes={"starts": [1], "ends": [3], "axes": [2]}),
    case("Gather", MAP, i=ints(1, -2, 0), attributes={"axis": 3}),
    case("Gather", MAP, i=np.array(1), attributes={"axis": 1}),
    case("Concat", MAP, extra="x x", attributes={"axis": 1}),
    case("Pad", MAP, p=ints(0, 0, 1, 2, 0, 0, 3, 0), v=np.float32(7)),
    case("Pad", MAP, p=ints(1, 2), v=np.float32(0), a=ints(2), extra="x p v a"),
    case("Pad", MAP, p=ints(0, 0, 1, 2, 0, 0, 3, 1), attributes={"mode": "reflect"}),
    case("Pad", MAP, p=ints(0, 0, 1, 2, 0, 0, 3, 0), attributes={"mode": "edge"}),
    case("DepthToSpace", (1, 8, 2, 3), attributes={"blocksize": 2}),
    case("DepthToSpace", (1, 8, 2, 3), attributes={"blocksize": 2, "mode": "CRD"}),
    case("SpaceToDepth", (1, 2, 4, 6), attributes={"blocksize": 2}),
    case("Upsample", MAP, opset=9, s=np.float32([1, 1, 2, 3])),
]


@pytest.mark.parametrize(("proto", "shape", "elem", "low", "high"), [*LAYERS, *POINTWISE, *LAYOUT])
def test_operators_compute_what_onnx_defines(proto, shape, elem, low, high):
    _agrees(proto, shape, elem, low, high)


def _agrees(proto, shape, elem, low, high):
    reading = read(proto, low, high)
    dtype = helper.tensor_dtype_to_np_dtype(elem)
    x = RNG.integers(low, high + 1, shape).astype(dtype)
    found = values(reading, x)
    evaluator = ReferenceEvaluator(proto)
    for output, due in zip(proto.graph.output, evaluator.run(None, {"x": x}), strict=True):
        np.testing.assert_allclose(
            found[output.name], np.asarray(due, dtype=np.float64).reshape(-1), rtol=1e-6, atol=1e-5
        )


@pytest.mark.parametrize(
    "transform", ["half_pixel", "half_pixel_symmetric", "pytorch_half_pixel", "align_corners", "asymmetric"]
)
@pytest.mark.parametrize("nearest", ["round_prefer_floor", "round_prefer_ceil", "floor", "ceil"])
def test_nearest_resizes_in_every_mode(transform, nearest):
    attributes = {"mode": "nearest", "coordinate_transformation_mode": transform, "nearest_mode": nearest}
    for name, number in (("scales", np.float32([1, 1, 0.5, 2])), ("sizes", ints(1, 2, 9, 3))):
        inputs = "x - scales" if name == "scales" else "x - - sizes"
        proto = model([node("Resize", inputs, "y", **attributes)], MAP, constants(**{name: number}))
        _agrees(proto, MAP, F, -20, 20)


@pytest.mark.parametrize(
    "elem",
    [TensorProto.UINT8, TensorProto.INT8, TensorProto.INT16, TensorProto.UINT4, TensorProto.INT4, TensorProto.INT2],
)
@pytest.mark.parametrize("zero", [0, 1])
def test_quantised_activations_and_back(elem, zero):
    point = helper.make_tensor("z", elem, [], [zero])
    initializers = [*constants(s=np.float32(0.75)), point]
    nodes = [("QuantizeLinear", "x s z", "q"), ("DequantizeLinear", "q s z", "y")]
    proto = model([node(*n) for n in nodes], MAP, initializers, opset=25)
    _agrees(proto, MAP, F, -20, 20)


def test_scales_and_zero_points_of_each_channel():
    initializers = constants(s=np.float32([0.5, 3]), z=np.int8([3, -5]))
    nodes = [node("QuantizeLinear", "x s z", "q", axis=1), node("DequantizeLinear", "q s z", "y", axis=1)]
    _agrees(model(nodes, MAP, initializers), MAP, F, -100, 100)


def test_the_rounding_comes_before_the_zero_point():
    proto = model([node("QuantizeLinear", "x s z", "y")], (1, 4), constants(s=np.float32(2), z=np.int8(1)))
    found = values(read(proto, -5, 5), np.array([[1, 3, -1, -3]]))
    assert found["y"].tolist() == [1, 3, 1, -1]  # rint(0.5) = 0, rint(1.5) = 2, then + 1


def test_qlinear_conv_and_matmul():
    w, shared = W.astype(np.int8), {"xs": np.float32(0.5), "xz": np.int8(2), "ys": np.float32(0.375), "yz": np.int8(-3)}
    initializers = constants(
        w=w, ws=np.float32([0.5, 0.25, 1, 2]), wz=np.zeros(4, np.int8), b=np.int32([5, 0, -9, 3]), **shared
    )
    conv = node("QLinearConv", "x xs xz w ws wz ys yz b", "y", pads=[1, 1, 1, 1])
    _agrees(model([conv], MAP, initializers, I8), MAP, I8, -128, 127)
    initializers = constants(w=w.reshape(12, 6), ws=np.float32(0.25), wz=np.int8(1), **shared)
    matmul = node("QLinearMatMul", "x xs xz w ws wz ys yz", "y")
    _agrees(model([matmul], VECTOR, initializers, I8), VECTOR, I8, -128, 127)


def _weight(reading):
    return next(n.op.weight for n in reading.net.nodes if isinstance(n.op, Conv | Dense))


def test_quantised_weights_keep_their_integers_through_layout_ops():
    q = RNG.integers(-128, 128, (12, 5)).astype(np.int8)
    scale, zero = np.float32(RNG.uniform(0.1, 1, 5)), RNG.integers(-9, 9, 5).astype(np.int8)
    nodes = [
        node("DequantizeLinear", "q s z", "w", axis=1),
        node("Transpose", "w", "t", perm=[1, 0]),
        node("Identity", "t", "i"),
        node("Gemm", "x i", "y", transB=1),
    ]
    weight = _weight(read(model(nodes, VECTOR, constants(q=q, s=scale, z=zero))))
    assert isinstance(weight, QuantisedWeight)
    assert np.array_equal(weight.tensor.values, (q.astype(I64) - zero.astype(I64)).T)
    assert [float(s) for s in weight.scale] == scale.tolist()


def test_weights_quantised_in_blocks_are_no_channel_scales():
    q, scale = np.int8([[1, 2, 3, 4]] * 3), np.float32([[0.5, 0.3], [0.25, 0.7], [1, 0.1]])
    nodes = [node("DequantizeLinear", "q s", "w", axis=1, block_size=2), node("Gemm", "x w", "y", transB=1)]
    proto = model(nodes, (1, 4), constants(q=q, s=scale))
    _agrees(proto, (1, 4), F, -20, 20)


def test_float_weights_stay_float():
    w = RNG.normal(size=(3, 12)).astype(np.float32)
    weight = _weight(read(model([node("Gemm", "x w", "y", transB=1)], VECTOR, constants(w=w))))
    assert isinstance(weight, RealWeight)
    assert np.array_equal(weight.values, w)


def test_shapes_computed_by_nodes_are_folded():
    nodes = [
        node("Shape", "x", "s"),
        node("Gather", "s zero", "n", axis=0),
        node("Unsqueeze", "n axes", "u"),
        node("Concat", "u rest", "target", axis=0),
        node("Reshape", "x target", "y"),
    ]
    proto = model(nodes, ["batch", 2, 6, 5], constants(zero=np.array(0), axes=ints(0), rest=ints(-1)))
    assert len(read(proto).net.nodes) == 2
    _agrees(proto, MAP, F, 0, 9)


def test_comparisons_and_bits():
    nodes = [
        node("Greater", "x three", "g"),
        node("Less", "x low", "l"),
        node("Not", "l", "n"),
        node("And", "g n", "b"),
        node("Or", "b l", "o"),
        node("Cast", "o", "y", to=F),
    ]
    _agrees(model(nodes, MAP, constants(three=np.float32(3), low=np.float32(-5))), MAP, F, -9, 9)


def test_a_constant_condition_chooses_a_branch():
    def branch(kind):
        return helper.make_graph(
            [node(kind, "x", f"{kind}_y")], kind, [], [helper.make_tensor_value_info(f"{kind}_y", F, None)]
        )

    proto = model(
        [helper.make_node("If", ["c"], ["y"], then_branch=branch("Relu"), else_branch=branch("Neg"))],
        VECTOR,
        constants(c=np.array(False)),
    )
    assert values(read(proto, -9, 9), np.array([[*range(-6, 6)]]))["y"].tolist() == [-n for n in range(-6, 6)]


def test_local_functions_are_put_in_place():
    body = [node("Neg", "a", "n"), node("Relu", "n", "b")]
    function = helper.make_function("own", "Twice", ["a"], ["b"], body, [helper.make_opsetid("", 21)])
    call = helper.make_node("Twice", ["x"], ["y"], name="call", domain="own")
    proto = model([call], VECTOR, domains=["own"], functions=[function])
    assert values(read(proto, -6, 6), np.array([[*range(-6, 6)]]))["y"].tolist() == [max(0, -n) for n in range(-6, 6)]


def test_the_absolute_value_of_integers_is_one_op():
    nodes = read(model([node("Abs", "x", "y")], VECTOR, elem=I8), -127, 100).net.nodes
    assert [n.op.op.kind for n in nodes if isinstance(n.op, IntegerOp)] == ["abs"]


def test_nodes_in_any_order_are_read_in_topological_order():
    proto = model([node("Relu", "n", "y"), node("Neg", "x", "n")], VECTOR)
    assert [n.source[0] for n in read(proto).net.nodes] == ["x", "n"]


def test_a_network_is_cut_where_the_user_says():
    proto = model([node("Relu", "x", "scores"), node("Softmax", "scores", "y")], VECTOR)
    with pytest.raises(DataError, match=r"1 node\(s\) cannot be converted: y \(Softmax\): .*'scores' as its output"):
        read(proto)
    assert list(read(proto, outputs=["scores"]).net.outputs) == ["scores"]


def test_all_refusals_come_in_one_report_and_what_depends_on_them_is_silent():
    nodes = [
        node("Sin", "x", "s"),
        node("Relu", "s", "r"),
        node("BitwiseNot", "x", "b"),
        node("Add", "r b", "y"),
    ]
    with pytest.raises(DataError) as caught:
        read(model(nodes, VECTOR))
    assert str(caught.value).startswith("2 node(s) cannot be converted: s (Sin): a curve of an activation is not")
    assert "; b (BitwiseNot): bits of numbers and equality" in str(caught.value)
    assert " r (" not in str(caught.value)


IMAGE = (1, 2, 4, 6)
WAYS_OUT = {  # of a kind of refused operators, by its first one: nodes that are as its reason offers
    "Softmax": [node("ArgMax", "x", "y", axis=1)],
    "ConvTranspose": [node("Upsample", "x ups", "u"), node("Conv", "u kernel", "y")],
    "DynamicQuantizeLinear": [node("QuantizeLinear", "x half", "y")],
    "Acos": [
        node("HardSigmoid", "x", "h"),
        node("LeakyRelu", "h", "l"),
        node("Relu", "l", "r"),
        node("Clip", "r", "y"),
    ],
    "GroupNormalization": [node("BatchNormalization", "x two two two two", "y")],
    "Attention": [node("Conv", "x kernel", "c"), node("MatMul", "c square", "y")],
    "ReduceL1": [node("Abs", "x", "a"), node("ReduceSum", "a axes", "y")],
    "BitwiseAnd": [
        *(node("GreaterOrEqual", "x half", "g"), node("LessOrEqual", "x half", "l"), node("And", "g l", "e")),
        *(node("Not", "e", "n"), node("Or", "e n", "y")),
    ],
    "AffineGrid": [node("Resize", "x - ups", "r"), node("Gather", "r places", "y", axis=3)],
    "CenterCropPad": [
        *(node("Slice", "x axes three axes", "s"), node("Gather", "s places", "g", axis=3)),
        *(node("Split", "g", "p q", axis=3), node("Concat", "p q", "c", axis=1), node("ArgMax", "c", "y", axis=1)),
    ],
    "GRU": [node("Conv", "x kernel", "a"), node("Conv", "a kernel", "b"), node("Add", "a b", "y")],
    "BlackmanWindow": [node("MatMul", "x square", "y")],
    "Bernoulli": [node("Dropout", "x", "y")],
    "BitCast": [node("Reshape", "x flat", "y")],
}


@pytest.mark.parametrize("first", WAYS_OUT)
def test_the_way_out_of_each_kind_of_refusal_is_read(first):
    arrays = constants(
        ups=np.float32([1, 1, 2, 2]),
        kernel=np.float32([[[[1]], [[-1]]], [[[2]], [[1]]]]),
        half=np.float32(0.5),
        two=np.float32([1, 2]),
        square=np.eye(6, dtype=np.float32),
        axes=ints(1),
        three=ints(3),
        places=ints(0, 2),
        flat=ints(1, -1),
    )
    opset = 9 if first == "ConvTranspose" else 21
    reading = read(model(WAYS_OUT[first], IMAGE, arrays, opset=opset), -4, 4)
    assert list(reading.net.outputs) == ["y"]


def test_every_standard_operator_is_read_or_refused_with_a_reason_of_its_own():
    assert [kind.names.split()[0] for kind in KINDS] == list(WAYS_OUT)
    names = {schema.name for schema in onnx.defs.get_all_schemas() if schema.domain == ""}
    assert names - set(ONNX) - set(refused.REFUSED) == {"Constant", "If"}
    assert not set(ONNX) & set(refused.REFUSED)


@pytest.mark.parametrize("name", ["Sigmoid", "LpNormalization", "Det", "Xor", "NonZero", "Trilu", "CumSum"])
def test_a_refusal_names_the_cut(name):
    inputs = "scores scores" if name in ("Xor", "CumSum") else "scores"
    proto = model([node("Relu", "x", "scores"), node(name, inputs, "y")], VECTOR)
    with pytest.raises(DataError, match=rf"y \({name}\): .*, or cut .*'scores' as its output \(--cut\)"):
        read(proto)
    assert list(read(proto, outputs=["scores"]).net.outputs) == ["scores"]


REFUSED = [
    ("ConvTranspose", "x w", {}, "transposed convolutions are not supported"),
    ("Conv", "x x", {}, r"its weight \(x\) is computed from the input"),
    ("Conv", "x w", {"auto_pad": "SAME"}, "auto_pad 'SAME' is not supported"),
    ("Conv", "x w", {"pads": [1, 1]}, "do not fit a window"),
    ("Conv", "x w", {"group": 3}, "3 groups of 2 channels"),
    ("Conv", "x w", {"strides": "two"}, "its attribute strides is no list of integers"),
    ("Relu", "x", {"alpha": 1.0}, "there is no attribute alpha in opset 21"),
    ("Relu", "x x", {}, "it has 2 inputs; 1 to 1 are due"),
    ("Nonsense", "x", {}, "there is no such operator in opset 21"),
    ("DynamicQuantizeLinear", "x", {}, "its scale depends on the image"),
    ("Div", "x x", {}, "divides by a computed tensor"),
    ("LeakyRelu", "x", {"alpha": -1.0}, "its slope -1 is negative"),
    ("Resize", "x - half", {"mode": "linear"}, "mode = 'linear' is not supported"),
    ("AveragePool", "x", {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1]}, "use count_include_pad"),
    ("Reshape", "x bad", {}, r"shape \(7, -1\) for 60 elements"),
    ("Expand", "x wide", {}, "elements; at most"),
    ("Tile", "x huge", {}, "elements; at most"),
    ("Gather", "x bad", {"axis": 1}, "indices outside the 2 entries"),
    ("QuantizeLinear", "x zero", {}, "its scale holds 0, NaN or infinity"),
    ("DequantizeLinear", "x half", {}, "its scale or zero point has shape"),
    ("Mul", "x double", {}, "is float64, the network computes in float32"),
]


@pytest.mark.parametrize(("kind", "inputs", "attributes", "reason"), REFUSED)
def test_what_is_not_supported_is_refused_by_name_and_reason(kind, inputs, attributes, reason):
    arrays = constants(
        w=W,
        half=np.float32([1, 1, 0.5, 0.5]),
        bad=ints(7, -1),
        wide=ints(2**30, 1, 1, 1, 1),
        huge=ints(1, 1, 2**20, 2**20),
        zero=np.float32(0),
        double=np.float64(0.1),
    )
    with pytest.raises(DataError, match=rf"1 node\(s\) cannot be converted: y \({kind}\): .*{reason}"):
        read(model([node(kind, inputs, "y", **attributes)], MAP, arrays))


def test_before_opset_7_an_axis_aligns_constants():
    proto = model(
        [node("Add", "x b", "y", broadcast=1, axis=1)], (1, 2, 1, 2), constants(b=np.float32([10, 20])), opset=6
    )
    assert values(read(proto, 0, 9), np.array([1, 2, 3, 4]).reshape(1, 2, 1, 2))["y"].tolist() == [11, 12, 23, 24]


def test_resizes_on_which_definitions_differ_are_refused():
    for scale, attributes, reason in (
        (0.7, {}, "exactly 6, in float32 another number"),
        (0.55, {"coordinate_transformation_mode": "align_corners"}, "align_corners with 10 "),
    ):
        scales = constants(s=np.float32([1, 1, 1, scale]))
        proto = model([node("Resize", "x - s", "y", mode="nearest", **attributes)], (1, 1, 1, 10), scales)
        with pytest.raises(DataError, match=reason):
            read(proto)


def test_a_lone_numpy_helper_constant_in_a_node():
    value = numpy_helper.from_array(np.float32(2), "v")
    proto = model([node("Constant", "", "c", value=value), node("Mul", "x c", "y")], VECTOR)
    _agrees(proto, VECTOR, F, -9, 9)


def test_attributes_that_exporters_write_although_they_are_the_default():
    """torch's exporter writes noop_with_empty_axes = 0 beside axes."""
    reduced = node("ReduceSum", "x axes", "y", keepdims=0, noop_with_empty_axes=0)
    proto = model([reduced], (1, 2, 3, 4), constants(axes=np.array([2, 3])))
    x = np.random.default_rng(8).integers(0, 9, (1, 2, 3, 4))
    assert np.array_equal(values(read(proto, 0, 9), x)["y"].reshape(2), x.sum((2, 3))[0])
