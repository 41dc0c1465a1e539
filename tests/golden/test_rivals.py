"""Close calls: a comparator that is wrong in one bit, or about signs, loses against the directed frames of its node."""

from collections.abc import Callable

import numpy as np
import pytest

from intinfer import reference
from intinfer.builder import GraphBuilder
from intinfer.ops import ArgMax, MaxPool, Op
from intinfer.types import IntArray, IntType
from intinfer_golden.make.coverage.rivals import winners
from intinfer_golden.make.stimulus.direct import directed

TYPES = [IntType(0, 1), IntType(0, 255), IntType(-8, 7), IntType(-128, 127), IntType(-300, -5), IntType(-3, 1000)]


@pytest.mark.parametrize("type_", TYPES, ids=str)
def test_every_lowest_one_that_a_type_has_is_among_the_winners(type_: IntType) -> None:
    for low, z in winners(type_).items():
        assert type_.lo < z <= type_.hi
        assert z & -z == low
    assert {z & -z for z in range(type_.lo + 1, type_.hi + 1)} == set(winners(type_))


def wrong_keys(type_: IntType) -> dict[str, Callable[[IntArray], IntArray]]:
    """What a wrong comparator compares instead of z."""
    bits = type_.bits
    keys: dict[str, Callable[[IntArray], IntArray]] = {
        f"bit {k} is not looked at": lambda z, k=k: z & ~(1 << k) for k in range(bits - (type_.lo < 0))
    }
    if type_.lo < 0 <= type_.hi:
        keys["the sign is a bit like others"] = lambda z: z & ((1 << bits) - 1)
        keys["the sign is added to the bits"] = lambda z: z & ((1 << bits) - 1) | 1 << (bits - 1)
        keys["magnitudes"] = np.abs
    return keys


@pytest.mark.parametrize("op", [ArgMax(), MaxPool((2, 2), (2, 2), (0, 0, 0, 0), (1, 1))], ids=lambda op: op.kind)
@pytest.mark.parametrize("type_", TYPES[1:], ids=str)
def test_a_comparator_that_is_wrong_in_one_bit_is_seen(op: Op, type_: IntType) -> None:
    builder = GraphBuilder()
    builder.output("y", builder.add(op, builder.input("x", (3, 4, 4), type_), name="node"))
    graph = builder.finish()
    frames = directed(graph).frames
    right = reference.run(graph, frames)["y"]
    (x,) = frames.values()
    for what, key in wrong_keys(type_).items():
        assert not np.array_equal(decided(op, x, key), right), what


def decided(op: Op, x: IntArray, key: Callable[[IntArray], IntArray]) -> IntArray:
    """The op with a comparison of `key(z)` instead of z; the first of equals wins."""
    if isinstance(op, ArgMax):
        winner: IntArray = np.argmax(key(x), axis=1)[:, None]
        return winner
    count, channels, height, width = x.shape
    windows = x.reshape(count, channels, height // 2, 2, width // 2, 2).transpose(0, 1, 2, 4, 3, 5).reshape(-1, 4)
    best = windows[np.arange(len(windows)), np.argmax(key(windows), axis=1)]
    return best.reshape(count, channels, height // 2, width // 2)
