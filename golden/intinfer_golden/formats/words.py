"""Elements to words and back: E elements a word, element 0 in the least significant bits.

Words of any width are rows of bytes, least significant byte first: uint8 (words, ceil(word_bits / 8)).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from intinfer.types import IntArray

from ..tensors import Tensor

WordBytes = npt.NDArray[np.uint8]


def pack(tensor: Tensor, values: npt.NDArray[np.integer]) -> WordBytes:
    """The words of whole runs of values.

    Args:
        values: a vector in the order of files, its length a multiple of `tensor.run`, inside the tensor's code.

    Returns:
        Rows of bytes; the unused lanes of the last word of a run are 0.
    """
    fold, bits = tensor.fold, tensor.code.bits
    lanes = tensor.code.encode(values.astype(np.int64, copy=False))
    if fold == 1:
        return _narrow(lanes.astype("<u8", copy=False), tensor.word_bytes)
    runs = len(values) // tensor.run
    padded = np.zeros((runs, tensor.words_per_run * fold), dtype=np.uint64)
    padded[:, : tensor.run] = lanes.reshape(runs, tensor.run)
    lanes = padded.reshape(-1, fold)
    if tensor.word_bits <= 64:
        words = np.zeros(len(lanes), dtype="<u8")
        for lane in range(fold):
            words |= lanes[:, lane] << np.uint64(lane * bits)
        return _narrow(words, tensor.word_bytes)
    stored = lanes.astype("<u8", copy=False).view(np.uint8).reshape(len(lanes), fold, 8)[:, :, : -(-bits // 8)]
    each = np.unpackbits(stored, axis=2, count=bits, bitorder="little")
    return np.packbits(each.reshape(len(lanes), fold * bits), axis=1, bitorder="little")


def unpack(tensor: Tensor, words: WordBytes) -> IntArray:
    """The values in whole runs of words, a vector in the order of files: the inverse of `pack`.

    Unused lanes and the bits above the word are not looked at.
    """
    fold, bits = tensor.fold, tensor.code.bits
    count = len(words)
    if fold == 1:
        lanes = _wide(words)
    elif tensor.word_bits <= 64:
        shifts = np.arange(fold, dtype=np.uint64) * np.uint64(bits)
        lanes = _wide(words)[:, None] >> shifts
    else:
        each = np.unpackbits(words, axis=1, count=fold * bits, bitorder="little").reshape(count, fold, bits)
        lanes = _wide(np.packbits(each, axis=2, bitorder="little").reshape(count * fold, -1))
    lanes = lanes & np.uint64(tensor.code.mask)
    runs = count // tensor.words_per_run
    return tensor.code.decode(lanes.reshape(runs, -1)[:, : tensor.run].reshape(-1))


def _narrow(words: npt.NDArray[np.uint64], size: int) -> WordBytes:
    """The low `size` bytes of words of at most 64 bits."""
    return words.view(np.uint8).reshape(len(words), 8)[:, :size]


def _wide(words: WordBytes) -> npt.NDArray[np.uint64]:
    """Words of at most 8 bytes as numbers."""
    padded = np.zeros((len(words), 8), dtype=np.uint8)
    padded[:, : words.shape[1]] = words
    return padded.view("<u8").reshape(-1).astype(np.uint64, copy=False)
