"""Where in a dump a mistake may have been made."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from intinfer.types import Mask

from ...describe.spans import ranges
from .scene import Scene, seen_along


@dataclass(frozen=True, eq=False)
class Scope:
    """Where a mistake is made: `mask` broadcasts over the dump's values, `choices` as of a mistake."""

    text: str
    mask: Mask
    choices: int = 1

    def rows(self, frames: list[int]) -> Mask:
        """The mask of some frames."""
        return self.mask[frames] if len(self.mask) > 1 else self.mask


def scopes_of(scene: Scene, channelwise: bool) -> list[Scope]:
    """Where a mistake may have been made: all over, or just in the frames, rows or columns that differ, or, where each
    channel of the dump is one of the node (`channelwise`), in those that differ.

    Frames, rows and columns count as one, as all from the first on or up to the last, or as every second, third ...
    """
    ndim = scene.wrong.ndim
    axes = [axis for axis in range(ndim) if axis != 1 or channelwise]
    along = {axis: scope for axis in axes if (scope := _scope(scene, axis)) is not None}
    found = [Scope("", np.ones([1] * ndim, dtype=bool)), *along.values()]
    if 0 in along and 1 in along:
        frames, channels = along[0], along[1]
        mask, choices = channels.mask & frames.mask, channels.choices * frames.choices
        found.append(Scope(f"{channels.text}, {frames.text}", mask, choices))
    return found


def _scope(scene: Scene, axis: int) -> Scope | None:
    """The frames, channels, rows or columns that differ, where others do not and they are no mere chance."""
    wrong = scene.wrong
    bad, extent = np.flatnonzero(seen_along(wrong, axis)).tolist(), wrong.shape[axis]
    if len(bad) == extent:
        return None
    name = ("frame", "channel", "row", "column")[axis]
    kept = bad if axis == 1 else _regular(bad, extent)
    if kept is None:
        return None
    choices = 2 if axis == 0 and kept == [0] else 2 * extent
    if axis == 1:
        choices = extent ** min(len(bad), extent - len(bad), 8)
    mask = np.isin(np.arange(extent), kept).reshape([-1 if i == axis else 1 for i in range(wrong.ndim)])
    told = [scene.numbers[n] for n in kept] if axis == 0 else kept
    text = f"in {name if len(kept) == 1 else name + 's'} {ranges(told, '..', ', ')} alone"
    if axis != 1 and len(kept) > 2 and kept[1] - kept[0] > 1:
        text = f"in {name}s {told[0]}, {told[1]}, {told[2]} ... alone"
    return Scope(text, mask, max(2, choices))


def _regular(bad: list[int], extent: int) -> list[int] | None:
    """The single index, beginning, end or even steps that these are; what lies between may be right by chance."""
    if len(bad) == 1:
        return bad
    for step in range(2, min(8, extent // 2 + 1)):
        steps = list(range(bad[0] % step, extent, step))
        if len(bad) > 2 and set(bad) <= set(steps) and 2 * len(bad) > len(steps):
            return steps
    if bad[0] == 0 or bad[-1] == extent - 1:
        run = list(range(bad[0], bad[-1] + 1))
        return run if len(run) < extent else None
    return None
