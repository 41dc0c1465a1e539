"""What skipping may not change: nested multiplexers, shared branches, outputs, traps, one image after another."""

import numpy as np
import pytest
from engine_cases import IDENTITY, LIMITLESS, UP, assert_engine, conv, edge_values, graph_of

from intinfer import Model, reference
from intinfer.accumulator import Accumulator, TapOrder
from intinfer.builder import GraphBuilder
from intinfer.engine.planner import make_plan
from intinfer.engine.session import Session, SkipCounts
from intinfer.errors import RangeError
from intinfer.ops import (
    Add,
    Affine,
    ArgMax,
    ChannelSelect,
    Clamp,
    Concat,
    Dense,
    Flatten,
    Gather,
    Mux,
    Table,
    Tgap,
    Threshold,
)
from intinfer.reports.profile import profile
from intinfer.tensor import IntTensor
from intinfer.types import IntType


def levels(builder, name, shape=(4, 2, 2)):
    return builder.input(name, shape, IntType(0, 3))


def scaled(builder, x, name):
    """A convolution and its threshold: what the engine fuses and skips. Channel c reads channel c.

    Each name has its own constants, so that what another node left in reused memory is not the right answer.
    """
    rng = np.random.default_rng(list(name.encode()))
    weight = rng.permutation([1, 2, -1, 3]).reshape(4, 1, 1, 1)
    sums = builder.add(conv(weight, groups=4), x, name=name)
    limits = np.sort(rng.integers(-2, 8, (4, 3)), axis=1)
    return builder.add(Threshold(IntTensor(limits), IntTensor([0] * 4), 0, 1), sums, name=f"{name}.act")


def all_selects(graph, count=4):
    """Images in which every pattern of `count` select bits of input s occurs, other inputs random."""
    patterns = (np.arange(2**count)[:, None] >> np.arange(count)) & 1
    arrays = edge_values(graph, len(patterns))
    arrays["s"] = patterns
    return arrays


def test_mux_inside_mux():
    """The inner select is computed late, and itself demanded only where the outer mux chooses its branch."""
    builder = GraphBuilder()
    s, x, y = builder.input("s", (4,), IntType(0, 1)), levels(builder, "x"), levels(builder, "y")
    a, b, c = (scaled(builder, v, name) for v, name in ((x, "a"), (y, "b"), (x, "c")))
    t = builder.add(Tgap(3), a, name="t")
    inner = builder.add(Mux(), t, b, c, name="inner")
    outer = builder.add(Mux(), s, inner, scaled(builder, inner, "d"), name="outer")
    last = builder.add(Mux(), s, scaled(builder, y, "e"), outer, name="last")
    builder.output("y", builder.add(ChannelSelect(IntTensor([3, 3, 0, 1])), last, name="picked"))
    graph = builder.finish()
    inputs = all_selects(graph)
    assert_engine(graph, inputs)
    counts = SkipCounts()
    Session(graph).run(inputs, counts=counts, poison=True)
    trace = reference.trace(graph, inputs)
    wanted = trace["s"] == 0
    assert counts.channels["inner"] == counts.channels["t"] == wanted.sum()
    assert counts.selected["inner"] == (wanted & (trace["t"] == 1)).sum()
    assert counts.channels["b"] == (wanted & (trace["t"] == 1)).sum()
    assert counts.channels["e"] == (trace["s"] == 1).sum()


def test_profile_sees_select_bits_that_were_skipped():
    builder = GraphBuilder()
    s, x = builder.input("s", (4,), IntType(0, 1)), levels(builder, "x")
    t = builder.add(Tgap(3), scaled(builder, x, "a"), name="t")
    inner = builder.add(Mux(), t, scaled(builder, x, "b"), scaled(builder, x, "c"), name="inner")
    builder.output("y", builder.add(Mux(), s, x, inner, name="outer"))
    graph = builder.finish()
    inputs = all_selects(graph)
    trace = reference.trace(graph, inputs)
    muxes = {mux.name: mux.selected for mux in profile(graph, [inputs]).muxes}
    assert muxes == {"inner": trace["t"].mean(), "outer": 0.5}


