"""Vectors as values of compiled functions: 16 lanes of 32 bits in one register, or as many as the processor needs.

`Lanes` and `Tile` are Numba types with one LLVM value behind them, so that a loop over a tile keeps its accumulators
in registers. An operation on them is written as what it emits, in LLVM's terms, and called like a function
(`operation`). Memory is named by its address, an int64: a plan proves once where a kernel reads and writes, and one
loop serves every layout.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from inspect import Parameter, Signature
from typing import Any

from llvmlite import ir  # type: ignore[import-untyped]
from numba.core import cgutils, types
from numba.extending import intrinsic, models, register_model

LANES = 16

I8, I16, I32, I64 = (ir.IntType(bits) for bits in (8, 16, 32, 64))
X32 = ir.VectorType(I32, LANES)
"""The LLVM type of `Lanes`."""


class Lanes(types.Type):
    """16 lanes of 32 bits."""

    llvm = X32

    def __init__(self) -> None:
        super().__init__("Lanes")


class Tile(types.Type):
    """Accumulators of some rows (output channels) of 16 lanes (pixels) each."""

    def __init__(self, rows: int) -> None:
        self.rows = rows
        self.llvm = ir.ArrayType(X32, rows)
        super().__init__(f"Tile({rows})")


@register_model(Lanes)
@register_model(Tile)
class _Registers(models.PrimitiveModel):  # type: ignore[misc]
    def __init__(self, manager: Any, type_: Any) -> None:
        super().__init__(manager, type_, type_.llvm)


lanes = Lanes()
address = types.int64


def operation(result: types.Type, arguments: Sequence[types.Type], emit: Callable[..., Any]) -> Any:
    """What compiled functions call: `emit(builder, *values)` gives the result's value, or None where it is void."""

    def typed(context: Any, *given: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
            value = emit(builder, *values)
            return context.get_dummy_value() if value is None else value

        return result(*arguments), generate

    # Numba counts the arguments that the function of a signature has.
    names = [f"argument_{i}" for i in range(len(arguments))]
    typed.__signature__ = Signature(  # type: ignore[attr-defined]
        [Parameter(name, Parameter.POSITIONAL_OR_KEYWORD) for name in ("context", *names)]
    )
    return intrinsic(typed)


# ------------------------------------------------------------------------------------------------- what is emitted


def splat(builder: Any, scalar: Any, count: int = LANES) -> Any:
    """A scalar in every lane."""
    vector = ir.VectorType(scalar.type, count)
    first = builder.insert_element(ir.Constant(vector, ir.Undefined), scalar, I32(0))
    zeros = ir.Constant(ir.VectorType(I32, count), [0] * count)
    return builder.shuffle_vector(first, ir.Constant(vector, ir.Undefined), zeros)


def constant(value: int, type_: Any = X32) -> Any:
    """A number in every lane."""
    return ir.Constant(type_, [value] * type_.count)


def load(builder: Any, where: Any, type_: Any, offset: int = 0) -> Any:
    """What lies at an address, at any alignment."""
    place = builder.add(where, I64(offset)) if offset else where
    return builder.load(builder.inttoptr(place, type_.as_pointer()), align=1)


def load_every(builder: Any, where: Any) -> Any:
    """16 lanes."""
    return load(builder, where, X32)


def load_even(builder: Any, where: Any) -> Any:
    """16 lanes of which only each second one is taken, out of 31 that are read and one more."""
    first, second = load(builder, where, X32), load(builder, where, X32, 4 * LANES)
    return builder.shuffle_vector(first, second, ir.Constant(X32, list(range(0, 2 * LANES, 2))))


def store(builder: Any, where: Any, value: Any) -> None:
    """Write to an address, at any alignment."""
    builder.store(value, builder.inttoptr(where, value.type.as_pointer()), align=1)


def broadcast(builder: Any, where: Any, offset: int) -> Any:
    """The 32 bits at an address, in every lane."""
    return splat(builder, load(builder, where, I32, offset))


def call(builder: Any, name: str, result: Any, *arguments: Any) -> Any:
    """One instruction of the processor, by LLVM's name for it."""
    function = ir.FunctionType(result, [argument.type for argument in arguments])
    return builder.call(cgutils.get_or_insert_function(builder.module, function, name), arguments)


def smallest(builder: Any, a: Any, b: Any) -> Any:
    """The smaller of two signed numbers, lane by lane."""
    return builder.select(builder.icmp_signed("<", a, b), a, b)


def largest(builder: Any, a: Any, b: Any) -> Any:
    """The larger of two signed numbers, lane by lane."""
    return builder.select(builder.icmp_signed(">", a, b), a, b)


def rows(builder: Any, tile: Any) -> list[Any]:
    """The rows of a tile."""
    return [builder.extract_value(tile, row) for row in range(tile.type.count)]


def as_tile(builder: Any, vectors: Sequence[Any]) -> Any:
    """A tile of these rows."""
    tile = ir.Constant(ir.ArrayType(X32, len(vectors)), ir.Undefined)
    for row, vector in enumerate(vectors):
        tile = builder.insert_value(tile, vector, row)
    return tile


# ------------------------------------------------------------------------------------------------------ operations

load_lanes = operation(lanes, (address,), lambda builder, where: load(builder, where, X32))
store_lanes = operation(types.void, (address, lanes), store)
number = operation(types.int64, (address,), lambda builder, where: load(builder, where, I64))
small_number = operation(types.int64, (address,), lambda builder, where: builder.sext(load(builder, where, I32), I64))
byte = operation(types.int64, (address,), lambda builder, where: builder.zext(load(builder, where, I8), I64))
put_number = operation(types.void, (address, types.int64), store)
