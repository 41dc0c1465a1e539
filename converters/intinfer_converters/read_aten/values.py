"""The values of a graph while it is read: names, and which of them share memory, for ops that write in place.

Exported graphs keep ops in place (`relu_`, `add_`). Here nothing is written: a new value takes the names of the old.
Where another name has part of the same memory under another shape, reading it afterwards is refused.
"""

from __future__ import annotations

from typing import Any

from ..symbolic import Unsupported
from .nodes import Ref
from .scope import Absent


class Refused:
    """A value of a node that was refused; what depends on it is passed over without another report."""


REFUSED = Refused()


class Values:
    """Name -> value: a Symbolic, a constant tensor, a number, `Absent` or `REFUSED`."""

    def __init__(self) -> None:
        self._value: dict[str, Any] = {}
        self._cell: dict[str, int] = {}  # names of one cell are the same tensor
        self._memory: dict[str, int] = {}  # names of one memory share it, perhaps in part
        self._sharing: dict[int, list[str]] = {}
        self._stale: dict[str, str] = {}
        self._fixed: dict[int, str] = {}  # memory of parameters -> their key

    def set(self, name: str, value: Any, key: str = "") -> None:
        """A value with memory of its own; `key` is that of a parameter, which nothing may change."""
        self._value[name] = value
        memory = self._cell[name] = self._memory[name] = len(self._cell)
        self._sharing[memory] = [name]
        if key:
            self._fixed[memory] = key

    def share(self, name: str, value: Any, source: str, whole: bool) -> None:
        """A value in the memory of `source`: the very same tensor, or perhaps a view of it."""
        self.set(name, value)
        self._memory[name] = self._memory[source]
        self._sharing[self._memory[source]].append(name)
        if whole:
            self._cell[name] = self._cell[source]

    def write(self, name: str, value: Any, target: str) -> None:
        """`value`, called `name`, is written over the tensor `target`."""
        key = self._fixed.get(self._memory[target])
        if key is not None:
            raise Unsupported(f"it changes {key!r}, a state from one image to the next; call .eval() before exporting")
        cell = self._cell[target]
        for other in self._sharing[self._memory[target]]:
            if self._cell[other] == cell:
                self._value[other] = value
            else:
                self._stale[other] = name
        self.share(name, value, target, whole=True)

    def get(self, name: str) -> Any:
        """The value that a name has now. Raises Unsupported where reading it has no meaning."""
        if name in self._stale:
            raise Unsupported(
                f"it reads {name!r}, part of whose memory {self._stale[name]!r} has written over; "
                "use ops that are not in place"
            )
        if name not in self._value:
            raise Unsupported(f"it reads {name[:80]!r}, which is computed nowhere before it")
        value = self._value[name]
        if isinstance(value, Absent):
            raise Unsupported(f"it reads {name!r}: {value.reason}")
        return value

    def resolved(self, argument: Any) -> Any:
        """An argument with values in place of names."""
        if isinstance(argument, Ref):
            return self.get(argument.name)
        return [self.resolved(item) for item in argument] if isinstance(argument, list) else argument
