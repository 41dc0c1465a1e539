"""The values of a graph while it is read: names, and which of them share memory, for ops that write in place.

Exported graphs keep ops in place (`relu_`, `add_`). Here nothing is written: a new value takes the names of the old.
Where another name has part of the same memory under another shape, reading it afterwards is refused.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ..symbolic import Unsupported
from .nodes import Ref
from .schema import mapped
from .scope import Absent

REFUSED = object()
"""A value of a node that was refused; what depends on it is passed over without another report."""


@dataclass(eq=False)
class _Tensor:
    """What one name, or several names of the very same tensor, stand for.

    Attributes:
        key: of the parameter in whose memory it is, which nothing may change; "" elsewhere.
        memory: all tensors that share its memory, perhaps in part.
        overwritten: the value that was written over part of its memory; "" while there is none.
    """

    value: Any
    key: str
    memory: list[_Tensor] = field(default_factory=list)
    overwritten: str = ""

    def __post_init__(self) -> None:
        self.memory.append(self)


class Values:
    """Name -> value: a Symbolic, a constant tensor, a number, `Absent` or `REFUSED`."""

    def __init__(self) -> None:
        self._tensors: dict[str, _Tensor] = {}

    def set(self, name: str, value: Any, key: str = "") -> None:
        """A value with memory of its own; `key` is that of a parameter, which nothing may change."""
        self._tensors[name] = _Tensor(value, key)

    def alias(self, name: str, source: str) -> None:
        """Another name of the very same tensor."""
        self._tensors[name] = self._tensors[source]

    def view(self, name: str, value: Any, source: str) -> None:
        """A value that is perhaps in the memory of `source`."""
        whole = self._tensors[source]
        self._tensors[name] = _Tensor(value, whole.key, whole.memory)

    def write(self, name: str, value: Any, target: str) -> None:
        """`value`, called `name`, is written over the tensor `target`."""
        written = self._tensors[target]
        if written.key:
            raise Unsupported(
                f"it changes {written.key!r}, a state from one image to the next; call .eval() before exporting"
            )
        for other in written.memory:
            if other is not written:
                other.overwritten = name
        written.value = value
        self.alias(name, target)

    def get(self, name: str) -> Any:
        """The value that a name has now. Raises Unsupported where reading it has no meaning."""
        if name not in self._tensors:
            raise Unsupported(f"it reads {name[:80]!r}, which is computed nowhere before it")
        found = self._tensors[name]
        if found.overwritten:
            raise Unsupported(
                f"it reads {name!r}, part of whose memory {found.overwritten!r} has written over; "
                "use ops that are not in place"
            )
        if isinstance(found.value, Absent):
            raise Unsupported(f"it reads {name!r}: {found.value.reason}")
        return found.value

    def resolved(self, argument: Any) -> Any:
        """An argument with values in place of names."""
        return mapped(argument, lambda item: self.get(item.name) if isinstance(item, Ref) else item)
