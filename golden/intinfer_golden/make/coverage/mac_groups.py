"""What frames should hit in convolution and dense.

Accumulators stand at their ends, around 0, and where they overflow; every weight is at work, no two taps are alike,
every border tap is beside a pixel.
"""

from __future__ import annotations

from math import prod

import numpy as np

from intinfer.accumulator import Overflow
from intinfer.graph import Graph, Node
from intinfer.types import IntArray

from ...designs.mac import Mac
from .forms import Prover, overflows
from .group import Axis, Bools, Covergroup, Intervals, Values
from .routing import Sequences
from .saturation import covergroup as saturating

SIDES = ("top", "bottom", "left", "right", "top left", "top right", "bottom left", "bottom right")


def of_sums(graph: Graph, node: Node, prover: Prover) -> list[Covergroup]:
    """Ends and neighbourhood of 0; of an accumulator that may overflow, what its rule does."""
    mac, rule = Mac.of(graph, node), overflows(graph, node.name)
    type_, channels = mac.accumulator.type, range(node.output.shape[0])

    def group(kind: str, sentence: str, axis: Axis, points: IntArray) -> Covergroup:
        """A bin for each of the points, of each channel or of all channels."""
        lo = np.broadcast_to(points, (len(channels), axis.extent))
        axes = (Axis("channel", len(channels)), axis)
        exact = None if rule is None else mac.exact
        return Intervals(node.name, kind, sentence, axes, value=node.name, lo=lo, exact=exact)

    forms = prover.forms(node.name, rule is not None)
    ends = np.array([forms.ends(node.name, c) for c in channels], dtype=np.int64)
    if rule is Overflow.TRAP:
        ends = ends.clip(type_.lo, type_.hi)
    sentence = "the accumulator reaches the lowest and the highest sum that its inputs can make"
    groups = [group("accumulator ends", sentence, Axis("end", ("lowest", "highest")), ends)]
    sentence = "the accumulator holds -1, 0 and 1: the borrow into the sign, and its absence"
    groups.append(group("around zero", sentence, Axis("sum", ("-1", "0", "1")), np.array([-1, 0, 1])))
    if rule is Overflow.WRAP:
        sentence = "the exact sum stands on either side of both ends of the accumulator: it wraps, and it does not yet"
        axis = Axis("sum", ("below the lowest", "the lowest", "the highest", "above the highest"))
        groups.append(group("wrap", sentence, axis, np.array([type_.lo - 1, type_.lo, type_.hi, type_.hi + 1])))
    if rule is Overflow.SATURATE:
        groups.append(saturating(mac))
    return groups


def of_taps(graph: Graph, node: Node) -> list[Covergroup]:
    """Weights and taps; the border where there is one."""
    mac = Mac.of(graph, node)
    return [_weights(mac), _taps(mac), *([_border(mac)] if mac.window.padded else [])]


def _weights(mac: Mac) -> Covergroup:
    modulus = 2 ** (mac.accumulator.bits - 1) if mac.accumulator.overflow is Overflow.WRAP else None

    def at_work(numbers: IntArray) -> Bools:
        return np.asarray(numbers != 0 if modulus is None else numbers % modulus != 0)

    def see(values: Values) -> Bools:
        return _by_weight(mac, np.asarray(at_work(mac.padded(values)).any(axis=0)))

    names = ("channel", "input channel of the group", "row", "column")
    axes = tuple(Axis(name, extent) for name, extent in zip(names, mac.weight.shape, strict=True))
    sentence = "the input under the weight is not 0, so that another weight would give another sum"
    group = Covergroup(mac.node.name, "weights", sentence, axes, see)
    possible = at_work(np.array([mac.type.lo, mac.type.hi, mac.type.lo + (mac.type.lo < mac.type.hi)], dtype=np.int64))
    real = np.full(mac.shape, bool(possible.any()))
    flags = mac.window.pad(real.astype(np.int64)[None], at_work(mac.pad_value).astype(np.int64))[0] != 0
    group.exclude(
        ~_by_weight(mac, flags), f"the tap reads only zeros: inputs are {mac.type}, or it never leaves the border"
    )
    return group


