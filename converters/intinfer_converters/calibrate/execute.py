"""A `FloatNet` run on images in floating point, in NumPy: what post-training quantisation measures with."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from math import prod

import numpy as np

from intinfer.errors import DataError
from intinfer.graph import unread_after
from intinfer.types import IntArray

from .. import floatnet as f
from ..evaluator import FloatArray
from ..floatnet.base import Executor

BATCH_BYTES = 2**28
"""Most memory for the live tensors of a batch in `run_float`."""


def deaths(net: f.FloatNet) -> list[list[str]]:
    """For each node the values that no node behind it reads."""
    return unread_after([(node.inputs, node.name) for node in net.nodes])


def live_bytes(net: f.FloatNet) -> int:
    """Peak bytes an image of the tensors alive at the same time, in float32."""
    size = {node.name: 4 * prod(node.shape) for node in net.nodes}
    live = peak = 0
    for node, unread in zip(net.nodes, deaths(net), strict=True):
        live += size[node.name]
        peak = max(peak, live)
        live -= sum(size[name] for name in unread)
    return peak


def walk(net: f.FloatNet, images: IntArray) -> Iterator[tuple[f.FloatNode, FloatArray]]:
    """Every node and its value on `images`, in order; values are dropped when nobody reads them any more."""
    executor = Executor(net.dtype)
    values: dict[str, FloatArray] = {}
    for node, unread in zip(net.nodes, deaths(net), strict=True):
        inputs = [values[name] for name in node.inputs] if node.inputs else [images.astype(executor.dtype)]
        values[node.name] = node.op.values(node.name, executor, *inputs)
        yield node, values[node.name]
        for name in unread:
            del values[name]


def run_float(net: f.FloatNet, images: IntArray, *, taps: Collection[str] = ()) -> dict[str, FloatArray]:
    """The values of the output nodes, and of the nodes `taps`, on images.

    Args:
        net: real or quantised weights, with values.
        images: (N, C, H, W) integers inside the range of the net's input.
        taps: names of nodes.

    Returns:
        Node name -> (N, *node.shape), float32 (float64 for a float64 net).

    Raises:
        DataError: images that do not fit, an unknown tap, weights without values, values that are not finite.
    """
    check_images(net, images)
    wanted = {*net.outputs.values(), *taps}
    unknown = wanted - {node.name for node in net.nodes}
    if unknown:
        raise DataError(f"the network has no node {min(unknown)!r} to tap")
    batch = max(1, BATCH_BYTES // live_bytes(net))
    parts: dict[str, list[FloatArray]] = {name: [] for name in wanted}
    for start in range(0, len(images), batch):
        for node, value in walk(net, images[start : start + batch]):
            if node.name in wanted:
                parts[node.name].append(value)
    return {name: np.concatenate(arrays) for name, arrays in parts.items()}


def check_images(net: f.FloatNet, images: IntArray) -> None:
    """Raise DataError when the net has not one input, or when `images` do not fit it."""
    inputs = [node.op for node in net.nodes if isinstance(node.op, f.Pixels)]
    if len(inputs) != 1:
        raise DataError(f"the network has {len(inputs)} inputs; one image input is supported here")
    (pixels,) = inputs
    if images.dtype.kind not in "iu" or images.shape[1:] != pixels.size or not len(images):
        raise DataError(
            f"images of shape {images.shape} and dtype {images.dtype} do not fit the input: "
            f"integers (N, {', '.join(map(str, pixels.size))}) with N of at least 1 are needed"
        )
    lo, hi = int(images.min()), int(images.max())
    if lo < pixels.lo or hi > pixels.hi:
        raise DataError(f"images hold the values {lo}..{hi}; the input takes {pixels.lo}..{pixels.hi}")
