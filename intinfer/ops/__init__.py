"""The specification of every op. `OPS` is the whole list: kind -> class."""

from .abs import Abs
from .add import Add
from .affine import Affine
from .argmax import ArgMax
from .base import Op, OpCost
from .bitshift import Bitshift
from .channel_select import ChannelSelect
from .clamp import Clamp
from .concat import Concat
from .conv2d import Conv2d
from .dense import Dense
from .flatten import Flatten
from .gather import Gather
from .max_pool import MaxPool
from .mux import Mux
from .requant import Requant
from .sum_pool import SumPool
from .table import Table
from .tgap import Tgap
from .threshold import Threshold

_ALL: tuple[type[Op], ...] = (
    Conv2d,
    Dense,
    Threshold,
    Requant,
    Bitshift,
    Add,
    Affine,
    Table,
    Tgap,
    Mux,
    Concat,
    ChannelSelect,
    MaxPool,
    SumPool,
    Clamp,
    Flatten,
    Gather,
    ArgMax,
    Abs,
)

OPS: dict[str, type[Op]] = {op.kind: op for op in _ALL}

__all__ = [
    "OPS",
    "Abs",
    "Add",
    "Affine",
    "ArgMax",
    "Bitshift",
    "ChannelSelect",
    "Clamp",
    "Concat",
    "Conv2d",
    "Dense",
    "Flatten",
    "Gather",
    "MaxPool",
    "Mux",
    "Op",
    "OpCost",
    "Requant",
    "SumPool",
    "Table",
    "Tgap",
    "Threshold",
]
