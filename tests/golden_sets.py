"""Graphs and sets of golden vectors for the tests of vectors and of verify."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np

import intinfer
from intinfer import reference
from intinfer.accumulator import Accumulator, TapOrder
from intinfer.builder import GraphBuilder
from intinfer.graph import Graph, ImageInput
from intinfer.ops import ChannelSelect, Concat, Conv2d, Dense, Flatten, Mux, Requant, SumPool, Tgap, Threshold
from intinfer.rounding import RoundMode
from intinfer.tensor import CellularWeights, IntTensor
from intinfer.types import IntArray, IntType, Mask
from intinfer_golden import write_vectors
from intinfer_golden.make.frames import Stimulus
from intinfer_golden.make.run import demand_masks

SEED = (0, 1, 1, 0)


def block_graph() -> Graph:
    """RGB 4x5 -> wrapping conv -> thresholds both ways -> TGAP-MUX of a depthwise and a generated pointwise branch
    -> shuffle -> requant -> saturating dense. Every role and code of a tensor occurs."""
    rng = np.random.default_rng(3)
    builder = GraphBuilder()
    x = builder.input("image", (3, 4, 5), IntType(0, 255))
    ternary = IntTensor(rng.integers(-1, 2, (4, 3, 3, 3)), "ternary")
    conv = Conv2d(ternary, (1, 1), (0, 1, 2, 1), (7,), (1, 1), 1, Accumulator.wrap(9))
    x = builder.add(conv, x, name="Conv/1", source=("conv.weight",))
    rising = [[-150, -20, 60], [-100, 0, 100]]
    levels = IntTensor([*rising, *[row[::-1] for row in rising]])
    a = builder.add(Threshold(levels, IntTensor([0, 0, 1, 1]), 0, 1), x, name="act", source=("bn.weight", "act"))
    select = builder.add(Tgap(3), a, name="select")
    depth = IntTensor(2 * rng.integers(0, 2, (4, 1, 3, 3)) - 1, "binary")
    dw = Conv2d(depth, (1, 1), (1, 1, 1, 1), (0,), (1, 1), 4, Accumulator.prove(8))
    one = builder.add(dw, a, name="dw", source=("dw.weight",))
    point = Conv2d(CellularWeights(30, SEED, 4), (1, 1), (0, 0, 0, 0), (0,), (1, 1), 1, Accumulator.prove(8))
    zero = builder.add(point, a, name="ca")
    x = builder.add(Mux(), select, one, zero, name="mux")
    x = builder.add(ChannelSelect.shuffle(4, 2), x, name="shuffle")
    requant = Requant(IntTensor([3]), IntTensor([-4, 0, 4, 8]), IntTensor([1]), RoundMode.HALF_EVEN, -8, 7)
    x = builder.add(requant, x, name="requant")
    x = builder.add(SumPool((2, 5), (2, 5), (0, 0, 0, 0)), x, name="sum")
    x = builder.add(Flatten(), x, name="flat")
    fc = IntTensor(rng.integers(-3, 4, (3, 8)))
    x = builder.add(Dense(fc, Accumulator.saturate(7, TapOrder.CKK, 2)), x, name="fc", source=("fc.weight",))
    builder.output("logits", x)
    return builder.finish(ImageInput("RGB"))


def images(count: int = 3) -> IntArray:
    return np.random.default_rng(11).integers(0, 256, (count, 3, 4, 5))


def selecting_graph() -> Graph:
    """Select bits as an input, and only linear ops with weights that are not 0: what is demanded does matter."""
    rng = np.random.default_rng(5)

    def conv(outputs: int, inputs: int, kernel: int, groups: int) -> Conv2d:
        weight = rng.integers(1, 9, (outputs, inputs // groups, kernel, kernel))
        pads = (kernel // 2,) * 4
        return Conv2d(IntTensor(weight), (1, 1), pads, (0,), (1, 1), groups, Accumulator.prove(62))

    builder = GraphBuilder()
    s = builder.input("s", (4,), IntType(0, 1))
    x = builder.input("x", (4, 3, 3), IntType(-99, 99))
    first = builder.add(conv(4, 4, 1, 4), x, name="first")
    left = builder.add(conv(4, 4, 3, 2), first, name="left")
    left = builder.add(ChannelSelect.shuffle(4, 2), left, name="shuffled")
    right = builder.add(conv(4, 4, 1, 2), first, name="right")
    both = builder.add(Concat(), right, right, name="both")
    right = builder.add(ChannelSelect(IntTensor([3, 4, 5, 2])), both, name="picked")
    y = builder.add(Mux(), s, left, right, name="mux")
    builder.output("y", builder.add(conv(2, 4, 1, 1), y, name="last"))
    builder.add(conv(2, 4, 1, 1), x, name="unused")
    return builder.finish()


def run_poisoned(
    graph: Graph, inputs: Mapping[str, IntArray], masks: Mapping[str, Mask], rng: np.random.Generator
) -> dict[str, list[Any]]:
    """The outputs of one image, (1, ...), when every channel outside its mask holds garbage of its type."""
    values = dict(inputs)
    for value in graph.values.values():
        if value.name in graph.node_by_name:
            node = graph.node_by_name[value.name]
            values[value.name] = node.op.reference(*(values[name] for name in node.inputs))
        garbage = rng.integers(value.type.lo, value.type.hi, (1, *value.shape), endpoint=True)
        hidden = ~masks[value.name].reshape(1, -1, *(1,) * (len(value.shape) - 1))
        values[value.name] = np.where(hidden, garbage, values[value.name])
    return {out.name: values[out.value].tolist() for out in graph.outputs}


class NoCheck:
    """In place of the fast engine, whose compilation would be most of a test's time."""

    def __init__(self, model: intinfer.Model) -> None: ...

    def check(self, *_: object) -> None: ...