def test_values_read_inside_and_outside_of_a_skipped_region():
    """A branch that is also a graph output, one that another op reads, one that both branches share."""
    builder = GraphBuilder()
    s, x = builder.input("s", (4,), IntType(0, 1)), levels(builder, "x")
    shown, shared, twice = (scaled(builder, x, name) for name in ("shown", "shared", "twice"))
    first = builder.add(Mux(), s, shown, scaled(builder, shown, "behind"), name="first")
    second = builder.add(Mux(), s, twice, twice, name="second")
    third = builder.add(Mux(), s, x, shared, name="third")
    total = builder.add(Add((1, 2, -1, 4)), first, second, third, shared, name="total")
    swapped = builder.add(ChannelSelect(IntTensor([1, 0, 0, 2])), scaled(builder, x, "picked"), name="swapped")
    joined = builder.add(Concat(), swapped, swapped, name="joined")
    low = builder.add(ChannelSelect(IntTensor([7, 2, 5, 1])), joined, name="low")
    fourth = builder.add(Mux(), s, low, x, name="fourth")
    alone = scaled(builder, x, "alone")
    fifth = builder.add(Mux(), s, alone, x, name="fifth")
    for name, value in (
        ("total", total),
        ("fifth", fifth),
        ("alone", alone),
        ("shown", shown),
        ("fourth", fourth),
        ("again", fourth),
        ("raw", x),
    ):
        builder.output(name, value)
    graph = builder.finish()
    assert_engine(graph, all_selects(graph))


def test_channel_maps_inside_a_skipped_region():
    """Groups, flatten, dense and argmax below a mux: a live channel reads a group, or everything."""
    builder = GraphBuilder()
    s, x = builder.input("s", (4,), IntType(0, 1)), levels(builder, "x", (4, 1, 1))
    grouped = conv(np.arange(1, 17).reshape(8, 2, 1, 1) % 3 - 1, groups=2)
    wide = builder.add(grouped, scaled(builder, x, "a"), name="wide")
    folded = builder.add(ChannelSelect(IntTensor([0, 7, 3, 4])), wide, name="folded")
    mixed = builder.add(Mux(), s, folded, scaled(builder, x, "b"), name="mixed")
    tail = scaled(builder, x, "c")
    best = builder.add(ArgMax(), tail, name="best")
    best = builder.add(ChannelSelect(IntTensor([0] * 4)), best, name="wide.best")
    builder.output("y", builder.add(Mux(), s, best, mixed, name="out"))
    flat = builder.add(Flatten(), mixed, name="flat")
    builder.output("z", builder.add(Dense(IntTensor(np.eye(4, dtype=int)), Accumulator.prove(12)), flat, name="fc"))
    graph = builder.finish()
    assert_engine(graph, all_selects(graph))


def test_gathers_inside_a_skipped_region():
    """A live channel reads the channels its elements come from: another one, two of them, all, or none."""
    builder = GraphBuilder()
    s, x = builder.input("s", (4,), IntType(0, 1)), levels(builder, "x")
    places = np.arange(16).reshape(4, 2, 2)
    mixed = np.stack([places[2], np.where(places[0] % 3 == 0, places[1], places[3]), places[:, 1, 0].reshape(2, 2)])
    mixed = np.concatenate([mixed, np.full((1, 2, 2), -1)])
    moved = builder.add(Gather(IntTensor(mixed), 2), scaled(builder, x, "a"), name="moved")
    shown = builder.add(Mux(), s, moved, scaled(builder, x, "b"), name="shown")
    builder.output("y", shown)
    wide = builder.add(
        Gather(IntTensor(np.pad(places, ((0, 0), (1, 1), (0, 2)), constant_values=-1)), 1), x, name="wide"
    )
    crop = Gather(IntTensor(np.arange(64).reshape(4, 4, 4)[:, 1:3, :2]))
    narrow = builder.add(crop, scaled(builder, wide, "c"), name="narrow")
    builder.output("z", builder.add(Mux(), s, narrow, shown, name="cropped"))
    builder.output("n", builder.add(Gather(IntTensor(np.full(3, -1)), 5), x, name="none"))
    graph = builder.finish()
    inputs = all_selects(graph)
    assert_engine(graph, inputs)
    counts = SkipCounts()
    Session(graph).run({name: array[2:3] for name, array in inputs.items()}, counts=counts)
    assert (counts.channels["a"], counts.channels["b"], counts.channels["c"]) == (2, 3, 1), "only channel 1 is selected"
    assert Session(graph).run(inputs)["n"].tolist() == [[5, 5, 5]] * 16


