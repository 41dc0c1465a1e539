"""`directed`: frames that cover a region, and what they cover."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from intinfer import reference
from intinfer.errors import DataError, RangeError
from intinfer.graph import Graph, GraphLike, graph_of
from intinfer.inputs import Batch
from intinfer.ops.mac import Accumulating
from intinfer.types import IntArray

from ...ops import facts_of
from ..blas import one_thread
from ..coverage.collect import Coverage, chunks
from ..coverage.combinations import Combinations
from ..coverage.fault import EQUAL, HIGHEST, LOWEST, RESET
from ..coverage.group import Bools, Values
from ..coverage.told import ToldApart
from ..frames import Stimulus
from . import textures
from .alike import SearchCache
from .goals import Goals
from .pack import pack
from .search import Search
from .telling import Telling
from .textures import Frame

STALLED = 40
"""Search rounds without a new bin after which the search ends, unless a number of rounds is asked for."""

TELLING = "tells faults of one frame"
"""The label of the frames that are made for `coverage.first`."""

CONTRASTS = 8
"""Inputs, at most, of which each is alone at its highest in a frame."""

SOLVED = 8
"""Rounds, at most, in which goals are solved before the search begins."""


@dataclass(frozen=True, eq=False)
class Directed(Stimulus):
    """Frames that were searched for. Those that do not demand everything are not counted by `coverage`, and the same
    number of `rounds` gives the same frames again.

    Attributes:
        frames: {input: (N, *shape)}, inside the inputs' types.
    """

    frames: dict[str, IntArray]
    labels: tuple[str, ...]
    masks: dict[str, Bools] | None
    coverage: Coverage
    seed: int
    rounds: int


@one_thread()
def directed(
    graph: GraphLike,
    *,
    goal: float = 100.0,
    seed: int = 0,
    given: Mapping[str, npt.NDArray[np.integer]] | None = None,
    given_labels: Sequence[str] = (),
    rounds: int | None = None,
    time_limit: float | None = None,
    masks: bool = False,
    found: SearchCache | None = None,
) -> Directed:
    """Frames that drive a graph to its corners, from one node to a whole network.

    The first two frames tell channels, taps, branches and selects apart, so that what is wrong only after a reset
    shows; the second makes selects and averages of each channel the other way. The given frames follow and are kept;
    then extremes, with such a frame after each, addresses, noise, and frames made for the bins of each op. What a
    linear form ties to the inputs (isolated nodes, linear chains) is solved; the rest is searched in rounds until
    `goal` per cent are covered, or the rounds or the time are used up. Beyond isolated nodes and linear chains no
    promise is made: the coverage tells which bins stay open.

    Args:
        goal: per cent of the bins that are not proven unreachable, 0..100.
        seed: of everything random; the frames depend on the arguments alone, on `time_limit` only through `rounds`.
        given: frames to keep behind the first two, an array for each input.
        given_labels: one for each given frame; "given 0" and so on without.
        rounds: search rounds at most; None for as many as bring something.
        time_limit: seconds after which no further round is begun.
        masks: for a graph of one convolution or dense layer, append frames that demand only some channels.
        found: of graphs that are like this one; see `Alike`. The same frames come sooner.

    Raises:
        DataError: goal outside 0..100, labels that do not fit the frames.
        GraphError: given frames of wrong names or shapes.
        RangeError: a given frame outside its type, or one that a `trap` accumulator refuses.
    """
    graph = graph_of(graph)
    if not 0 <= goal <= 100:
        raise DataError(f"goal {goal} is no percentage: give 0..100")
    if rounds is not None and rounds < 0:
        raise DataError(f"{rounds} rounds are asked for: give 0 or more")
    run = _DirectedRun(graph, goal, seed, found)
    run.tell_first_faults()
    run.give(given, given_labels)
    run.textures()
    run.tell_apart()
    run.recipes()
    run.solve()
    done = run.search(rounds, None if time_limit is None else time.monotonic() + time_limit)
    chosen = run.masked() if masks and len(graph.nodes) == 1 and isinstance(graph.nodes[0].op, Accumulating) else None
    frames = {x.name: np.stack([frame[x.name] for frame in run.frames]) for x in graph.inputs}
    return Directed(frames, tuple(run.labels), chosen, run.coverage, seed, done)


class _DirectedRun:
    """The frames kept so far."""

    def __init__(self, graph: Graph, goal: float, seed: int, found: SearchCache | None) -> None:
        self._graph, self._goal = graph, goal
        self._rng = np.random.default_rng(seed)
        self.coverage = Coverage(graph)
        self._telling = Telling(graph, self.coverage.first, self._traces, self._rng, found or SearchCache())
        self.frames: list[Frame] = []
        self.labels: list[str] = []

    @property
    def _reached(self) -> bool:
        return self.coverage.percent >= self._goal

    def give(self, given: Mapping[str, npt.NDArray[np.integer]] | None, labels: Sequence[str]) -> None:
        checked = {} if given is None else Batch.of(self._graph, given).int64()
        count = len(next(iter(checked.values()))) if checked else 0
        if labels and len(labels) != count:
            raise DataError(f"{len(labels)} labels for {count} given frames: give one each, or none")
        if not count:
            return
        self.coverage.run(checked)
        for n in range(count):
            self.frames.append({name: array[n] for name, array in checked.items()})
            self.labels.append(labels[n] if labels else f"given {n}")

    def tell_first_faults(self) -> None:
        """Two frames of which a wrong start, a wrong order or a wrong select shows most.

        A sum that begins too high shows where it should give 0, and one that begins too low where it should give 1:
        each channel gives 0 in one of the two frames and 1 in the other.
        """
        self._keep_telling("", RESET)
        if self.frames:
            frame = self._telling.opposite(self.frames[0])
            self._keep([(f"{TELLING}, the other way", frame)] if frame is not None else [])

    def _keep_telling(self, place: str, *afters: int, twice: bool = False) -> None:
        """Keep the frame that shows most of what may be wrong here alone."""
        frame = self._telling.best(afters)
        if frame is not None:
            self._keep([(f"{TELLING}{place}", frame)])
            self._keep([(f"{TELLING}{place}, again", frame)] if twice else [])

    def textures(self) -> None:
        """Extremes both ways, each before a telling frame; that frame again; noise, addresses."""
        low, high = textures.constant(self._graph, "lo"), textures.constant(self._graph, "hi")
        names = ("all lowest", "all highest", "all lowest again")
        no_low, no_high, _ = (v is None for v in self._keep(zip(names, (low, high, low), strict=True)))
        if no_low or no_high:
            self.coverage.frames.exclude([0, 1], "the accumulator of a node traps on one of these frames")
        self._keep_telling("" if no_low else ", after all lowest", LOWEST, EQUAL, twice=True)
        if not no_high:
            self._keep([("all highest again", high)])
            self._keep_telling(", after all highest", HIGHEST)
        self._keep(self._contrasts(low, high))
        self._try([("noise", textures.noise(self._graph, self._rng))])
        self._keep((f"addresses {i}", f) for i, f in enumerate(textures.addresses(self._graph, self._rng)))
        checker = {
            x.name: np.where(np.indices(x.shape).sum(axis=0) % 2 == 0, high[x.name], low[x.name])
            for x in self._graph.inputs
        }
        self._try([("checker", checker)])

    def _contrasts(self, low: Frame, high: Frame) -> Iterator[tuple[str, Frame]]:
        """Each of several inputs alone at its highest: where all are, a multiplexer's branches may be the same."""
        if 1 < len(self._graph.inputs) <= CONTRASTS:
            for x in self._graph.inputs:
                yield f"{x.name} highest, others lowest", low | {x.name: high[x.name]}

    def tell_apart(self) -> None:
        """More noise, as long as it helps the groups that depend on all frames together."""
        groups = [group for group in self.coverage.groups if group.history and group is not self.coverage.first]
        without, left = 0, sum(int(group.open.sum()) for group in groups)
        while left and without < 4 and not self._reached:
            self._keep([("noise to tell apart", textures.noise(self._graph, self._rng))])
            before, left = left, sum(int(group.open.sum()) for group in groups)
            without = 0 if left < before else without + 1

    def recipes(self) -> None:
        """What goals cannot say: frames of ops that read the region's own inputs alone; all other inputs hold noise."""
        graph, rng = self._graph, self._rng
        for node in graph.nodes:
            if not set(node.inputs) <= {x.name for x in graph.inputs}:
                continue
            made = list(facts_of(graph, node).frames(rng))
            for group in self.coverage.groups:
                if isinstance(group, Combinations) and group.node == node.name:
                    made += textures.combined(graph, group, rng)
            self._try((f"{node.name} {node.op.kind}", textures.noise(graph, rng) | frame) for frame in made)
        for group in self.coverage.groups:
            if isinstance(group, ToldApart):
                made = [textures.noise(graph, rng) | group.make(row, rng) for row in group.digits]
                self._try((f"{group.node} {group.kind}", frame) for frame in made)

    def solve(self) -> None:
        """Goals of linear forms, packed; moved about first, then exactly where they were solved."""
        goals = Goals(self._graph, self.coverage, self._rng)
        for turn in range(SOLVED):
            before = self.coverage.open
            if turn == 1:
                self.coverage.prove()
            for group in self.coverage.groups:
                if self._reached:
                    return
                wanted = goals.of(group, exactly=turn > 0)
                mixed = [wanted[i] for i in self._rng.permutation(len(wanted))]  # neighbours share their inputs
                frames = pack(mixed, lambda: textures.noise(self._graph, self._rng))
                self._try((f"{group.node} {group.kind}", frame) for frame in frames)
            if self._reached or (turn > 0 and self.coverage.open == before):
                return

    def search(self, rounds: int | None, deadline: float | None) -> int:
        """Rounds of changed frames; returns how many were done."""
        search, stalled, done = Search(self._graph, self.coverage, self._rng), 0, 0
        while not self._reached and (rounds is None or done < rounds):
            if deadline is not None and time.monotonic() >= deadline:
                break
            if rounds is None and deadline is None and stalled >= STALLED:
                break
            before = self.coverage.open
            batch = search.batch(self.frames)
            search.learn(batch, self._try((f"search {done}", frame) for frame in batch))
            done += 1
            stalled = 0 if self.coverage.open < before else stalled + 1
        return done

    def masked(self) -> dict[str, Bools]:
        """Append frames that demand only some channels; the frames so far demand all."""
        (node,) = self._graph.nodes
        channels = node.output.shape[0]
        rows = [np.ones(channels, dtype=bool) for _ in self.frames]
        for label, mask in textures.masks(channels, self._rng):
            self.frames.append(textures.noise(self._graph, self._rng))
            self.labels.append(f"demand {label}")
            rows.append(mask)
        return {node.name: np.stack(rows)}

    def _keep(self, labelled: Iterable[tuple[str, Frame]]) -> list[Values | None]:
        """Take every frame that does not trap; as `_try`."""
        return self._try(labelled, always=True)

    def _try(self, labelled: Iterable[tuple[str, Frame]], *, always: bool = False) -> list[Values | None]:
        """Take the frames that hit a bin no frame has hit; the values of all of them, None for those that trap."""
        offered = list(labelled)
        results: list[Values | None] = []
        for part in chunks(self._graph, len(offered)):
            for (label, frame), values in zip(offered[part], self._traces([f for _, f in offered[part]]), strict=True):
                results.append(values)
                if values is not None and (always or self.coverage.news(values)):
                    self.coverage.observe(values)
                    self.frames.append(frame)
                    self.labels.append(label)
        return results

    def _traces(self, frames: list[Frame]) -> list[Values | None]:
        """The values of each frame alone, with a batch axis of 1."""
        batch = {x.name: np.stack([frame[x.name] for frame in frames]) for x in self._graph.inputs}
        try:
            values = reference.trace(self._graph, batch)
        except RangeError:  # a trap: find out which frames spring it
            if len(frames) == 1:
                return [None]
            return [result for frame in frames for result in self._traces([frame])]
        return [{name: array[n : n + 1] for name, array in values.items()} for n in range(len(frames))]