def bytes_of(directory: Path) -> dict[str, bytes]:
    """Every file of a folder by its path inside it."""
    return {
        path.relative_to(directory).as_posix(): path.read_bytes() for path in directory.rglob("*") if path.is_file()
    }


def write_unchecked(graph: Graph, arrays: reference.Arrays | Stimulus, directory: Path, **options: Any) -> Path:
    """`write_vectors` without the comparison with the fast engine."""
    with patch("intinfer_golden.make.run.CrossCheck", NoCheck):
        write_vectors(intinfer.Model(graph), arrays, directory, **options)
    return directory


def read_memh(path: Path, bits: int) -> list[int]:
    """The words of `bits` bits of a file of ours, by a reader that shares nothing with the package."""
    words = []
    for line in path.read_text("ascii").splitlines():
        if not line.startswith("//"):
            assert len(line) == (bits + 3) // 4
            assert set(line) <= set("0123456789abcdef")
            words.append(int(line, 16))
            assert words[-1] < 2**bits
    return words


def unfolded(words: list[int], item: dict[str, Any]) -> list[int]:
    """The codes of a tensor's elements in the order of the file, by what its manifest entry says of words."""
    found = []
    for start in range(0, len(words), item["words_per_run"]):
        whole = 0
        for place, word in enumerate(words[start : start + item["words_per_run"]]):
            assert word < 2 ** item["word_bits"]
            whole += word << (place * item["word_bits"])
        for _ in range(item["run"]):
            whole, code = divmod(whole, 2 ** item["bits"])
            found.append(code)
        assert whole == 0, "unused lanes are 0"
    return found


def meaning(code: int, item: dict[str, Any]) -> int:
    """The value of an element's code by the words of the manifest's schema."""
    if item["code"] == "bipolar":
        return {0: -1, 1: 1}[code]
    if item["code"] == "ternary":
        return {3: -1, 0: 0, 1: 1}[code]
    negative = item["code"] == "twos_complement" and code >= 2 ** (item["bits"] - 1)
    return code - 2 ** item["bits"] if negative else code


def true_values(item: dict[str, Any], graph: Graph, trace: dict[str, np.ndarray]) -> np.ndarray:
    """What a tensor of the manifest must hold, along its axes."""
    if item["attribute"] is not None:
        return np.asarray(getattr(graph.node(item["node"]).op, item["attribute"]).values)
    if item["role"] != "demand_mask":
        return trace[item["node"]]
    count = len(next(iter(trace.values())))
    runs = [demand_masks(graph, {name: array[n] for name, array in trace.items()}) for n in range(count)]
    return np.array([run[item["node"]] for run in runs], dtype=int)


def in_order(shape: list[int], axes: list[str], order: list[str]) -> Iterator[dict[str, int]]:
    """The index of each word by axis, counted by hand: the last axis of `order` runs fastest."""
    extents = dict(zip(axes, shape, strict=True))
    total = int(np.prod(shape))
    for number in range(total):
        index, rest = {}, number
        for axis in reversed(order):
            rest, index[axis] = divmod(rest, extents[axis])
        yield index
