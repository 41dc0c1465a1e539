"""`GraphBuilder`'s methods: the same nodes as from ops written out, what must be said, and what is refused."""

from __future__ import annotations

import ast
import inspect
import subprocess
import sys
from contextlib import suppress
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import intinfer
from intinfer import ops, reference
from intinfer.accumulator import Accumulator, TapOrder
from intinfer.build_ops import OpMethods
from intinfer.builder import GraphBuilder
from intinfer.errors import GraphError, IntinferError
from intinfer.graph import Graph, ImageInput, Value
from intinfer.ops.threshold import clip_thresholds
from intinfer.rounding import RoundMode
from intinfer.tensor import CellularWeights, IntTensor
from intinfer.types import IntType

RNG = np.random.default_rng(4)
WEIGHT = RNG.integers(-1, 2, (4, 2, 3, 2))
LEVELS = np.sort(RNG.integers(-50, 50, (4, 3)), axis=1)

ONE_IMPORT = """
from intinfer.builder import GraphBuilder
import numpy as np

b = GraphBuilder()
x = b.input("image", (3, 8, 8), (0, 255))
weight = np.arange(8 * 3 * 9).reshape(8, 3, 3, 3) % 3 - 1
z = b.conv2d(x, weight, name="conv", encoding="ternary", pads=1, pad_value=0, accumulator="14 prove")
a = b.threshold(z, np.array([[-100, 0, 99]] * 8), name="act", base=0, step=1, descending=0)
s = b.tgap(a, name="select", top=3)
one = b.conv2d(a, b.automaton(30, [0, 1, 1, 0, 1, 0, 0, 0], 8), name="ca", pads=0, accumulator="6 wrap")
zero = b.conv2d(a, [[[[1]]]] * 8, name="dw", encoding="binary", groups=8, pads=0, accumulator="6 saturate CKK fold 2")
y = b.mux(s, one, zero, name="mux")
b.output("y", y)
print([node.op.kind for node in b.finish("RGB").nodes])
"""


def test_one_import_is_enough() -> None:
    done = subprocess.run([sys.executable, "-c", ONE_IMPORT], capture_output=True, text=True, check=True)
    kinds = ["conv2d", "threshold", "tgap", "conv2d", "conv2d", "mux"]
    assert ast.literal_eval(done.stdout) == kinds
    assert intinfer.GraphBuilder is GraphBuilder


def test_every_op_has_a_method() -> None:
    methods = {name for name, _ in inspect.getmembers(OpMethods, inspect.isfunction) if not name.startswith("_")}
    assert {"weighted_sum" if kind == "add" else kind for kind in ops.OPS} <= methods
    for name in methods - {"add"}:
        assert inspect.getdoc(getattr(OpMethods, name)), name


def built(make: Any, *inputs: tuple[tuple[int, ...], tuple[int, int]]) -> Graph:
    """A graph of one node, made of so many inputs of a shape and range."""
    builder = GraphBuilder()
    node = make(builder, *(builder.input(f"x{i}", shape, type_) for i, (shape, type_) in enumerate(inputs)))
    builder.output("out", node)
    return builder.finish()


MAP = ((4, 6, 5), (0, 7))
VECTOR = ((4,), (-8, 7))
SIGNED = ((4, 6, 5), (-60, 60))

