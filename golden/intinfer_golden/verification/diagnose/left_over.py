"""What memories hold before the first frame: mistakes that carry something from frame to frame, told by all others."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from intinfer.types import IntArray, Mask

from ...designs import Mistake
from .scene import seen_along
from .scopes import Scope
from .suspect import Suspect

BEFORE = 12
"""Frames that are put before the first one, to see what of it they change."""


def explains_later(suspect: Suspect, mistake: Mistake) -> Scope | None:
    """Where the dump is what a mistake with a history makes, value by value, from the second frame on, if the first
    differs only where it depends on what came before it; None if nowhere."""
    scene = suspect.scene
    if scene.wrong_frames[0] != 0 or len(scene.wrong_frames) < 2:
        return None
    later = replace(suspect, scene=scene.without_first)
    in_all_frames = [scope for scope in later.scopes if len(scope.mask) == 1]
    for scope in later.explains_in(mistake, in_all_frames):
        reached = _reached(suspect, mistake)
        if reached is not None and not (scene.wrong[0] & ~(reached & scope.mask[0])).any():
            return scope
    return None


def _reached(suspect: Suspect, mistake: Mistake) -> Mask | None:
    """What of the first frame of the dump depends on what came before it, (*shape): all where the channels, rows and
    columns meet that other frames before it change. None where it is not known."""
    scene, others = suspect.scene, suspect.scene.frames[1 : BEFORE + 1]
    if not scene.budget.take(2 * len(others) * suspect.cost):
        return None

    def made(frames: list[int]) -> IntArray:
        """What the node gives for the last of some frames."""
        return mistake.values(*suspect.operands(frames))[-1:]

    with np.errstate(all="ignore"):
        tries = np.concatenate([made([0]), *(made([n, 0]) for n in others)])
    found = suspect.carried(tries, [0])
    if found is None:
        return None
    changed = ~scene.same(found[1:], found[:1])
    reached = np.ones(changed.shape[1:], dtype=bool)
    for axis in range(reached.ndim):
        reached &= seen_along(changed, axis + 1).reshape([-1 if i == axis else 1 for i in range(reached.ndim)])
    return reached
