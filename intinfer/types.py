"""`IntType`: what a value of the graph may be, as a closed interval of integers.

Few facts are stored (`lo`, `hi`); width, signedness and the NumPy container are derived. Arithmetic on values
never overflows, because every op's type rule gives the proven range of its result; only explicit ops narrow.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .errors import GraphError, RangeError

IntArray = npt.NDArray[np.int64]
"""Every reference computes in int64; `LIMIT` proves that it cannot wrap."""

Range = tuple[IntArray, IntArray]
"""The lowest and the highest value of each channel, (C,) each."""

Mask = npt.NDArray[np.bool_]
"""Whether each channel is asked for, (C,)."""

LIMIT = 2**62
"""No value of a graph may leave [-LIMIT, LIMIT]: sums of two of them still fit int64."""

_CONTAINERS = (np.uint8, np.int8, np.uint16, np.int16, np.uint32, np.int32, np.int64)


def container(lo: int, hi: int) -> np.dtype[np.integer]:
    """The smallest NumPy integer type that holds lo..hi, which int64 holds."""
    infos = (np.iinfo(candidate) for candidate in _CONTAINERS)
    return next(info.dtype for info in infos if info.min <= lo and hi <= info.max)


@dataclass(frozen=True, slots=True)
class IntType:
    """The integers `lo..hi`, both included.

    Raises GraphError when the interval is empty, is not made of Python ints or leaves ±2^62.
    """

    lo: int
    hi: int

    def __post_init__(self) -> None:
        if type(self.lo) is not int or type(self.hi) is not int:
            raise GraphError(f"IntType bounds must be Python ints, got {self.lo!r} and {self.hi!r}")
        if self.lo > self.hi:
            raise GraphError(f"IntType {self.lo}..{self.hi} is empty: lo must not exceed hi")
        if self.lo < -LIMIT or self.hi > LIMIT:
            raise GraphError(
                f"IntType {self.lo}..{self.hi} leaves ±2^62: narrow the values with a threshold, requant or clamp"
            )

    @classmethod
    def unsigned(cls, bits: int) -> IntType:
        """0 .. 2^bits - 1."""
        return cls(0, 2**bits - 1)

    @classmethod
    def twos_complement(cls, bits: int) -> IntType:
        """-2^(bits-1) .. 2^(bits-1) - 1."""
        return cls(-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)

    @property
    def signed(self) -> bool:
        """Whether a value may be below 0."""
        return self.lo < 0

    @property
    def bits(self) -> int:
        """The fewest bits that hold every value: two's complement when signed, at least 1."""
        if not self.signed:
            return max(1, self.hi.bit_length())
        return max((-self.lo - 1).bit_length(), self.hi.bit_length() if self.hi > 0 else 0) + 1

    @property
    def dtype(self) -> np.dtype[np.integer]:
        """The smallest NumPy integer type that holds every value."""
        return container(self.lo, self.hi)

    def contains(self, other: IntType) -> bool:
        """Tell whether every integer of the other type is one of this type."""
        return self.lo <= other.lo and other.hi <= self.hi

    def union(self, other: IntType) -> IntType:
        """The narrowest type that contains both."""
        return IntType(min(self.lo, other.lo), max(self.hi, other.hi))

    def check(self, values: npt.NDArray[np.integer], what: str) -> None:
        """Raise RangeError naming the first value outside the type and where it stands."""
        if values.size and (int(values.min()) < self.lo or int(values.max()) > self.hi):
            outside = (values < self.lo) | (values > self.hi)
            where = tuple(int(i) for i in np.argwhere(outside)[0])
            raise RangeError(
                f"{what}: value {int(values[where])} at index {where} is outside {self}; "
                f"{int(outside.sum())} of {values.size} values are"
            )

    def __str__(self) -> str:
        return f"{self.lo}..{self.hi}"
