"""Lookup tables: every function of a small type, per-channel rows, the declared range, refusals."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from oracles import naive

from intinfer.ops import Table
from intinfer.strategies import cases
from intinfer.tensor import IntTensor
from intinfer.types import IntType
from ops.check import check_op, refusal


def test_every_function_of_three_values_to_three():
    functions = list(product((-1, 0, 1), repeat=3))
    op = Table(IntTensor(functions), -1, -1, 1)
    batch = np.array([[z] * 27 for z in (-1, 0, 1)])
    expected = [[function[z + 1] for function in functions] for z in (-1, 0, 1)]
    assert check_op(op, [(batch, IntType(-1, 1))], expected) == IntType(-1, 1)


@given(cases("table"))
def test_any_table_equals_the_naive_lookup(case):
    op, inputs = case
    check_op(op, inputs, naive.apply(op, *(array for array, _ in inputs)))


def test_one_row_serves_all_channels_of_a_map():
    op = Table(IntTensor([[5, 6, 7]]), 2, 0, 9)
    batch = np.array([[[[2, 3]], [[4, 2]]]])
    assert check_op(op, [(batch, IntType(2, 4))], [[[[5, 6]], [[7, 5]]]]) == IntType(0, 9)


def test_the_largest_table():
    entries = [(z * z) % 4093 for z in range(4096)]
    op = Table(IntTensor([entries]), 0, 0, 4092)
    batch = np.arange(4096).reshape(4096, 1)
    check_op(op, [(batch, IntType(0, 4095))], np.array(entries).reshape(4096, 1))


@pytest.mark.parametrize(
    ("entries", "start", "lo", "hi", "message"),
    [
        ([[1, 2]], 0, 0, 9, "entries (1, 2) from 0 do not cover 0..2: (2, 3) or (1, 3) from 0 are needed"),
        ([[1, 2, 3]], -1, 0, 9, "entries (1, 3) from -1 do not cover 0..2: (2, 3) or (1, 3) from 0 are needed"),
        ([[1, 2, 3]] * 3, 0, 0, 9, "entries (3, 3) from 0 do not cover 0..2: (2, 3) or (1, 3) from 0 are needed"),
        ([1, 2, 3], 0, 0, 9, "entries (3,) from 0 do not cover 0..2: (2, 3) or (1, 3) from 0 are needed"),
        ([[1, 2, 3]], 0, 2, 9, "entries 1..3 leave the declared range 2..9"),
        ([[1, 2, 3]], 0, 0, 2, "entries 1..3 leave the declared range 0..2"),
    ],
)
def test_refusals(entries, start, lo, hi, message):
    assert refusal(Table(IntTensor(entries), start, lo, hi), ((2,), IntType(0, 2))) == message


def test_a_table_of_more_than_4096_entries_is_refused():
    op = Table(IntTensor([[0] * 4097]), 0, 0, 0)
    assert refusal(op, ((1,), IntType(0, 4096))) == "input 0..4096 has 4097 values, a table holds at most 4096"
