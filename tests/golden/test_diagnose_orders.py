"""Inputs of a layer in an order that nobody would guess: told from the dump itself."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from diagnose_nets import right
from diagnose_nets import told as told_of
from faulty_designs import muxed
from golden_sets import write_unchecked

from intinfer.builder import GraphBuilder
from intinfer.types import IntArray, IntType
from intinfer_golden import verify

RNG = np.random.default_rng(77)
DENSE = RNG.integers(-8, 8, (10, 40))
GROUPED = RNG.integers(-1, 2, (12, 3, 3, 3))
LONG = RNG.permutation(40)
GROUPS = RNG.permutation(12)


def dense(x: IntArray) -> IntArray:
    sums: IntArray = x @ DENSE.T
    return sums


def grouped(x: IntArray) -> IntArray:
    """Four groups of three channels, padded with 0."""
    windows = np.lib.stride_tricks.sliding_window_view(np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1))), (3, 3), (2, 3))
    each = [windows[:, 3 * g : 3 * g + 3] for g in range(4)]
    parts = [np.einsum("nihwab,oiab->nohw", part, GROUPED[3 * g : 3 * g + 3]) for g, part in enumerate(each)]
    return np.concatenate(parts, axis=1)


@pytest.fixture(scope="module")
def sets(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, IntArray]]:
    folder, inputs = tmp_path_factory.mktemp("orders"), {}
    for name, shape, frames in (("dense", (40,), 64), ("grouped", (12, 8, 8), 8)):
        builder = GraphBuilder()
        x = builder.input("x", shape, IntType(0, 7))
        if name == "dense":
            z = builder.dense(x, DENSE, name="z", encoding="s4", accumulator="16 prove")
        else:
            z = builder.conv2d(
                x, GROUPED, name="z", encoding="ternary", pads=1, pad_value=0, groups=4, accumulator="16 prove"
            )
        builder.output("out", z)
        inputs[name] = RNG.integers(0, 8, (frames, *shape))
        write_unchecked(builder.finish(), inputs[name], folder / name, formats=["npy"])
    return folder, inputs


def told(sets: tuple[Path, dict[str, IntArray]], name: str, source: list[int]) -> tuple[str, ...]:
    """The causes of a dump of a design that reads channel source[c] for c."""
    folder, inputs = sets
    actual = (dense if name == "dense" else grouped)(inputs[name][:, source])
    np.save(folder / "dump.npy", actual if actual.ndim == 2 else actual.transpose(0, 2, 3, 1))
    return verify(folder / name, [folder / "dump.npy"], node="z").comparisons[0].causes


def listed(source: list[int]) -> str:
    """The first eight of those that moved."""
    moved = [f"{c} is {s}" for c, s in enumerate(source) if c != s]
    return ", ".join(moved[:8]) + (f", and {len(moved) - 8} more are moved" if len(moved) > 8 else "")


def test_forty_inputs_in_any_order(sets: tuple[Path, dict[str, IntArray]]) -> None:
    inverse = [LONG.tolist().index(c) for c in range(40)]
    assert f"z: input channels of the weights are permuted: {listed(inverse)}" in told(sets, "dense", LONG.tolist())


@pytest.mark.parametrize(
    ("source", "cause"),
    [
        (GROUPS.tolist(), f"the input's channels are permuted: {listed(GROUPS.tolist())}"),
        ([1, 0, 2, 3, 5, 4, 8, 7, 6, 10, 11, 9], "the input's channels are permuted: 0 is 1, 1 is 0, 4 is 5, 5 is 4, "
         "6 is 8, 8 is 6, 9 is 10, 10 is 11, and 1 more are moved"),
        ([0, 1, 7, 3, 4, 5, 6, 7, 8, 9, 10, 11], "input channel 2 is read from channel 7"),
        ([0, 1, 7, 3, 4, 5, 6, 7, 8, 7, 10, 11], "the input's channels are taken from others: 2 is 7, 9 is 7"),
        ([0, 1, 7, 3, 4, 5, 6, 2, 8, 9, 10, 11], "the input's channels 2 and 7 are exchanged"),
        ([1, 0, 2, 4, 3, 5, 7, 6, 8, 10, 9, 11], "input channels 0 and 1 of each group of the weights are exchanged"),
    ],
)  # fmt: skip
def test_orders_across_groups(sets: tuple[Path, dict[str, IntArray]], source: list[int], cause: str) -> None:
    found = told(sets, "grouped", source)
    assert f"z: {cause}" in found
    assert len(set(found)) == len(found)


def test_sums_of_other_weights_are_in_no_order(sets: tuple[Path, dict[str, IntArray]]) -> None:
    folder, inputs = sets
    wrong = dense(inputs["dense"]) + RNG.integers(0, 2, (64, 10))
    np.save(folder / "dump.npy", wrong)
    assert verify(folder / "dense", [folder / "dump.npy"], node="z").comparisons[0].causes == ()


@pytest.mark.parametrize(
    ("source", "cause"),
    [
        ((2, 0, 3, 1), "mux: operand select's channels are permuted: 0 is 2, 1 is 0, 2 is 3, 3 is 1"),
        ((0, 3, 2, 3), "mux: channel 1 takes channel 3 of operand select"),
        ((0, 2, 2, 1), "mux: operand select's channels are taken from others: 1 is 2, 3 is 1"),
    ],
)
def test_any_order_of_the_selects_is_found(tmp_path: Path, source: tuple[int, ...], cause: str) -> None:
    values = {name: array.tolist() for name, array in right("block").items()}
    comparison = told_of(tmp_path, "block", "mux", muxed(values, lambda bits, n, c: bits[n][source[c]]))
    assert cause in comparison.causes, comparison.causes


@pytest.mark.parametrize(("name", "operand"), [("a", 0), ("b", 1)])
def test_any_order_of_an_operand_is_found(tmp_path: Path, name: str, operand: int) -> None:
    values = right("block")
    swapped = values[name][:, [2, 0, 3, 1]]
    a, b = (swapped, values["b"]) if operand == 0 else (values["a"], swapped)
    comparison = told_of(tmp_path, "block", "add", 3 * a - 2 * b)
    assert comparison.causes == (f"add: operand {name}'s channels are permuted: 0 is 2, 1 is 0, 2 is 3, 3 is 1",)