def _by_weight(mac: Mac, flags: Bools) -> Bools:
    """Whether a weight ever meets a flag of the padded map, (C, PH, PW) -> (weights,)."""
    taps = _met(mac, flags).reshape(mac.groups, *mac.weight.shape[1:])
    return np.repeat(taps, len(mac.weight) // mac.groups, axis=0).reshape(-1)


def _met(mac: Mac, flags: Bools) -> Bools:
    """Whether each tap meets a flag at some pixel, (C, PH, PW) -> (C, KH, KW)."""
    (height, width), (sy, sx), (dy, dx) = mac.window.reach, mac.window.stride, mac.window.dilation
    met = np.empty((len(flags), *mac.window.kernel), dtype=bool)
    for i in range(met.shape[1]):
        rows = np.asarray(flags[:, i * dy : flags.shape[1] - height + i * dy + 1 : sy].any(axis=1))
        for j in range(met.shape[2]):
            met[:, i, j] = rows[:, j * dx : flags.shape[2] - width + j * dx + 1 : sx].any(axis=1)
    return met


def _taps(mac: Mac) -> Covergroup:
    family = np.repeat(np.arange(mac.groups), mac.weight[0].size)
    rng = np.random.default_rng(0)
    factors = rng.integers(-(2**62), 2**62, mac.outputs[1:])

    def prints(values: Values) -> IntArray:
        """A number for each tap and image that differs only if what the tap reads differs."""
        view = mac.window.view(mac.padded(values))
        return np.asarray(np.einsum("ncyxij,yx->ncij", view, factors)).reshape(len(view), -1)

    addresses = np.arange(prod(mac.shape), dtype=np.int64).reshape(1, *mac.shape)
    addresses = np.where(mac.type.lo < mac.type.hi, addresses, -1)  # inputs of one value are all the same
    where = mac.window.view(mac.window.pad(addresses, -1 - np.unique(mac.pad_value, return_inverse=True)[1]))[0]
    sentence = "over all frames the tap reads another sequence than any other tap of its sums: no two can be exchanged"
    rows, columns = mac.weight.shape[2:]
    axes = (Axis("input channel", mac.shape[0]), Axis("row", rows), Axis("column", columns))
    sequences = Sequences(prints, family)
    group = Covergroup(mac.node.name, "taps told apart", sentence, axes, sequences, history=True)
    same = sequences.twins(where.transpose(0, 3, 4, 1, 2).reshape(len(family), -1))
    group.exclude(same, f"the tap reads what another one reads: inputs are {mac.type}, or it never leaves the border")
    return group


def _border(mac: Mac) -> Covergroup:
    """Bins (side, tap) a channel, only those that some window reads."""
    top, left, _, _ = mac.window.pads
    channels, height, width = mac.shape
    sides = zones(mac)
    exists = _met(mac, sides)  # (8, KH, KW)
    side, row, column = (a[:, None].repeat(channels, 1).reshape(-1) for a in exists.nonzero())
    channel = np.tile(np.arange(channels), int(exists.sum()))
    coordinates = np.stack([channel, side, row, column], axis=1)
    rows, columns = (np.arange(extent) for extent in sides.shape[1:])
    nearest = np.ix_((rows - top).clip(0, height - 1), (columns - left).clip(0, width - 1))

    def see(values: Values) -> Bools:
        x = mac.map(values)
        differs = (x[:, :, nearest[0], nearest[1]] != mac.pad_value[:, None, None]).any(axis=0)  # (C, PH, PW)
        beside = (sides[:, None] & differs).reshape(-1, *sides.shape[1:])  # (8 * C, PH, PW)
        return _met(mac, beside).reshape(len(sides), channels, *exists.shape[1:])[side, channel, row, column]

    sentence = "the tap reads the border beside a pixel that differs from the pad value, on each side and corner"
    _, heights, widths = exists.shape
    axes = (Axis("channel", channels), Axis("side", SIDES), Axis("row", heights), Axis("column", widths))
    group = Covergroup(mac.node.name, "border", sentence, axes, see, coordinates=coordinates)
    fixed = (mac.type.lo == mac.type.hi) & (mac.pad_value[channel] == mac.type.lo)
    group.exclude(fixed, f"every input is {mac.type.lo}, as is the pad value")
    return group


def zones(mac: Mac) -> Bools:
    """The sides and corners of the border, in the order of SIDES: (8, PH, PW)."""
    _, height, width = mac.shape
    top, left, bottom, right = mac.window.pads
    rows, columns = np.arange(top + height + bottom), np.arange(left + width + right)
    above, below = (rows < top)[:, None], (rows >= top + height)[:, None]
    before, behind = columns < left, columns >= left + width
    middle_rows, middle_columns = ~(above | below), ~(before | behind)
    sides = [above & middle_columns, below & middle_columns, middle_rows & before, middle_rows & behind]
    return np.stack([*sides, *(v & h for v in (above, below) for h in (before, behind))])