CASES: dict[str, tuple[Any, ops.Op, tuple[Any, ...]]] = {
    "conv2d": (
        lambda b, x: b.conv2d(
            x, WEIGHT, name="y", encoding="ternary", groups=2, pads=(1, 0, 2, 1), pad_value=7, accumulator="9 wrap"
        ),
        ops.Conv2d(IntTensor(WEIGHT, "ternary"), (1, 1), (1, 0, 2, 1), (7,), (1, 1), 2, Accumulator.wrap(9)),
        (MAP,),
    ),
    "conv2d by channel": (
        lambda b, x: b.conv2d(
            x,
            IntTensor(WEIGHT, "s5"),
            name="y",
            groups=np.int64(2),
            pads=np.int64(2),
            pad_value=[0, 1, 2, 3],
            stride=(2, 1),
            dilation=2,
            accumulator=Accumulator.trap(20, TapOrder.KKC, 3),
        ),
        ops.Conv2d(
            IntTensor(WEIGHT, "s5"), (2, 1), (2,) * 4, (0, 1, 2, 3), (2, 2), 2, Accumulator.trap(20, TapOrder.KKC, 3)
        ),
        (MAP,),
    ),
    "conv2d generated": (
        lambda b, x: b.conv2d(x, b.automaton(30, [0, 1, 1], 4), name="y", pads=0, accumulator="8 prove"),
        ops.Conv2d(CellularWeights(30, (0, 1, 1), 4), (1, 1), (0,) * 4, (0,), (1, 1), 1, Accumulator.prove(8)),
        (MAP,),
    ),
    "dense": (
        lambda b, x: b.dense(x, [[3, -4, 0, 1]], name="y", encoding="s8", accumulator="12 saturate CKK fold 2"),
        ops.Dense(IntTensor([[3, -4, 0, 1]], "s8"), Accumulator.saturate(12, TapOrder.CKK, 2)),
        (VECTOR,),
    ),
    "threshold": (
        lambda b, x: b.threshold(x, LEVELS, name="y", base=-1, step=2, descending=0, encoding="s9"),
        ops.Threshold(IntTensor(LEVELS, "s9"), IntTensor([0] * 4), -1, 2),
        (SIGNED,),
    ),
    "threshold both ways": (
        lambda b, x: b.threshold(
            x, [[-99, 3], [999, -5], [0, 0], [61, 999]], name="y", base=0, step=1, descending=[0, 1, True, 0], clip=True
        ),
        ops.Threshold(IntTensor([[-60, 3], [60, -5], [0, 0], [61, 61]]), IntTensor([0, 1, 1, 0]), 0, 1),
        (SIGNED,),
    ),
    "requant": (
        lambda b, x: b.requant(
            x,
            name="y",
            multiplier=b.constant([3], "u8"),
            offset=[1, -2, 3, 0],
            shift=2,
            rounding="half_even",
            lo=-8,
            hi=7,
        ),
        ops.Requant(IntTensor([3], "u8"), IntTensor([1, -2, 3, 0]), IntTensor([2]), RoundMode.HALF_EVEN, -8, 7),
        (SIGNED,),
    ),
    "affine": (
        lambda b, x: b.affine(x, name="y", multiplier=-2, offset=[1, 2, 3, 4]),
        ops.Affine(IntTensor([-2] * 4), IntTensor([1, 2, 3, 4])),
        (SIGNED,),
    ),
    "abs": (lambda b, x: b.abs(x, name="y"), ops.Abs(), (SIGNED,)),
    "table": (
        lambda b, x: b.table(x, [[i % 5 for i in range(16)]], name="y", lo=0, hi=7, encoding="u3"),
        ops.Table(IntTensor([[i % 5 for i in range(16)]], "u3"), -8, 0, 7),
        (VECTOR,),
    ),
    "add": (
        lambda b, x, y: b.weighted_sum(x, y, multipliers=[2, -1], name="y"),
        ops.Add((2, -1)),
        (MAP, MAP),
    ),
    "bitshift": (lambda b, x, y: b.bitshift(x, y, name="y", bits=3), ops.Bitshift(3), (MAP, MAP)),
    "tgap": (lambda b, x: b.tgap(x, name="y", top=7), ops.Tgap(7), (MAP,)),
    "mux": (lambda b, s, x, y: b.mux(s, x, y, name="y"), ops.Mux(), (((4,), (0, 1)), MAP, MAP)),
    "max_pool": (
        lambda b, x: b.max_pool(x, name="y", kernel=3, stride=2, pads=(1, 0, 0, 1)),
        ops.MaxPool((3, 3), (2, 2), (1, 0, 0, 1), (1, 1)),
        (MAP,),
    ),
    "sum_pool": (
        lambda b, x: b.sum_pool(x, name="y", kernel=(6, 5), pads=0),
        ops.SumPool((6, 5), (1, 1), (0,) * 4),
        (MAP,),
    ),
    "concat": (lambda b, x, y: b.concat(x, y, name="y"), ops.Concat(), (MAP, MAP)),
    "channel_select": (
        lambda b, x: b.channel_select(x, [3, 0, 0], name="y"),
        ops.ChannelSelect(IntTensor([3, 0, 0])),
        (MAP,),
    ),
    "channel_shuffle": (lambda b, x: b.channel_shuffle(x, name="y", groups=2), ops.ChannelSelect.shuffle(4, 2), (MAP,)),
    "clamp": (lambda b, x: b.clamp(x, name="y", lo=-3, hi=4), ops.Clamp(-3, 4), (SIGNED,)),
    "flatten": (lambda b, x: b.flatten(x, name="y"), ops.Flatten(), (MAP,)),
    "gather": (
        lambda b, x: b.gather(x, [3, -1, 0], name="y", fill=5),
        ops.Gather(IntTensor([3, -1, 0]), 5),
        (VECTOR,),
    ),
    "argmax": (lambda b, x: b.argmax(x, name="y"), ops.ArgMax(), (VECTOR,)),
}


