"""Mistakes with a number or a place in them that the dump itself tells: a threshold, a multiplier, a constant."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np

from intinfer.ops import (
    Add,
    Affine,
    ChannelSelect,
    Concat,
    Conv2d,
    Dense,
    Gather,
    Mux,
    Requant,
    SumPool,
    Table,
    Tgap,
    Threshold,
)
from intinfer.tensor import IntTensor
from intinfer.types import IntArray

from .mistake import Mistake
from .macs import EXACT, Mac
from .orders import channel_orders, described
from .suspect import Scope, Suspect, of_channel, row

CONSTANTS = 512
"""Constants that are tried, up and down, where the dump is not the sums themselves."""
MAX_MATCHED = 512
"""Channels among which the one is looked for that another holds."""
_BITS = 62


def mistakes(suspect: Suspect) -> Iterator[Mistake]:
    op, whole = suspect.op, suspect.dumped
    if isinstance(op, Threshold) and suspect.channelwise:
        yield from _threshold(suspect, op)
    if isinstance(op, Requant | Affine):
        yield from _scalars(suspect, op) if whole else _scalars_tried(suspect, op)
    if isinstance(op, Conv2d) and whole:
        yield from _pad_value(suspect, op)
    if isinstance(op, Table) and whole:
        yield from _entry(suspect, op)
    if isinstance(op, Tgap) and whole:
        yield from _limit(suspect, op)
    if isinstance(op, Mux) and whole:
        yield from _selects(suspect, op)
    if isinstance(op, ChannelSelect | Concat) and whole:
        yield from _sources(suspect)
    if isinstance(op, Gather) and whole:
        yield from _index(suspect, op)
    if isinstance(op, Conv2d | Dense | SumPool | Affine | Add):
        yield from _constant(suspect)
    if isinstance(op, Add) and whole:
        yield from _multiplier(suspect, op)
    if suspect.channelwise:
        yield from _channels(suspect)


def _interval(lo: int | None, hi: int | None) -> str:
    """
    >>> _interval(3, 3), _interval(1, 4), _interval(None, 7), _interval(7, None)
    ('3', 'between 1 and 4', 'at most 7', 'at least 7')
    """
    if lo is None or hi is None:
        return f"at most {hi}" if lo is None else f"at least {lo}"
    return str(lo) if lo == hi else f"between {lo} and {hi}"


# ------------------------------------------------------------------------------------- constants of one channel


def _threshold(suspect: Suspect, op: Threshold) -> Iterator[Mistake]:
    """One threshold of one channel: between the sums that it must and must not pass."""
    if len(suspect.wrong_channels) != 1:
        return
    (c,) = suspect.wrong_channels
    rows = op.thresholds.values
    r = row(op.thresholds, c)
    frames = suspect.scene.frames
    z = suspect.operands(frames)[0][:, c]
    down = int(op.descending.values[r])
    for j in range(rows.shape[1]):
        own = int(rows[r, j])
        solved = _between(suspect, op, c, j, z, down) if suspect.dumped else _beside(suspect, op, c, j, z)
        if solved is None:
            continue
        value, told = solved

        def run(x: IntArray, j: int = j, value: int = value) -> IntArray:
            changed = np.repeat(rows, x.shape[1], axis=0) if len(rows) == 1 else rows.copy()
            changed[c, j] = value
            flags = np.broadcast_to(op.descending.values, (len(changed),))
            return replace(op, thresholds=IntTensor(changed), descending=IntTensor(flags)).reference(x)

        yield Mistake(f"thresholds[{c},{j}] is {told}, not {own}", run, rows.size * 16)


def _between(suspect: Suspect, op: Threshold, c: int, j: int, z: IntArray, down: int) -> tuple[int, str] | None:
    """From what the count must be with and without the threshold, every sum says on which side of it it lies."""
    scene = suspect.scene
    one = of_channel(op, c)
    assert isinstance(one, Threshold), "the same op"
    rest = np.delete(one.thresholds.values, j, axis=1)
    others = np.zeros_like(z)
    for value in rest[0].tolist():
        others += z <= value if down else z >= value
    actual, asked = scene.actual[:, c], scene.asked[:, c]
    crossed, left = np.divmod(actual - op.base, op.step)
    crossed = crossed - others
    if (left[asked] != 0).any() or not np.isin(crossed[asked], (0, 1)).all():
        return None
    over, under = z[asked & (crossed == 1)], z[asked & (crossed == 0)]
    if down:  # z <= T
        lo, hi = (int(over.max()) if len(over) else None), (int(under.min()) - 1 if len(under) else None)
    else:  # z >= T
        lo, hi = (int(under.max()) + 1 if len(under) else None), (int(over.min()) if len(over) else None)
    if lo is not None and hi is not None and lo > hi:
        return None
    value = hi if hi is not None else lo
    return None if value is None else (value, _interval(lo, hi))


def _beside(suspect: Suspect, op: Threshold, c: int, j: int, z: IntArray) -> tuple[int, str] | None:
    """Behind other nodes every sum that occurs is tried as the threshold."""
    scene = suspect.scene
    frames = scene.sample
    values = np.unique(z[frames])
    values = np.unique(np.concatenate([values, values + 1]))[:1024]
    one = of_channel(op, c)
    assert isinstance(one, Threshold), "the same op"
    down = int(one.descending.values[0])
    right = one.reference(z[frames][:, None])[:, 0]
    own = int(one.thresholds.values[0, j])
    x = z[frames][None]
    shaped = values.reshape(-1, *[1] * z.ndim)
    old, new = (x <= own, x <= shaped) if down else (x >= own, x >= shaped)
    made = right[None] + op.step * (new.astype(np.int64) - old)
    found = values[suspect.channel_fits(c, made, frames)]
    if not len(found):
        return None
    return int(found[0]), _interval(int(found[0]), int(found[-1]))


def _scalars(suspect: Suspect, op: Requant | Affine) -> Iterator[Mistake]:
    """One multiplier, offset or shift: the interval of values that explain the dump."""
    channels = suspect.wrong_channels
    for name in ("multiplier", "offset", "shift") if isinstance(op, Requant) else ("multiplier", "offset"):
        tensor: IntTensor = getattr(op, name)
        if len(channels) != 1 and tensor.shape[0] > 1:
            continue
        c = channels[0] if tensor.shape[0] > 1 else 0
        own = int(tensor.values[c])
        picked = slice(c, c + 1) if tensor.shape[0] > 1 else slice(None)
        solved = _solved(suspect, op, name, picked, own)
        if solved is None or solved[0] <= own <= solved[1]:
            continue
        changed = tensor.values.copy()
        changed[c] = solved[0]
        other = replace(op, **{name: IntTensor(changed)})  # type: ignore[arg-type]
        place = f"{name}[{c}]" if tensor.shape[0] > 1 else f"the {name}"
        yield Mistake(f"{place} is {_interval(*solved)}, not {own}", other.reference, 2**12)


def _scalars_tried(suspect: Suspect, op: Requant | Affine) -> Iterator[Mistake]:
    """The same behind other nodes: values near by, and those with a bit or the sign turned, one by one."""
    if len(suspect.wrong_channels) != 1:
        return
    (c,) = suspect.wrong_channels
    for name in ("multiplier", "offset"):
        tensor: IntTensor = getattr(op, name)
        own, bits = int(tensor.values[row(tensor, c)]), min(tensor.encoding.bits, 40)
        near = {own + k for k in range(-32, 33)} | {own ^ (1 << k) for k in range(bits)} | {0, 1, -own}
        for value in sorted(near - {own}, key=lambda v: (abs(v - own), v)):
            changed = np.broadcast_to(tensor.values, (suspect.channels,)).copy()
            changed[c] = value
            other = replace(op, **{name: IntTensor(changed)})  # type: ignore[arg-type]
            text = f"{name}[{c}] is {value}, not {own}"
            yield Mistake(text, other.reference, 128 * suspect.channels, kind=f"{name} {value > own}")


def _pad_value(suspect: Suspect, op: Conv2d) -> Iterator[Mistake]:
    """The constant beyond the edge, from the first difference and the weights that meet it there."""
    mac = Mac.of(op)
    assert mac is not None, "a convolution"
    if not mac.window.padded or len(set(mac.pad_value.tolist())) > 1:
        return
    scene = suspect.scene
    at = tuple(np.argwhere(scene.wrong)[0].tolist())
    (x,) = suspect.operands(at[:1])
    beyond = replace(mac, pad_value=np.ones(1, dtype=np.int64), rule=EXACT).run(np.zeros_like(x))[0][at[1:]]
    change, rest = divmod(int(scene.actual[at] - scene.expected[at]), int(beyond)) if beyond else (0, 1)
    if rest == 0:
        own = int(mac.pad_value[0])
        other = replace(mac, pad_value=mac.pad_value + change)
        yield Mistake(f"the pad value is {own + change}, not {own}", other.run, 64)


def _solved(suspect: Suspect, op: Requant | Affine, name: str, picked: slice, own: int) -> tuple[int, int] | None:
    """The lowest and highest value of a constant that make these channels of the dump; None where none does.

    The result rises with the offset, and with the multiplier where the input is positive, so that each end is found
    by halving; shifts are tried one by one.
    """
    scene = suspect.scene
    (x,) = suspect.operands(scene.frames)
    z, actual, asked = x[:, picked], scene.actual[:, picked], scene.asked[:, picked]
    ndim = z.ndim

    def given(value: int) -> IntArray:
        parts = {}
        for key in ("multiplier", "offset", "shift") if isinstance(op, Requant) else ("multiplier", "offset"):
            values = getattr(op, key).values
            parts[key] = IntTensor(np.array([value]) if key == name else values[picked] if len(values) > 1 else values)
        if isinstance(op, Requant):
            return replace(op, **parts).reference(z)  # type: ignore[arg-type]
        m, b = (np.asarray(parts[key].values).reshape(1, -1, *[1] * (ndim - 2)) for key in ("multiplier", "offset"))
        return z * m + b

    if name == "shift":
        fits = [s for s in range(63) if (scene.same(given(s), actual) | ~asked).all()]
        return (fits[0], fits[-1]) if fits else None
    largest = max(1, int(np.abs(z).max()))
    end = 1 << min(40, _BITS - 1 - (largest.bit_length() if name == "multiplier" else 0))
    direction = np.sign(z) if name == "multiplier" else np.ones_like(z)

    def low_enough(value: int) -> bool:
        """No value is on the wrong side because the constant is too large."""
        return not ((direction * (given(value) - actual) > 0) & asked).any()

    def high_enough(value: int) -> bool:
        return not ((direction * (given(value) - actual) < 0) & asked).any()

    low = _first(high_enough, -end, end)
    high = -_first(lambda value: low_enough(-value), -end, end)
    if low > high or not (scene.same(given(low), actual) | ~asked).all():
        return None
    return low, high


def _first(holds: Callable[[int], bool], low: int, high: int) -> int:
    """The lowest number in low..high from which on something holds; high + 1 where it never does."""
    if not holds(high):
        return high + 1
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if holds(middle) else (middle + 1, high)
    return high


def _entry(suspect: Suspect, op: Table) -> Iterator[Mistake]:
    """One entry of a table."""
    scene = suspect.scene
    (z,) = suspect.operands(scene.frames)
    values, channels = np.unique(z[scene.wrong]), suspect.wrong_channels
    rows = op.entries.shape[0]
    if len(values) != 1 or (rows > 1 and len(channels) != 1):
        return
    index, r = int(values[0]) - op.start, channels[0] if rows > 1 else 0
    found = np.unique(scene.actual[scene.wrong])
    if len(found) == 1:
        changed = op.entries.values.copy()
        own, changed[r, index] = int(changed[r, index]), int(found[0])
        text = f"entries[{r},{index}] (input {values[0]}) is {found[0]}, not {own}"
        yield Mistake(text, replace(op, entries=IntTensor(changed)).reference, op.entries.values.size * 4)


def _limit(suspect: Suspect, op: Tgap) -> Iterator[Mistake]:
    """Another constant to compare with, or one in the sum, all over or in the frames or channels that differ."""
    scene = suspect.scene
    (x,) = suspect.operands(scene.frames)
    twice, limit = 2 * x.sum(axis=(2, 3)), op.top * x.shape[2] * x.shape[3]
    for scope in suspect.scopes:
        told = scope.mask & scene.asked
        over, under = twice[told & (scene.actual == 1)], twice[told & (scene.actual == 0)]
        lo = int(under.max()) if len(under) else None
        hi = int(over.min()) - 1 if len(over) else None
        if (lo is None and hi is None) or (lo is not None and hi is not None and lo > hi):
            continue
        value = hi if hi is not None else lo
        least = None if hi is None else -((hi - limit) // 2)
        most = None if lo is None else (limit - lo) // 2
        added = "" if least is None and most is None else _interval(least, most)
        text = f"twice the sum is compared with {_interval(lo, hi)}, not {limit}; or {added} is added to the sum"
        yield Mistake(text, lambda x, v=value: (2 * x.sum(axis=(2, 3)) > v).astype(np.int64), 64)


# --------------------------------------------------------------------------------------- places of one channel


def _selects(suspect: Suspect, op: Mux) -> Iterator[Mistake]:
    """The select of one channel: stuck, inverted, or another channel's."""
    if len(suspect.wrong_channels) != 1:
        return
    (c,) = suspect.wrong_channels
    name = suspect.node.inputs[0]

    def run(change: Callable[..., IntArray]) -> Callable[..., IntArray]:
        def made(s: IntArray, a: IntArray, b: IntArray) -> IntArray:
            changed = s.copy()
            changed[:, c] = change(s)
            return op.reference(changed, a, b)

        return made

    count = 3 + suspect.channels
    yield Mistake(f"channel {c} of {name} is stuck at 0", run(lambda s: s[:, c] * 0), count)
    yield Mistake(f"channel {c} of {name} is stuck at 1", run(lambda s: s[:, c] * 0 + 1), count)
    yield Mistake(f"channel {c} of {name} is inverted", run(lambda s: 1 - s[:, c]), count)
    for k in range(suspect.channels):
        if k != c:
            yield Mistake(f"channel {c} is selected by channel {k} of {name}", run(lambda s, k=k: s[:, k]), count)


