"""How `intinfer golden` lays elements out in words: tiles of weights and thresholds, slots, and which end is first."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from intinfer_golden import Tile, WordOptions
from intinfer_golden.describe.layout import SLOT_BITS

from ..errors import DataError
from .common import positive

_TILE = "[NODE:]pe=P[,simd=S][,per-pe]"


def add_words(parser: argparse.ArgumentParser) -> None:
    """The options that `asked_words` reads."""
    words = parser.add_argument_group("words of memories and streams")
    words.add_argument(
        "--weights",
        metavar=_TILE,
        action="append",
        default=[],
        help="weights in tiles: a word holds S input taps (default: all) of each of P output channels, or, per-pe, of "
        "one, and each of the P has a file of its own; of all layers, or of NODE; may be given several times "
        "(default: as many weights a word as elements of the layer's input)",
    )
    words.add_argument(
        "--thresholds",
        metavar="[NODE:]word | " + _TILE,
        action="append",
        default=[],
        help="word: all thresholds of a channel in a word; pe=P: those of P channels; the same for the constants of a "
        "requantisation or affine map; may be given several times (default: an element a word)",
    )
    words.add_argument(
        "--element0",
        choices=("low", "high"),
        default="low",
        help="the end of a word that its element 0 is in: low, the least significant bits (default), or high",
    )
    words.add_argument(
        "--pad-elements",
        metavar="B[,zero]",
        default="",
        help="each element in a slot of a multiple of B bits, 8, 16, 32 or 64, filled up with the sign of signed "
        "codes, or with 0",
    )


def asked_words(arguments: argparse.Namespace) -> WordOptions:
    """Raises DataError for an option that says nothing of words."""
    bits, comma, filling = arguments.pad_elements.partition(",")
    if arguments.pad_elements and (bits not in map(str, SLOT_BITS) or (comma and filling != "zero")):
        slots = ", ".join(map(str, SLOT_BITS))
        raise DataError(f"--pad-elements {arguments.pad_elements!r} is no slot; give one of {slots}, or as in 8,zero")
    return WordOptions(
        _tiles("--weights", arguments.weights),
        _tiles("--thresholds", arguments.thresholds),
        arguments.element0,
        int(bits or 1),
        filling == "zero",
    )


def _tiles(option: str, texts: Sequence[str]) -> dict[str, Tile]:
    tiles: dict[str, Tile] = {}
    for text in texts:
        node, _, tile = text.rpartition(":")
        if node in tiles:
            raise DataError(f"{option} gives {f'the tile of {node!r}' if node else 'the tile of all nodes'} twice")
        tiles[node] = _tile(option, text, tile)
    return tiles


def _tile(option: str, text: str, tile: str) -> Tile:
    """ "word", or the parts of a tile with commas between."""
    if option == "--thresholds" and tile == "word":
        return Tile()
    parts = tile.split(",")
    numbers = dict(part.partition("=")[::2] for part in parts if part != "per-pe")
    named = len(numbers) + parts.count("per-pe") == len(parts) and parts.count("per-pe") <= 1
    if not named or not numbers.keys() <= {"pe", "simd"} or not numbers:
        raise DataError(f"{option} {text!r} is no tile; give {_TILE}, as in pe=4,simd=8")
    try:
        pe = positive(numbers.get("pe", "1"))
        simd = None if numbers.get("simd", "all") == "all" else positive(numbers["simd"])
    except argparse.ArgumentTypeError as error:
        raise DataError(f"{option} {text!r}: {error}") from None
    return Tile(pe, simd, "per-pe" in parts)
