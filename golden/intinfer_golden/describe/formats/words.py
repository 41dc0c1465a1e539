"""Elements to words and back, by the tiles and slots of a tensor.

Words of any width are rows of bytes, least significant byte first: uint8 (words, ceil(word_bits / 8)).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from intinfer.types import IntArray

from ..tensors import Tensor

WordBytes = npt.NDArray[np.uint8]
_CHUNK_BITS = 2**24
"""Bits that are unpacked at a time."""


def pack(tensor: Tensor, values: npt.NDArray[np.integer]) -> WordBytes:
    """The words of whole runs of values.

    Args:
        values: a vector in the order of files, inside the tensor's code; of a tensor in tiles all of them.

    Returns:
        Rows of bytes, those of each memory after the other; unused lanes are 0.
    """
    lanes = tensor.arrange(tensor.slot.encode(tensor.code, values.astype(np.int64, copy=False)))
    if not tensor.slot.lsb_first:
        lanes = lanes[:, :, ::-1]
    count, bits = tensor.lanes, tensor.slot_bits
    flat = lanes.reshape(-1, count)
    if tensor.word_bits <= 64:
        words = flat[:, 0].astype("<u8", copy=count > 1)
        for lane in range(1, count):
            words |= flat[:, lane] << np.uint64(lane * bits)
        return _narrow(words, tensor.word_bytes)
    stored = np.ascontiguousarray(flat, dtype="<u8").view(np.uint8).reshape(len(flat), count, 8)[:, :, : -(-bits // 8)]
    each = np.unpackbits(stored, axis=2, count=bits, bitorder="little")
    return np.packbits(each.reshape(len(flat), count * bits), axis=1, bitorder="little")


def unpack(tensor: Tensor, words: WordBytes) -> IntArray:
    """The values in whole runs of words, a vector in the order of files: the inverse of `pack`.

    Unused lanes, the bits of a slot above its element and those above the word are not looked at.
    """
    lanes = lanes_of(tensor, words).reshape(tensor.memories, -1, tensor.lanes)
    return tensor.code.decode(tensor.gather(lanes & np.uint64(tensor.code.mask)))


def lanes_of(tensor: Tensor, words: WordBytes) -> npt.NDArray[np.uint64]:
    """(words, lanes): what stands in each slot of words, that of element 0 first; bits above the word are not looked
    at."""
    count, bits = tensor.lanes, tensor.slot_bits
    if count * bits <= 64:
        shifts = np.arange(count, dtype=np.uint64) * np.uint64(bits)
        slots = (_wide(words[:, : tensor.word_bytes])[:, None] >> shifts) & np.uint64((1 << bits) - 1)
    else:
        slots = np.zeros((len(words), count), dtype=np.uint64)
        size = max(1, _CHUNK_BITS // (count * bits))
        for start in range(0, len(words), size):
            part = np.unpackbits(words[start : start + size], axis=1, count=count * bits, bitorder="little")
            each = _wide(np.packbits(part.reshape(-1, bits), axis=1, bitorder="little"))
            slots[start : start + size] = each.reshape(-1, count)
    return slots if tensor.slot.lsb_first else slots[:, ::-1]


def _narrow(words: npt.NDArray[np.uint64], size: int) -> WordBytes:
    """The low `size` bytes of words of at most 64 bits."""
    return words.view(np.uint8).reshape(len(words), 8)[:, :size]


def _wide(words: WordBytes) -> npt.NDArray[np.uint64]:
    """Words of at most 8 bytes as numbers."""
    padded = np.zeros((len(words), 8), dtype=np.uint8)
    padded[:, : words.shape[1]] = words
    return padded.view("<u8").reshape(-1).astype(np.uint64, copy=False)