def _sources(suspect: Suspect) -> Iterator[Mistake]:
    """A channel of the result that is another channel of an operand."""
    scene = suspect.scene
    names = [(name, i) for name in suspect.node.inputs for i in range(scene.graph.values[name].shape[0])]
    if len(suspect.wrong_channels) > 1 or len(names) > MAX_MATCHED:
        return
    (c,) = suspect.wrong_channels
    given = np.concatenate(suspect.operands(scene.frames), axis=1)
    asked = scene.asked[:, c]
    reference = suspect.reference
    for k, (name, i) in enumerate(names):
        if (scene.same(given[:, k], scene.actual[:, c]) | ~asked).all():

            def run(*xs: IntArray, k: int = k) -> IntArray:
                made = reference(*xs).copy()
                made[:, c] = np.concatenate(xs, axis=1)[:, k]
                return made

            yield Mistake(f"output channel {c} is channel {i} of {name}", run, len(names) * suspect.channels)


def _index(suspect: Suspect, op: Gather) -> Iterator[Mistake]:
    """One index."""
    scene = suspect.scene
    places = np.flatnonzero(scene.wrong.any(axis=0).reshape(-1))
    if len(places) != 1:
        return
    place = int(places[0])
    (x,) = suspect.operands(scene.frames)
    flat, actual = x.reshape(len(x), -1), scene.actual.reshape(len(x), -1)[:, place]
    asked = scene.asked.reshape(len(x), -1)[:, place]
    same = (scene.same(flat, actual[:, None]) | ~asked[:, None]).all(axis=0)
    at = ",".join(str(int(i)) for i in np.unravel_index(place, op.index.shape))
    own = int(op.index.values.reshape(-1)[place])
    for source in np.flatnonzero(same)[:9].tolist():
        changed = op.index.values.copy()
        changed.reshape(-1)[place] = source
        text = f"index[{at}] is {source}, not {own}"
        yield Mistake(text, replace(op, index=IntTensor(changed)).reference, op.index.values.size * flat.shape[1])


