"""The float ops that wait for a quantiser, one class a kind: what it computes, and what follows from that.

A kind says its value, how it moves with its input, which reals it takes to a result, and how far a float evaluation of
it may be off; what it becomes on exact integers says `Lowering.settle`. Every kind is monotone and rounded once.
`operand` is a constant of the source's dtype, (C,) or (1,) where nothing else is said.
"""

from __future__ import annotations

from .base import FloatArray, Primitive
from .continuous import Add, Affine, Clip, Div, Leaky, Mul, Sub
from .jumps import (
    AwayFromZero,
    Ceil,
    Comparison,
    Count,
    Floor,
    Greater,
    GreaterEqual,
    HalfAway,
    HalfDown,
    HalfUp,
    Less,
    LessEqual,
    Rint,
    Rounding,
    Sign,
    Trunc,
)

__all__ = [
    "KINDS",
    "Add",
    "Affine",
    "AwayFromZero",
    "Ceil",
    "Clip",
    "Comparison",
    "Count",
    "Div",
    "FloatArray",
    "Floor",
    "Greater",
    "GreaterEqual",
    "HalfAway",
    "HalfDown",
    "HalfUp",
    "Leaky",
    "Less",
    "LessEqual",
    "Mul",
    "Primitive",
    "Rint",
    "Rounding",
    "Sign",
    "Sub",
    "Trunc",
    "primitive",
]

KINDS: dict[str, type[Primitive]] = {
    cls.kind: cls
    for cls in (
        *(Add, Sub, Mul, Div, Clip, Leaky),
        *(Rint, Floor, Ceil, Trunc, AwayFromZero, HalfAway, HalfDown, HalfUp, Sign),
        *(Greater, GreaterEqual, Less, LessEqual, Count),
    )
}
"""The name that readers give -> the class."""


def primitive(kind: str, operand: FloatArray | None = None) -> Primitive:
    """The primitive of that name."""
    return KINDS[kind](operand)