@pytest.mark.parametrize("case", CASES)
def test_a_method_makes_the_node_of_its_op(case: str) -> None:
    make, op, inputs = CASES[case]
    graph = built(make, *inputs)
    written = built(lambda b, *xs: b.add(op, *xs, name="y"), *inputs)
    (node,) = graph.nodes
    assert type(node.op) is type(op)
    for field in fields(op):
        assert getattr(node.op, field.name) == getattr(op, field.name), field.name
    assert node.output == written.nodes[0].output
    assert intinfer.model_file.to_bytes(graph) == intinfer.model_file.to_bytes(written)


def test_the_cases_are_of_every_kind() -> None:
    assert {op.kind for _, op, _ in CASES.values()} == set(ops.OPS)


def test_sources_images_and_ranges() -> None:
    builder = GraphBuilder()
    x = builder.input("x", (3, 2, 2), (0, 255))
    assert x == Value("x", (3, 2, 2), IntType(0, 255))
    builder.output("y", builder.clamp(x, name="c", lo=0, hi=9, source=["relu6"]))
    graph = builder.finish("RGB")
    assert graph.nodes[0].source == ("relu6",)
    assert graph.image == ImageInput("RGB")


REFUSALS = [
    (
        lambda b, x: b.conv2d(x, WEIGHT, name="y", groups=2, pads=0, accumulator="9 wrap"),
        "node 'y' (conv2d): say the encoding of the weight: binary, ternary, uK or sK",
    ),
    (
        lambda b, x: b.conv2d(x, WEIGHT, name="y", encoding="s2", groups=2, pads=1, accumulator="9 wrap"),
        "node 'y' (conv2d): pads (1, 1, 1, 1) make a border; say what it holds with pad_value",
    ),
    (
        lambda b, x: b.conv2d(x, WEIGHT, name="y", encoding="binary", groups=2, pads=0, accumulator="9 wrap"),
        "node 'y' (conv2d): weight: constant tensor: value 0 has no binary code",
    ),
    (
        lambda b, x: b.conv2d(x, WEIGHT, name="y", encoding="s2", groups=2, pads=0, accumulator="9"),
        "node 'y' (conv2d): accumulator '9' is not such as '16 prove', '9 wrap', '12 saturate CKK fold 2' or '12 trap "
        "KKC fold 1'",
    ),
    (
        lambda b, x: b.conv2d(x, WEIGHT, name="y", encoding="s2", groups=2, pads=(1, 1), pad_value=0, accumulator=""),
        "node 'y' (conv2d): pads: one number or (top, left, bottom, right) is needed, got (1, 1)",
    ),
    (
        lambda b, x: b.conv2d(x, IntTensor(WEIGHT, "s8"), name="y", encoding="s2", pads=0, accumulator="9 wrap"),
        "node 'y' (conv2d): the encoding s2 is said of a tensor in s8; say one of them",
    ),
    (
        lambda b, x: b.conv2d(x, WEIGHT / 2, name="y", encoding="s2", pads=0, accumulator="9 wrap"),
        "node 'y' (conv2d): weight: constant tensors are made of integers, got dtype float64",
    ),
    (
        lambda b, x: b.conv2d(x, b.automaton(30, [0, 1], 4), name="y", encoding="binary", pads=0, accumulator="9 wrap"),
        "node 'y' (conv2d): generated weights are binary; leave the encoding out",
    ),
    (
        lambda b, x: b.dense(x, b.automaton(30, [0, 1], 4), name="y", accumulator="9 wrap"),
        "node 'y' (dense): generated weights are for a pointwise convolution",
    ),
    (
        lambda b, x: b.threshold(x, [[1, 99]], name="y", base=0, step=1, descending=0),
        "node 'y' (threshold): channel 0: thresholds 1..99 leave 0..8; clip them",
    ),
    (
        lambda b, x: b.threshold(x, [1, 2], name="y", base=0, step=1, descending=0, clip=True),
        "node 'y' (threshold): thresholds have shape (2,) and descending (2,); (C, N) and (C,) are needed",
    ),
    (
        lambda b, x: b.threshold(x, [[0.5]], name="y", base=0, step=1, descending=0, clip=True),
        "node 'y' (threshold): thresholds are integers, got dtype float64",
    ),
    (
        lambda b, x: b.threshold(x, [[1]], name="y", base=0, step=1, descending=0.0),
        "node 'y' (threshold): descending is made of 0 and 1, got dtype float64",
    ),
    (
        lambda b, x: b.requant(x, name="y", multiplier=1, offset=0, shift=1, rounding="up", lo=0, hi=1),
        "node 'y' (requant): rounding 'up' is unknown; there are floor, half_up, half_even, half_away",
    ),
    (
        lambda b, x: b.channel_shuffle(x, name="y", groups=3),
        "node 'y' (channel_select): 4 channels cannot be shuffled in 3 groups: groups must divide them",
    ),
    (lambda b, x: b.tgap(x, name="x0", top=7), "value name 'x0' is taken; names are unique"),
]


