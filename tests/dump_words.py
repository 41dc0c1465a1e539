"""Words of dumps made by hand: plain Python, nothing of the package."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product
from math import prod

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.int64]


def runs(array: Array, order: str) -> Iterator[list[int]]:
    """The values of (N, C, H, W) or (N, C), one list a pass along the last letter of `order`."""
    axes = "NCHW"[: array.ndim]
    extents = dict(zip(axes, array.shape, strict=True))
    for outer in product(*(range(extents[axis]) for axis in order[:-1])):
        at = dict(zip(order[:-1], outer, strict=True))
        yield [int(array[tuple((at | {order[-1]: i})[axis] for axis in axes)]) for i in range(extents[order[-1]])]


def words(array: Array, order: str, bits: int, fold: int = 1) -> list[int]:
    """Words of `fold` elements, element 0 lowest; each run begins a new word."""
    return [word for run in runs(array, order) for word in packed(run, bits, fold)]


def packed(values: Sequence[int], bits: int, fold: int) -> list[int]:
    groups = [values[i : i + fold] for i in range(0, len(values), fold)]
    return [sum((value % 2**bits) << (lane * bits) for lane, value in enumerate(group)) for group in groups]


def reversed_pieces(word: int, width: int, unit: int, group: int | None = None) -> int:
    """The low `width` bits with the pieces of `unit` bits in reverse, in each `group` of them."""
    pieces = [word >> place & (2**unit - 1) for place in range(0, width, unit)]
    size = group or len(pieces)
    moved = [piece for i in range(0, len(pieces), size) for piece in pieces[i : i + size][::-1]]
    return sum(piece << (unit * i) for i, piece in enumerate(moved))


def random_array(seed: int, shape: tuple[int, ...], lo: int, hi: int) -> Array:
    """Values lo..hi, both ends among them, the first and the last different."""
    rng = np.random.default_rng(seed)
    array = rng.integers(lo, hi, shape, endpoint=True)
    flat = array.reshape(-1)
    flat[: min(2, prod(shape))] = (lo, hi)[: prod(shape)]
    return array
