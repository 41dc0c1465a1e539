"""Running a graph: inputs, outputs, what is kept, what is refused."""

import weakref

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import intinfer
from intinfer import reference
from intinfer.accumulator import Accumulator, TapOrder
from intinfer.bounds import bounds_of
from intinfer.builder import GraphBuilder
from intinfer.cost import graph_cost
from intinfer.engine.session import Session
from intinfer.errors import DataError, GraphError, RangeError
from intinfer.model import Model
from intinfer.model_file import to_bytes
from intinfer.ops import OPS, Add, Bitshift, Clamp, Dense, Flatten
from intinfer.strategies import MAKERS, Operands
from intinfer.tensor import IntTensor
from intinfer.types import IntType

LEVELS = IntType(0, 7)


def merge_graph():
    """a, b -> s = a + 2b -> t = clamp(s, 0, 7) -> m = (t + a) >> 1; outputs m, s, and the input b."""
    builder = GraphBuilder()
    a, b = (builder.input(name, (2,), LEVELS) for name in "ab")
    s = builder.add(Add((1, 2)), a, b, name="s")
    t = builder.add(Clamp(0, 7), s, name="t")
    m = builder.add(Bitshift(3), t, a, name="m")
    for name, value in (("merged", m), ("sum", s), ("passed", b)):
        builder.output(name, value)
    return builder.finish()


A, B = np.array([[1, 7], [0, 2], [5, 5]]), np.array([[2, 7], [0, 1], [0, 7]])
S = [[5, 21], [0, 4], [5, 19]]
T = [[5, 7], [0, 4], [5, 7]]
M = [[3, 7], [0, 3], [5, 6]]


def test_run_gives_the_outputs_by_their_names():
    got = reference.run(merge_graph(), {"a": A, "b": B})
    assert {name: array.tolist() for name, array in got.items()} == {"merged": M, "sum": S, "passed": B.tolist()}
    assert all(array.dtype == np.int64 for array in got.values())


def test_trace_gives_every_value_in_graph_order():
    got = reference.trace(merge_graph(), {"b": B, "a": A})
    assert [(name, array.tolist()) for name, array in got.items()] == [
        ("a", A.tolist()),
        ("b", B.tolist()),
        ("s", S),
        ("t", T),
        ("m", M),
    ]


def test_a_value_may_be_output_twice_and_read_twice():
    builder = GraphBuilder()
    x = builder.input("x", (1,), LEVELS)
    y = builder.add(Add((1, 1)), x, x, name="y")
    builder.output("one", y)
    builder.output("two", y)
    got = reference.run(builder.finish(), np.array([[3]]))
    assert {name: array.tolist() for name, array in got.items()} == {"one": [[6]], "two": [[6]]}


@pytest.mark.parametrize("dtype", ["u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", ">i4"])
def test_every_integer_dtype_is_taken(dtype):
    got = reference.run(merge_graph(), {"a": A.astype(dtype), "b": B.astype(dtype)})
    assert got["merged"].tolist() == M
    assert got["sum"].tolist() == S


def test_no_images_give_no_results():
    got = reference.trace(merge_graph(), {"a": A[:0], "b": B[:0]})
    assert {name: array.shape for name, array in got.items()} == dict.fromkeys("abstm", (0, 2))


CAST = "integers are needed; cast it if its values are integers"


@pytest.mark.parametrize("function", [reference.run, reference.trace])
@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({"a": A}, "inputs ['a'] are given, ['a', 'b'] are needed"),
        ({"a": A, "c": B}, "inputs ['a', 'c'] are given, ['a', 'b'] are needed"),
        ({"a": A, "b": B, "c": B}, "inputs ['a', 'b', 'c'] are given, ['a', 'b'] are needed"),
        (A, "inputs ['a'] are given, ['a', 'b'] are needed; pass a mapping {input name: array}"),
        (
            {"a": A, "b": B.astype(float)},
            f"input 'b' has dtype float64, {CAST}",
        ),
        (
            {"a": A.astype(bool), "b": B},
            f"input 'a' has dtype bool, {CAST}",
        ),
        ({"a": A, "b": B[0]}, "input 'b' has shape (2,), (N, 2) is needed"),
        ({"a": A, "b": B[:, :1]}, "input 'b' has shape (3, 1), (N, 2) is needed"),
        ({"a": A, "b": B[:2]}, "inputs differ in the number of images: 2, 3; give all the same batch"),
    ],
)
def test_inputs_that_do_not_fit(function, inputs, message):
    with pytest.raises(DataError) as caught:
        function(merge_graph(), inputs)
    assert str(caught.value) == message


