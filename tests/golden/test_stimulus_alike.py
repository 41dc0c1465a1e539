"""Graphs that differ in names alone are searched once, and get the frames that each gets by itself."""

from __future__ import annotations

import numpy as np
import pytest

from intinfer import ops
from intinfer.builder import GraphBuilder
from intinfer.graph import Graph
from intinfer.tensor import IntTensor
from intinfer.types import IntType
from intinfer_golden.make.stimulus.alike import Alike
from intinfer_golden.make.stimulus.direct import Stimulus, directed
from intinfer_golden.make.stimulus.telling import Telling


def block(prefix: str, *, channels: tuple[int, ...] = (2, 0, 1), swapped: bool = False) -> Graph:
    builder = GraphBuilder()
    a, b = (builder.input(prefix + name, (3, 4, 4), IntType(0, 7)) for name in "ab")
    select = builder.add(ops.Tgap(7), a, name=f"{prefix}tgap")
    mux = builder.add(ops.Mux(), select, *((b, a) if swapped else (a, b)), name=f"{prefix}mux")
    builder.output("y", builder.add(ops.ChannelSelect(IntTensor(np.array(channels))), mux, name=f"{prefix}shuffle"))
    return builder.finish()


def arrays(stimulus: Stimulus, graph: Graph) -> list[list[int]]:
    return [stimulus.frames[x.name].ravel().tolist() for x in graph.inputs]


def test_what_was_found_for_one_is_what_the_other_finds(monkeypatch: pytest.MonkeyPatch) -> None:
    one, other = block("s1/"), block("s2/")
    alike = Alike([one, other])
    alone = [directed(graph, rounds=0) for graph in (one, other)]
    first = directed(one, rounds=0, found=alike.of(one))

    def searched(*_: object) -> None:
        raise AssertionError("it was searched a second time")

    monkeypatch.setattr(Telling, "_search", searched)
    second = directed(other, rounds=0, found=alike.of(other))
    assert arrays(first, one) == arrays(second, other) == arrays(alone[0], one)
    for mine, wanted in zip((first, second), alone, strict=True):
        assert mine.labels == wanted.labels
        assert mine.coverage.document() == wanted.coverage.document()
    assert "s1/" not in second.coverage.files()["txt"]


def test_another_seed_is_searched_anew() -> None:
    one, other = block("s1/"), block("s2/")
    found = Alike([one, other]).of(one)
    directed(one, rounds=0, seed=1, found=found)
    seeded = directed(other, rounds=0, seed=2, found=found)
    assert arrays(seeded, other) == arrays(directed(other, rounds=0, seed=2), other)


@pytest.mark.parametrize("other", [{"channels": (2, 1, 0)}, {"swapped": True}])
def test_constants_and_connections_tell_graphs_apart(other: dict[str, object]) -> None:
    one, two = block("s1/"), block("s2/", **other)  # type: ignore[arg-type]
    alike = Alike([one, two])
    assert alike.of(one) is None
    assert alike.of(two) is None
    third = block("s3/")
    alike = Alike([one, two, third])
    assert alike.of(one) is not None
    assert alike.of(one) is alike.of(third)
    assert alike.of(two) is None
