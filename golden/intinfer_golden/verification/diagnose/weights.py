"""Weights that are read in another place, another order or another code."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import permutations, product
from math import factorial

import numpy as np

from intinfer.ops import Conv2d, Dense
from intinfer.types import IntArray

from .macs import Mac
from .mistake import Mistake
from .orders import channel_orders, described, exchanged, pairs
from .suspect import Suspect

FEW_INPUTS = 5
"""Input channels whose orders are all tried."""
MAX_PAIRS = 2_000
"""Exchanges of two channels that are tried one by one."""


def mistakes(suspect: Suspect, op: Conv2d | Dense) -> Iterator[Mistake]:
    mac = Mac.of(op)
    seen = {mac.weight.tobytes()}
    for text, weight, choices in _changed(mac):
        if (key := weight.tobytes()) not in seen:
            seen.add(key)
            yield Mistake(text, lambda x, w=weight: mac.run(x, w), choices)

    for text, source in _groups(mac):
        yield Mistake(text, lambda x, source=source: mac.run(x[:, source]))


Changed = Iterator[tuple[str, IntArray, int]]


def _groups(mac: Mac) -> Iterator[tuple[str, IntArray]]:
    """Groups that read the input channels of others."""
    count, inputs = mac.groups, mac.inputs
    if count == 1:
        return
    blocks = np.arange(inputs).reshape(count, -1)
    for text, source, _ in channel_orders(count):
        name = f"groups read the input channels of others, {text}: group 0 reads those of group {source[0]}"
        yield name, blocks[source].reshape(-1)
    if blocks.shape[1] > 1:
        yield (
            f"input channel i is of group i mod {count}, not of i // {blocks.shape[1]}",
            blocks.reshape(-1, count).T.reshape(-1),
        )
    yield "all groups read the input channels of group 0", np.tile(blocks[0], count)


def _changed(mac: Mac) -> Changed:
    for part in (_kernels, _codes, _memory, _channels, _missing):
        yield from part(mac)


def _kernels(mac: Mac) -> Changed:
    """The kernel turned over, turned or moved."""
    w = mac.weight
    rows, columns = w.shape[2:]
    yield "the kernel is flipped in both axes", w[:, :, ::-1, ::-1].copy(), 1
    yield "the kernel is flipped top to bottom", w[:, :, ::-1].copy(), 1
    yield "the kernel is flipped left to right", w[..., ::-1].copy(), 1
    if rows == columns:
        yield "the kernel is transposed: KH and KW are exchanged", w.swapaxes(2, 3).copy(), 1
        yield "the kernel is turned by 90 degrees to the left", np.rot90(w, 1, axes=(2, 3)).copy(), 1
        yield "the kernel is turned by 90 degrees to the right", np.rot90(w, -1, axes=(2, 3)).copy(), 1
        yield "the kernel is flipped and transposed", w[:, :, ::-1, ::-1].swapaxes(2, 3).copy(), 1
    elif rows > 1 and columns > 1:
        other = w.reshape(*w.shape[:2], columns, rows).swapaxes(2, 3).copy()
        yield "the kernel is transposed: its memory is read with KH and KW exchanged", other, 1
    for axis, name, extent in ((2, "rows", rows), (3, "columns", columns)):
        for by in range(1, extent):
            yield f"the kernel's {name} are rotated by {by}: 0 is {by}", np.roll(w, -by, axis=axis), 1


def _codes(mac: Mac) -> Changed:
    """Weights in a code that is not theirs."""
    w, (lo, hi) = mac.weight, mac.bounds
    if lo < 0:
        yield "weights are taken without their sign: |w|", np.abs(w), 1
        yield "weights are negated", -w, 1
    used = sorted(set(np.unique(w).tolist()))
    if set(used) <= {-1, 0, 1}:
        for images in product((-1, 0, 1), repeat=len(used)):
            table = dict(zip(used, images, strict=True))
            moved = [f"{a:+d} is read as {b:+d}".replace("+0", "0") for a, b in table.items() if a != b]
            if moved:
                yield "weights: " + ", ".join(moved), np.vectorize(table.__getitem__, otypes=[np.int64])(w), 1
        return
    bits = max(hi, -lo - 1).bit_length() + (lo < 0)
    half, top = 1 << (bits - 1), 1 << bits
    if lo < 0:
        yield f"weights are read as unsigned {bits} bits", w % top, 1
        low = w & (half - 1)
        yield "weights are read as sign and magnitude", np.where(w < 0, -low, low), 1
        stored = np.where(w < 0, half - w, w) % top
        yield (
            "weights of sign and magnitude are read as two's complement",
            np.where(stored >= half, stored - top, stored),
            1,
        )
        yield "weights are read as one's complement", w + (w < 0), 1
    else:
        yield f"weights are read as two's complement of {bits} bits", np.where(w >= half, w - top, w), 1
    for kept in range(1, bits):
        cut = 1 << kept
        low = w % cut
        name = f"the low {kept} bits of the weights alone are read"
        yield name + (", signed" if lo < 0 else ""), np.where((lo < 0) & (low >= cut // 2), low - cut, low), bits
        yield f"the low {bits - kept} bits of the weights are lost", w >> (bits - kept) << (bits - kept), bits


def _memory(mac: Mac) -> Changed:
    """The memory of the weights walked through in another order."""
    w, names = mac.weight, ("O", "I") if mac.dense else ("O", "I", "KH", "KW")
    flat = w[:, :, 0, 0] if mac.dense else w
    for order in permutations(range(flat.ndim)):
        written = flat.transpose(order)
        lies = " ".join(names[axis] for axis in order)
        text = f"weights lie {lies} and are read as {' '.join(names)}"
        yield text, np.ascontiguousarray(written).reshape(w.shape), 1
        back = np.argsort(order)
        read = flat.reshape([flat.shape[axis] for axis in order]).transpose(back)
        yield f"weights lie {' '.join(names)} and are read as {lies}", np.ascontiguousarray(read).reshape(w.shape), 1
    for by in (1, -1):
        late = "before" if by == 1 else "after"
        yield f"each weight is the one {late} it in the memory", np.roll(w.reshape(-1), by).reshape(w.shape), 1
        each = np.roll(w.reshape(len(w), -1), by, axis=1).reshape(w.shape)
        yield f"each weight is the one {late} it in the memory of its output channel", each, 1


def _channels(mac: Mac) -> Changed:
    """Whole channels of weights in another order."""
    w, groups = mac.weight, mac.groups
    outputs, inputs = w.shape[:2]
    for text, source, choices in channel_orders(outputs):
        yield f"output channels of the weights are {text}: 0 is {source[0]}", w[source], choices
    for text, source, choices in channel_orders(inputs):
        each = " of each group" if groups > 1 else ""
        yield f"input channels{each} of the weights are {text}: 0 is {source[0]}", w[:, source], choices
    for order in permutations(range(inputs)) if 2 < inputs <= FEW_INPUTS else ():
        text = f"input channels{' of each group' if groups > 1 else ''} of the weights are permuted: "
        yield text + described(list(order)), w[:, order], factorial(inputs)
    grouped = w.reshape(groups, -1, *w.shape[1:])
    for text, source, choices in channel_orders(groups):
        yield f"groups of the weights are {text}: 0 is {source[0]}", grouped[source].reshape(w.shape), choices
    for g in range(groups) if groups > 1 else ():
        yield f"all groups have the weights of group {g}", grouped[[g] * groups].reshape(w.shape), groups
    for o in range(outputs) if outputs > 1 else ():
        yield f"all output channels have the weights of channel {o}", w[[o] * outputs], outputs
    for axis, name, count in ((0, "output", outputs), (1, "input", inputs)):
        number = count * (count - 1) // 2
        for a, b in pairs(count) if number <= MAX_PAIRS else ():
            text = f"{name} channels {a} and {b} of the weights are exchanged"
            yield text, np.take(w, exchanged(count, a, b), axis=axis), max(2, number)


def _missing(mac: Mac) -> Changed:
    """Taps, rows and channels that are not counted."""
    w = mac.weight
    rows, columns = w.shape[2:]
    for axis, name, count in ((1, "input channel", w.shape[1]), (2, "kernel row", rows), (3, "kernel column", columns)):
        for index in range(count) if count > 1 else ():
            gone = w.copy()
            gone[(slice(None),) * axis + (index,)] = 0
            yield f"{name} {index}{' of each group' if axis == 1 and mac.groups > 1 else ''} is not summed", gone, count
    for ky, kx in product(range(rows), range(columns)) if rows > 1 and columns > 1 else ():
        gone = w.copy()
        gone[:, :, ky, kx] = 0
        yield f"tap (ky={ky}, kx={kx}) is not summed", gone, rows * columns
    flat = w.reshape(len(w), -1)
    for name, index in (("first", 0), ("last", -1)):
        gone = flat.copy()
        gone[:, index] = 0
        yield f"the {name} product of each sum is not summed", gone.reshape(w.shape), 1
