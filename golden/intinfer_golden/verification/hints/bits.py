"""Bits of a word in another order: lanes, bytes, nibbles, bits."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ..dumps import Packing
from ..dumps.words import Bytes
from .case import Case, Change


def hints(case: Case) -> Iterator[str]:
    """Single changes of every word that make the dump equal."""
    for text, change in _changes(case.dump.packing):
        if case.explained_word_by_word(change):
            yield text


def _changes(packing: Packing) -> Iterator[tuple[str, Change]]:
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

    def changed(beats: Bytes) -> Bytes:
        bits = np.unpackbits(beats, axis=1, bitorder="little")
        moved = bits[:, :width].reshape(len(bits), -1, pieces, unit)[:, :, ::-1]
        bits[:, :width] = moved.reshape(len(bits), width)
        return np.packbits(bits, axis=1, bitorder="little")

    return changed
