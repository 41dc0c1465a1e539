"""Weights that are read in another place, another order or another code."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import permutations, product
from math import factorial

import numpy as np

from intinfer.types import IntArray

from .mac import Mac
from .mistake import Mistake, at_axis, ends, possible, with_entry, wrapped
from .orders import channel_orders, described, exchanges

FEW_INPUTS = 5
"""Input channels whose orders are all tried."""


def mistakes(mac: Mac) -> Iterator[Mistake]:
    """Each weight tensor once: what reads the same as the right one, or as another wrong one, is left out."""
    seen = {mac.weight.tobytes()}
    for part in (_kernels, _codes, _memory, _channels, _missing):
        for text, weight, choices in part(mac):
            if (key := weight.tobytes()) not in seen:
                seen.add(key)
                yield Mistake(text, lambda x, w=weight: mac.run(x, w), choices)
    for text, source in _groups(mac).items():
        yield Mistake(text, lambda x, source=source: mac.run(x[:, source]))


Changed = Iterator[tuple[str, IntArray, int]]


def _groups(mac: Mac) -> dict[str, IntArray]:
    """Groups that read the input channels of others."""
    count = mac.groups
    if count == 1:
        return {}
    blocks = np.arange(mac.shape[0]).reshape(count, -1)
    others = "groups read the input channels of others"
    table = {
        f"{others}, {text}: group 0 reads those of group {source[0]}": blocks[source].reshape(-1)
        for text, source, _ in channel_orders(count)
    }
    if (size := blocks.shape[1]) > 1:
        mixed = blocks.reshape(-1, count).T.reshape(-1)
        table[f"input channel i is of group i mod {count}, not of i // {size}"] = mixed
    return table | {"all groups read the input channels of group 0": np.tile(blocks[0], count)}


def _kernels(mac: Mac) -> Changed:
    """The kernel turned over, turned or moved."""
    w, (rows, columns) = mac.weight, mac.weight.shape[2:]
    square, read = rows == columns, w.reshape(*w.shape[:2], columns, rows).swapaxes(2, 3)
    table = possible(
        (True, "the kernel is flipped in both axes", w[:, :, ::-1, ::-1]),
        (True, "the kernel is flipped top to bottom", w[:, :, ::-1]),
        (True, "the kernel is flipped left to right", w[..., ::-1]),
        (square, "the kernel is transposed: KH and KW are exchanged", w.swapaxes(2, 3)),
        (square, "the kernel is turned by 90 degrees to the left", np.rot90(w, 1, axes=(2, 3))),
        (square, "the kernel is turned by 90 degrees to the right", np.rot90(w, -1, axes=(2, 3))),
        (square, "the kernel is flipped and transposed", w[:, :, ::-1, ::-1].swapaxes(2, 3)),
        (
            not square and min(rows, columns) > 1,
            "the kernel is transposed: its memory is read with KH and KW exchanged",
            read,
        ),
        *(
            (True, f"the kernel's rows are rotated by {by}: 0 is {by}", np.roll(w, -by, axis=2))
            for by in range(1, rows)
        ),
        *(
            (True, f"the kernel's columns are rotated by {by}: 0 is {by}", np.roll(w, -by, axis=3))
            for by in range(1, columns)
        ),
    )
    return ((text, weight, 1) for text, weight in table.items())


def _codes(mac: Mac) -> Changed:
    """Weights in a code that is not theirs."""
    w, (lo, hi) = mac.weight, mac.bounds
    if lo < 0:
        yield "weights are taken without their sign: |w|", np.abs(w), 1
        yield "weights are negated", -w, 1
    used = np.unique(w).tolist()
    if set(used) <= {-1, 0, 1}:
        for images in product((-1, 0, 1), repeat=len(used)):
            moved = [
                f"{a:+d} is read as {b:+d}".replace("+0", "0") for a, b in zip(used, images, strict=True) if a != b
            ]
            if moved:
                yield "weights: " + ", ".join(moved), np.array(images)[np.searchsorted(used, w)], 1
        return
    bits = max(hi, -lo - 1).bit_length() + (lo < 0)
    if lo < 0:
        _, most = ends(bits, signed=True)
        magnitude = np.where(w < 0, -(w & most), w)
        yield f"weights are read as unsigned {bits} bits", wrapped(w, bits, False), 1
        yield "weights are read as sign and magnitude", magnitude, 1
        stored = np.where(w < 0, most + 1 - w, w)
        yield "weights of sign and magnitude are read as two's complement", wrapped(stored, bits, True), 1
        yield "weights are read as one's complement", w + (w < 0), 1
    else:
        yield f"weights are read as two's complement of {bits} bits", wrapped(w, bits, True), 1
    for kept in range(1, bits):
        lost = bits - kept
        name = f"the low {kept} bits of the weights alone are read{', signed' if lo < 0 else ''}"
        yield name, wrapped(w, kept, lo < 0), bits
        yield f"the low {lost} bits of the weights are lost", w >> lost << lost, bits


def _memory(mac: Mac) -> Changed:
    """The memory of the weights walked through in another order."""
    w, names = mac.weight, ("O", "I") if mac.dense else ("O", "I", "KH", "KW")
    flat = w[:, :, 0, 0] if mac.dense else w
    own = " ".join(names)
    for order in permutations(range(flat.ndim)):
        lies = " ".join(names[axis] for axis in order)
        yield f"weights lie {lies} and are read as {own}", flat.transpose(order).reshape(w.shape), 1
        read = flat.reshape([flat.shape[axis] for axis in order]).transpose(np.argsort(order))
        yield f"weights lie {own} and are read as {lies}", read.reshape(w.shape), 1
    for by, late in ((1, "before"), (-1, "after")):
        yield f"each weight is the one {late} it in the memory", np.roll(w.reshape(-1), by).reshape(w.shape), 1
        each = np.roll(w.reshape(len(w), -1), by, axis=1).reshape(w.shape)
        yield f"each weight is the one {late} it in the memory of its output channel", each, 1


def _channels(mac: Mac) -> Changed:
    """Whole channels of weights in another order."""
    w, groups = mac.weight, mac.groups
    outputs, inputs = w.shape[:2]
    each = " of each group" if groups > 1 else ""
    for text, source, choices in channel_orders(outputs):
        yield f"output channels of the weights are {text}: 0 is {source[0]}", w[source], choices
    for text, source, choices in channel_orders(inputs):
        yield f"input channels{each} of the weights are {text}: 0 is {source[0]}", w[:, source], choices
    for order in permutations(range(inputs)) if 2 < inputs <= FEW_INPUTS else ():
        text = f"input channels{each} of the weights are permuted: {described(list(order))}"
        yield text, w[:, order], factorial(inputs)
    for text, source, choices in channel_orders(groups):
        yield f"groups of the weights are {text}: 0 is {source[0]}", mac.grouped[source].reshape(w.shape), choices
    for g in range(groups) if groups > 1 else ():
        yield f"all groups have the weights of group {g}", mac.grouped[[g] * groups].reshape(w.shape), groups
    for o in range(outputs) if outputs > 1 else ():
        yield f"all output channels have the weights of channel {o}", w[[o] * outputs], outputs
    for axis, name, count in ((0, "output", outputs), (1, "input", inputs)):
        for a, b, source, choices in exchanges(count):
            yield f"{name} channels {a} and {b} of the weights are exchanged", np.take(w, source, axis=axis), choices


def _missing(mac: Mac) -> Changed:
    """Taps, rows and channels that are not counted."""
    w = mac.weight
    inputs, rows, columns = w.shape[1:]
    each = " of each group" if mac.groups > 1 else ""
    for axis, name, count in ((1, "input channel", inputs), (2, "kernel row", rows), (3, "kernel column", columns)):
        for index in range(count) if count > 1 else ():
            text = f"{name} {index}{each if axis == 1 else ''} is not summed"
            yield text, with_entry(w, at_axis(axis, index), 0), count
    for ky, kx in product(range(rows), range(columns)) if rows > 1 and columns > 1 else ():
        yield f"tap (ky={ky}, kx={kx}) is not summed", with_entry(w, np.s_[:, :, ky, kx], 0), rows * columns
    for name, index in (("first", 0), ("last", -1)):
        yield f"the {name} product of each sum is not summed", with_entry(w, np.s_[:, index, index, index], 0), 1
