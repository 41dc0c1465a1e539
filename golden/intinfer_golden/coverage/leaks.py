"""Faults of state: results, sums, lines, maxima and selects that another frame left, or that a reset did not set."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from intinfer.accumulator import Overflow
from intinfer.ops import MaxPool, Tgap
from intinfer.types import LIMIT, IntArray

from .fault import ENDS, EQUAL, HIGHEST, LOWEST, RESET, Faults, Site, fault
from .group import Bools, Values
from .reorder import may_differ

ENDS_OF_0 = ("above 0", "below 0")

MANY = 8
"""Windows for each of their places, in all channels but one, from which on every place is asked for in one frame."""


def results(site: Site) -> Iterator[Faults]:
    """The result, or its first pixel, is that of the frame before; after reset, its first pixel is 0."""
    first, last = site.first_place, site.last_place
    fixed = site.fixed(first)
    where = f"{site.name}: the first pixel of the result is" if first else f"{site.name}: the result is"
    always = fixed is not None and not fixed.any()
    yield fault(RESET, f"{where} 0", lambda now, _: bool(site.at(now, first).any()), "it always is" if always else "")
    for after, end in ENDS.items():
        known = site.before[after]
        reason = site.why_constant() if site.constant else ""
        words = f"{site.name}: the result of the frame before again"
        yield fault(after, words, lambda now, before: not np.array_equal(now[site.name], before[site.name]), reason)
        if first == last or known is None:
            continue
        always = fixed is not None and np.array_equal(fixed, site.at(known, last))
        reason = f"it always is that of all {end}" if always else ""
        yield fault(
            after,
            f"{where} the last of the frame before",
            lambda now, before: not np.array_equal(site.at(now, first), site.at(before, last)),
            reason,
        )


def carried(site: Site, words: str, shows: Callable[[IntArray, IntArray], Bools], hidden: str) -> Iterator[Faults]:
    """Something of the last pixel of the frame before is kept at the first pixel of this one.

    Args:
        shows: (first pixel (C,), last pixel of the frame before (C,)) -> whether it shows, by channel.
        hidden: why it does not after an equal frame.
    """
    for after in (LOWEST, HIGHEST, EQUAL):

        def seen(now: Values, before: Values) -> bool:
            return bool(shows(site.at(now, site.first_place), site.at(before, site.last_place)).any())

        reason = hidden if after == EQUAL else ""
        if after != EQUAL and (known := site.before[after]) is not None:
            reason = _never_shows(site, shows, site.at(known, site.last_place))
        yield fault(after, f"{site.name}: {words}", seen, reason)


def _never_shows(site: Site, shows: Callable[[IntArray, IntArray], Bools], kept: IntArray) -> str:
    """Over the ends of the first pixel; what is kept is compared with it, or only counts by itself."""
    for (low, high), number in zip(site.ends(site.first_place), kept, strict=True):
        if (shows(np.array([low, high]), np.array([number, number]))).any():
            return ""
    return "nothing that shows is left of that frame"


def sums(site: Site) -> Iterator[Faults]:
    """An accumulator goes on from the last sum of the frame before: this shows unless that was 0."""
    if site.rule is Overflow.SATURATE:
        return
    fixed = site.fixed(site.last_place)
    reason = "the last sums are always 0" if fixed is not None and bool(site.zero(fixed).all()) else ""
    yield from carried(site, "sums are not reset", lambda now, kept: ~site.zero(kept), reason)


def max_pool(site: Site) -> Iterator[Faults]:
    """The running maximum begins too high, or with that of the frame before; a place of the windows is not read."""
    (x,) = site.operands.values()
    op = site.node.op
    assert isinstance(op, MaxPool)
    same = f"{x.name!r} is always {x.type.lo}" if x.type.lo == x.type.hi else ""
    if x.type.lo < 0:
        words = f"{site.name}: the maximum begins with 0"
        yield fault(RESET, words, lambda now, _: bool((site.at(now, site.first_place) < 0).any()), "")
    if site.free and x.shape[0] > 1 and not same:  # with one channel its first pixel would always be the lowest
        words = f"{site.name}: the maximum begins above the lowest number"
        yield fault(RESET, words, lambda now, _: bool((site.at(now, site.first_place) == x.type.lo).any()), "")
    address = np.arange(x.size // x.shape[0]).reshape(1, 1, *x.shape[1:])
    windows = op.window.view(op.window.pad(address, -1))[0, 0]
    first, last = (set(windows[place].reshape(-1).tolist()) - {-1} for place in ((0, 0), (-1, -1)))
    reason = same or ("the last window holds no pixel that the first does not hold" if last <= first else "")
    yield from carried(site, "the maximum is not reset", lambda now, kept: kept > now, reason)
    if site.free and len(windows) * windows.shape[1] * (x.shape[0] - 1) >= MANY * op.kernel[0] * op.kernel[1]:
        yield _places(site, windows >= 0, same)


def _places(site: Site, real: Bools, same: str) -> Faults:
    """A place shows where it alone holds the maximum."""
    (x,) = site.operands.values()
    op = site.node.op
    assert isinstance(op, MaxPool)
    places = list(np.ndindex(*op.kernel))

    def seen(now: Values, _: Values) -> Bools:
        view = op.window.view(op.window.pad(now[x.name], -2 * LIMIT))[0]
        top = view == view.max(axis=(3, 4), keepdims=True)
        alone = top & (top.sum(axis=(3, 4), keepdims=True) == 1)
        return np.asarray(alone.any(axis=(0, 1, 2))).reshape(-1)

    lonely = (real & (real.sum(axis=(2, 3), keepdims=True) == 1)).any(axis=(0, 1))
    reasons = [
        "no window has a real value here" if not real[..., i, j].any() else "" if lonely[i, j] else same
        for i, j in places
    ]
    return Faults(RESET, tuple(f"{site.name}: place ({i}, {j}) is not read" for i, j in places), seen, tuple(reasons))


def argmax(site: Site) -> Iterator[Faults]:
    """The running maximum begins with 0 at class 0, or with that of the frame before: only a greater one wins."""
    (x,) = site.operands.values()
    single = f"{x.name!r} is always {x.type.lo}" if x.type.lo == x.type.hi else ""
    if x.shape[0] < 2:
        return

    def starts(number: int) -> Callable[[Values, Values], bool]:
        def seen(now: Values, _: Values) -> bool:
            pixel = now[x.name].reshape(x.shape[0], -1)[:, 0]
            return bool(pixel.max() <= number and pixel.argmax() > 0)

        return seen

    if x.type.lo < 0:
        yield fault(RESET, f"{site.name}: the maximum begins with 0", starts(0), single)
    if site.free:
        words = f"{site.name}: the maximum begins above the lowest number"
        yield fault(RESET, words, starts(x.type.lo + 1), single)

    def kept(now: Values, before: Values) -> bool:
        pixel, last = now[x.name].reshape(x.shape[0], -1)[:, 0], before[x.name].reshape(x.shape[0], -1)[:, -1]
        return bool(pixel.max() <= last.max() and pixel.argmax() != last.argmax())

    for after in ENDS:
        known = site.before[after]
        low = known is not None and known[x.name].reshape(x.shape[0], -1)[:, -1].max() == x.type.lo
        reason = f"that frame leaves {x.type.lo}, over which every number wins" if low else single
        yield fault(after, f"{site.name}: the maximum is not reset", kept, reason)


def tgap(site: Site) -> Iterator[Faults]:
    """Sums stand on the last number that gives 0 and on the first that gives 1: any other start shows."""
    (x,) = site.operands.values()
    assert isinstance(site.node.op, Tgap)
    channels, pixels = x.shape[0], x.size // x.shape[0]
    half, least, most = site.node.op.top * pixels // 2, pixels * x.type.lo, pixels * x.type.hi
    beyond = f"sums lie in {least}..{most}, too far from {site.node.op.top * pixels}/2"
    sides = ["" if least <= number <= most else beyond for number in (half, half + 1)]

    def total(now: Values) -> IntArray:
        return np.asarray(now[x.name][0].reshape(channels, -1).sum(axis=1))

    def beside(now: Values, _: Values) -> Bools:
        return np.concatenate([total(now) == half, total(now) == half + 1])

    def above(now: Values, _: Values) -> Bools:
        sums = total(now)
        return np.array([(sums == half).any(), (sums == half + 1).any()])

    def passed_on(now: Values, _: Values) -> bool:
        return bool(((total(now) <= half) & (total(now).cumsum() > half)).any())

    def kept(now: Values, before: Values) -> bool:
        return bool(((total(now) <= half) & (total(now) + total(before) > half)).any())

    def hidden(added: int) -> str:
        """Of what adds so much at most to a sum that gives 0."""
        return beyond if least > half or min(half, most) + added <= half else ""

    if site.free:
        words = tuple(f"{site.name}: the sum of channel {c} begins {end}" for end in ENDS_OF_0 for c in range(channels))
        yield Faults(RESET, words, beside, tuple(side for side in sides for _ in range(channels)))
    elif channels > 1:  # one channel is on one side
        words = (f"{site.name}: sums begin above 0", f"{site.name}: sums begin below 0")
        yield Faults(RESET, words, above, tuple(sides))
    if channels > 1:
        text = f"{site.name}: the sum of a channel goes on from that of the one before"
        yield fault(RESET, text, passed_on, hidden((channels - 1) * most))
    for after in (LOWEST, HIGHEST, EQUAL):
        known = site.before.get(after)
        added = min(half, most) if known is None else int(total(known).max())
        yield fault(after, f"{site.name}: sums are not reset", kept, hidden(added))


def mux(site: Site) -> Iterator[Faults]:
    """Each channel from the wrong branch; all from one; as the frame before selected."""
    select, one, zero = (site.values[name] for name in site.node.inputs)
    channels = site.node.output.shape[0]
    same = "" if may_differ(one, zero) else "both branches are one and the same"

    def differ(now: Values) -> Bools:
        return np.asarray((now[one.name] != now[zero.name])[0].any(axis=(1, 2)))

    never = [f"{select.name!r} is always {bit}" if select.type.lo == select.type.hi == bit else "" for bit in (0, 1)]

    def stuck(now: Values, _: Values) -> Bools:
        return np.concatenate([differ(now) & (now[select.name][0] != bit) for bit in (0, 1)])

    words = tuple(f"{site.name}: select of channel {c} stuck at {bit}" for bit in (0, 1) for c in range(channels))
    if site.free:
        yield Faults(RESET, words, stuck, tuple(same or never[bit] for bit in (0, 1) for _ in range(channels)))
        words = tuple(f"{site.name}: channel {c} from the other branch" for c in range(channels))
        yield Faults(RESET, words, lambda now, _: differ(now), (same,) * channels)
    for bit in (0, 1):
        if site.free:
            break
        yield fault(
            RESET,
            f"{site.name}: select stuck at {bit}",
            lambda now, _, bit=bit: bool((differ(now) & (now[select.name][0] != bit)).any()),  # type: ignore[misc]
            same or never[bit],
        )
    always = f"{select.name!r} is always {select.type.lo}" if select.type.lo == select.type.hi else ""
    for after in ENDS:
        yield fault(
            after,
            f"{site.name}: selected as in the frame before",
            lambda now, before: bool((differ(now) & (now[select.name][0] != before[select.name][0])).any()),
            same or always,
        )
