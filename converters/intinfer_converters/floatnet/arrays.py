"""Float arithmetic of batches in NumPy: chains, convolutions, windows.

Convolutions are im2col and BLAS, so sums are rounded in an order of BLAS' choosing: the results are close to the
net's real values, never a definition of them. Pointwise chains and quantisers are the primitives themselves.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from intinfer.ops.geometry import Window

from ..evaluator import Chain, FloatArray, apply_chain

COLUMN_BYTES = 2**25
"""Most memory for the im2col columns of a convolution; more images than fit are taken in turns."""


class Executor:
    """The arithmetic of one net on batches: arrays (N, C, H, W) or (N, C) of `dtype`.

    `dtype` is float64 for a float64 net, else float32; chains are rounded in the net's own dtype.
    """

    def __init__(self, net_dtype: npt.DTypeLike) -> None:
        self.chain_dtype: np.dtype[Any] = np.dtype(net_dtype)
        self.dtype: np.dtype[Any] = np.result_type(self.chain_dtype, np.float32)

    def chain(self, chain: Chain, x: FloatArray) -> FloatArray:
        """A pointwise chain on a batch."""
        values = np.ascontiguousarray(x, dtype=self.chain_dtype).reshape(*x.shape[:2], -1)
        return apply_chain(chain, values).reshape(x.shape).astype(self.dtype, copy=False)


def convolve(x: FloatArray, weight: FloatArray, window: Window, groups: int) -> FloatArray:
    """Cross-correlation with a zero border: x (N, C, H, W), weight (O, C / groups, KH, KW) -> (N, O, OH, OW)."""
    images, channels = x.shape[:2]
    outputs = len(weight)
    height, width = window.output(x.shape[2], x.shape[3])
    taps = window.kernel[0] * window.kernel[1]
    matrix = weight.reshape(groups, outputs // groups, -1)
    result = np.empty((images, groups, outputs // groups, height * width), dtype=x.dtype)
    turn = max(1, COLUMN_BYTES // max(1, channels * taps * height * width * x.itemsize))
    for start in range(0, images, turn):
        part = x[start : start + turn]
        columns = windows(part, window, 0).transpose(0, 1, 4, 5, 2, 3)  # one shifted copy of the map a tap
        columns = columns.reshape(len(part), groups, channels // groups * taps, height * width)
        np.matmul(matrix, columns, out=result[start : start + turn])
    return result.reshape(images, outputs, height, width)


def windows(x: FloatArray, window: Window, border: float) -> Any:
    """Every window of a batch: (N, C, OH, OW, KH, KW)."""
    top, left, bottom, right = window.pads
    if window.padded:
        x = np.pad(x, ((0, 0), (0, 0), (top, bottom), (left, right)), constant_values=border)
    return window.view(x)  # type: ignore[arg-type]  # only its geometry is used
