"""How much of a dump is what: how many elements a word has, and how often the set comes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from intinfer.errors import DataError

from .dumps import Packing, Words
from .dumps.waveform import Beats, Stream, read_stream
from .manifest import VectorSet
from .tensors import Tensor

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
    packing: Packing
    expected: int
    raw: Words
    passes: int = 1
    notes: tuple[str, ...] = field(default=())


def extent_of_words(words: Words, tensor: Tensor, path: Path) -> Extent:
    """Of a file.

    There are as many elements a word as the vectors have, or one: what the number of words is nearer to. Numbers in
    decimal that end early are one element each, as are those of our own `.npy`. Words behind the last one that are
    unknown in all bits are of a deeper memory. Raw bytes may be words of 2, 4, 8, ... bytes.
    """
    if words.kind == "bytes":
        packing, size = _of_bytes(len(words), tensor, path)
        return Extent(words.joined(size), packing, packing.words(tensor.elements), words, 1)
    packed, single = Packing.of(tensor), Packing.of(tensor, 1)
    most, least = single.words(tensor.elements), packed.words(tensor.elements)
    notes = words.notes
    if words.kind == "bits" and len(words) not in (most, least):
        kept = words.without_unknown_end()
        length = next((length for length in (least, most) if kept <= length < len(words)), None)
        if length is not None:
            notes = (*notes, f"{len(words) - length:,} words behind the last are all X, as of a deeper memory")
            words = words.head(length)
    count = len(words)
    if words.kind == "numbers":
        packing = packed if count == least != most else single
    else:
        packing = single if 2 * count > most + least else packed
    return Extent(words, packing, packing.words(tensor.elements), words, 1, notes)


def extent_of_stream(
    path: Path, stream: Stream, tensor: Tensor, vectors: VectorSet, passes: int | None = None
) -> Extent:
    """Of a waveform; see `compare.verify` for `passes`."""
    inputs = _inputs(stream, vectors) if passes is None else {}
    beats = read_stream(path, stream, tuple(inputs))
    words, count = beats.words, len(beats.words)
    packings = list(dict.fromkeys((Packing.of(tensor), Packing.of(tensor, 1))))
    fitting = [(packing, count // size) for packing in packings if count and count % (size := packing.words(tensor.elements)) == 0]
    allowed = [passes] if passes is not None else _passes_of(beats, inputs)
    notes = list(_notes(beats))
    if allowed is not None:
        chosen = next((pair for pair in fitting if pair[1] in allowed), None)
        if chosen is None:
            nearest = min(((packing, number) for number in allowed for packing in packings),
                          key=lambda pair: abs(pair[1] * pair[0].words(tensor.elements) - count))
            chosen = nearest
    else:
        chosen = next((pair for pair in fitting if pair[1] == 1), None)
        if chosen is None and beats.dropped and fitting:
            chosen = fitting[0]
        if chosen is None:
            chosen = (min(packings, key=lambda packing: abs(packing.words(tensor.elements) - count)), 1)
            if fitting:
                notes.append(f"the words are {fitting[0][1]} times as many as the set has; if the bench repeats it so often, give --passes {fitting[0][1]}")
    packing, number = chosen
    if number > 1:
        notes.append(f"the set comes {number} times, one after the other; each is compared")
    return Extent(words, packing, number * packing.words(tensor.elements), words, number, tuple(notes))


def _of_bytes(count: int, tensor: Tensor, path: Path) -> tuple[Packing, int]:
    packed, single = Packing.of(tensor), Packing.of(tensor, 1)
    numbers = [packing.words(tensor.elements) for packing in (packed, single)]
    whole = [number * packing.word_bytes for number, packing in zip(numbers, (packed, single), strict=True)]
    if count == whole[1] != whole[0]:
        return single, single.word_bytes
    if count != whole[0]:
        for packing, number in ((single, numbers[1]), (packed, numbers[0])):
            size = count // number
            if count == size * number and packing.word_bytes < size <= MAX_SLOT and size & (size - 1) == 0:
                return packing, size
    size = packed.word_bytes
    if count % size:
        raise DataError(f"{path}: has {count:,} bytes, which are not words of {size} bytes; write whole words")
    return packed, size


def _inputs(stream: Stream, vectors: VectorSet) -> dict[str, Tensor]:
    """The input ports by name, where the stream is an output port of the same design."""
    port = vectors.ports.get(stream.port or "")
    if port is None or port.direction != "out":
        return {}
    return {name: vectors.values[port.node].tensor for name, port in vectors.ports.items() if port.direction == "in"}


def _passes_of(beats: Beats, inputs: dict[str, Tensor]) -> list[int] | None:
    """How often the set went in, by the words of each input; None where that is not known, or not a whole number."""
    if beats.inputs is None or not inputs:
        return None
    found: set[int] | None = None
    for name, tensor in inputs.items():
        sizes = {Packing.of(tensor).words(tensor.elements), Packing.of(tensor, 1).words(tensor.elements)}
        numbers = {beats.inputs[name] // size for size in sizes if beats.inputs[name] and beats.inputs[name] % size == 0}
        found = numbers if found is None else found & numbers
    return sorted(found) if found else None


def _notes(beats: Beats) -> Iterator[str]:
    if beats.dropped:
        yield f"{beats.dropped:,} words before the reset ({beats.reset_name}) at time {beats.reset} are left out"
