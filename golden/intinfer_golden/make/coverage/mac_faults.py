"""Faults of convolution and dense layers: sums kept, lines kept, taps not read, neighbouring channels exchanged."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from intinfer.accumulator import Overflow
from intinfer.graph import Value
from intinfer.types import IntArray

from ...designs.mac import Mac
from .fault import EQUAL, HIGHEST, LOWEST, RESET, Faults, Order, Site, fault
from .group import Bools, Values
from .leaks import sums

ROOM = 8
"""Levels times pixels, and bits of a sum that wraps, from which any two neighbours can differ in one frame that shows
the other faults as well."""

MATRIX = 2**20
"""Largest matrix of a linear op that is made to compare its columns."""


def mac(site: Site) -> Iterator[Faults]:
    """Sums, neighbouring input channels exchanged, a tap of the kernel not read."""
    yield from sums(site)
    if site.rule is Overflow.SATURATE:
        return
    view = Mac.of(site.graph, site.node)
    if view.window.pads[0]:
        yield from _lines(site, view)
    if view.weight[0, 0].size > 1:
        yield _taps(site, view)
    levels, pixels = view.type.hi - view.type.lo + 1, site.node.output.size // len(view.weight)
    roomy = levels * pixels >= ROOM or (levels > 2 and view.shape[0] > 3)
    if site.rule is Overflow.WRAP:
        roomy &= view.accumulator.bits >= ROOM
    if site.free and view.shape[0] > 1 and roomy:
        yield _neighbours(site, view)


def _lines(site: Site, view: Mac) -> Iterator[Faults]:
    """The border above the map holds the last rows of the frame before."""
    top, left = view.window.pads[:2]
    rows = min(top, view.shape[1])
    zone = (slice(None), slice(None), slice(top - rows, top), slice(left, left + view.shape[2]))

    def seen(_: Values, before: Values) -> bool:
        """What is added to the sums does not depend on this frame."""
        added = np.zeros_like(view.padded(before))
        added[zone] = view.map(before)[:, :, -rows:] - view.pad_value[:, None, None]
        windows = view.window.view(added)[0, :, : -(-top // view.window.stride[0])]
        windows = windows.reshape(view.groups, -1, *windows.shape[1:])
        return bool((~site.zero(np.einsum("gcyxij,gocij->goyx", windows, view.grouped))).any())

    border = view.window.pad(np.zeros((1, 1, *view.shape[1:]), dtype=np.int64), 0).copy()
    border[zone] = 1
    met = view.window.view(border)[0, 0].any(axis=(0, 1))
    read = not bool(site.zero(view.weight * met).all())
    for after in (LOWEST, HIGHEST, EQUAL):
        single = after == EQUAL and view.type.lo == view.type.hi
        known = site.before[LOWEST] if single else site.before.get(after)
        shows = read if known is None else seen(known, known)
        reason = "" if shows else "these rows add nothing to any sum"
        yield fault(after, f"{site.name}: the last rows of the frame before above the map", seen, reason)


def _taps(site: Site, view: Mac) -> Faults:
    """What a tap adds is not 0 somewhere; looked at row by row, until every tap was seen."""
    kernel = view.weight.shape[2:]
    places = list(np.ndindex(*kernel))

    def seen(now: Values, _: Values) -> Bools:
        windows = view.window.view(view.padded(now))[0]
        windows = windows.reshape(view.groups, -1, *windows.shape[1:])
        found = np.zeros(len(places), dtype=bool)
        for y in range(windows.shape[2]):
            for k in np.flatnonzero(~found).tolist():
                i, j = places[k]
                added = np.einsum("gcx,goc->gox", windows[:, :, y, :, i, j], view.grouped[..., i, j])
                found[k] = bool((~site.zero(added)).any())
            if found.all():
                break
        return found

    moving = view.type.lo < view.type.hi
    weights = view.weight * meets(view)
    shows = [moving and not bool(site.zero(weights[..., i, j]).all()) for i, j in places]
    known = site.before[LOWEST]
    if known is not None:  # what does not move is the same in every frame
        shows = [a or bool(b) for a, b in zip(shows, seen(known, known), strict=True)]
    hidden = tuple("" if show or known is None else "it adds 0 to every sum of every frame" for show in shows)
    return Faults(RESET, tuple(f"{site.name}: tap ({i}, {j}) is not read" for i, j in places), seen, hidden)


def _neighbours(site: Site, view: Mac) -> Faults:
    """The difference of two neighbours is weighted with something else than 0 somewhere; row by row as well."""
    met = meets(view)
    pairs = range(view.shape[0] - 1)
    apart = [bool(weighted_apart(site, view, p, p + 1, met).any()) for p in pairs]

    def seen(now: Values, _: Values) -> Bools:
        x = view.map(now)
        windows = view.window.view(view.window.pad(x[:, 1:] - x[:, :-1], 0))[0]
        return np.array([apart[p] and shows(windows[p], kernel_apart(view, p, p + 1)) for p in pairs])

    def shows(windows: IntArray, kernel: IntArray) -> bool:
        sums = (np.tensordot(row, kernel, ((1, 2), (1, 2))) for row in windows)
        return any(bool((~site.zero(part)).any()) for part in sums)

    still = view.type.lo == view.type.hi
    reason = f"{view.x!r} is always {view.type.lo}" if still else "the two channels have the same weights"
    words = tuple(f"{site.name}: channels {p} and {p + 1} of {view.x!r} exchanged" for p in pairs)
    return Faults(RESET, words, seen, tuple("" if differ and not still else reason for differ in apart))


def same_weights(site: Site, value: Value, order: Order) -> bool:
    """Whether every sum has the same weight for an element and for the one that comes instead of it."""
    mac = Mac.of(site.graph, site.node)
    if site.rule is Overflow.SATURATE and not _clipped_once(mac):
        return False  # partial sums depend on the order as well
    if order.channels is not None:
        pairs = enumerate(order.channels.tolist())
        met = meets(mac)
        return not any(weighted_apart(site, mac, a, b, met).any() for a, b in pairs)
    noise = np.random.default_rng(0).integers(value.type.lo, value.type.hi, (1, *value.shape), endpoint=True)
    apart = mac.exact({value.name: order.of(noise)}) - mac.exact({value.name: noise})
    if not site.zero(apart).all() or value.size * site.node.output.size > MATRIX:
        return False
    hots = np.eye(value.size + 1, value.size, dtype=np.int64).reshape(-1, *value.shape)  # and zeros
    matrix = mac.exact({value.name: hots})
    return bool(site.zero(matrix[order.source] - matrix[:-1]).all())


def _clipped_once(mac: Mac) -> bool:
    """Whether a saturating sum is its exact sum clipped: it has one fold, or its products all have the same sign."""
    weight = mac.weight.reshape(len(mac.weight), -1)
    one_way = (weight >= 0).all(axis=1) | (weight <= 0).all(axis=1)
    one_sided = mac.type.lo >= 0 or mac.type.hi <= 0
    return weight.shape[1] <= (mac.accumulator.fold or 1) or bool(one_sided and one_way.all())


def meets(mac: Mac) -> Bools:
    """Which taps of a kernel meet a pixel somewhere, (KH, KW)."""
    return np.asarray(mac.inside.any(axis=(0, 1)))


def kernel_apart(mac: Mac, a: int, b: int) -> IntArray:
    """What the difference of two input channels is weighted with when they are exchanged, (outputs, KH, KW)."""
    inner, share = mac.weight.shape[1], len(mac.weight) // mac.groups
    one, other = (mac.weight[c // inner * share : (c // inner + 1) * share, c % inner] for c in (a, b))
    return one - other if a // inner == b // inner else np.concatenate([one, -other])


def weighted_apart(site: Site, mac: Mac, a: int, b: int, met: Bools) -> Bools:
    """Where sums weight two input channels differently."""
    return ~site.zero(kernel_apart(mac, a, b) * met)
