"""What is left over of the frame before: states that are not cleared, frames that come late."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from intinfer.ops import Conv2d, Dense, MaxPool, Op, SumPool, Tgap
from intinfer.types import IntArray

from .changes import Change
from .macs import EXACT, Mac
from .mistake import Mistake, listed
from .suspect import Suspect


def mistakes(suspect: Suspect, op: Op) -> Iterator[Mistake]:
    if len(suspect.scene.frames) < 2:
        return
    for table in (_twice(suspect), _carried(suspect), _late(suspect), _operands(suspect)):
        yield from listed(table, history=True)


def delayed(values: IntArray, zero: bool = False) -> IntArray:
    """Each frame is the one before; the first stays, or is 0."""
    first = np.zeros_like(values[:1]) if zero else values[:1]
    return np.concatenate([first, values[:-1]])


def _twice(suspect: Suspect) -> dict[str, Change]:
    """One frame that comes a second time in place of the next."""
    frames, numbers = suspect.scene.wrong_frames, suspect.scene.numbers
    if len(frames) != 1 or frames[0] == 0 or len(numbers) < 3:
        return {}
    n = frames[0]
    text = f"frame {numbers[n]} is frame {numbers[n - 1]} once more"
    return {text: suspect.after(lambda y: np.concatenate([y[:n], y[n - 1 : n], y[n + 1 :]]))}


def _carried(suspect: Suspect) -> dict[str, Change]:
    """Sums and maxima that go on."""
    op, reference = suspect.op, suspect.op.reference
    if isinstance(op, Conv2d | Dense):
        mac = Mac.of(op)
        return _running("the accumulator", lambda x: mac.run(x, rule=EXACT), mac.finish)
    if isinstance(op, SumPool):
        return _running("the pool", reference, lambda total: total)
    if isinstance(op, Tgap):
        top = op.top * (suspect.x.size // suspect.channels)
        return _running("the pool", lambda x: x.sum(axis=(2, 3)), lambda s: (2 * s > top).astype(np.int64))
    if not isinstance(op, MaxPool):
        return {}
    return {
        "the pool is not cleared: the maximum of the frame before counts as well": suspect.after(
            lambda y: np.maximum(y, delayed(y))
        ),
        "the pool is not cleared: the maxima of all frames before count as well": suspect.after(
            lambda y: np.maximum.accumulate(y, axis=0)
        ),
    }


def _running(what: str, sums: Change, finish: Change) -> dict[str, Change]:
    def once(x: IntArray) -> IntArray:
        found = sums(x)
        return finish(found + delayed(found, zero=True))

    return {
        f"{what} is not cleared: the sums of all frames before are added": lambda x: finish(sums(x).cumsum(axis=0)),
        f"{what} is not cleared: the sum of the frame before is added": once,
        "the sum is the one of the frame before": lambda x: finish(delayed(sums(x), zero=True)),
    }


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
