"""Integers that come in, and the float input that the source sees."""

import numpy as np
import pytest

from intinfer.errors import DataError
from intinfer_converters.evaluator import evaluate
from intinfer_converters.floatnet import Pixels, Pointwise
from intinfer_converters.preprocess import Preprocess
from intinfer_converters.symbolic import SymbolicNet, Unsupported

F = np.float32
IMAGENET = Preprocess(divide="255", mean=("0.485", "0.456", "0.406"), std=("0.229", "0.224", "0.225"))


def nodes(pixels, shape=(1, 3, 4, 4), dtype=F):
    net = SymbolicNet()
    reading = net.finish({"y": pixels.apply(net, "x", shape, dtype)})
    return [node.op for node in reading.net.nodes]


@pytest.mark.parametrize("shape", [(1, 3, 16, 16), (1, 16, 16, 3)])
def test_torchvision_normalisation_is_three_roundings(shape):
    first, *_, last = nodes(IMAGENET, shape)
    assert isinstance(first, Pixels)
    every = np.broadcast_to(np.arange(256), (3, 256))
    pointwise = last if isinstance(last, Pointwise) else nodes(IMAGENET, shape)[1]
    got = evaluate(pointwise.chain, every, (1,), (0,), F)
    mean, std = (np.array([float(t) for t in texts], F)[:, None] for texts in (IMAGENET.mean, IMAGENET.std))
    assert np.array_equal(got, (every.astype(F) / F(255) - mean) / std)


def test_what_changes_nothing_is_left_out():
    (only,) = nodes(Preprocess())
    assert (only.lo, only.hi) == (0, 255)


@pytest.mark.parametrize(
    ("dtype", "pixels", "expected"),
    [
        (np.int8, Preprocess(), (-128, 127)),
        (np.uint16, Preprocess(), (0, 65535)),
        (np.int64, Preprocess(-5, 5), (-5, 5)),
        (F, Preprocess(-1, 1), (-1, 1)),
    ],
)
def test_the_range_of_what_comes_in(dtype, pixels, expected):
    (only,) = nodes(pixels, (1, 6), dtype)
    assert (only.lo, only.hi) == expected


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"lo": 3}, r"the input range is 3\.\.None; give both ends"),
        ({"lo": 3, "hi": 3}, r"the input range is 3\.\.3; it goes up, inside ±2\^62"),
        ({"lo": 0, "hi": 2**63}, r"the input range is 0\.\.9223372036854775808; it goes up"),
        ({"divide": "0"}, "divide is '0'; it is a finite number but 0"),
        ({"divide": "1/255"}, "divide is '1/255', not a number"),
        ({"mean": ("nan",)}, "mean is 'nan'; it is a finite number$"),
        ({"std": ("1", "0")}, "std is '0'; it is a finite number but 0"),
    ],
)
def test_numbers_that_make_no_sense(options, message):
    with pytest.raises(DataError, match=message):
        Preprocess(**options)


@pytest.mark.parametrize(
    ("pixels", "dtype", "message"),
    [
        (Preprocess(mean=("1", "2")), F, r"2 means or stds do not fit \[1, 3, 4, 4\]: give one, or one a channel"),
        (Preprocess(divide="255"), np.uint8, "it takes uint8; divide, mean and std belong to float inputs"),
        (Preprocess(), np.uint64, r"it takes uint64, of which ±2\^62 is supported: give --input-range LO HI"),
    ],
)
def test_what_does_not_fit_the_input(pixels, dtype, message):
    with pytest.raises(Unsupported, match=message):
        nodes(pixels, dtype=dtype)
