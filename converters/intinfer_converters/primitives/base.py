"""`Primitive`: what every kind says of itself."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from intinfer.types import IntArray

from ..float_error import FloatFormat, Floats, Real

FloatArray = npt.NDArray[np.floating[Any]]
Interval = tuple[Floats, Floats]


@dataclass(frozen=True, eq=False)
class Primitive(ABC):
    """One monotone float op of the source, rounded once.

    Attributes:
        kind: its name, in messages and for readers.
        formula: NumPy's function of x, and of the operand where there is one.
        jumps: whether its result is integers that jump with the input: a rounding or a comparison.
        infinite: whether its operand may be infinite.
    """

    kind: ClassVar[str]
    formula: ClassVar[Any]
    jumps: ClassVar[bool] = False
    infinite: ClassVar[bool] = False
    operand: FloatArray | None = None

    def apply(self, x: FloatArray) -> FloatArray:
        """x: (C, M) or (N, C, M) of the source's dtype -> the same shape and dtype, rounded once."""
        constants = () if self.operand is None else (self.column,)
        with np.errstate(over="ignore", under="ignore", invalid="ignore"):  # infinities are looked at by the caller
            return np.asarray(self.formula(x, *constants), dtype=x.dtype)

    @property
    def column(self) -> FloatArray:
        """The operand, to broadcast over (C, M)."""
        assert self.operand is not None
        return self.operand.reshape(-1, 1) if self.operand.ndim < 2 else self.operand

    @property
    def exact(self) -> Floats:
        """The operand in float64."""
        assert self.operand is not None
        return self.operand.astype(np.float64)

    def of(self, channel: IntArray) -> Floats:
        """The operand of each channel in float64."""
        return self.exact if self.exact.size == 1 else self.exact[channel]

    def direction(self) -> IntArray:
        """(C,) or (1,): +1 non-decreasing, where nothing else is said, -1 non-increasing, 0 constant."""
        return np.ones(1, dtype=np.int64)

    @abstractmethod
    def before(self, low: Floats, high: Floats, channel: IntArray) -> Interval:
        """The closed interval of reals that it takes into low..high (M,), in the channels `channel` (M,).

        It includes both ends, whichever side of a jump they fall on; an impossible result gives an empty one.
        """

    def positive(self, known: bool) -> bool:
        """Whether its result is shown to be never negative, `known` saying whether its input is.

        The input's sign is kept where nothing else is said.
        """
        return known

    def reach(self, low: float, high: float, dtype: np.dtype[Any]) -> tuple[float, float]:
        """The range of its results for the reals low..high, in arithmetic of `dtype`: its ends say it.

        An end beyond the type is infinite; where an end has no result, nothing is known.
        """
        with np.errstate(over="ignore"):
            ends = np.broadcast_to(np.array([low, high], dtype=dtype), (self.channels, 2))
        results = self.apply(ends)
        return (float(results.min()), float(results.max())) if not np.isnan(results).any() else (-np.inf, np.inf)

    @property
    def idle(self) -> bool:
        """Whether it changes no value, the sign of a zero left aside."""
        return False

    @property
    def keeps_integers(self) -> bool:
        """Whether it makes integers of integers."""
        return self.jumps

    @property
    def whole(self) -> bool:
        """Whether the operand is made of integers, where it is finite."""
        finite = self.exact[np.isfinite(self.exact)]
        return bool((finite == np.rint(finite)).all())

    def error(self, x: Real, channel: IntArray, format_: FloatFormat) -> Real:
        """The value at `x` and how far a float evaluation may be off; `channel` broadcasts with x.

        Only continuous kinds have one; what jumps is judged by `before`.
        """
        raise NotImplementedError(f"{self.kind} jumps")

    def fault(self) -> str | None:
        """What is wrong with its operand, if anything is."""
        operand = self.operand
        if operand is not None and (np.isnan(operand).any() or not (self.infinite or np.isfinite(operand).all())):
            return f"the constant of its {self.kind} holds NaN or infinity; repair the checkpoint"
        return None

    @property
    def channels(self) -> int:
        """How many channels the operand has, 1 when it is the same for all."""
        return 1 if self.operand is None else len(self.operand)

    def select(self, indices: IntArray) -> Primitive:
        """The primitive of the channels `indices`."""
        return self if self.operand is None or self.channels == 1 else type(self)(self.operand[indices])

    def same(self, other: Primitive) -> bool:
        """Whether both are one function."""
        if type(self) is not type(other) or self.operand is None or other.operand is None:
            return type(self) is type(other) and self.operand is other.operand
        return bool(np.array_equal(self.operand, other.operand))

    @classmethod
    def joined(cls, operands: Sequence[FloatArray], counts: Sequence[int]) -> Primitive | None:
        """One primitive for channels side by side, `counts` of each operand; None where there is none."""
        wide = [np.broadcast_to(operand, (count,)) for operand, count in zip(operands, counts, strict=True)]
        return cls(np.concatenate(wide))