def _channels(suspect: Suspect) -> Iterator[Mistake]:
    """Each channel that differs is found among all; usual orders, and two exchanged, are tried elsewhere."""
    count, scene = suspect.channels, suspect.scene
    if count > MAX_MATCHED or count < 2 or len(suspect.wrong_channels) < 1:
        return
    frames = scene.sample
    right = suspect.right(frames).swapaxes(0, 1)
    candidates = {}
    for c in suspect.wrong_channels:
        fits = np.flatnonzero(suspect.channel_fits(c, right, frames)).tolist()
        if not fits:
            return
        candidates[c] = fits
    source = _matching(count, candidates)
    if any(source == order.tolist() for _, order, _ in channel_orders(count)):
        return
    moved = [c for c in range(count) if source[c] != c]
    if len(moved) == 2 and source[moved[0]] == moved[1] and source[moved[1]] == moved[0]:
        return
    text = (
        f"output channel {moved[0]} gives channel {source[moved[0]]}"
        if len(moved) == 1
        else f"output channels are permuted: {described(source)}"
    )
    if len(moved) > 1 and len(set(source)) < count:
        text = f"output channels give others: {described(source)}"
    picked = np.array(source)
    reference = suspect.reference
    yield Mistake(text, lambda *xs: reference(*xs)[:, picked], count ** len(moved))


