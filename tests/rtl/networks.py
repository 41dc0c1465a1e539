"""Whole networks with random parameters, converted, and their values by the papers' equations."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import cache

import numpy as np
import pytest

from intinfer import reference
from intinfer.graph import Graph
from intinfer.types import IntArray

RANDOM, TIES = "random", "ties"
"""Styles of parameters; see `converters.random_nets`."""


@dataclass(frozen=True)
class Network:
    """A graph with its values on some images.

    Attributes:
        values: of every value of the graph; of those that the equations do not name, between the last layer and the
            logits, the reference's.
        named: those that the equations name.
        logits: of each image by the equations, exactly.
    """

    graph: Graph
    values: dict[str, IntArray]
    named: frozenset[str]
    logits: list[list[Fraction]]


@cache
def converted(text: str, style: str, batch: int = 3) -> Network:
    """A network with random parameters. The test is skipped without torch, which holds them."""
    pytest.importorskip("torch")
    from converters import random_nets, test_mdgnet_end_to_end, test_mognet_end_to_end
    from intinfer_converters import convert

    module, images = random_nets.randomised(text, style, seed=sum(map(ord, text)), batch=batch)
    equations = {"mognet": test_mognet_end_to_end.oracle, "mdgnet": test_mdgnet_end_to_end.oracle}
    found = equations[text.partition(":")[0]](module, images)
    graph = convert(module)
    traced = reference.trace(graph, np.asarray(images, dtype=np.int64))
    assert set(found.values) <= set(traced)
    return Network(graph, traced | found.values, frozenset(found.values), found.logits)
