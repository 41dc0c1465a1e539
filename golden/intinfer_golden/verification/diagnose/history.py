"""Frames that come late or twice, and what is left over of the one before, whatever the op."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from intinfer.ops import Conv2d, Dense, Op, SumPool

from ...designs import Change, Mistake, listed
from ...designs.history import delayed
from .suspect import Suspect


def mistakes(suspect: Suspect, op: Op) -> Iterator[Mistake]:
    """Frames in place of others at the node, none where the dump has a single one."""
    if len(suspect.scene.frames) < 2:
        return
    for table in (_twice(suspect), _late(suspect), _operands(suspect)):
        yield from listed(table, history=True)


def _twice(suspect: Suspect) -> dict[str, Change]:
    """One frame that comes a second time in place of the next."""
    frames, numbers = suspect.scene.wrong_frames, suspect.scene.numbers
    if len(frames) != 1 or frames[0] == 0 or len(numbers) < 3:
        return {}
    n = frames[0]
    text = f"frame {numbers[n]} is frame {numbers[n - 1]} once more"
    return {text: suspect.after(lambda y: np.concatenate([y[:n], y[n - 1 : n], y[n + 1 :]]))}


def _late(suspect: Suspect) -> dict[str, Change]:
    """The frame before in place of the frame, or added to it."""
    table: dict[str, Change] = {
        "each frame is the one before it": delayed,
        "each frame is the one before it, frame 0 is 0": lambda y: delayed(y, zero=True),
        "every frame is frame 0": lambda y: np.repeat(y[:1], len(y), axis=0),
        "each frame is the next one": lambda y: np.concatenate([y[1:], y[-1:]]),
    }
    if not isinstance(suspect.op, Conv2d | Dense | SumPool):
        table |= {
            "the frame before is added": lambda y: y + delayed(y, zero=True),
            "all frames before are added": lambda y: y.cumsum(axis=0),
            "the bits of the frame before are still set (OR)": lambda y: y | delayed(y, zero=True),
        }
    return {text: suspect.after(change) for text, change in table.items()}


def _operands(suspect: Suspect) -> dict[str, Change]:
    """The frame before of one of several operands."""
    names = suspect.node.inputs
    table: dict[str, Change] = {}
    for name in dict.fromkeys(names) if len(set(names)) > 1 else ():
        i = names.index(name)
        table |= {
            f"operand {name} is that of the frame before": suspect.before(i, delayed),
            f"operand {name} is that of the frame before, 0 in frame 0": suspect.before(
                i, lambda x: delayed(x, zero=True)
            ),
            f"operand {name} is that of frame 0 for ever": suspect.before(
                i, lambda x: np.repeat(x[:1], len(x), axis=0)
            ),
        }
    return table