@pytest.mark.parametrize(("make", "message"), REFUSALS, ids=[message[:40] for _, message in REFUSALS])
def test_refusals(make: Any, message: str) -> None:
    with pytest.raises(GraphError) as caught:
        built(make, MAP)
    assert str(caught.value) == message


MAC = {"accumulator": "20 wrap", "encoding": "s8"}
CALLS: dict[str, tuple[tuple[Any, ...], dict[str, Any]]] = {
    "conv2d": (
        (MAP,),
        {"weight": WEIGHT, "pads": 1, "pad_value": 0, "stride": 1, "dilation": 1, "groups": 2, **MAC},
    ),
    "dense": ((VECTOR,), {"weight": [[3, -4, 0, 1]], **MAC}),
    "threshold": (
        (MAP,),
        {"thresholds": [[1, 2]] * 4, "base": 0, "step": 1, "descending": 0, "clip": True, "encoding": "s9"},
    ),
    "requant": ((MAP,), {"multiplier": 1, "offset": 0, "shift": 1, "rounding": "floor", "lo": 0, "hi": 7}),
    "affine": ((MAP,), {"multiplier": 2, "offset": [1, 2, 3, 4]}),
    "table": ((VECTOR,), {"entries": [[0] * 16], "lo": 0, "hi": 7, "encoding": "u3"}),
    "weighted_sum": ((MAP, MAP), {"multipliers": [1, 2]}),
    "bitshift": ((MAP, MAP), {"bits": 3}),
    "tgap": ((MAP,), {"top": 7}),
    "mux": ((((4,), (0, 1)), MAP, MAP), {}),
    "max_pool": ((MAP,), {"kernel": 2, "pads": 0, "stride": 1, "dilation": 1}),
    "sum_pool": ((MAP,), {"kernel": 2, "pads": 0, "stride": 1}),
    "concat": ((MAP, MAP), {}),
    "channel_select": ((MAP,), {"indices": [1, 0]}),
    "channel_shuffle": ((MAP,), {"groups": 2}),
    "clamp": ((MAP,), {"lo": 0, "hi": 3}),
    "flatten": ((MAP,), {}),
    "gather": ((VECTOR,), {"index": [0, 1], "fill": 0}),
    "argmax": ((MAP,), {}),
    "abs": ((MAP,), {}),
}
ARGUMENTS = [(method, name) for method, (_, given) in CALLS.items() for name in (*given, "name")]
WRONG = [object(), 2.5, np.float32(2), 1j, {}, [None], [[1], [2, 3]], np.array([0.5]), ["a"], b"ab", np.array(None)]
ODD = st.one_of(
    st.sampled_from([*WRONG, None, True, "", "3", [], (), np.int64(2), np.uint8(1), np.array(2), np.zeros((0, 2)), -1]),
    st.integers(-(2**70), 2**70),
    st.lists(st.integers(-(2**65), 2**65), max_size=5),
)


def called(method: str, *operands: Any, **given: Any) -> Value:
    """The node of a method, with the arguments of CALLS but those that are given."""
    shapes, arguments = CALLS[method]
    builder = GraphBuilder()
    values = [builder.input(f"x{i}", *ends) for i, ends in enumerate(shapes)]
    return getattr(builder, method)(*(operands or values), **{"name": "y", **arguments, **given})


