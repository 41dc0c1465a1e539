"""Every kernel, by op, best first. The chooser takes the first that does not refuse."""

from .base import Kernel
from .channels import ArgMaxScan, ChannelSelectCopy, ConcatCopy, FlattenCopy, GatherCopy
from .conv2d_planes import Conv2dPlanes
from .conv2d_portable import Conv2dPortable
from .dense_as_conv2d import DensePlanes, DensePortable
from .elementwise import (
    AbsNegate,
    AddMultiples,
    AffineMultiply,
    BitshiftMerge,
    ClampMinMax,
    MuxCopy,
    RequantShift,
    TableLookup,
)
from .pooling import MaxPoolWindow, SumPoolWindow, TgapSum
from .threshold_count import ThresholdCount

KERNELS: dict[str, tuple[type[Kernel], ...]] = {
    "conv2d": (Conv2dPlanes, Conv2dPortable),
    "dense": (DensePlanes, DensePortable),
    "threshold": (ThresholdCount,),
    "requant": (RequantShift,),
    "bitshift": (BitshiftMerge,),
    "add": (AddMultiples,),
    "affine": (AffineMultiply,),
    "table": (TableLookup,),
    "tgap": (TgapSum,),
    "mux": (MuxCopy,),
    "concat": (ConcatCopy,),
    "channel_select": (ChannelSelectCopy,),
    "max_pool": (MaxPoolWindow,),
    "sum_pool": (SumPoolWindow,),
    "clamp": (ClampMinMax,),
    "flatten": (FlattenCopy,),
    "gather": (GatherCopy,),
    "argmax": (ArgMaxScan,),
    "abs": (AbsNegate,),
}
