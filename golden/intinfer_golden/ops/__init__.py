"""The facts of every op, one file an op. `FACTS` is the whole list: class of the op -> class of its facts."""

from __future__ import annotations

from typing import Any

from intinfer.graph import Graph, Node
from intinfer.ops import Op

from .abs import AbsFacts
from .add import AddFacts
from .affine import AffineFacts
from .argmax import ArgMaxFacts
from .base import OpFacts
from .bitshift import BitshiftFacts
from .channel_select import ChannelSelectFacts
from .clamp import ClampFacts
from .concat import ConcatFacts
from .conv2d import Conv2dFacts
from .dense import DenseFacts
from .flatten import FlattenFacts
from .gather import GatherFacts
from .max_pool import MaxPoolFacts
from .mux import MuxFacts
from .requant import RequantFacts
from .sum_pool import SumPoolFacts
from .table import TableFacts
from .tgap import TgapFacts
from .threshold import ThresholdFacts

_ALL: tuple[type[OpFacts[Any]], ...] = (
    AbsFacts,
    AddFacts,
    AffineFacts,
    ArgMaxFacts,
    BitshiftFacts,
    ChannelSelectFacts,
    ClampFacts,
    ConcatFacts,
    Conv2dFacts,
    DenseFacts,
    FlattenFacts,
    GatherFacts,
    MaxPoolFacts,
    MuxFacts,
    RequantFacts,
    SumPoolFacts,
    TableFacts,
    TgapFacts,
    ThresholdFacts,
)

FACTS: dict[type[Op], type[OpFacts[Any]]] = {facts.of: facts for facts in _ALL}


def facts_of(graph: Graph, node: Node) -> OpFacts[Any]:
    """The facts of a node of a graph."""
    return FACTS[type(node.op)](graph, node)
