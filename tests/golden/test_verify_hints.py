"""Hints: each one is told of the dump that it explains, that one alone, and of no dump with one bit more wrong."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import permutations
from pathlib import Path

import numpy as np
import pytest
from dump_words import Array, packed, random_array, reversed_pieces, runs, words
from hypothesis import given, settings
from hypothesis import strategies as st

from intinfer_golden.describe.codes import Code
from intinfer_golden.describe.manifest import VectorSet
from intinfer_golden.describe.tensors import Tensor
from intinfer_golden.verification.dumps import Dump, Words
from intinfer_golden.verification.dumps.words import ParsedWord, parts_of
from intinfer_golden.verification.hints import Case, hints

SHAPE = (3, 6, 4, 5)
NOTHING_ELSE = VectorSet(Path(), {}, {}, "", "network", None, ())


@dataclass(frozen=True)
class Made:
    """A dump made wrong: what it should be, its words, and which of them the hint looks at, in how many bits."""

    array: Array
    code: Code
    words: list[int]
    hint: str
    order: str = "NHWC"
    fold: int = 1
    read_fold: int | None = None
    looked_at: tuple[int, int | None] = (0, None)
    flipped_bits: int | None = None

    def told(
        self, flip: tuple[int, int] | None = None, demanded: Array | None = None, unknown: bool = False
    ) -> list[str]:
        """The hints of the dump; `flip` are a word (of those looked at) and a bit that are inverted, or `unknown`."""
        shape, axes = self.array.shape, tuple("NCHW"[: self.array.ndim])
        tensor = Tensor("y", "", "output", (), axes, shape, tuple(self.order), self.code, 0, 0, self.fold)
        numbers, hidden = list(self.words), [0] * len(self.words)
        if flip is not None:
            word = range(len(numbers))[slice(*self.looked_at)][flip[0]]
            numbers[word] ^= 1 << flip[1]
            hidden[word] = unknown << flip[1]
            numbers[word] &= ~hidden[word]
        pairs = enumerate(zip(numbers, hidden, strict=True), 1)
        read = Words.of_parts(list(parts_of(ParsedWord(number, mask, f"{number:x}", i) for i, (number, mask) in pairs)))
        expected = np.array([value for run in runs(self.array, self.order) for value in run])
        dump = Dump.of(read, replace(tensor, fold=self.read_fold or self.fold))
        asked = np.ones(len(expected), dtype=bool) if demanded is None else demanded
        return hints(Case(tensor, expected, asked, read, dump, NOTHING_ELSE, range(shape[0])))

    @property
    def looks(self) -> int:
        return len(self.words[slice(*self.looked_at)])

    @property
    def bits(self) -> int:
        return self.flipped_bits or self.code.bits * (self.read_fold or self.fold)


S8 = Code("twos_complement", 8)
Maker = Callable[[int], Made]
MAKERS: dict[str, Maker] = {}


def maker(name: str) -> Callable[[Maker], Maker]:
    def register(function: Maker) -> Maker:
        MAKERS[name] = function
        return function

    return register


def signed(seed: int, bits: int = 8, shape: tuple[int, ...] = SHAPE) -> Array:
    return random_array(seed, shape, -(2 ** (bits - 1)), 2 ** (bits - 1) - 1)


# ---------------------------------------------------------------------------------------------------- moved values


def order_case(name: str, ours: str, fold: int) -> Maker:
    def make(seed: int) -> Made:
        array = signed(seed)
        swapped = name.translate(str.maketrans("HW", "WH")) == ours
        why = ", H and W are transposed" if swapped else ""
        hint = f"order: the dump is in {name} order, the vectors are in {ours}{why}"
        return Made(array, S8, words(array, name, 8, fold), hint, order=ours, fold=fold)

    return make


for name_ in ("".join(p) for p in permutations("NCHW")):
    for ours_ in ("NHWC", "NCHW"):
        if name_ != ours_:
            MAKERS[f"{name_} for {ours_}"] = order_case(name_, ours_, 1)
MAKERS["NCHW for NHWC, folded"] = order_case("NCHW", "NHWC", 5)
MAKERS["NWHC for NHWC, folded"] = order_case("NWHC", "NHWC", 4)

AXES = {"N": "the images are", "C": "the channels are", "H": "the rows are", "W": "the columns are"}


def moved_case(hint: str, move: Callable[[Array], Array], fold: int = 1) -> Maker:
    def make(seed: int) -> Made:
        array = signed(seed)
        return Made(array, S8, words(move(array), "NHWC", 8, fold), hint, fold=fold)

    return make


for axis_, what in AXES.items():
    # two images of three exchanged are their reverse as well
    if axis_ != "N":
        place_ = "NCHW".index(axis_)
        MAKERS[f"reverse {axis_}"] = moved_case(f"order: {what} in reverse", lambda a, p=place_: np.flip(a, p))
for by_ in range(1, 6):
    text_ = f"channels: rotated; channel 0 is the dump's channel {by_}, 5 is {by_ - 1}"
    MAKERS[f"rotated by {by_}"] = moved_case(text_, lambda a, by=by_: np.roll(a, by, axis=1))
for groups_ in (2, 3):
    text_ = f"channels: the dump's are shuffled in {groups_} groups, the vectors' are not"
    MAKERS[f"shuffle {groups_}"] = moved_case(
        text_, lambda a, g=groups_: a.reshape(3, g, 6 // g, 4, 5).swapaxes(1, 2).reshape(SHAPE), fold=4
    )
MAKERS["images exchanged"] = moved_case("images: n=1 and n=2 are exchanged", lambda a: a[[0, 2, 1]], fold=2)


@maker("images in reverse")
def images_in_reverse(seed: int) -> Made:
    array = signed(seed, shape=(5, 2, 2, 3))
    return Made(array, S8, words(array[::-1], "NHWC", 8), "order: the images are in reverse")


# ------------------------------------------------------------------------------------------------------ moved bits


def bits_case(hint: str, bits: int, fold: int, width: int, unit: int, group: int | None = None) -> Maker:
    def make(seed: int) -> Made:
        array = signed(seed, bits)
        moved = [reversed_pieces(word, width, unit, group) for word in words(array, "NHWC", bits, fold)]
        size = -(-bits * fold // 8) * 8  # bytes that hold a word
        code = Code("twos_complement", bits)
        return Made(array, code, moved, hint, fold=fold, flipped_bits=size if width == size else bits * fold)

    return make


LANES = "lanes: element 0 is in the most significant bits of a word"
MAKERS |= {
    "lanes": bits_case(LANES, 5, 3, 15, 5),
    "lanes of a partial word": bits_case(LANES, 7, 4, 28, 7),
    "lanes of a wide word": bits_case(LANES, 23, 4, 92, 23),
    "2 bytes": bits_case("bytes: the 2 of each 2 bytes are in reverse", 16, 1, 16, 8),
    "2 bytes of 6": bits_case("bytes: the 2 of each 2 bytes are in reverse", 12, 4, 48, 8, 2),
    "4 bytes": bits_case("bytes: the 4 of each 4 bytes are in reverse", 29, 1, 32, 8),
    "4 bytes of 8": bits_case("bytes: the 4 of each 4 bytes are in reverse", 10, 6, 64, 8, 4),
    "8 bytes": bits_case("bytes: the 8 of each 8 bytes are in reverse", 10, 6, 64, 8),
    "3 bytes": bits_case("bytes: the 3 of each word are in reverse", 12, 2, 24, 8),
    "nibbles": bits_case("nibbles: the two of each byte are swapped", 8, 1, 8, 4, 2),
    "nibbles of 6 bytes": bits_case("nibbles: the two of each byte are swapped", 9, 5, 48, 4, 2),
    "digits": bits_case("nibbles: the 3 of each word are in reverse", 12, 1, 12, 4),
    "bits of an element": bits_case("bits: the 9 of each element are in reverse", 9, 3, 27, 1, 9),
    "bits of a word": bits_case("bits: the 18 of each word are in reverse", 6, 3, 18, 1),
    "bits of a beat": bits_case("bits: the 16 of each beat are in reverse", 11, 1, 16, 1),
}

# ----------------------------------------------------------------------------------------------------- other codes


def code_case(hint: str, change: Callable[[int], int], bits: int = 8, fold: int = 1, lo: int | None = None) -> Maker:
    def make(seed: int) -> Made:
        half = 2 ** (bits - 1)
        array = random_array(seed, SHAPE, -half if lo is None else lo, half - 1 if lo is None else -lo)
        moved = np.vectorize(change, otypes=[np.int64])(array)
        code = Code("twos_complement", bits)
        return Made(array, code, words(moved, "NHWC", bits, fold), hint, fold=fold)

    return make


TWOS = "the tensor is two's complement"
MAKERS |= {
    "inverted": code_case("code: every bit is inverted", lambda v: ~v),
    "inverted, in lanes": code_case("code: every bit is inverted", lambda v: ~v, 6, 2),
    "negated": code_case("code: every value is negated", lambda v: -v, 8, 1, -90),
    "offset binary": code_case(
        "code: the highest of the 8 bits is inverted (offset binary for two's complement, or back)", lambda v: v + 128
    ),
    "magnitude": code_case(
        "code: the dump has sign and magnitude, the tensor is two's complement",
        lambda v: v if v >= 0 else 128 - v,
        lo=-127,
    ),
    "non-zero and sign": code_case(
        "bits: the 2 of each element are in reverse", {-1: 3, 0: 0, 1: 2}.__getitem__, 2, 3, -1
    ),
    "one hot": code_case(
        f"code: the dump has a bit for -1 above a bit for +1; {TWOS}", {-1: 2, 0: 0, 1: 1}.__getitem__, 2, 1, -1
    ),
}


@maker("two zeros")
def two_zeros(seed: int) -> Made:
    array = random_array(seed, SHAPE, -1, 1)
    found = words(array, "NHWC", 2)
    zeros = [i for i, word in enumerate(found) if word == 0]
    for i in zeros[::2]:
        found[i] = 2
    hint = f"code: the dump has a bit for the sign above a bit for non-zero, with two words for 0; {TWOS}"
    values = [i for i, word in enumerate(found) if word in (1, 3)]
    moved = Made(array, Code("twos_complement", 2), found, hint, flipped_bits=1)
    assert len(values) > 2
    return moved


def bipolar_case(hint: str, first: int) -> Maker:
    def make(seed: int) -> Made:
        array = random_array(seed, SHAPE, 0, 1) * 2 - 1
        found = [first ^ (value == 1) for run in runs(array, "NHWC") for value in run]
        text = f"code: the dump has one bit a value, {hint}; the tensor is 2 bits two's complement"
        return Made(array, Code("twos_complement", 2), [int(word) for word in found], text)

    return make


MAKERS["bipolar"] = bipolar_case("0 is -1 and 1 is +1", 0)
MAKERS["bipolar inverted"] = bipolar_case("0 is +1 and 1 is -1", 1)


def scale_case(hint: str, power: int, width: int | None = None) -> Maker:
    """Values of 7 bits in an accumulator of 12, or in words of `width` bits."""

    def make(seed: int) -> Made:
        array = random_array(seed, SHAPE, -63, 63)
        scaled = array << power if power > 0 else array >> -power
        bits = width or 12
        return Made(array, Code("twos_complement", 12), words(scaled, "NHWC", bits), hint, flipped_bits=bits)

    return make


MAKERS |= {
    "times 4": scale_case("scale: every value is multiplied by 4: 2 bits are appended below", 2),
    "times 256, wider": scale_case("scale: every value is multiplied by 256: 8 bits are appended below", 8, 24),
    "lost 3": scale_case("scale: every value is shifted right by 3: the low 3 bits are lost", -3),
}


@maker("sign extended too far")
def extended(seed: int) -> Made:
    array = signed(seed)
    hint = "sign: the low 8 bits of every word are right; the tensor is 8 bits two's complement"
    return Made(array, S8, words(array, "NHWC", 16), hint)


@maker("sign extended too far, in lanes")
def extended_word(seed: int) -> Made:
    array = signed(seed)
    wide = [word + (3 << 24) for word in words(array, "NHWC", 8, 3)]
    return Made(
        array, S8, wide, "sign: the low 24 bits of every word are right; a word is 3 elements of 8 bits", fold=3
    )


@maker("sign not extended")
def narrow(seed: int) -> Made:
    array = signed(seed, 5)
    hint = "sign: every value is right as 5-bit two's complement; extend the sign to 8 bits"
    found = [word & 31 for word in words(array, "NHWC", 8)]
    return Made(array, S8, found, hint, flipped_bits=5)


# ------------------------------------------------------------------------------------------------ earlier and later

UNITS = {"word": 1, "pixel of 6 words": 6, "row of 30 words": 30, "image of 120 words": 120}
FOLDED = {"word": 1, "pixel of 2 words": 2, "row of 10 words": 10, "image of 40 words": 40}
PLANES = {"word": 1, "row of 5 words": 5, "channel of 20 words": 20, "image of 120 words": 120}


def late_case(unit: str, size: int, order: str, fold: int, cut: bool) -> Maker:
    def make(seed: int) -> Made:
        array = signed(seed)
        right = words(array, order, 8, fold)
        junk = [int(word) for word in np.random.default_rng(seed + 1).integers(0, 256, size)]
        found = [*junk, *right][: len(right) if cut else None]
        hint = f"off by one: the dump is 1 {unit} late; from its word {size} on it is right"
        return Made(array, S8, found, hint, order=order, fold=fold, looked_at=(size, None))

    return make


def early_case(unit: str, size: int, order: str, fold: int) -> Maker:
    def make(seed: int) -> Made:
        array = signed(seed)
        right = words(array, order, 8, fold)
        junk = [int(word) for word in np.random.default_rng(seed + 1).integers(0, 256, size)]
        hint = f"off by one: the dump is 1 {unit} early; it begins with what word {size} should be"
        looked_at = (0, len(right) - size)
        return Made(array, S8, [*right[size:], *junk], hint, order=order, fold=fold, looked_at=looked_at)

    return make


for units_, order_, fold_ in ((UNITS, "NHWC", 1), (FOLDED, "NHWC", 4), (PLANES, "NCHW", 1)):
    for unit_, size_ in units_.items():
        MAKERS[f"{unit_} late, {order_} {fold_}"] = late_case(unit_, size_, order_, fold_, True)
        MAKERS[f"{unit_} more, {order_} {fold_}"] = late_case(unit_, size_, order_, fold_, False)
        MAKERS[f"{unit_} early, {order_} {fold_}"] = early_case(unit_, size_, order_, fold_)


def missing_case(gone: int, fold: int) -> Maker:
    def make(seed: int) -> Made:
        array = signed(seed)
        left = words(np.delete(array, gone, axis=0), "NHWC", 8, fold)
        return Made(array, S8, left, f"images: n={gone} is missing, all others are right", fold=fold)

    return make


for gone_ in range(3):
    for fold_ in (1, 4):
        MAKERS[f"image {gone_} missing, {fold_}"] = missing_case(gone_, fold_)

# ------------------------------------------------------------------------------------------------------ other words


def fold_case(theirs: int, ours: int, run: str) -> Maker:
    def make(seed: int) -> Made:
        array = signed(seed)
        found = words(array, "NHWC", 8, theirs)
        gap = ""
        if run != "pixel":
            frames = array.transpose(0, 2, 3, 1).reshape((3, -1) if run == "image" else (1, -1)).tolist()
            found = [word for frame in frames for word in packed(frame, 8, theirs)]
            gap = ", with no new word at each pass along C"
        hint = f"fold: the dump has {theirs} elements a word{gap}; the vectors have {ours}"
        return Made(array, S8, found, hint, fold=ours, flipped_bits=8 * theirs if 120 % theirs == 0 else 8)

    return make


MAKERS |= {
    "2 for 3": fold_case(2, 3, "pixel"),
    "6 for 4": fold_case(6, 4, "pixel"),
    "5 for 1": fold_case(5, 1, "image"),
    "7 for 3": fold_case(7, 3, "image"),
    "16 for 2": fold_case(16, 2, "image"),
}


# ---------------------------------------------------------------------------------------------------------- the tests


@pytest.mark.parametrize("name", MAKERS)
def test_exactly_this_hint(name: str) -> None:
    for seed in (1, 2):
        made = MAKERS[name](seed)
        assert made.told() == [made.hint]


@settings(max_examples=300)
@given(st.sampled_from(sorted(MAKERS)), st.integers(0, 3), st.data())
def test_no_hint_with_one_bit_more_wrong(name: str, seed: int, data: st.DataObject) -> None:
    made = MAKERS[name](seed)
    flip = (data.draw(st.integers(0, made.looks - 1)), data.draw(st.integers(0, made.bits - 1)))
    assert made.told(flip, unknown=data.draw(st.booleans())) == []


KEEP_CHANNELS = ("NHCW for NHWC", "reverse H", "inverted", "times 4", "lost 3", "magnitude", "image 1 missing, 1")


@pytest.mark.parametrize("name", KEEP_CHANNELS)
def test_what_nobody_demands_may_be_anything(name: str) -> None:
    """Every second channel is not asked for, and wrong."""
    made = MAKERS[name](3)
    channels = np.arange(len(made.words)) % 6
    if name.startswith("NHCW"):
        channels = np.arange(len(made.words)) // 5 % 6
    junk = [word ^ 1 if c % 2 else word for word, c in zip(made.words, channels, strict=True)]
    demanded = np.arange(made.array.size) % 2 == 0
    assert replace(made, words=junk).told(demanded=demanded) == [made.hint]
    assert replace(made, words=junk).told() == []


def test_nothing_is_told_of_one_value_all_over() -> None:
    array = np.zeros(SHAPE, dtype=np.int64)
    assert Made(array, S8, [255] * array.size, "").told() == []
    assert Made(array, S8, [0] * (array.size - 120), "").told() == []


def test_a_vector_of_channels() -> None:
    array = signed(4, shape=(3, 7))
    assert Made(array, S8, words(array, "CN", 8), "", order="NC").told() == [
        "order: the dump is in CN order, the vectors are in NC"
    ]
    gone = Made(array, S8, words(array[[0, 2]], "NC", 8, 3), "", order="NC", fold=3)
    assert gone.told() == ["images: n=1 is missing, all others are right"]