def test_select_bits_that_come_out_of_a_vector():
    """A channel of a flattened map holds several select bits, a dense one reads everything; few bits are asked for."""
    builder = GraphBuilder()
    s, x = builder.input("s", (4,), IntType(0, 1)), levels(builder, "x")
    flat = builder.add(Flatten(), builder.add(IDENTITY, levels(builder, "b", (2, 1, 2)), name="bits"), name="flat")
    one = builder.add(Threshold(IntTensor([[2]]), UP, 0, 1), flat, name="one")
    mixed = builder.add(
        Dense(IntTensor([[1, -1, 0, 0], [0, 1, -1, 0], [0, 0, 1, -1], [1, 0, 0, 1]]), LIMITLESS), flat, name="fc"
    )
    two = builder.add(Threshold(IntTensor([[0]]), UP, 0, 1), mixed, name="two")
    a = builder.add(Mux(), one, scaled(builder, x, "a1"), scaled(builder, x, "a0"), name="a")
    b = builder.add(Mux(), two, scaled(builder, x, "b1"), scaled(builder, x, "b0"), name="b.mux")
    for name, inner in (("a", a), ("b", b)):
        builder.output(name, builder.add(Mux(), s, x, inner, name=f"{name}.outer"))
    graph = builder.finish()
    assert_engine(graph, all_selects(graph))
    for output in graph.outputs:  # alone, so that the other's demand does not hide what is missing
        alone = graph.with_outputs([output])
        assert_engine(alone, all_selects(alone))


def test_what_one_image_selected_is_forgotten_in_the_next():
    """`u` and `i` run before the bits of the muxes behind them are known: all of their readers count until then."""
    builder = GraphBuilder()
    s, x, y = builder.input("s", (4,), IntType(0, 1)), levels(builder, "x"), levels(builder, "y")
    u = scaled(builder, y, "u")
    crossed = builder.add(ChannelSelect(IntTensor([1, 0, 3, 2])), u, name="crossed")
    inner = builder.add(Mux(), builder.add(Tgap(3), crossed, name="t"), scaled(builder, x, "one"), u, name="inner")
    builder.output("nested", builder.add(Mux(), s, x, inner, name="outer"))
    i = scaled(builder, x, "i")
    builder.output("early", builder.add(Mux(), s, i, y, name="first"))
    late = builder.add(Tgap(3), scaled(builder, y, "z"), name="late")
    builder.output("late", builder.add(Mux(), late, scaled(builder, i, "r"), x, name="second"))
    graph = builder.finish()
    assert_engine(graph, all_selects(graph))


def test_sums_that_more_than_one_threshold_needs():
    """A convolution is not fused where its sums have another reader or are an output."""
    builder = GraphBuilder()
    x = levels(builder, "x")
    for name in ("two", "shown", "one"):
        sums = builder.add(conv(np.eye(4, dtype=int)[:, :, None, None] * 3), x, name=name)
        builder.output(f"{name}.low", builder.add(Threshold(IntTensor([[1]]), UP, 0, 1), sums, name=f"{name}.low"))
        if name == "two":
            builder.output("high", builder.add(Threshold(IntTensor([[7]]), UP, 0, 1), sums, name="high"))
        if name == "shown":
            builder.output("sums", sums)
    graph = builder.finish()
    assert [step.node.name for step in make_plan(graph).steps if step.fused] == ["one"]
    assert_engine(graph)


def test_a_graph_of_inputs_only_and_dead_nodes():
    builder = GraphBuilder()
    s, x = builder.input("s", (4,), IntType(0, 1)), levels(builder, "x")
    scaled(builder, x, "dead")
    builder.output("x", x)
    builder.output("s", s)
    graph = builder.finish()
    assert make_plan(graph).steps == ()
    assert_engine(graph)
    counts = SkipCounts()
    Session(graph).run(edge_values(graph), counts=counts)
    assert (counts.images, counts.channels) == (3, {})


