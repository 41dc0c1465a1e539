"""Every kernel, by op, best first. The chooser takes the first that does not refuse."""

from . import (
    add_dot,
    blend,
    channels,
    conv2d_dot,
    conv2d_planes,
    conv2d_portable,
    dense_as_conv2d,
    elementwise,
    plane_pooling,
    pooling,
    threshold_count,
)
from .base import Kernel

MODULES = (
    conv2d_dot, conv2d_planes, conv2d_portable, dense_as_conv2d, threshold_count, blend, add_dot, elementwise,
    plane_pooling, pooling, channels,
)  # fmt: skip
"""Of two kernels of one op the better one stands first, here or in its module."""


def _by_op() -> dict[str, list[type[Kernel]]]:
    found: dict[str, list[type[Kernel]]] = {}
    for module in MODULES:
        for item in vars(module).values():
            own = isinstance(item, type) and item.__module__ == module.__name__
            if own and issubclass(item, Kernel) and item.op:
                found.setdefault(item.op, []).append(item)
    return found


KERNELS = _by_op()
