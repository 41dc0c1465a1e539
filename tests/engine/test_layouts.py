"""Maps as planes, through chains and branches of ops that share them: concatenated, shuffled, cut, merged, selected,
pooled, copied and turned into plain arrays between."""

import numpy as np
import pytest
from engine_cases import LIMITLESS, assert_engine
from hypothesis import given, settings
from hypothesis import strategies as st

from intinfer import reference
from intinfer.builder import GraphBuilder
from intinfer.engine.planner import make_plan
from intinfer.engine.session import Session, _Worker
from intinfer.ops import (
    Add,
    Bitshift,
    ChannelSelect,
    Clamp,
    Concat,
    Conv2d,
    MaxPool,
    Mux,
    Requant,
    Tgap,
    Threshold,
)  # fmt: skip
from intinfer.ops.threshold import clip_thresholds
from intinfer.rounding import RoundMode
from intinfer.strategies import arrays
from intinfer.tensor import IntTensor
from intinfer.types import IntType


class Net:
    """A graph that grows at random: levels of `bits`, maps of one size and then of half of it."""

    def __init__(self, draw):
        self.draw, self.builder, self.count = draw, GraphBuilder(), 0
        self.sums = []
        self.rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
        self.bits = draw(st.sampled_from([1, 2, 4, 8]))
        self.pad = draw(st.sampled_from([0, 0, 1]))
        shape = (draw(st.integers(1, 9)), draw(st.integers(4, 20)), draw(st.integers(4, 20)))
        levels = IntType.unsigned(self.bits)
        image = self.builder.input("x", shape, draw(st.sampled_from([levels, IntType(-128, 127)])))
        self.maps = [self.conv(image)]
        for _ in range(draw(st.integers(2, 9))):
            self.maps.append(draw(st.sampled_from(self.steps))(self, draw(st.sampled_from(self.maps))))
        for i, value in enumerate(
            {value.name: value for value in [self.maps[-1], draw(st.sampled_from(self.maps)), *self.sums]}.values()
        ):
            self.builder.output(f"y{i}", value)
        self.graph = self.builder.finish()

    def add(self, op, *inputs):
        self.count += 1
        return self.builder.add(op, *inputs, name=f"n{self.count}")

    def conv(self, x, groups=None, outputs=None, stride=1, same=False):
        """With a threshold behind it, and sometimes sums between that are wide."""
        draw, channels = self.draw, x.shape[0]
        groups = draw(st.sampled_from([1, channels])) if groups is None else groups
        outputs = groups * draw(st.integers(1, 18 if groups == 1 else 2)) if outputs is None else outputs
        if draw(st.integers(0, 3)) == 0:
            wide = self.rng.integers(-1, 2, (draw(st.integers(1, 9)), channels, 1, 1))
            x = self.add(Conv2d(IntTensor(wide), (1, 1), (0, 0, 0, 0), (0,), (1, 1), 1, LIMITLESS), x)
            groups, outputs = 1, max(outputs, 1)
        kernel = draw(st.sampled_from([1, 3]))
        weight = self.rng.integers(-1, 2, (outputs, x.shape[0] // groups, kernel, kernel))
        pads = (kernel // 2,) * 4
        if not same:
            pads = draw(st.sampled_from([pads, (1, 0, 2, 1), (kernel // 2, kernel // 2, 1, 1)]))
        value = self.pad if x.type.lo <= self.pad <= x.type.hi else x.type.lo
        op = Conv2d(IntTensor(weight), (stride, stride), pads, (value,), (1, 1), groups, LIMITLESS)
        sums = self.add(op, x)
        down = self.rng.integers(0, 2, outputs)
        span = max(1, (sums.type.hi - sums.type.lo) // 2**self.bits)
        rows = sums.type.lo + span * np.arange(1, 2**self.bits) + self.rng.integers(-9, 9, (outputs, 1))
        limits = clip_thresholds(np.where(down[:, None] == 1, rows[:, ::-1], rows), down, sums.type)
        return self.add(Threshold(IntTensor(limits), IntTensor(down), 0, 1), sums)

    def alike(self, x):
        """A map of the shape of another: one that there is, or a new one."""
        others = [value for value in self.maps if value.shape == x.shape]
        return (
            self.draw(st.sampled_from(others)) if self.draw(st.booleans()) else self.conv(x, 1, x.shape[0], same=True)
        )

    def same_shape(self, x, y):
        return y if y.shape == x.shape else self.conv(x, 1, x.shape[0], same=True)

    def concat(self, x):
        others = [value for value in self.maps if value.shape[1:] == x.shape[1:]]
        return self.add(Concat(), x, self.draw(st.sampled_from(others)))

    def select(self, x):
        channels = x.shape[0]
        indices = self.draw(
            st.one_of(st.permutations(range(channels)), st.lists(st.integers(0, channels - 1), min_size=1, max_size=20))
        )
        return self.add(ChannelSelect(IntTensor(indices)), x)

    def cut(self, x):
        start = self.draw(st.integers(0, x.shape[0] - 1))
        return self.add(ChannelSelect(IntTensor(range(start, x.shape[0]))), x)

    def merge(self, x):
        return self.add(Bitshift(self.bits), x, self.same_shape(x, self.alike(x)))

    def mux(self, x):
        other = self.same_shape(x, self.alike(x))
        select = self.add(Tgap(2**self.bits - 1), x)
        if self.draw(st.booleans()):
            other = self.add(Bitshift(self.bits), x, other)
        return self.add(Mux(), select, *((x, other) if self.draw(st.booleans()) else (other, x)))

    def add_up(self, x):
        """Two or three maps of one shape, back to levels."""
        others = [self.same_shape(x, self.alike(x)) for _ in range(self.draw(st.integers(1, 2)))]
        multipliers = tuple(self.draw(st.sampled_from([1, 2, -3, 127, 300])) for _ in range(1 + len(others)))
        sums = self.add(Add(multipliers), x, *others)
        self.sums += [sums] if self.draw(st.integers(0, 3)) == 0 else []
        mode = self.draw(st.sampled_from(list(RoundMode)))
        factors = self.rng.integers(-9, 30, x.shape[0])
        op = Requant(IntTensor(factors), IntTensor([5]), IntTensor([9]), mode, 0, 2**self.bits - 1)
        return self.add(op, sums)

    def pool(self, x):
        if min(x.shape[1:]) < 3:
            return x
        kernel, stride = self.draw(
            st.sampled_from([((2, 2), (2, 2)), ((3, 3), (1, 1)), ((2, 2), (1, 2)), ((3, 2), (2, 3))])
        )
        pads = self.draw(st.sampled_from([(0, 0, 0, 0), (1, 1, 1, 1), (0, 1, 1, 0)]))
        return self.add(MaxPool(kernel, stride, pads, (1, 1)), x)

    def halve(self, x):
        return self.conv(x, stride=2)

    def plainly(self, x):
        return self.add(Clamp(x.type.lo, max(x.type.lo, x.type.hi - 1)), x)

    steps = (conv, conv, halve, concat, select, cut, merge, mux, mux, add_up, add_up, pool, plainly)


@given(st.data())
@settings(max_examples=60)
def test_any_net_of_maps(data):
    graph = Net(data.draw).graph
    inputs = {value.name: data.draw(arrays(value.type, (2, *value.shape))) for value in graph.inputs}
    assert_engine(graph, inputs)
    wanted = reference.trace(graph, inputs)
    for name, got in Session(graph, every_value=True).run(inputs, poison=True).items():
        np.testing.assert_array_equal(got, wanted[name], err_msg=name)


def test_a_residual_block_stays_in_planes():
    """Two convolutions, an addition and a requantisation: packed once, unpacked once."""
    rng = np.random.default_rng(0)
    builder = GraphBuilder()
    x = builder.input("x", (8, 9, 17), IntType(-128, 127))
    weights = [IntTensor(rng.integers(-127, 128, (8, 8, 3, 3))) for _ in range(2)]
    to_bytes = Requant(IntTensor([3]), IntTensor([0]), IntTensor([12]), RoundMode.HALF_EVEN, -128, 127)
    shortcut = y = builder.add(to_bytes, builder.add(same(weights[0]), x, name="a"), name="b")
    y = builder.add(to_bytes, builder.add(same(weights[1]), y, name="c"), name="d")
    halved = Requant(IntTensor([1]), IntTensor([0]), IntTensor([1]), RoundMode.HALF_AWAY, -128, 127)
    builder.output("y", builder.add(halved, builder.add(Add((1, 1)), shortcut, y, name="e"), name="f"))
    graph = builder.finish()
    plan = make_plan(graph)
    assert [step.kernel.name for step in plan.steps] == ["conv2d_dot", "conv2d_dot", "add_dot"]
    assert [type(action).__name__ for action in plan.actions] == ["Pack", "RunRow", "RunRow", "RunRow", "Unpack"]
    assert_engine(graph)


def same(weight):
    """A convolution of 3 x 3 that keeps the size, padded with -1."""
    return Conv2d(weight, (1, 1), (1, 1, 1, 1), (-1,), (1, 1), 1, LIMITLESS)


# ------------------------------------------------------------------------------------------------ bounds and repeats

AS_IS = Requant(IntTensor([1]), IntTensor([0]), IntTensor([0]), RoundMode.FLOOR, 0, 255)


def ones(outputs, inputs):
    """A convolution of one pixel that adds up all inputs."""
    return Conv2d(IntTensor(np.ones((outputs, inputs, 1, 1), int)), (1, 1), (0, 0, 0, 0), (0,), (1, 1), 1, LIMITLESS)


def test_sums_of_few_channels_leave_the_planes_behind_theirs_alone():
    """The sums take the place of `a`, before `b`, which is read once more."""
    builder = GraphBuilder()
    x, other = builder.input("x", (1, 5, 6), IntType(0, 255)), builder.input("o", (1, 5, 6), IntType(0, 255))
    a = builder.add(AS_IS, builder.add(ones(8, 1), x, name="a0"), name="a")
    b = builder.add(AS_IS, builder.add(ones(1, 8), a, name="b0"), name="b")
    c = builder.add(AS_IS, builder.add(ones(1, 1), other, name="c0"), name="c")
    builder.output("sums", builder.add(Add((1, 1)), b, c, name="d"))
    builder.output("again", builder.add(ones(1, 1), b, name="e"))
    assert_engine(builder.finish())


@pytest.mark.parametrize("channels", [1, 2, 3, 5, 6])
@pytest.mark.parametrize("multipliers", [(1, 2), (100, 127), (-127, 127)])
def test_nothing_is_written_behind_the_memory(channels, multipliers):
    """Sums that take two channels or one to a plane stand last."""
    builder = GraphBuilder()
    x = builder.input("x", (channels, 5, 17), IntType(0, 255))
    a = builder.add(AS_IS, builder.add(ones(channels, channels), x, name="a0"), name="a")
    b = builder.add(AS_IS, builder.add(ones(channels, channels), a, name="b0"), name="b")
    builder.output("y", builder.add(Add(multipliers), a, b, name="c"))
    graph = builder.finish()
    worker = _Worker(make_plan(graph))
    guarded = np.concatenate([worker.memory, np.full(4096, 77, dtype=np.int32)])
    worker.memory = guarded[: worker.memory.size]
    worker.values = {name: worker._view(graph.values[name], start) for name, start in worker.plan.offsets.items()}
    outputs = {out.name: np.empty((1, *graph.values[out.value].shape), dtype=np.int64) for out in graph.outputs}
    image = np.full((channels, 5, 17), 255, dtype=np.uint8)
    worker.run({"x": image}, outputs, 0)
    np.testing.assert_array_equal(outputs["y"], reference.run(graph, {"x": image[None]})["y"])
    assert (guarded[worker.memory.size :] == 77).all()


def test_averages_of_channels_that_stand_for_two():
    builder = GraphBuilder()
    x = builder.input("x", (3, 4, 5), IntType(0, 255))
    a = builder.add(AS_IS, builder.add(ones(3, 3), x, name="a0"), name="a")
    b = builder.add(ChannelSelect(IntTensor([1, 1, 0, 2, 2])), a, name="b")
    builder.output("y", builder.add(Tgap(255), b, name="c"))
    assert_engine(builder.finish())


@pytest.mark.parametrize("base", [-(2**31), 2**31 - 3, 2**31 - 1, 2**40])
def test_codes_at_the_ends_of_a_word_behind_an_addition_and_a_convolution(base):
    for op in (Add((1, 1)), None):
        builder = GraphBuilder()
        x = builder.input("x", (2, 3, 4), IntType(0, 255))
        a = builder.add(AS_IS, builder.add(ones(2, 2), x, name="a0"), name="a")
        sums = builder.add(ones(2, 2), a, name="s") if op is None else builder.add(op, a, a, name="s")
        to_codes = Threshold(IntTensor([[9, 200]]), IntTensor([0]), base, 1)
        builder.output("y", builder.add(to_codes, sums, name="y"))
        assert_engine(builder.finish())
