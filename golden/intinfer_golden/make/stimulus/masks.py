"""Given demand: which output channels a frame asks of a single convolution or dense layer."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ..coverage.group import Bools

MAX_ONE_HOTS = 16


def masks(channels: int, rng: np.random.Generator) -> Iterator[tuple[str, Bools]]:
    """(label, (C,)): none, all, every second channel both ways, one channel alone, random; none twice in a row."""
    index = np.arange(channels)
    yield "none", index < 0
    yield "all", index >= 0
    yield "none", index < 0
    yield "even", index % 2 == 0
    yield "odd", index % 2 == 1
    for chosen in np.unique(np.linspace(0, channels - 1, min(channels, MAX_ONE_HOTS)).astype(np.int64)).tolist():
        yield f"only {chosen}", index == chosen
    for turn in range(4):
        yield f"random {turn}", rng.integers(0, 2, channels) == 1
