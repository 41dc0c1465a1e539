"""Requantisations as thresholds, against the op itself: every rounding, ties, signs, shifts up to 62, at every sum."""

import numpy as np
import pytest
from engine_cases import assert_engine, conv, graph_of
from hypothesis import given, settings
from hypothesis import strategies as st

from intinfer.engine.planner import make_plan
from intinfer.errors import GraphError
from intinfer.graph import Value
from intinfer.kernels.levels import levels, refuses
from intinfer.ops import Requant
from intinfer.rounding import RoundMode
from intinfer.tensor import IntTensor
from intinfer.types import LIMIT, IntType

SUMS = IntType(-300, 300)


@st.composite
def requants(draw):
    """Three channels: coarse and fine steps, ties at every second product, and shifts that leave nothing."""
    shift = draw(st.lists(st.sampled_from([0, 1, 2, 5, 9, 40, 61, 62]), min_size=3, max_size=3))
    signs = draw(st.lists(st.sampled_from([-1, 0, 1]), min_size=3, max_size=3))
    multiplier = [
        sign * draw(st.integers(1, min(2 ** max(s - 3, 1), LIMIT // 700))) for sign, s in zip(signs, shift, strict=True)
    ]
    offset = [draw(st.sampled_from([0, 1, -1, 2**s // 2, -(2**s) // 2, 2**s - 1])) for s in shift]
    lo = draw(st.integers(-200, 100))
    mode = draw(st.sampled_from(list(RoundMode)))
    return Requant(IntTensor(multiplier), IntTensor(offset), IntTensor(shift), mode, lo, lo + draw(st.integers(0, 255)))


@given(requants())
@settings(max_examples=400)
def test_a_requantisation_counts_its_thresholds(op):
    z = np.arange(SUMS.lo, SUMS.hi + 1)
    sums = np.broadcast_to(z, (1, 3, 1, z.size))
    try:
        op.infer(Value("z", (3, 1, z.size), SUMS))
    except GraphError:
        return  # products beyond 2^62
    if refuses(op, SUMS) is not None:
        return
    behind = levels(op, 3)
    assert (behind.limits[:, 1:] >= behind.limits[:, :-1]).all()
    signed = np.where(behind.flipped[:, None], -z, z)
    found = behind.base + behind.step * (behind.limits[:, :, None] <= signed[:, None]).sum(axis=1)
    np.testing.assert_array_equal(found, op.reference(sums)[0, :, 0])


@pytest.mark.parametrize("mode", list(RoundMode))
def test_a_convolution_is_requantised_in_registers(mode):
    rng = np.random.default_rng(1)
    weight = rng.integers(-128, 128, (20, 9, 3, 3))
    op = Requant(
        IntTensor(rng.integers(-3, 40, 20)),
        IntTensor(rng.integers(-(2**19), 2**19, 20)),
        IntTensor([18]),
        mode,
        -128,
        127,
    )
    graph = graph_of([((9, 11, 13), IntType(-128, 127))], conv(weight, pads=(1, 1, 1, 1)), op)
    (step,) = make_plan(graph).steps
    assert (step.kernel.name, step.fused.op.kind) == ("conv2d_dot", "requant")
    assert_engine(graph)


def test_what_has_too_many_codes_is_not_taken():
    op = Requant(IntTensor([1]), IntTensor([0]), IntTensor([3]), RoundMode.FLOOR, -200, 100)
    assert refuses(op, SUMS) == "301 codes are more than 256"
    graph = graph_of([((2, 5, 5), IntType(0, 255))], conv(np.ones((3, 2, 1, 1), dtype=np.int64)), op)
    assert [step.fused for step in make_plan(graph).steps] == [None, None]
    assert_engine(graph)
