"""An accumulator that holds something when it begins: the first sums after reset are wrong, and none after them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from intinfer.ops import Op

from ....designs import Mistake, Place, with_entry, wrapped
from ..suspect import Suspect
from .small import CHOICES, fitting, intervals


@dataclass(frozen=True)
class Begun:
    """Sums that something is added to, `sums` in words.

    Attributes:
        at: their place among the node's values, of which each frame has its own.
        choices, placed: as of a mistake.
    """

    sums: str
    at: Place
    choices: int
    placed: bool = False

    def mistake(self, suspect: Suspect, k: int, told: str = "") -> Mistake:
        """That k is added to them, `told` in words."""
        change = suspect.after(lambda y: with_entry(y, self.at, y[self.at] + k))
        text = f"{told} is added to {self.sums} (the accumulator begins so)"
        several = len(suspect.scene.frames) > 1  # a single frame is the first whatever came before
        return Mistake(text, change, self.choices, several, self.placed)


def sums(suspect: Suspect, _: Op) -> Iterator[Mistake]:
    """A constant in the first sums of the dump alone, those of its first pixel: of every channel, or of one."""
    scene, count = suspect.scene, suspect.channels
    if scene.wrong_frames != [0] or not suspect.channelwise:
        return
    pixels = suspect.node.output.size > count
    place = f"{'the first pixel of ' if pixels else ''}frame {scene.numbers[0]}"
    origin = (0,) * (len(suspect.node.output.shape) - 1)
    if pixels and count > 1:
        choices = 16 if suspect.dumped else CHOICES
        yield from _solved(
            suspect, Begun(f"the first sums alone, those of {place}", (0, slice(None), *origin), choices)
        )
    if (c := suspect.wrong_channel) is not None:
        text = f"the first sum of channel {c} alone, that of {place}"
        yield from _solved(suspect, Begun(text, (0, c, *origin), count if c else 1, placed=True))


def _solved(suspect: Suspect, begun: Begun) -> Iterator[Mistake]:
    """The constant: of the dump itself the difference, behind other nodes all small ones are tried."""
    scene = suspect.scene
    if suspect.dumped:
        differences = wrapped((scene.actual - scene.expected)[scene.wrong], scene.bits, True)  # words tell no more
        values, counts = np.unique(differences, return_counts=True)
        k = int(values[np.argmax(counts)])
        yield begun.mistake(suspect, k, f"{k:+d}")
        return

    def explained(k: int) -> bool:
        scope = suspect.explains(begun.mistake(suspect, k))
        return scope is not None and not scope.text

    right = suspect.right([0])
    counted = with_entry(np.zeros_like(right), begun.at, 1)
    c = suspect.wrong_channels[0]
    for k, told in intervals(fitting(suspect, c, right[:, c], counted[:, c], [0]), explained):
        yield begun.mistake(suspect, k, told)
