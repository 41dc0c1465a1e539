"""Op attributes as JSON and back, from the field types of the op's dataclass.

`CODECS` is the whole list of types that an op may declare. An op with another type is a programming error:
`codecs` raises TypeError, and a test runs it over every op.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from enum import StrEnum
from functools import cache
from types import UnionType
from typing import Any, TypeVar, get_type_hints

from ..accumulator import Accumulator, Overflow, TapOrder
from ..errors import GraphError, ModelFileError
from ..ops import Op
from ..ops.geometry import Pads, Pair
from ..rounding import RoundMode
from ..tensor import CellularWeights, IntTensor, Weights
from .stored import TensorChecker, TensorPacker, TensorReader, automaton_from_json
from .strict_json import Json, choice, integer, items, record, shown

MAX_TUPLE = 2**16
MAX_WINDOW = 2**12
"""The largest kernel, stride, dilation or pad."""

Tensors = TensorPacker | TensorChecker

_Enum = TypeVar("_Enum", bound=StrEnum)


@dataclass(frozen=True, slots=True)
class Codec:
    """How one attribute type is written and read; the string is the path of the attribute, for messages. `name` is
    what `spec/model_file.md` calls the type, `type` what it is in Python: a tuple is one of ints."""

    name: str
    type: type | UnionType
    encode: Callable[[Any, str, Tensors], Json]
    decode: Callable[[Json, str, TensorReader], Any]


@cache
def codecs(op: type[Op]) -> dict[str, Codec]:
    """The codec of each attribute of an op. Raises TypeError for a field type that is not in CODECS."""
    hints = get_type_hints(op)
    for field in fields(op):
        if hints[field.name] not in CODECS:
            raise TypeError(
                f"op {op.kind!r}, attribute {field.name!r}: type {hints[field.name]} has no codec; "
                "add it to intinfer.files.attributes.CODECS and to spec/model_file.md"
            )
    return {field.name: CODECS[hints[field.name]] for field in fields(op)}


def check_types(op: Op, where: str) -> None:
    """Raise ModelFileError for an attribute that is not of its field's type, which no type rule has to look at."""
    for name, codec in codecs(type(op)).items():
        value = getattr(op, name)
        _need(value, codec.type, f"{where}.{name}")
        if isinstance(value, tuple):
            for i, number in enumerate(value):
                _need(number, int, f"{where}.{name}[{i}]")


def encode_attributes(op: Op, where: str, tensors: Tensors) -> Json:
    """Every attribute by name, none omitted. Raises ModelFileError for what the format has no place for."""
    check_types(op, where)
    return {
        name: codec.encode(getattr(op, name), f"{where}.{name}", tensors) for name, codec in codecs(type(op)).items()
    }


def decode_attributes(op: type[Op], item: Json, where: str, tensors: TensorReader) -> Op:
    """The op with these attributes. Raises ModelFileError, naming the attribute by its path."""
    table = codecs(op)
    doc = record(item, where, table)
    values = {}
    for name, codec in table.items():
        try:
            values[name] = codec.decode(doc[name], f"{where}.{name}", tensors)
        except GraphError as error:
            raise ModelFileError(f"{where}.{name}: {error}") from None
    return op(**values)


def _integer(item: Any, where: str, _: object) -> int:
    return integer(item, where)


def _boolean(item: Any, where: str, _: object) -> bool:
    if type(item) is not bool:
        raise ModelFileError(f"{where}: true or false is needed, got {shown(item)}")
    return item


def _member(enum: type[_Enum], item: Any, where: str) -> _Enum:
    return enum(choice(item, where, [str(member) for member in enum]))


def _enum_codec(name: str, enum: type[StrEnum]) -> Codec:
    return Codec(name, enum, lambda value, where, _: str(value), lambda item, where, _: _member(enum, item, where))


def _ints_codec(name: str, length: int | None, lo: int | None = None, hi: int | None = None) -> Codec:
    """A tuple of ints: exactly `length`, or 0..MAX_TUPLE of them; each in lo..hi where these are given."""
    bounds = () if lo is None or hi is None else (lo, hi)

    def decode(item: Any, where: str, _: object) -> tuple[int, ...]:
        numbers = items(item, where, MAX_TUPLE)
        if length is not None and len(numbers) != length:
            raise ModelFileError(f"{where}: {length} integers are needed, got {len(numbers)}")
        return tuple(integer(number, f"{where}[{i}]", *bounds) for i, number in enumerate(numbers))

    def encode(value: Any, where: str, tensors: Tensors) -> Json:
        return list(decode(list(value), where, tensors))

    return Codec(name, tuple, encode, decode)


def _decode_tensor(item: Any, where: str, tensors: TensorReader) -> IntTensor:
    return tensors.tensor(item, where)


def _encode_weights(value: Any, where: str, tensors: Tensors) -> Json:
    if isinstance(value, CellularWeights):
        return tensors.automaton(value, where)
    return tensors.reference(value, where)


def _decode_weights(item: Any, where: str, tensors: TensorReader) -> Weights:
    """A reference to stored weights, or the automaton that generates them: told apart by the field `rule`."""
    if isinstance(item, dict) and "rule" in item:
        return automaton_from_json(item, where, tensors.budget)
    return tensors.tensor(item, where)


def _encode_accumulator(value: Any, where: str, _: Tensors) -> Json:
    integer(value.bits, f"{where}.bits")
    if value.fold is not None:
        integer(value.fold, f"{where}.fold", 1)
    document: Json = value.to_json()
    return document


def _decode_accumulator(item: Any, where: str, _: TensorReader) -> Accumulator:
    doc = record(item, where, ("bits", "overflow", "order", "fold"))
    return Accumulator(
        bits=integer(doc["bits"], f"{where}.bits"),
        overflow=_member(Overflow, doc["overflow"], f"{where}.overflow"),
        order=None if doc["order"] is None else _member(TapOrder, doc["order"], f"{where}.order"),
        fold=None if doc["fold"] is None else integer(doc["fold"], f"{where}.fold"),
    )


def _need(value: object, wanted: type | UnionType, where: str) -> None:
    """Raise ModelFileError unless a value is of the type; a bool is no int."""
    if isinstance(value, wanted) and not (wanted is int and isinstance(value, bool)):
        return
    kinds = wanted.__args__ if isinstance(wanted, UnionType) else (wanted,)
    needed = "an integer" if wanted is int else f"a Python {' or '.join(kind.__name__ for kind in kinds)}"
    raise ModelFileError(f"{where}: {needed} is needed, got {shown(value)}")


CODECS: dict[object, Codec] = {
    int: Codec("int", int, _integer, _integer),
    bool: Codec("bool", bool, _boolean, _boolean),
    RoundMode: _enum_codec("round", RoundMode),
    tuple[int, ...]: _ints_codec("ints", None),
    Pair: _ints_codec("pair", 2, 0, MAX_WINDOW),
    Pads: _ints_codec("pads", 4, 0, MAX_WINDOW),
    IntTensor: Codec("tensor", IntTensor, _encode_weights, _decode_tensor),
    Weights: Codec("weights", Weights, _encode_weights, _decode_weights),
    Accumulator: Codec("accumulator", Accumulator, _encode_accumulator, _decode_accumulator),
}
