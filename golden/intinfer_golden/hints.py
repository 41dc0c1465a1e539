"""Guesses at why a whole dump differs: each is told only when it explains every demanded value."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from intinfer.types import IntArray

from .codes import Code
from .dumps import Dump
from .tensors import Tensor

Mask = npt.NDArray[np.bool_]


def hints(tensor: Tensor, expected: IntArray, demanded: Mask, dump: Dump) -> list[str]:
    """What would make a dump that differs equal, in words.

    Args:
        expected, demanded: vectors in the order of files.
    """
    found = []
    if len(dump.values) == len(expected) and not dump.unknown[demanded].any():
        found += _width(tensor.code, expected[demanded], dump, demanded)
        found += _order(tensor, expected, demanded, dump)
    return found + _shift(tensor, expected, demanded, dump)


def _width(code: Code, expected: IntArray, dump: Dump, demanded: Mask) -> list[str]:
    """Sign bits that are missing or too many."""
    actual = dump.values[demanded]
    if np.array_equal(actual, expected):  # so only words that are no value of the code differ
        kind = "two's complement" if code.signed else "unsigned"
        return [f"sign: the low {code.bits} bits of every word are right; the tensor is {code.bits} bits {kind}"]
    if not code.signed or dump.bad[demanded].any():
        return []
    words = code.encode(actual)
    narrow = int(words.max()).bit_length()  # a negative number of this width has its highest bit set
    if not narrow or not np.array_equal(Code("twos_complement", narrow).decode(words), expected):
        return []
    return [f"sign: every word is right as {narrow}-bit two's complement; extend the sign to {code.bits} bits"]


def _order(tensor: Tensor, expected: IntArray, demanded: Mask, dump: Dump) -> list[str]:
    """The other order of axes."""
    other = ("N", "C", "H", "W") if tensor.order[-1] == "C" else ("N", "H", "W", "C")
    if len(tensor.axes) != 4 or dump.problems:  # a moved word may be any word
        return []
    shape = [tensor.shape[tensor.axes.index(axis)] for axis in other]
    moved = dump.values.reshape(shape).transpose([other.index(axis) for axis in tensor.order]).reshape(-1)
    if not np.array_equal(moved[demanded], expected[demanded]):
        return []
    return [f"order: the dump is in {''.join(other)} order, the vectors are in {''.join(tensor.order)}"]


def _shift(tensor: Tensor, expected: IntArray, demanded: Mask, dump: Dump) -> list[str]:
    """One beat too many or too few at the start: a word, or all channels of a pixel."""
    beats = {1: "1 word"}
    if tensor.order[-1] == "C" and tensor.shape[1] > 1:
        beats[tensor.shape[1]] = f"1 pixel of {tensor.shape[1]} words"
    found = []
    for beat, name in beats.items():
        if _equal_from(dump, beat, expected, demanded, 0):
            found.append(f"off by one: the dump is {name} late; from its word {beat} on it is right")
        if _equal_from(dump, 0, expected, demanded, beat):
            found.append(f"off by one: the dump is {name} early; it begins with what word {beat} should be")
    return found


def _equal_from(dump: Dump, start: int, expected: IntArray, demanded: Mask, skipped: int) -> bool:
    """Whether the dump from word `start` on is what is expected from word `skipped` on, and that is no chance."""
    overlap = min(len(dump.values) - start, len(expected) - skipped)
    if 2 * overlap < len(expected):
        return False
    mine, theirs = slice(start, start + overlap), slice(skipped, skipped + overlap)
    asked = demanded[theirs]
    wanted = expected[theirs][asked]
    if len(np.unique(wanted)) < 2 or dump.bad[mine][asked].any():
        return False
    return np.array_equal(dump.values[mine][asked], wanted)
