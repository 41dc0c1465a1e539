"""What people write for the attributes of an op, as the op holds them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from operator import index

import numpy as np
import numpy.typing as npt

from .accumulator import Accumulator
from .errors import GraphError
from .rounding import RoundMode
from .tensor import CellularWeights, IntTensor
from .types import IntArray

Numbers = npt.ArrayLike | IntTensor
"""Integers, one or an array, in the narrowest code that holds them; or an `IntTensor` with its own."""
Pads = int | Sequence[int]
"""(top, left, bottom, right), or one number for all four."""
Extent = int | Sequence[int]
"""(y, x), or one number for both."""


@contextmanager
def of_node(name: str, kind: str) -> Iterator[None]:
    """A refusal of an attribute says which node it is of."""
    try:
        yield
    except GraphError as error:
        raise GraphError(f"node {name!r} ({kind}): {error}") from None


def pair_of(extent: Extent) -> tuple[int, int]:
    if isinstance(extent, int | np.integer):
        return (index(extent),) * 2
    y, x = _integers(extent, 2, "(y, x)")
    return y, x


def pads_of(pads: Pads) -> tuple[int, int, int, int]:
    if isinstance(pads, int | np.integer):
        return (index(pads),) * 4
    top, left, bottom, right = _integers(pads, 4, "(top, left, bottom, right)")
    return top, left, bottom, right


def _integers(numbers: Sequence[int], count: int, form: str) -> list[int]:
    if len(numbers) != count:
        raise GraphError(f"{tuple(numbers)} must be one number or {form}")
    return [index(number) for number in numbers]


def pad_value_of(value: int | Sequence[int] | None, pads: Sequence[int]) -> tuple[int, ...]:
    if value is None:
        if any(pads):
            raise GraphError(f"pads {tuple(pads)} make a border; say what it holds with pad_value")
        return (0,)
    return (index(value),) if isinstance(value, int | np.integer) else tuple(index(number) for number in value)


def accumulator_of(rule: Accumulator | str) -> Accumulator:
    return rule if isinstance(rule, Accumulator) else Accumulator.of(rule)


def rounding_of(mode: RoundMode | str) -> RoundMode:
    try:
        return RoundMode(mode)
    except ValueError:
        raise GraphError(f"rounding {mode!r} is unknown; there are {', '.join(RoundMode)}") from None


def weight_of(weight: npt.ArrayLike | IntTensor | CellularWeights, encoding: str | None) -> IntTensor | CellularWeights:
    """Weights in a code that is stated: how wide they are in hardware is not for their values to say."""
    if isinstance(weight, CellularWeights):
        if encoding is not None:
            raise GraphError("generated weights are binary; leave the encoding out")
        return weight
    if not isinstance(weight, IntTensor) and encoding is None:
        raise GraphError("say the encoding of the weight: binary, ternary, uK or sK")
    return stored(weight, encoding)


def stored(values: Numbers, encoding: str | None) -> IntTensor:
    if isinstance(values, IntTensor):
        return IntTensor(values.values, same_code(values, encoding))
    return IntTensor(values, encoding)


def same_code(tensor: IntTensor, encoding: str | None) -> str:
    if encoding is not None and encoding != tensor.encoding.name:
        raise GraphError(f"the encoding {encoding} is said of a tensor in {tensor.encoding}; say one of them")
    return tensor.encoding.name


def vector(numbers: Numbers, channels: int = 1) -> IntTensor:
    """(C,) of numbers, of one number so many times."""
    if isinstance(numbers, IntTensor):
        return numbers
    array = np.asarray(numbers)
    return IntTensor(np.full(channels, array) if array.ndim == 0 else array)


def descending_of(flags: npt.ArrayLike, thresholds: npt.ArrayLike) -> IntArray:
    """Give one flag for each row of the thresholds."""
    array = np.asarray(flags)
    if array.dtype.kind not in "biu":
        raise GraphError(f"descending is made of 0 and 1, got dtype {array.dtype}")
    array = array.astype(np.int64)
    return np.full(len(np.atleast_1d(np.asarray(thresholds))), array) if array.ndim == 0 else array
