"""Faulty convolutions of the nets that mistakes are made in, and what stands behind them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from diagnose_nets import NETS, Net
from faulty_designs import Frames, conv, count, each, half_even, signed


def designed(net: str, after: Callable[[Net, Frames], Frames] | None = None, **faults: Any) -> Any:
    """What the faulty convolution of a net gives; numbers replace its options, functions its methods."""
    made_ = NETS[net]
    methods = {name: fault for name, fault in faults.items() if callable(fault)}
    options = {**(made_.options or {}), **{name: fault for name, fault in faults.items() if not callable(fault)}}
    frames = conv(methods, *made_.convolution, **options)(made_.inputs["x"].tolist())
    return after(made_, frames) if after else frames


def act(net: Net, frames: Frames) -> Frames:
    rows, down = net.attribute("act", "thresholds"), net.attribute("act", "descending")
    return each(frames, lambda v, n, c, y, x: count(v, rows[c], down[c] == 1))


def wrap5(net: Net, frames: Frames) -> Frames:
    return each(frames, lambda v, *_: signed(v, 5))


def requant(net: Net, frames: Frames) -> Frames:
    ms, bs = net.attribute("requant", "multiplier"), net.attribute("requant", "offset")
    return each(frames, lambda v, n, c, y, x: max(-16, min(15, half_even(v * ms[c] + bs[c], 11))))


def pooled(net: Net, frames: Frames) -> Frames:
    return each(
        [[[row[:-1] for row in plane[:-1]] for plane in frame] for frame in frames],
        lambda v, n, c, y, x: max(frames[n][c][y + i][x + j] for i in (0, 1) for j in (0, 1)),
    )


def sat7(self: Any, total: int, product: int) -> int:
    return max(-64, min(63, total + product))


def changed(place: tuple[int, int, int, int], value: int) -> Callable[..., int]:
    """One weight with another value."""
    return lambda self, *at: value if at == place else int(self.weight[at[0]][at[1]][at[2]][at[3]])


def weight(net: str, *place: int) -> int:
    value = NETS[net].convolution[0]
    for index in place:
        value = value[index]
    return int(value)


def read(change: Callable[[int], int]) -> Callable[..., int]:
    """Weights that are read as others."""
    return lambda self, o, i, ky, kx: change(int(self.weight[o][i][ky][kx]))
