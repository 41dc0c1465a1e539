"""What every layer of the networks here says of itself: the integer op it becomes, and the integers it may give."""

from __future__ import annotations

from typing import Any, ClassVar

from torch import Tensor, nn

from intinfer.graph import Shape
from intinfer.types import IntType


class Layer(nn.Module):
    """A layer whose inputs and result are integers held in floats.

    Attributes:
        kind: the op of the integer graph that it becomes, "" for one that only waits for a quantiser.
    """

    kind: ClassVar[str] = ""

    def integers(self, shape: Shape, *inputs: IntType) -> IntType:
        """The integers it may give when nothing is known of its weights but their code.

        Args:
            shape: of its first input, (C, H, W) or (C,).
            inputs: what each input may hold, in the order of `forward`.

        Returns:
            The union of its inputs, for layers that only choose or move elements.
        """
        union = inputs[0]
        for other in inputs[1:]:
            union = union.union(other)
        return union


class Net(nn.Module):
    """A network of images whose stages are the modules s1, s2, ...

    Attributes:
        arguments: as its name in `nets` takes them.
    """

    def __init__(self, arguments: Any) -> None:
        super().__init__()
        self.arguments = arguments

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """(channels, height, width) of the raw pixels."""
        return 3, self.arguments.height, self.arguments.width

    def staged(self, x: Tensor) -> Tensor:
        """`x` behind all stages, one after the other."""
        for number in range(1, len(self.arguments.stages) + 1):
            x = self.get_submodule(f"s{number}")(x)
        return x