def _matching(count: int, candidates: dict[int, list[int]]) -> list[int]:
    """Sources that use each channel once, where that can be (augmenting paths), else the first of each."""
    owner: dict[int, int] = {c: c for c in range(count) if c not in candidates}
    taken = dict(owner)

    def place(c: int, seen: set[int]) -> bool:
        for source in candidates[c]:
            if source in seen or (owner.get(source) == source and source not in candidates):
                continue
            seen.add(source)
            if source not in taken or place(taken[source], seen):
                taken[source] = c
                return True
        return False

    if all(place(c, set()) for c in candidates):
        inverse = {c: source for source, c in taken.items()}
        return [inverse[c] for c in range(count)]
    return [candidates[c][0] if c in candidates else c for c in range(count)]


# -------------------------------------------------------------------------------------------------- a number added


def _constant(suspect: Suspect) -> Iterator[Mistake]:
    """A constant in the sums: of the dump itself the difference, behind other nodes all small ones are tried."""
    scene = suspect.scene
    base = suspect.reference

    def run(k: int) -> Callable[..., IntArray]:
        return lambda *xs: base(*xs) + k

    for scope in suspect.scopes:
        if suspect.dumped:
            differences = (scene.actual - scene.expected)[np.broadcast_to(scope.mask, scene.wrong.shape) & scene.wrong]
            values, counts = np.unique(differences, return_counts=True)
            if len(values):
                k = int(values[np.argmax(counts)])
                yield Mistake(f"{k:+d} is added", run(k), 16)
                if len(values) == 2 and scene.bits < 62:  # some of the sums wrap in the dump's words
                    other = k - (1 << scene.bits) * (1 if k > 0 else -1)
                    yield Mistake(f"{other:+d} is added", run(other), 16)
        elif suspect.channelwise:
            yield from _small_constants(suspect, scope, run)
    if suspect.dumped:
        yield from _with_zeros(suspect, base)