@pytest.mark.parametrize(("value", "dtype"), [(8, "i8"), (-1, "i1"), (255, "u1"), (2**63, "u8"), (-(2**63), "i8")])
def test_an_input_value_outside_its_type(value, dtype):
    bad = B.astype(dtype)
    bad[2, 0] = value
    with pytest.raises(RangeError) as caught:
        reference.run(merge_graph(), {"a": A, "b": bad})
    assert str(caught.value) == f"input 'b': value {value} at index (2, 0) is outside 0..7; 1 of 6 values are"


def test_a_trap_is_reported_with_its_node():
    builder = GraphBuilder()
    x = builder.input("x", (2,), LEVELS)
    y = builder.add(Dense(IntTensor([[1, 1]]), Accumulator.trap(4, TapOrder.CKK)), x, name="head")
    builder.output("y", y)
    with pytest.raises(RangeError) as caught:
        reference.run(builder.finish(), np.array([[0, 7], [1, 7]]))
    assert str(caught.value) == (
        "node 'head' (dense): accumulator of 4 bits holds -8..7 and reaches 8 after 2 of 2 products "
        "at image 1, channel 0"
    )


class Wrong(Flatten):
    """An op whose type rule promises too little."""

    kind = "wrong"

    def infer(self, *inputs):
        return inputs[0].shape, IntType(0, 6)

    def reference(self, *inputs):
        return inputs[0]


def test_a_result_outside_its_inferred_type_never_passes(monkeypatch):
    monkeypatch.setitem(OPS, "wrong", Wrong)
    builder = GraphBuilder()
    builder.output("y", builder.add(Wrong(), builder.input("x", (2,), LEVELS), name="y"))
    graph = builder.finish()
    assert reference.run(graph, np.array([[0, 6]]))["y"].tolist() == [[0, 6]]
    with pytest.raises(RangeError) as caught:
        reference.run(graph, np.array([[0, 6], [1, 7]]))
    assert str(caught.value) == "node 'y' (wrong): result: value 7 at index (1, 1) is outside 0..6; 1 of 4 values are"


class Watched(Flatten):
    """Adds 1, and notes how many results of its kind are alive as it runs."""

    kind = "watched"
    results: list = []  # noqa: RUF012 - one list for all nodes
    alive: list = []  # noqa: RUF012

    def infer(self, *inputs):
        return inputs[0].shape, IntType(0, 99)

    def reference(self, *inputs):
        self.alive.append(sum(result() is not None for result in self.results))
        result = inputs[0] + 1
        self.results.append(weakref.ref(result))
        return result


@pytest.mark.parametrize(("function", "alive"), [(reference.run, [0, 1, 1, 1, 1]), (reference.trace, [0, 1, 2, 3, 4])])
def test_a_run_drops_each_intermediate_after_its_last_reader_and_a_trace_keeps_it(function, alive, monkeypatch):
    monkeypatch.setitem(OPS, "watched", Watched)
    Watched.results.clear()
    Watched.alive.clear()
    builder = GraphBuilder()
    value = builder.input("x", (1,), LEVELS)
    for i in range(5):
        value = builder.add(Watched(), value, name=f"y{i}")
    builder.output("y", value)
    assert next(reversed(function(builder.finish(), np.array([[2]])).values())).tolist() == [[7]]
    assert Watched.alive == alive


@pytest.mark.parametrize("kind", sorted(OPS))
@given(data=st.data())
def test_a_batch_of_no_images(kind, data):
    """Of every op, on both engines and through a Model: no images in, none out, of the right shape and type."""
    source = Operands(data.draw, fresh=True)
    MAKERS[kind](source)
    source.builder.output("y", source.values[-1])
    graph = source.builder.finish()
    none = {value.name: np.zeros((0, *value.shape), dtype=np.int64) for value in graph.inputs}
    value = graph.values[graph.outputs[0].value]
    model = Model(graph)
    for got in (
        reference.run(graph, none)["y"],
        reference.trace(graph, none)[value.name],
        Session(graph).run(none)["y"],
        model.run(none, engine="reference"),
        model.run(none, engine="fast"),
        model.trace(none)[value.name],
    ):
        assert (got.shape, got.dtype) == ((0, *value.shape), np.int64)


def test_a_model_is_taken_where_a_graph_is(tmp_path):
    """It is what people hold."""
    model = Model(merge_graph())
    intinfer.save(model, tmp_path / "a.npz")
    intinfer.save(intinfer.load(tmp_path / "a.npz"), tmp_path / "b.npz")
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes() == to_bytes(model.graph)
    assert reference.run(model, {"a": A, "b": B})["merged"].tolist() == M
    assert graph_cost(model).macs == graph_cost(model.graph).macs
    assert bounds_of(model).channels["t"][1].tolist() == [7, 7]
    with pytest.raises(GraphError, match="a Model or a Graph is needed, got str"):
        intinfer.save("m.npz", tmp_path / "c.npz")
