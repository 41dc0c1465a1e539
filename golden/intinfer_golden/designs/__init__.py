"""How designs compute a node, and what they usually get wrong: single mistakes, each as the values that it makes.

`mac` opens up convolutions and dense layers; `mistake` says what a mistake is, and with `orders` what mistakes are made
of. The others list those that several ops share; an op's own stand in its file of `ops`, which names the rest.
"""

from .mistake import (
    ROUNDINGS,
    Change,
    Families,
    Mistake,
    Place,
    altered,
    at_axis,
    clipped,
    ends,
    listed,
    of_channel,
    of_channels,
    possible,
    shifted,
    stored,
    weighted,
    with_entry,
    wrapped,
)

__all__ = [
    "ROUNDINGS",
    "Change",
    "Families",
    "Mistake",
    "Place",
    "altered",
    "at_axis",
    "clipped",
    "ends",
    "listed",
    "of_channel",
    "of_channels",
    "possible",
    "shifted",
    "stored",
    "weighted",
    "with_entry",
    "wrapped",
]