def _small_constants(
    suspect: Suspect, scope: Scope, run: Callable[[int], Callable[..., IntArray]]
) -> Iterator[Mistake]:
    scene = suspect.scene
    c = max(suspect.wrong_channels, key=lambda c: int(scene.wrong[:, c].sum()))
    frames = [n for n in scene.sample if scope.rows([n]).any()]
    right = suspect.right(frames)[:, c]
    sizes = [*range(1, CONSTANTS + 1), *(part << k for k in range(8, 30) for part in (2, 3))]
    constants = np.array([k for n in dict.fromkeys(sizes) for k in (n, -n)])
    fits = suspect.channel_fits(c, right[None] + constants.reshape(-1, *[1] * right.ndim), frames)
    found = sorted(constants[fits].tolist())
    for sign in (1, -1):
        each = [k for k in found if sign * k > 0]
        alive = [k for k in each[:16] if scope in suspect.explains_in(Mistake("", run(k), 1024), [scope])]
        if alive:
            told = f"{alive[0]:+d}" if len(alive) == 1 else f"a constant between {alive[0]:+d} and {alive[-1]:+d}"
            yield Mistake(f"{told} is added", run(alive[0]), 1024)


def _with_zeros(suspect: Suspect, base: Callable[..., IntArray]) -> Iterator[Mistake]:
    """A constant in place of 0 alone, or of what is not 0."""
    scene = suspect.scene
    values = np.unique(scene.expected[scene.wrong])
    if len(values) == 1:
        found = np.unique(scene.actual[scene.wrong])
        if len(found) == 1:
            old, new = int(values[0]), int(found[0])
            yield Mistake(f"{old} is given as {new}", lambda *xs: np.where(base(*xs) == old, new, base(*xs)), 256)


def _multiplier(suspect: Suspect, op: Add) -> Iterator[Mistake]:
    """The multiplier of one operand, exactly."""
    scene = suspect.scene
    xs = suspect.operands(scene.frames)
    difference = (scene.actual - scene.expected)[scene.wrong]
    for i, x in enumerate(xs):
        at = x[scene.wrong]
        if not len(at) or at[0] == 0 or difference[0] % at[0]:
            continue
        change = int(difference[0] // at[0])
        changed = [m + change if k == i else m for k, m in enumerate(op.multipliers)]
        text = f"the multiplier of operand {suspect.node.inputs[i]} is {changed[i]}, not {op.multipliers[i]}"
        yield Mistake(text, lambda *xs, ms=changed: np.sum([m * x for m, x in zip(ms, xs, strict=True)], axis=0), 16)