def test_the_calls_are_of_every_method() -> None:
    methods = {name for name, _ in inspect.getmembers(OpMethods, inspect.isfunction) if not name.startswith("_")}
    assert set(CALLS) == methods - {"add", "constant", "automaton"}
    for method, (_, arguments) in CALLS.items():
        assert called(method).name == "y"
        keywords = set(inspect.signature(getattr(OpMethods, method)).parameters) - {"self", "x", "inputs", "a", "b"}
        assert {"name", "source", *arguments} >= keywords - {"select", "one", "zero"}


@pytest.mark.parametrize(("method", "argument"), ARGUMENTS)
def test_an_argument_of_a_wrong_type_is_named(method: str, argument: str) -> None:
    for wrong in WRONG:
        with pytest.raises(IntinferError) as caught:
            called(method, **{argument: wrong})
        assert argument in str(caught.value) or argument[:-1] in str(caught.value), (wrong, str(caught.value))


@pytest.mark.parametrize("method", CALLS)
def test_an_operand_that_is_no_value_is_refused(method: str) -> None:
    count = len(CALLS[method][0])
    for wrong in (*WRONG, None, "x0", 3):
        with pytest.raises(GraphError, match="input must be a Value of this graph, got "):
            called(method, *[wrong] * count)
        with pytest.raises(GraphError, match=r"source|name"):
            called(method, source="layer" if wrong is None else wrong, name="" if wrong == ["a"] else "y")


@given(st.sampled_from(ARGUMENTS), ODD)
@settings(max_examples=400)
def test_odd_arguments_are_taken_or_refused(place: tuple[str, str], odd: object) -> None:
    """Whatever is refused is so by an error of ours, as pytest sees of any other one."""
    method, argument = place
    with suppress(IntinferError):
        called(method, **{argument: odd})


def test_integers_of_numpy_are_integers() -> None:
    for method, (_, arguments) in CALLS.items():
        for argument, value in arguments.items():
            if type(value) is int:
                assert called(method, **{argument: np.int16(value)}) == called(method), (method, argument)


@given(ODD, st.sampled_from(["values", "encoding", "rule", "seed", "rows", "op", "shape", "type", "value", "scale"]))
@settings(max_examples=300)
def test_odd_arguments_of_the_builder_itself(odd: Any, argument: str) -> None:
    builder = GraphBuilder()
    x = builder.input("x", (3, 4, 5), (0, 9))
    calls: dict[str, Any] = {
        "values": lambda: builder.constant(odd),
        "encoding": lambda: builder.constant([1], odd),
        "rule": lambda: builder.automaton(odd, [0, 1], 2),
        "seed": lambda: builder.automaton(30, odd, 2),
        "rows": lambda: builder.automaton(30, [0, 1], odd),
        "op": lambda: builder.add(odd, x, name="y"),
        "shape": lambda: builder.input("y", odd, (0, 1)),
        "type": lambda: builder.input("y", (1,), odd),
        "value": lambda: builder.output("y", odd),
        "scale": lambda: builder.output("y", x, odd),
    }
    with suppress(IntinferError):
        calls[argument]()


@pytest.mark.parametrize("kind", ops.OPS)
def test_an_attribute_of_a_wrong_type_is_named(kind: str) -> None:
    """Of an op that is made without the builder's method."""
    op, inputs = ops.OPS[kind].example()
    builder = GraphBuilder()
    values = [builder.input(f"x{i}", shape, type_) for i, (shape, type_) in enumerate(inputs)]
    for field in fields(op):
        for wrong in (*WRONG, None, "3", np.int64(1)):
            with pytest.raises(GraphError, match=rf"^node 'y' \({kind}\): attributes\.{field.name}.* needed, got "):
                builder.add(replace(op, **{field.name: wrong}), *values, name="y")


