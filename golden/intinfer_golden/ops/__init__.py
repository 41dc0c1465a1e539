"""The facts of every op, one file an op, found by class: `FACTS` has every class of this folder that is `of` an op.

Nothing lists the files: all modules beside this one are imported. `tests/test_every_op.py` names an op that has none.
"""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules
from typing import Any

from intinfer.graph import Graph, Node

from .base import FACTS, OpFacts

__all__ = ["FACTS", "facts_of"]

for _module in iter_modules(__path__):
    import_module(f"{__name__}.{_module.name}")


def facts_of(graph: Graph, node: Node) -> OpFacts[Any]:
    """The facts of a node of a graph."""
    return FACTS[type(node.op)](graph, node)
