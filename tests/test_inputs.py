"""`Batch`: arrays that were checked for one graph are not checked for it again, and are for another."""

import numpy as np
import pytest

from intinfer import reference
from intinfer.builder import GraphBuilder
from intinfer.errors import DataError, RangeError
from intinfer.inputs import Batch


def clamped(hi):
    builder = GraphBuilder()
    x = builder.input("x", (2,), (0, hi))
    builder.output("y", builder.clamp(x, name="y", lo=0, hi=5))
    return builder.finish()


IMAGES = np.array([[1, 7], [3, 0], [0, 2]], dtype=np.uint8)


def test_a_batch_of_the_same_inputs_is_taken_as_it_is():
    batch = Batch.of(clamped(7), IMAGES)
    assert Batch.of(clamped(7), batch) is batch
    assert reference.run(clamped(7), batch)["y"].tolist() == [[1, 5], [3, 0], [0, 2]]


def test_a_batch_of_other_inputs_is_checked_anew():
    batch = Batch.of(clamped(7), IMAGES)
    with pytest.raises(
        RangeError, match=r"^input 'x': value 7 at index \(0, 1\) is outside 0\.\.6; 1 of 6 values are$"
    ):
        Batch.of(clamped(6), batch)


def test_part_of_a_batch_is_one():
    part = Batch.of(clamped(7), IMAGES).part(slice(1, 9))
    assert (part.count, part.arrays["x"].tolist(), part.arrays["x"].dtype) == (2, [[3, 0], [0, 2]], np.uint8)
    assert part.int64()["x"].dtype == np.int64


def test_one_image_is_a_batch_only_where_it_may_be():
    batch, batched = Batch.or_single(clamped(7), IMAGES[0])
    assert (batch.count, batch.arrays["x"].shape, batched) == (1, (1, 2), False)
    assert Batch.or_single(clamped(7), IMAGES)[1]
    with pytest.raises(DataError, match=r"^input 'x' has shape \(2,\), \(N, 2\) is needed$"):
        Batch.of(clamped(7), IMAGES[0])
