"""From the integers that come in to the float input that a source was trained on."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from intinfer.errors import DataError

from .symbolic import Symbolic, SymbolicNet, Unsupported
from .symbolic.pointwise import pointwise
from .symbolic.tensor import type_range

PIXELS = (0, 255)
WIDEST = 2**62


@dataclass(frozen=True)
class Preprocess:
    """float input = ((pixel / divide) - mean) / std, each operation rounded in the network's type.

    This is what torchvision's ToTensor and Normalize do with divide 255. Numbers are decimal text, so that 0.485 means
    the nearest number of the network's type. What changes nothing (division by 1, mean 0) is left out.

    Attributes:
        lo, hi: the integers that come in; None for 0..255 in front of float inputs and for the whole type of integer
            ones.
        divide: one number.
        mean, std: one number, or one a channel.

    Raises:
        DataError: a number is none, an empty range, a division by 0.
    """

    lo: int | None = None
    hi: int | None = None
    divide: str = "1"
    mean: tuple[str, ...] = ("0",)
    std: tuple[str, ...] = ("1",)

    def __post_init__(self) -> None:
        if (self.lo is None) != (self.hi is None):
            raise DataError(f"the input range is {self.lo}..{self.hi}; give both ends")
        if self.lo is not None and self.hi is not None and not -WIDEST <= self.lo < self.hi <= WIDEST:
            raise DataError(f"the input range is {self.lo}..{self.hi}; it goes up, inside ±2^62")
        for what, texts in (("divide", (self.divide,)), ("mean", self.mean), ("std", self.std)):
            for text in texts:
                if not math.isfinite(_number(what, text)) or (what != "mean" and _number(what, text) == 0):
                    raise DataError(f"{what} is {text!r}; it is a finite number{'' if what == 'mean' else ' but 0'}")

    def apply(self, net: SymbolicNet, name: str, shape: tuple[int, ...], dtype: npt.DTypeLike) -> Symbolic:
        """The source's input `name`, of `shape` (batch axis first) and type `dtype`, from integers.

        Raises Unsupported when mean or std have neither one number nor one a channel, an integer input is to be
        preprocessed, or a 64-bit one has no range.
        """
        kind = np.dtype(dtype)
        low, high = self._range(kind)
        x = net.input(name, shape, low, high, kind)
        steps = (("div", (self.divide,)), ("sub", self.mean), ("div", self.std))
        for op, texts in steps:
            numbers = np.array([_number(op, text) for text in texts], dtype=np.float64)
            if (numbers == (1 if op == "div" else 0)).all():
                continue
            if kind.kind != "f":
                raise Unsupported(f"it takes {kind}; divide, mean and std belong to float inputs")
            x = pointwise(net, x, op, self._column(numbers.astype(kind), shape))
        return x

    def _range(self, dtype: np.dtype[Any]) -> tuple[int, int]:
        if self.lo is not None and self.hi is not None:
            return self.lo, self.hi
        if dtype.kind == "f":
            return PIXELS
        if dtype.kind not in "iub":
            raise Unsupported(f"it takes {dtype}, not numbers")
        low, high = type_range(dtype)
        if low < -WIDEST or high > WIDEST:
            raise Unsupported(f"it takes {dtype}, of which ±2^62 is supported: give --input-range LO HI")
        return low, high

    @staticmethod
    def _column(numbers: npt.NDArray[Any], shape: tuple[int, ...]) -> npt.NDArray[Any]:
        """One number, or one a channel: along axis 1, or the last one where only that has as many."""
        if numbers.size == 1:
            return numbers
        for axis in (1, len(shape) - 1):
            if axis < len(shape) and shape[axis] == numbers.size:
                return numbers.reshape([-1 if a == axis else 1 for a in range(len(shape))])
        raise Unsupported(f"{numbers.size} means or stds do not fit {list(shape)}: give one, or one a channel")


def _number(what: str, text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise DataError(f"{what} is {text!r}, not a number") from None
