"""Constant tensors: stored ones and those of a cellular automaton."""

import numpy as np
import pytest

from intinfer.errors import GraphError
from intinfer.files.packing import Encoding
from intinfer.tensor import CellularWeights, IntTensor, frozen_int64


def test_values_are_a_read_only_int64_copy_in_c_order():
    given = np.array([[1, 2], [3, 4]], dtype=np.uint8).T
    tensor = IntTensor(given)
    given[0, 0] = 9
    assert tensor.values.tolist() == [[1, 3], [2, 4]]
    assert tensor.values.dtype == np.int64
    assert tensor.values.flags.c_contiguous
    with pytest.raises(ValueError, match=r"^assignment destination is read-only$"):
        tensor.values[0, 0] = 5


@pytest.mark.parametrize(
    ("values", "name", "stored_bits"),
    [
        ([0], "u1", 1),
        ([0, 3], "u2", 4),
        ([-1, 1], "s2", 4),
        ([[-1], [0], [127]], "s8", 24),
        (np.zeros(0, int), "u1", 0),
    ],
)
def test_the_narrowest_encoding_is_the_default(values, name, stored_bits):
    tensor = IntTensor(values)
    assert tensor.encoding == Encoding(name)
    assert tensor.stored_bits == stored_bits
    assert tensor.shape == np.shape(values)


@pytest.mark.parametrize("encoding", ["ternary", Encoding("ternary")])
def test_an_encoding_by_name_or_object(encoding):
    assert IntTensor([1, 0], encoding).encoding == Encoding("ternary")
    assert IntTensor([1, 0], encoding).stored_bits == 4


def test_equality_is_that_of_values_and_encoding():
    assert IntTensor([1, 0]) == IntTensor(np.array([1, 0], dtype=np.int8))
    assert IntTensor([1, 0]) != IntTensor([1, 0], "ternary")
    assert IntTensor([1, 0]) != IntTensor([1, 1])
    assert IntTensor([1, 0]) != IntTensor([[1, 0]])
    assert IntTensor([1]) != 1
    with pytest.raises(TypeError, match=r"^unhashable type: 'IntTensor'$"):
        hash(IntTensor([1]))


@pytest.mark.parametrize(
    ("values", "encoding", "message"),
    [
        ([1.0], None, "constant tensors are made of integers, got dtype float64"),
        ([[1], [1, 2]], None, "constant tensors have rows of one length"),
        ([True], None, "constant tensors are made of integers, got dtype bool"),
        (np.array([2**63], dtype=np.uint64), None, f"constant tensor value {2**63} does not fit int64"),
        ([0, 1], "binary", "constant tensor: value 0 has no binary code"),
        ([0, -2], "ternary", "constant tensor: value -2 has no ternary code"),
        ([4], "u2", "constant tensor: value 4 has no u2 code"),
        ([1], "u64", "unknown encoding 'u64': allowed are binary, ternary, u1..u63 and s1..s64"),
    ],
)
def test_refusals(values, encoding, message):
    with pytest.raises(GraphError) as caught:
        IntTensor(values, encoding)
    assert str(caught.value) == message


def test_a_limit_just_beyond_the_largest_value_has_a_code():
    assert str(IntTensor([2**62 + 1]).encoding) == "u63"
    assert str(IntTensor([-(2**62) - 1]).encoding) == "s64"


def test_the_largest_unsigned_values_that_fit():
    assert frozen_int64(np.array([2**63 - 1], dtype=np.uint64)).tolist() == [2**63 - 1]
    assert frozen_int64(np.zeros((0,), dtype=np.uint64)).shape == (0,)


def test_cellular_weights_by_hand():
    weights = CellularWeights.of(30, np.array([0, 1, 0, 0]), rows=3)
    # rows of rule 30 on a ring of four: 0100, 1110, 1000. Row = input channel, cell = output channel.
    states = [[0, 1, 0, 0], [1, 1, 1, 0], [1, 0, 0, 0]]
    expected = [[1 if states[row][cell] else -1 for row in range(3)] for cell in range(4)]
    assert weights.values[:, :, 0, 0].tolist() == expected
    assert weights.shape == weights.values.shape == (4, 3, 1, 1)
    assert (weights.encoding, weights.stored_bits) == (Encoding("binary"), 0)
    assert weights.values.dtype == np.int64
    assert not weights.values.flags.writeable
    assert weights == CellularWeights(30, (0, 1, 0, 0), 3)


CONSTANT = "it generates constant weights; draw another seed"


@pytest.mark.parametrize(
    ("rule", "seed", "rows", "message"),
    [
        (256, (0, 1), 2, "cellular automaton rule 256 is outside 0..255"),
        (-1, (0, 1), 2, "cellular automaton rule -1 is outside 0..255"),
        (30, (0, 1), 0, "cellular automaton with 0 rows: at least 1 is needed"),
        (30, (0, 2), 2, "cellular automaton seed must be made of 0 and 1"),
        (30, (0, 0, 0), 2, f"cellular automaton seed of 3 cells is all 0: {CONSTANT}"),
        (30, (1, 1), 2, f"cellular automaton seed of 2 cells is all 1: {CONSTANT}"),
        (30, (), 2, f"cellular automaton seed of 0 cells is all empty: {CONSTANT}"),
    ],
)
def test_refusals_of_cellular_weights(rule, seed, rows, message):
    with pytest.raises(GraphError) as caught:
        CellularWeights(rule, seed, rows)
    assert str(caught.value) == message
