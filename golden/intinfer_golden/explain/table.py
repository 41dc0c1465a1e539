"""Which function explains which op. `STEPS` is the whole list: kind -> function of the op, the place and the inputs."""

from __future__ import annotations

from collections.abc import Callable

from . import macs, merges, pools, quantisers
from .element import Steps

STEPS: dict[str, Callable[..., Steps]] = {
    "conv2d": macs.conv2d,
    "dense": macs.dense,
    "threshold": quantisers.threshold,
    "requant": quantisers.requant,
    "table": quantisers.table,
    "affine": quantisers.affine,
    "clamp": quantisers.clamp,
    "bitshift": merges.bitshift,
    "add": merges.add,
    "mux": merges.mux,
    "concat": merges.concat,
    "channel_select": merges.channel_select,
    "flatten": merges.flatten,
    "gather": merges.gather,
    "tgap": pools.tgap,
    "max_pool": pools.max_pool,
    "sum_pool": pools.sum_pool,
    "argmax": pools.argmax,
    "abs": quantisers.absolute,
}
