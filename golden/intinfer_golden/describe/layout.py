"""How words hold elements: tiles of a matrix, lanes from either end, slots wider than their elements."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from intinfer.errors import DataError
from intinfer.types import IntArray

from .codes import Code, CodeWords

ELEMENT0 = ("low", "high")
"""The ends of a word that element 0 may stand in."""
SLOT_BITS = (8, 16, 32, 64)
"""What the width of a slot may be a multiple of."""
MAX_MEMORIES = 4096
"""Files of one constant in one format."""


@dataclass(frozen=True)
class Tile:
    """What a word takes of a constant, seen as a matrix: `pe` rows by `simd` columns.

    A row is an output channel of a layer, or a channel; columns are its input taps in the order in which the layer's
    input lies, or its thresholds.

    Attributes:
        pe: rows, 1 or more (the processing elements that work side by side).
        simd: columns, 1 or more; None for all of a row.
        per_pe: each of the rows has a memory of its own, whose words hold `simd` elements.

    Raises DataError for a number below 1, or more than 4,096 memories.
    """

    pe: int = 1
    simd: int | None = None
    per_pe: bool = False

    def __post_init__(self) -> None:
        for name, number in (("pe", self.pe), ("simd", self.simd)):
            if number is not None and number < 1:
                raise DataError(f"{name}={number} is no tile; give 1 or more")
        if self.per_pe and self.pe > MAX_MEMORIES:
            raise DataError(f"pe={self.pe} with a memory each are more than {MAX_MEMORIES:,} files; give fewer")


@dataclass(frozen=True)
class Slot:
    """Where an element stands in a word.

    Attributes:
        unit: a slot is as wide as the element, rounded up to a multiple of so many bits.
        zero: the bits of a slot above its element are 0; else they repeat the sign of a two's complement or ternary
            element, and are 0 above others.
        lsb_first: element 0 of a word is in the slot of the least significant bits; else of the most significant.
    """

    unit: int = 1
    zero: bool = False
    lsb_first: bool = True

    def bits(self, code: Code) -> int:
        """Width of a slot, at most 64."""
        return -(-code.bits // self.unit) * self.unit

    def repeats_sign(self, code: Code) -> bool:
        """Whether the bits above an element are its sign."""
        return code.name in ("twos_complement", "ternary") and not self.zero

    def encode(self, code: Code, values: IntArray) -> CodeWords:
        """The slots of values inside the code."""
        if not self.repeats_sign(code):
            return code.encode(values)
        return Code("twos_complement", self.bits(code)).encode(values)


@dataclass(frozen=True)
class WordOptions:
    """How the words of a set are made, beyond the order and fold of its values.

    Attributes:
        weights: the tile of the weights of a layer by its name; "" of all others. Without one, as many weights share
            a word as elements of the layer's input do.
        thresholds: the tile of the thresholds and other constants that a node has for each channel, by its name; ""
            of all others. Without one, each element has a word.
        element0: "low" or "high": the end of a word that its element 0 stands in.
        pad_elements: an element stands in a slot that is a multiple of so many bits: 8, 16, 32 or 64, or 1.
        zero: slots are filled up with 0; see `Slot`.

    Raises DataError for another end or slot.
    """

    weights: Mapping[str, Tile] = field(default_factory=dict)
    thresholds: Mapping[str, Tile] = field(default_factory=dict)
    element0: str = "low"
    pad_elements: int = 1
    zero: bool = False

    def __post_init__(self) -> None:
        if self.element0 not in ELEMENT0:
            raise DataError(f"element0 {self.element0!r} is no end of a word; give {' or '.join(ELEMENT0)}")
        if self.pad_elements not in (1, *SLOT_BITS):
            slots = ", ".join(map(str, SLOT_BITS))
            raise DataError(f"elements cannot be padded to {self.pad_elements} bits; give one of {slots}")

    @property
    def slot(self) -> Slot:
        """The slot that elements stand in."""
        return Slot(self.pad_elements, self.zero, self.element0 == "low")

    def of_region(self, nodes: Collection[str]) -> WordOptions:
        """The options for a graph that has some of the nodes."""

        def kept(tiles: Mapping[str, Tile]) -> dict[str, Tile]:
            return {name: tile for name, tile in tiles.items() if name in nodes or not name}

        return replace(self, weights=kept(self.weights), thresholds=kept(self.thresholds))

    def document(self) -> dict[str, Any]:
        """As a manifest has it, names sorted; `of_document` reverses it."""
        found = asdict(self)
        return found | {key: dict(sorted(found[key].items())) for key in ("weights", "thresholds")}

    @classmethod
    def of_document(cls, document: Mapping[str, Any]) -> WordOptions:
        """Raises DataError, LookupError, TypeError or AttributeError for what `document` does not make."""
        tiles = {key: {name: Tile(**tile) for name, tile in document[key].items()} for key in ("weights", "thresholds")}
        return cls(**{**document, **tiles})
