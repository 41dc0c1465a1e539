"""Values in another code: sign bits, ternary and bipolar codes, powers of two; bits of a word in another order."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from intinfer.types import IntArray

from ...describe.codes import Code
from ...describe.formats.words import WordBytes
from ...describe.tensors import Tensor
from .case import Case, Change, varied

_MAPS = {
    "a bit for -1 above a bit for +1": (0, 1, -1, 2),
    "a bit for the sign above a bit for non-zero, with two words for 0": (0, 1, 0, -1),
}
"""Codes of -1, 0, +1 other than two's complement: the values of the words 0, 1, 2, 3, or 2 for no value. A bit
for non-zero above a bit for the sign is two's complement with its bits in reverse, which is tried elsewhere."""


def sign(case: Case) -> Iterator[str]:
    """Sign bits that are missing or too many."""
    code, dump = case.dump.packing.code, case.dump
    if case.explained_by_values(dump.values):  # so only words that are no value of the code differ
        if case.bad:
            bits = dump.packing.word_bits
            kind = "two's complement" if code.signed else "unsigned"
            several = f"a word is {dump.packing.fold} elements of {code.bits} bits"
            each = several if dump.packing.fold > 1 else f"the tensor is {code.bits} bits {kind}"
            yield f"sign: the low {bits} bits of every word are right; {each}"
        return
    if not code.signed or case.bad:
        return
    words = code.encode(dump.values[case.demanded])
    narrow = int(words.max()).bit_length()  # a negative number of this width has its highest bit set
    if not 0 < narrow < code.bits:
        return
    if np.array_equal(Code("twos_complement", narrow).decode(words), case.expected[case.demanded]):
        yield f"sign: every value is right as {narrow}-bit two's complement; extend the sign to {code.bits} bits"


def codes(case: Case) -> Iterator[str]:
    """Another code of the same width."""
    code = case.dump.packing.code
    if case.bad:
        return
    words = code.encode(case.dump.values)
    mask, top = np.uint64(code.mask), np.uint64(1 << (code.bits - 1))
    wanted = set(np.unique(case.expected[case.demanded])[:4].tolist())
    signs = code.signed and wanted == {-1, 1}
    table: dict[str, IntArray] = {}
    if signs and int(words.max()) == 1:
        values, own = 2 * words.astype(np.int64) - 1, f"the tensor is {code.bits} bits two's complement"
        table[f"the dump has one bit a value, 0 is -1 and 1 is +1; {own}"] = values
        table[f"the dump has one bit a value, 0 is +1 and 1 is -1; {own}"] = -values
    else:
        if code.bits == 2 and wanted <= {-1, 0, 1} and code.signed:
            for text, of_words in _MAPS.items():
                table[f"the dump has {text}; the tensor is two's complement"] = np.array(of_words)[
                    words.astype(np.intp)
                ]
        table["every bit is inverted"] = code.decode(~words & mask)
        if code.bits > 1:
            table["every value is negated"] = code.decode((~words + np.uint64(1)) & mask)
        if code.bits > 1 and not signs:
            text = f"the highest of the {code.bits} bits is inverted (offset binary for two's complement, or back)"
            table[text] = code.decode(words ^ top)
        if code.bits > 2 and code.signed:
            magnitude = (words & (top - np.uint64(1))).astype(np.int64)
            text = "the dump has sign and magnitude, the tensor is two's complement"
            table[text] = np.where(words & top != 0, -magnitude, magnitude)
    yield from (f"code: {text}" for text, values in table.items() if case.explained_by_values(values))


def scale(case: Case) -> Iterator[str]:
    """A power of two: bits appended below, or lost."""
    code, expected = case.dump.packing.code, case.expected[case.demanded]
    for k in range(1, code.bits):
        lost: IntArray = expected >> k
        if not varied(lost):
            break
        if not case.bad and np.array_equal(case.dump.values[case.demanded], lost):
            yield f"scale: every value is shifted right by {k}: the low {k} bits are lost"
    numbers = _numbers(case)
    if numbers is None:
        return
    width = int(numbers.max()).bit_length()
    for k in range(1, width):
        if (numbers & np.uint64((1 << k) - 1)).any():
            return
        moved = numbers >> np.uint64(k)
        kinds = [code]
        if code.signed and 1 < width - k < code.bits:
            kinds.append(Code(code.name, width - k))  # the sign of the dump's words
        for found in kinds:
            low = found.decode(moved & np.uint64(found.mask))
            if np.array_equal(low, expected) and _extends(moved, found, width - k):
                yield f"scale: every value is multiplied by {1 << k}: {k} bits are appended below"


def _numbers(case: Case) -> np.ndarray[tuple[int], np.dtype[np.uint64]] | None:
    """The demanded words as they stand in the dump, where each is a value of at most 64 bits."""
    dump = case.dump
    if dump.packing.fold > 1:
        return None if case.bad else dump.packing.code.encode(dump.values[case.demanded])
    numbers = dump.words.numbers()
    return None if numbers is None else numbers[case.demanded]


def _extends(words: np.ndarray[tuple[int], np.dtype[np.uint64]], code: Code, width: int) -> bool:
    """Whether words of `width` bits are the code's words with 0 above, or all with the sign."""
    above = words >> np.uint64(code.bits) if code.bits < 64 else np.zeros_like(words)
    if not above.any():
        return True
    ones = np.uint64((1 << max(0, width - code.bits)) - 1)
    negative = (words >> np.uint64(code.bits - 1)) & np.uint64(1)
    return code.signed and bool((above == ones * negative).all())


def bits(case: Case) -> Iterator[str]:
    """Single changes of every word that make the dump equal."""
    return (text for text, change in _changes(case.dump.packing) if case.explained_word_by_word(change))


def _changes(packing: Tensor) -> Iterator[tuple[str, Change]]:
    """What is tried; of two that are the same only one."""
    fold, width, word, size = packing.fold, packing.code.bits, packing.word_bits, packing.word_bytes
    digits = -(-word // 4)
    if fold > 1:
        end = "most" if packing.slot.lsb_first else "least"
        yield f"lanes: element 0 is in the {end} significant bits of a word", _reversed(word, packing.slot_bits)
    for group in (2, 4, 8):
        if size % group == 0:
            yield f"bytes: the {group} of each {group} bytes are in reverse", _reversed(8 * size, 8, group)
    if size > 1 and size not in (2, 4, 8):
        yield f"bytes: the {size} of each word are in reverse", _reversed(8 * size, 8)
    if word > 4:
        yield "nibbles: the two of each byte are swapped", _reversed(8 * size, 4, 2)
    if digits > 2:
        yield f"nibbles: the {digits} of each word are in reverse", _reversed(4 * digits, 4)
    if 1 < width == packing.slot_bits:
        yield f"bits: the {width} of each element are in reverse", _reversed(word, 1, packing.slot_bits)
    if fold > 1:
        yield f"bits: the {word} of each word are in reverse", _reversed(word, 1)
    if 8 * size != word:
        yield f"bits: the {8 * size} of each beat are in reverse", _reversed(8 * size, 1)


def _reversed(width: int, unit: int, group: int | None = None) -> Change:
    """The low `width` bits with their pieces of `unit` bits in reverse, in each `group` of pieces or in all."""
    pieces = group or width // unit

    def changed(beats: WordBytes) -> WordBytes:
        bits = np.unpackbits(beats, axis=1, bitorder="little")
        moved = bits[:, :width].reshape(len(bits), -1, pieces, unit)[:, :, ::-1]
        bits[:, :width] = moved.reshape(len(bits), width)
        return np.packbits(bits, axis=1, bitorder="little")

    return changed
