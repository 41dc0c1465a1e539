"""What people write for the attributes of an op, as the op holds them. Each refusal names the argument, as `what`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import numpy.typing as npt

from .accumulator import Accumulator
from .errors import GraphError
from .files.packing import Encoding
from .graph import Value
from .rounding import RoundMode
from .tensor import CellularWeights, IntTensor
from .types import IntArray, IntType

Numbers = npt.ArrayLike | IntTensor
"""Integers, one or an array, in the narrowest code that holds them; or an `IntTensor` with its own."""
Pads = int | Sequence[int]
"""(top, left, bottom, right), or one number for all four."""
Extent = int | Sequence[int]
"""(y, x), or one number for both."""


@contextmanager
def of_node(name: str, kind: str, *inputs: Value) -> Iterator[None]:
    """A refusal of an attribute says which node it is of; `inputs` are values that the body looks into."""
    try:
        for value in inputs:
            need_value("input", value)
        yield
    except GraphError as error:
        raise GraphError(f"node {name!r} ({kind}): {error}") from None


def need_value(what: str, value: object) -> Value:
    """The value. Raises GraphError for what is no `Value`."""
    if not isinstance(value, Value):
        raise GraphError(f"{what} must be a Value of this graph, got {_shown(value)}")
    return value


def integer_of(what: str, number: object) -> int:
    """The int, of an int or an integer of NumPy; a bool is none. Raises GraphError."""
    if isinstance(number, bool) or not isinstance(number, int | np.integer):
        raise GraphError(f"{what}: an integer is needed, got {_shown(number)}")
    return int(number)


def flag_of(what: str, flag: object) -> bool:
    """The bool. Raises GraphError for anything else."""
    if not isinstance(flag, bool):
        raise GraphError(f"{what}: True or False is needed, got {_shown(flag)}")
    return flag


def integers_of(what: str, numbers: object, count: int | None = None, form: str = "integers are") -> tuple[int, ...]:
    """The ints of a list, a tuple or a vector, `count` of them if it is given. Raises GraphError, which says `form`."""
    if isinstance(numbers, np.ndarray) and numbers.ndim == 1:
        numbers = list(numbers)
    if not isinstance(numbers, Sequence) or isinstance(numbers, str | bytes) or len(numbers) != (count or len(numbers)):
        raise GraphError(f"{what}: {form} needed, got {_shown(numbers)}")
    return tuple(integer_of(what, number) for number in numbers)


def type_of(what: str, type_: IntType | tuple[int, int]) -> IntType:
    """The range, of itself or of its two ends."""
    return type_ if isinstance(type_, IntType) else IntType(*integers_of(what, type_, 2, "an IntType or (lo, hi) is"))


def pair_of(what: str, extent: Extent) -> tuple[int, int]:
    """(y, x), of them or of one number for both."""
    y, x = _repeated(what, extent, 2, "one number or (y, x) is")
    return y, x


def pads_of(pads: Pads) -> tuple[int, int, int, int]:
    """(top, left, bottom, right), of them or of one number for all four."""
    top, left, bottom, right = _repeated("pads", pads, 4, "one number or (top, left, bottom, right) is")
    return top, left, bottom, right


def _repeated(what: str, numbers: int | Sequence[int], count: int, form: str) -> tuple[int, ...]:
    if isinstance(numbers, int | np.integer):
        return (integer_of(what, numbers),) * count
    return integers_of(what, numbers, count, form)


def pad_value_of(value: int | Sequence[int] | None, pads: Sequence[int]) -> tuple[int, ...]:
    """What the border holds, one integer or one a channel; None only where there is none, for 0."""
    if value is None:
        if any(pads):
            raise GraphError(f"pads {tuple(pads)} make a border; say what it holds with pad_value")
        return (0,)
    if isinstance(value, int | np.integer):
        return (integer_of("pad_value", value),)
    return integers_of("pad_value", value, form="one number or one a channel is")


def accumulator_of(rule: Accumulator | str) -> Accumulator:
    """The rule itself, or the one that a text such as "16 prove" says."""
    return rule if isinstance(rule, Accumulator) else Accumulator.of(rule)


def rounding_of(mode: RoundMode | str) -> RoundMode:
    """The rule of rounding, by itself or its name."""
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
    return stored("weight", weight, encoding)


def stored(what: str, values: Numbers, encoding: str | None = None) -> IntTensor:
    """The integers in a code, the narrowest unless it is said. Raises GraphError."""
    if isinstance(values, IntTensor):
        return IntTensor(values.values, same_code(values, encoding))
    try:
        return IntTensor(values, encoding)
    except GraphError as error:
        raise GraphError(f"{what}: {error}") from None


def same_code(tensor: IntTensor, encoding: str | None) -> str:
    """The name of a tensor's code, which is not to be said differently."""
    if encoding is not None and Encoding(encoding) != tensor.encoding:
        raise GraphError(f"the encoding {encoding} is said of a tensor in {tensor.encoding}; say one of them")
    return tensor.encoding.name


def vector(what: str, numbers: Numbers, channels: int = 1) -> IntTensor:
    """(C,) of numbers, of one number so many times."""
    if isinstance(numbers, IntTensor):
        return numbers
    array = array_of(what, numbers)
    return stored(what, np.full(channels, array) if array.ndim == 0 else array)


def descending_of(flags: npt.ArrayLike, rows: int) -> IntArray:
    """One flag for each of so many rows of thresholds, of them or of one for all."""
    array = array_of("descending", flags)
    if array.dtype.kind not in "biu":
        raise GraphError(f"descending is made of 0 and 1, got dtype {array.dtype}")
    array = array.astype(np.int64)
    return np.full(rows, array) if array.ndim == 0 else array


def array_of(what: str, numbers: npt.ArrayLike) -> npt.NDArray[Any]:
    """What NumPy makes of numbers, of any type and shape. Raises GraphError when that is nothing."""
    try:
        return np.asarray(numbers)
    except (TypeError, ValueError, RuntimeError) as error:
        raise GraphError(f"{what}: no array can be made of it ({str(error).splitlines()[0]})") from None


def _shown(item: object) -> str:
    text = repr(item)
    return text if len(text) <= 60 and "\n" not in text else f"a {type(item).__name__}"
