"""How much of a dump is what: how many elements a word has, and how often the set comes."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

from intinfer.errors import DataError

from ..describe.layout import Slot
from ..describe.manifest import VectorSet
from ..describe.tensors import Tensor
from .dumps import Words
from .dumps.waveform import Beats, Stream, read_stream

MAX_SLOT = 32
"""Bytes of a word in a file of raw bytes, where words are wider than what they hold."""


@dataclass(frozen=True)
class Extent:
    """Words of a dump that are compared.

    Attributes:
        raw: as they were read, before bytes became words.
        passes: how often the set is expected, one after the other.
        expected: words of all passes.
        notes: what was left out, for people.
    """

    words: Words
    packing: Tensor
    expected: int
    raw: Words
    passes: int = 1
    notes: tuple[str, ...] = field(default=())


def extent_of_words(words: Words, tensor: Tensor, path: Path) -> Extent:
    """What of a file is compared.

    There are as many elements a word as the vectors have, or one: what the number of words is nearer to. Numbers in
    decimal that end early are one element each, as are those of our own `.npy`. Words behind the last one that are
    unknown in all bits are of a deeper memory. Raw bytes may be words of 2, 4, 8, ... bytes.
    """
    if words.kind == "bytes":
        packing, size = _of_bytes(words, tensor, path)
        return Extent(words.joined(size), packing, packing.words, words, 1)
    packed, single = tensor, replace(tensor, fold=1)
    most, least = single.words, packed.words
    notes: tuple[str, ...] = ()
    if words.kind == "bits" and len(words) != least and (len(words) != most or words.wider(single.word_bits)):
        kept = words.without_unknown_end()
        length = next((length for length in (least, most) if kept <= length < len(words)), None)
        if length is not None:
            notes = (f"{len(words) - length:,} words behind the last are all X, as of a deeper memory",)
            words = words.head(length)
    count = len(words)
    if words.kind == "numbers":
        packing = packed if count == least != most else replace(single, slot=Slot())  # integers fill no slot
    else:
        packing = single if 2 * count > most + least else packed
    return Extent(words, packing, packing.words, words, 1, notes)


def extent_of_stream(
    path: Path, stream: Stream, tensor: Tensor, vectors: VectorSet, passes: int | None = None
) -> Extent:
    """What of a waveform is compared; see `compare.verify` for `passes`.

    Raises DataError for what `read_stream` refuses, and for data of fewer bits than a value has.
    """
    inputs = _inputs(stream, tensor.node, vectors) if passes is None else {}
    beats = read_stream(path, stream, tuple(inputs))
    packings = [packing for packing in _packings(beats.words, tensor) if packing.word_bits <= beats.width]
    if not packings:
        raise DataError(
            f"{path}: signal {beats.name!r} has {beats.width} bits, a word of {tensor.node} has {tensor.word_bits}; "
            "name one that carries whole words with --data"
        )
    given = None if passes is None else [(packing, passes) for packing in packings]
    permitted = given or _by_inputs(beats, inputs, packings)
    packing, number = _chosen(beats, packings, permitted)
    notes = []
    if beats.dropped:
        notes.append(
            f"{beats.dropped:,} words before the reset ({beats.reset_name}) at time {beats.reset} are left out"
        )
    times, rest = divmod(len(beats.words), packing.words)
    if number > 1:
        why = f", as the words of {', '.join(inputs)} say" if passes is None and permitted else ""
        notes.append(f"the set has to come {number} times, one after the other{why}; each is compared")
    elif times > 1 and not rest and permitted is None:
        notes.append(
            f"the words are {times} times as many as the set has; if the bench repeats it so often, give --passes "
            f"{times}"
        )
    return Extent(beats.words, packing, number * packing.words, beats.words, number, tuple(notes))


def _packings(words: Words, tensor: Tensor) -> list[Tensor]:
    """As many elements a word as the vectors have, or one, if not many words are wider."""
    packed, single = tensor, replace(tensor, fold=1)
    return [packed] if packed == single or 8 * words.wider(single.word_bits) > len(words) else [packed, single]


def _chosen(beats: Beats, packings: list[Tensor], permitted: list[tuple[Tensor, int]] | None) -> tuple[Tensor, int]:
    """The packing and the number of passes that the number of words fits, or else comes nearest to.

    Args:
        permitted: what it can be; None: one pass, or any number after a reset that took words back.
    """
    count = len(beats.words)
    fitting = [(packing, count // packing.words) for packing in packings if count and count % packing.words == 0]
    if permitted is None:
        fitting.sort(key=lambda pair: pair[1])  # of one element a word where it can be: most words are that narrow
        if fitting and (fitting[0][1] == 1 or beats.dropped):
            return fitting[0]
        permitted = [(packing, 1) for packing in packings]
    return min(permitted, key=lambda pair: abs(pair[1] * pair[0].words - count))


def _of_bytes(words: Words, tensor: Tensor, path: Path) -> tuple[Tensor, int]:
    count = len(words)
    packed, single = tensor, replace(tensor, fold=1)
    least, most = (packing.words * packing.word_bytes for packing in (packed, single))
    if count == most != least:
        return single, single.word_bytes
    if count != least:
        wide = [
            (packing, size)
            for packing in (single, packed)
            for size in (2**k for k in range(1, MAX_SLOT.bit_length()))
            if count == size * packing.words and packing.word_bytes < size
        ]
        if wide:  # both where words of one element are as long as all of a word: what is above them tells
            return min(wide, key=lambda pair: words.joined(pair[1]).wider(pair[0].word_bits) > 0)
    size = packed.word_bytes
    if count % size:
        raise DataError(f"{path}: has {count:,} bytes, which are not words of {size} bytes; write whole words")
    return packed, size


def _inputs(stream: Stream, node: str, vectors: VectorSet) -> dict[str, Tensor]:
    """The input ports by name, where the stream is the output port of the same design that a node comes out of."""
    port = vectors.ports.get(stream.port or "")
    if port is None or port.direction != "out" or port.node != node:
        return {}
    return {name: vectors.values[port.node].tensor for name, port in vectors.ports.items() if port.direction == "in"}


def _by_inputs(beats: Beats, inputs: dict[str, Tensor], packings: list[Tensor]) -> list[tuple[Tensor, int]] | None:
    """How often the set went in, by the words of every input, which are packed as those of the output are; None where
    that is not known, or no whole number."""
    if beats.inputs is None or not inputs:
        return None
    found = []
    for number, packing in enumerate(packings):
        sizes = {name: replace(tensor, fold=1 if number else tensor.fold).words for name, tensor in inputs.items()}
        (times, rest), *others = {divmod(beats.inputs[name], size) for name, size in sizes.items()}
        if times and not rest and not others:
            found.append((packing, times))
    return found or None
