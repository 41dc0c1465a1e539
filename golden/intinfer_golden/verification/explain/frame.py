"""`explain` of a frame of a set of vectors, on the set's own inputs, beside the value that the set holds."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from intinfer.errors import DataError
from intinfer.types import IntArray

from ...describe.manifest import VectorSet
from ...ops.steps import Place
from .explain import Explanation, explain


@dataclass(frozen=True)
class FrameExplanation:
    """One element of a frame.

    Attributes:
        frame, label: the frame's number, counted from 0, and its name.
        stored: the value that the set holds; None where it does not hold the node.
        demanded: whether the frame demands the element's channel. A design may give anything where it does not.
    """

    frame: int
    label: str
    explanation: Explanation
    stored: int | None
    demanded: bool

    @property
    def equal(self) -> bool:
        """Whether the set holds what the steps give, as far as it holds the node."""
        return self.stored in (None, self.explanation.value)


def explain_frame(
    vectors: VectorSet, frame: str | None, node: str | None, at: Place, depth: int = 0
) -> FrameExplanation:
    """How one element of a frame comes about, from the inputs that the set holds.

    Args:
        frame: its number or its label; None for the only one.
        node: None for the only output of the design.
        at, depth: as `explain`.

    Raises DataError for a frame or node that is not there, or not the only one; else as `explain`.
    """
    graph = vectors.graph()
    number = _frame(vectors, frame)
    outputs = [port.node for port in vectors.ports.values() if port.direction == "out"]
    name = only(outputs, str(vectors.directory)) if node is None else node
    inputs = {value.name: _held(vectors, value.name, number) for value in graph.inputs}
    if name in inputs:
        raise DataError(f"{vectors.directory}: {name!r} is an input, which no node makes; see {_file(vectors, name)}")
    explanation = explain(graph, inputs, name, at, depth)
    stored = int(_held(vectors, name, number)[(0, *at)]) if name in vectors.values else None
    demanded = name not in vectors.masks or bool(vectors.masks[name].array()[number, at[0]])
    return FrameExplanation(number, vectors.frames[number], explanation, stored, demanded)


def only(outputs: Iterable[str], what: str) -> str:
    """The node that gives all outputs. Raises DataError, beginning with `what`, for several."""
    names = list(dict.fromkeys(outputs))
    if len(names) != 1:
        raise DataError(f"{what}: has {len(names)} outputs; say which with --node: {', '.join(names)}")
    return names[0]


def _frame(vectors: VectorSet, frame: str | None) -> int:
    """The number of a frame."""
    labels = vectors.frames
    last = len(labels) - 1
    if frame is None:
        if last:
            raise DataError(f"{vectors.directory}: has frames 0..{last}; say which with --frame")
        return 0
    if frame.isascii() and frame.isdigit():
        if len(frame) > 9 or int(frame) > last:
            raise DataError(f"{vectors.directory}: has frames 0..{last}; there is no frame {frame}")
        return int(frame)
    found = [number for number, label in enumerate(labels) if label == frame]
    if len(found) != 1:
        what = f"{len(found)} frames are" if found else "no frame is"
        raise DataError(f"{vectors.directory}: {what} named {frame!r}; give its number, 0..{last}")
    return found[0]


def _held(vectors: VectorSet, name: str, frame: int) -> IntArray:
    """A value of one frame, (1, *shape)."""
    if name not in vectors.values:
        raise DataError(f"{vectors.directory}: does not hold its input {name!r}; make the vectors again")
    return vectors.values[name].array()[frame : frame + 1]


def _file(vectors: VectorSet, name: str) -> str:
    entry = vectors.values[name]
    return f"{vectors.directory}/{entry.files[0].path}"
