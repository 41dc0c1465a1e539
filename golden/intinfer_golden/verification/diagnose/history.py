"""What is left over of the frame before: states that are not cleared, frames that come late."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from intinfer.accumulator import Overflow
from intinfer.ops import Conv2d, Dense, MaxPool, Op, SumPool, Tgap
from intinfer.types import IntArray

from .macs import EXACT, Mac
from .mistake import Mistake
from .suspect import Suspect

Running = Callable[[IntArray], IntArray]


def mistakes(suspect: Suspect, op: Op) -> Iterator[Mistake]:
    if len(suspect.scene.frames) < 2:
        return
    yield from _twice(suspect)
    for text, run in _carried(suspect):
        yield Mistake(text, run, history=True)
    yield from _late(suspect)


def _twice(suspect: Suspect) -> Iterator[Mistake]:
    """One frame that comes a second time in place of the next."""
    frames, numbers, reference = suspect.scene.wrong_frames, suspect.scene.numbers, suspect.reference
    if len(frames) == 1 and frames[0] and len(numbers) > 2:
        (n,) = frames

        def run(*xs: IntArray) -> IntArray:
            y = reference(*xs)
            return np.concatenate([y[:n], y[n - 1 : n], y[n + 1 :]])

        yield Mistake(f"frame {numbers[n]} is frame {numbers[n - 1]} once more", run, history=True)


def delayed(values: IntArray, first: IntArray) -> IntArray:
    """Each frame is the one before; the first is `first`."""
    return np.concatenate([first, values[:-1]])


def _carried(suspect: Suspect) -> Iterator[tuple[str, Callable[..., IntArray]]]:
    """Sums and maxima that go on."""
    op, reference = suspect.op, suspect.op.reference
    if isinstance(op, Conv2d | Dense):
        mac, rule = Mac.of(op), Mac.of(op).rule

        def finish(total: IntArray) -> IntArray:
            if rule.overflow is Overflow.WRAP:
                return rule.wrap_sum(total)
            return total if rule is EXACT else np.clip(total, rule.type.lo, rule.type.hi)

        def sums(x: IntArray) -> IntArray:
            return mac.run(x, rule=EXACT)

        yield from _running("the accumulator", "sum", sums, finish)
    if isinstance(op, SumPool):
        yield from _running("the pool", "sum", reference, lambda total: total)
    if isinstance(op, Tgap):
        pixels = suspect.x.size // suspect.channels
        top = op.top * pixels
        yield from _running("the pool", "sum", lambda x: x.sum(axis=(2, 3)), lambda s: (2 * s > top).astype(np.int64))
    if isinstance(op, MaxPool):
        yield (
            "the pool is not cleared: the maximum of the frame before counts as well",
            lambda x: np.maximum(reference(x), delayed(reference(x), reference(x)[:1])),
        )
        yield (
            "the pool is not cleared: the maxima of all frames before count as well",
            lambda x: np.maximum.accumulate(reference(x), axis=0),
        )


def _running(
    what: str, name: str, sums: Callable[..., IntArray], finish: Running
) -> Iterator[tuple[str, Callable[..., IntArray]]]:
    yield f"{what} is not cleared: the {name}s of all frames before are added", lambda x: finish(sums(x).cumsum(axis=0))

    def once(x: IntArray) -> IntArray:
        found = sums(x)
        return finish(found + delayed(found, np.zeros_like(found[:1])))

    yield f"{what} is not cleared: the {name} of the frame before is added", once

    def alone(x: IntArray) -> IntArray:
        found = sums(x)
        return finish(delayed(found, np.zeros_like(found[:1])))

    yield f"the {name} is the one of the frame before", alone


def _late(suspect: Suspect) -> Iterator[Mistake]:
    """The frame before in place of the frame, or added to it."""
    reference = suspect.reference
    names = suspect.node.inputs

    def result(change: Callable[..., IntArray]) -> Callable[..., IntArray]:
        return lambda *xs: change(reference(*xs))

    firsts: dict[str, Callable[..., IntArray]] = {
        "": lambda y: y[:1],
        ", frame 0 is 0": lambda y: np.zeros_like(y[:1]),
    }
    for text, first in firsts.items():
        late = result(lambda y, first=first: delayed(y, first(y)))
        yield Mistake(f"each frame is the one before it{text}", late, history=True)
    yield Mistake("every frame is frame 0", result(lambda y: np.repeat(y[:1], len(y), axis=0)), history=True)
    yield Mistake("each frame is the next one", result(lambda y: np.concatenate([y[1:], y[-1:]])), history=True)
    if not isinstance(suspect.op, Conv2d | Dense | SumPool):
        added = result(lambda y: y + delayed(y, np.zeros_like(y[:1])))
        yield Mistake("the frame before is added", added, history=True)
        yield Mistake("all frames before are added", result(lambda y: y.cumsum(axis=0)), history=True)
        both = result(lambda y: y | delayed(y, np.zeros_like(y[:1])))
        yield Mistake("the bits of the frame before are still set (OR)", both, history=True)
    for i, name in enumerate(dict.fromkeys(names)) if len(set(names)) > 1 else ():
        for text, zero in (("", False), (", 0 in frame 0", True)):

            def one(*xs: IntArray, i: int = i, zero: bool = zero) -> IntArray:
                first = np.zeros_like(xs[i][:1]) if zero else xs[i][:1]
                return reference(*(delayed(x, first) if k == i else x for k, x in enumerate(xs)))

            yield Mistake(f"operand {name} is that of the frame before{text}", one, history=True)

        def kept(*xs: IntArray, i: int = i) -> IntArray:
            return reference(*(np.repeat(x[:1], len(x), axis=0) if k == i else x for k, x in enumerate(xs)))

        yield Mistake(f"operand {name} is that of frame 0 for ever", kept, history=True)