def test_the_ends_of_a_graph_are_named() -> None:
    builder = GraphBuilder()
    x = builder.input("x", (3, 4, 5), (0, 9))
    builder.output("y", x)
    for wrong in (3, 2.5, "abc", object()):
        with pytest.raises(GraphError, match="classes: a list of strings is needed, got "):
            builder.finish(classes=wrong)
        with pytest.raises(GraphError, match=r"^image "):
            builder.finish(image=wrong)
        with pytest.raises(GraphError, match=r"^provenance is a "):
            builder.finish(provenance=wrong)
        with pytest.raises(GraphError, match=r"^output 'z': offset is a "):
            builder.output("z", x, offset=wrong)
    with pytest.raises(GraphError, match=r"^output name 3 must be a string$"):
        builder.output(3, x)
    with pytest.raises(GraphError, match=r"^output 'z': scale is made of floats; give Fractions$"):
        builder.output("z", x, scale=[0.5])
    with pytest.raises(GraphError, match=r"^input 'z': type: an IntType or \(lo, hi\) is needed, got None$"):
        builder.input("z", (1,), None)
    assert builder.input("z", np.array([1]), (np.int8(0), 3)) == Value("z", (1,), IntType(0, 3))


def test_the_refusal_of_thresholds_has_a_way_out() -> None:
    node = built(lambda b, x: b.threshold(x, [[1, 99]], name="y", base=0, step=1, descending=0, clip=True), MAP)
    assert node.nodes[0].output.type == IntType(0, 2)


@given(
    st.integers(-9, 9),
    st.integers(0, 12),
    st.lists(st.tuples(st.lists(st.integers(-40, 40), min_size=3, max_size=3), st.booleans()), min_size=1, max_size=4),
)
def test_clipped_thresholds_count_the_same(lo: int, extent: int, channels: list[tuple[list[int], bool]]) -> None:
    """Against counting in plain Python with the thresholds as they were."""
    rows = [sorted(row, reverse=down) for row, down in channels]
    flags = [int(down) for _, down in channels]
    type_ = IntType(lo, lo + extent)
    builder = GraphBuilder()
    x = builder.input("x", (len(rows),), type_)
    builder.output("y", builder.threshold(x, rows, name="y", base=0, step=1, descending=flags, clip=True))
    values = np.array([[z] * len(rows) for z in range(lo, lo + extent + 1)])
    found = reference.run(builder.finish(), values)["y"].tolist()
    assert found == [
        [sum(z <= t if down else z >= t for t in row) for row, down in zip(rows, flags, strict=True)]
        for z in range(lo, lo + extent + 1)
    ]


def test_thresholds_of_any_integer_type_are_clipped() -> None:
    type_ = IntType(-4, 11)
    wide = np.array([[2**64 - 1, 2**63]], dtype=np.uint64)
    assert clip_thresholds(wide, [0], type_).tolist() == [[12, 12]]
    assert clip_thresholds(np.array([[-128, 127]], dtype=np.int8), [0], type_).tolist() == [[-4, 12]]
    assert clip_thresholds([[2**63 - 1, -(2**63)]], [1], type_).tolist() == [[11, -5]]


@pytest.mark.parametrize(
    "text", ["16 prove", "9 wrap", "2 wrap", "62 prove", "12 saturate CKK fold 2", "7 trap KKC fold 1"]
)
def test_accumulators_are_read_as_they_are_written(text: str) -> None:
    assert str(Accumulator.of(text)) == text


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("16", "accumulator '16' is not such as"),
        ("16 Wrap", "accumulator '16 Wrap' is not such as"),
        ("16 wrap ", "accumulator '16 wrap ' is not such as"),
        ("63 wrap", "accumulator of 63 bits: 2..62 are possible"),
        ("9 saturate", "a saturate accumulator needs an order (CKK or KKC) and a fold of at least 1"),
        ("9 trap CKK fold 0", "a trap accumulator needs an order (CKK or KKC) and a fold of at least 1"),
        ("9 wrap CKK fold 2", "a wrap accumulator does not depend on order or fold: leave them out"),
    ],
)
def test_other_texts_are_no_accumulators(text: str, message: str) -> None:
    with pytest.raises(GraphError) as caught:
        Accumulator.of(text)
    assert str(caught.value).startswith(message)


def test_the_network_of_the_readme(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = (Path(__file__).parent.parent / "README.md").read_text("utf-8")
    _, begin, lines = text.partition("b = intinfer.GraphBuilder()")
    monkeypatch.chdir(tmp_path)
    head = "import intinfer, numpy as np\nweight = np.ones((4, 3, 3, 3), int)\nthresholds = [[0, 7, 10**5]] * 4\n"
    subprocess.run([sys.executable, "-c", head + begin + lines.partition("```")[0]], check=True)
    assert [node.name for node in intinfer.load("conv.npz").graph.nodes] == ["conv", "act"]