@pytest.mark.parametrize("dead", [False, True])
def test_a_trap_springs_whether_or_not_it_is_read(dead):
    """In a channel that no select bit asks for, or in a node that no output reads."""
    builder = GraphBuilder()
    s, x = builder.input("s", (2,), IntType(0, 1)), builder.input("x", (2, 1, 1), IntType(0, 9))
    rule = Accumulator.trap(4, TapOrder.CKK)
    sums = builder.add(conv(np.ones((2, 1, 1, 1), int), groups=2, accumulator=rule), x, name="sums")
    builder.output("y", x if dead else builder.add(Mux(), s, sums, x, name="out"))
    graph = builder.finish()
    safe = {"s": np.array([[0, 0]]), "x": np.array([7, 3]).reshape(1, 2, 1, 1)}
    assert_engine(graph, safe)
    leaving = {**safe, "x": np.array([3, 8]).reshape(1, 2, 1, 1)}
    message = r"^node 'sums' \(conv2d\): accumulator of 4 bits .*reaches 8 after 1 of 1 products at "
    for engine in ("fast", "reference"):
        with pytest.raises(RangeError, match=message):
            Model(graph).run(leaving, engine=engine)


def test_no_image_leaves_a_trace_in_the_next():
    """Images in any order, on one arena, without poison: as each alone."""
    builder = GraphBuilder()
    s, x = builder.input("s", (4,), IntType(0, 1)), levels(builder, "x", (4, 3, 3))
    padded = builder.add(conv(np.ones((4, 4, 3, 3), int), pads=(1, 1, 1, 1), pad_value=(1,)), x, name="padded")
    builder.output("y", builder.add(Mux(), s, padded, scaled(builder, x, "a"), name="out"))
    graph = builder.finish()
    inputs = all_selects(graph)
    wanted = reference.run(graph, inputs)["y"]
    for order in (np.arange(16), np.arange(16)[::-1], np.array([3, 3, 12, 0, 15, 3])):
        shuffled = {name: array[order] for name, array in inputs.items()}
        for threads in (1, 3):
            got = Session(graph).run(shuffled, threads=threads)["y"]
            np.testing.assert_array_equal(got, wanted[order])


@pytest.mark.parametrize("engine", ["fast", "reference"])
def test_an_empty_batch_keeps_its_shape(engine):
    graph = graph_of([((2, 3, 3), IntType(0, 3))], IDENTITY, Flatten())
    assert Model(graph).run(np.zeros((0, 2, 3, 3), dtype=np.uint8), engine=engine).shape == (0, 18)
    with pytest.raises(RangeError):
        Model(graph).run(np.full((1, 2, 3, 3), 2**64 - 1, dtype=np.uint64), engine=engine)


@pytest.mark.parametrize("lo", [2**40, 300, -50])
def test_a_table_of_what_nobody_asked_for(lo):
    """The inner mux skips for its own bits alone: its tables look up what the outer mux left out, which is anything."""
    rng = np.random.default_rng(1)
    builder = GraphBuilder()
    x, s = builder.input("x", (4, 5, 6), IntType(lo, lo + 20)), builder.input("s", (4,), IntType(0, 1))
    a = builder.add(Clamp(lo + 1, lo + 19), x, name="a")
    level = builder.add(Affine(IntTensor([1] * 4), IntTensor([-lo] * 4)), a, name="level")
    t = builder.add(Tgap(31), level, name="t")
    tables = [Table(IntTensor(rng.integers(0, 256, (4, 19))), lo + 1, 0, 255) for _ in range(2)]
    inner = builder.add(Mux(), t, *(builder.add(op, a, name=f"b{i}") for i, op in enumerate(tables)), name="inner")
    builder.output("y", builder.add(Mux(), s, inner, builder.input("c", (4, 5, 6), IntType(0, 255)), name="outer"))
    graph = builder.finish()
    assert_engine(graph, all_selects(graph))


def test_a_wide_vector_in_a_branch_is_planned_in_little_memory():
    """Asked for each of its channels what it reads, a flatten of 2^17 would take 2^34 bytes."""
    builder = GraphBuilder()
    s, x = builder.input("s", (4,), IntType(0, 1)), builder.input("x", (128, 32, 32), IntType(0, 3))
    flat = builder.add(Flatten(), builder.add(Clamp(0, 2), x, name="a"), name="flat")
    weight = np.random.default_rng(0).integers(-3, 4, (16, 2**17))
    h = builder.add(Dense(IntTensor(weight), LIMITLESS), flat, name="h")
    index = np.arange(16).reshape(4, 2, 2)
    ways = [builder.add(Gather(IntTensor(i), 0), h, name=f"b{n}") for n, i in enumerate((index, 15 - index))]
    builder.output("y", builder.add(Mux(), s, *ways, name="m"))
    graph = builder.finish()
    assert_engine(graph, edge_values(graph, 1))
