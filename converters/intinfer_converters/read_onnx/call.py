"""What an operator's function gets: a node with its inputs, and typed ways to ask for them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from onnx import defs

from ..floatnet import QuantisedWeight, RealWeight
from ..symbolic import Array, Symbolic, SymbolicNet, Unsupported, weight_of
from .load import OnnxNode
from .tensors import Constant

Value = Symbolic | Constant
FLAGS = frozenset(
    (
        *("allowzero", "broadcast", "ceil_mode", "channels_last", "count_include_pad", "is_test", "keepdims"),
        *("narrow", "noop_with_empty_axes", "select_last_index", "signed", "transA", "transB"),
    )
)
"""Integer attributes that are truth values."""
Rule = Callable[["Call"], Value | Sequence[Value]]
"""What reads an operator."""


@dataclass(frozen=True)
class Call:
    """A node of the source about to be read.

    Attributes:
        opset: the version of the standard operators.
        inputs: None where an optional input is left out.
    """

    net: SymbolicNet
    node: OnnxNode
    opset: int
    inputs: tuple[Value | None, ...]
    asked: set[str] = field(default_factory=set)
    """Attributes that were looked at: one that nobody looks at must not be passed over in silence."""

    # ---- inputs

    def value(self, place: int) -> Value:
        """An input that has to be there."""
        value = self.inputs[place] if place < len(self.inputs) else None
        if value is None:
            raise Unsupported(f"input {place} is missing")
        return value

    def has(self, place: int) -> bool:
        """Whether an input is there."""
        return place < len(self.inputs) and self.inputs[place] is not None

    def tensor(self, place: int = 0) -> Symbolic:
        """An input that depends on the network's input."""
        value = self.value(place)
        if isinstance(value, Constant):
            raise Unsupported(f"input {place} ({self.node.inputs[place]}) is constant where the activation is due")
        return value

    def constant(self, place: int, what: str) -> Constant:
        """An input that depends on no input of the network; `what` it is, for the message."""
        value = self.value(place)
        if isinstance(value, Symbolic):
            raise Unsupported(
                f"its {what} ({self.node.inputs[place]}) is computed from the input; it has to be constant"
            )
        return value

    def array(self, place: int, what: str) -> Array:
        """The values of a constant input."""
        return self.constant(place, what).values

    def optional(self, place: int, what: str) -> Array | None:
        """The values of a constant input, or None when it is left out."""
        return self.array(place, what) if self.has(place) else None

    def operand(self, place: int) -> Symbolic | Array:
        """An input of an op of several tensors."""
        value = self.value(place)
        return value if isinstance(value, Symbolic) else value.values

    def one(self, place: int, what: str, default: float) -> float:
        """A constant of one element."""
        array = self.optional(place, what)
        if array is None or array.size == 0:
            return default
        if array.size != 1:
            raise Unsupported(f"its {what} has {array.size} elements; one is due")
        return array.reshape(-1)[0].item()  # type: ignore[no-any-return]

    # ---- attributes

    def _attribute(self, name: str, types: tuple[type, ...], kind: str, default: Any) -> Any:
        self.asked.add(name)
        if name not in self.node.attributes:
            return default
        value = self.node.attributes[name]
        if not isinstance(value, types):
            raise Unsupported(f"its attribute {name} is no {kind}")
        return value

    def integer(self, name: str, default: int) -> int:
        """An integer attribute; a truth value is 0 or 1, else Unsupported."""
        value = int(self._attribute(name, (int,), "integer", default))
        if name in FLAGS and value not in (0, 1):  # runtimes disagree about the truth of others
            raise Unsupported(f"its attribute {name} = {value}; it is 0 or 1")
        return value

    def number(self, name: str, default: float) -> float:
        """A float attribute."""
        return float(self._attribute(name, (float, int), "number", default))

    def text(self, name: str, default: str) -> str:
        """A text attribute."""
        return str(self._attribute(name, (str,), "text", default))

    def integers(self, name: str, default: Sequence[int] | None = None) -> tuple[int, ...] | None:
        """An attribute of several integers."""
        value = self._attribute(name, (tuple,), "list of integers", default)
        return None if value is None else tuple(int(n) for n in value)

    def integers_or_input(self, name: str, place: int) -> tuple[int, ...] | None:
        """Integers that are an attribute in older opsets, and the input `place` in newer ones."""
        if name in defs.get_schema(self.node.op, self.opset, "").attributes:
            return self.integers(name)
        array = self.optional(place, name)
        if array is None:
            return None
        if array.dtype.kind not in "iu":
            raise Unsupported(f"its {name} are {array.dtype}, integers are due")
        return tuple(int(n) for n in array.reshape(-1))

    def refuse(self, name: str, *allowed: Any) -> None:
        """Refuse an attribute unless it is left out or one of `allowed`."""
        self.asked.add(name)
        value = self.node.attributes.get(name, allowed[0])
        if value not in allowed:
            raise Unsupported(f"{name} = {value!r} is not supported; {', '.join(map(repr, allowed))} is")

    # ---- what has to hold

    def lone_output(self) -> None:
        """Refuse a node of which another output than the first is used."""
        if any(self.node.outputs[1:]):
            raise Unsupported("its second output is used; only the first is supported")

    def in_inference(self) -> Call:
        """Refuse the training mode of opsets before 7."""
        if self.opset < 7 and not self.integer("is_test", 0):
            raise Unsupported("it is in training mode (is_test = 0); export the network in evaluation mode")
        return self

    def reals(self, values: Any) -> Array:
        """Numbers of an attribute in the network's float type."""
        return np.asarray(values, dtype=self.net.dtype)


def weight_in(constant: Constant) -> QuantisedWeight | RealWeight:
    """Constant weights, with the integers that a quantiser gave them."""
    return weight_of(constant.values, constant.quantised)
