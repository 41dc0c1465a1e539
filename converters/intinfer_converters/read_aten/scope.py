"""What the handlers of ATen ops share: constants, type promotion, layouts by running the op itself."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from intinfer.types import IntArray

from ..floatnet import QuantisedWeight, RealWeight
from ..symbolic import Array, Operand, Symbolic, SymbolicNet, Unsupported, weight_of
from ..symbolic.vocabulary.arrangement import gather, strided
from ..symbolic.vocabulary.elementwise import cast
from .schema import MAX_RESULT, Bound, call, mapped

Arguments = Mapping[str, Any]
Handler = Callable[["Scope", Arguments], Any]
NUMPY = {
    torch.float16: np.float16,
    torch.float32: np.float32,
    torch.float64: np.float64,
    torch.bool: np.bool_,
    torch.uint8: np.uint8,
    torch.int8: np.int8,
    torch.int16: np.int16,
    torch.int32: np.int32,
    torch.int64: np.int64,
}
TORCH = {np.dtype(theirs): ours for ours, theirs in NUMPY.items()}


def numpy_type(dtype: torch.dtype) -> np.dtype[Any]:
    """NumPy's type of the same elements. Raises Unsupported for types that networks are not made of."""
    if dtype not in NUMPY:
        raise Unsupported(f"{str(dtype).removeprefix('torch.')} tensors are not supported; export the model in float32")
    return np.dtype(NUMPY[dtype])


@dataclass(frozen=True)
class Absent:
    """A result that is never computed: reading it is refused with `reason`."""

    reason: str


def with_absent(handler: Handler, *reasons: str) -> Handler:
    """An op that gives more beside its result, which is not computed, for these reasons."""
    return lambda scope, a: [handler(scope, a), *map(Absent, reasons)]


@dataclass
class Scope:
    """The network under construction.

    Attributes:
        batch: images that the graph was exported for, 2 where their number is open. Symbolic tensors are the first
            image; sizes that the graph asks for count all of them.
        hints: id of a constant -> the constant, so that its id stays its own, and the integers and the scale that it
            was dequantised from, both of its shape.
    """

    net: SymbolicNet
    batch: int
    hints: dict[int, tuple[torch.Tensor, torch.Tensor, torch.Tensor]] = field(default_factory=dict)

    def array(self, value: Any) -> Array:
        """A constant as a NumPy array."""
        if isinstance(value, Symbolic):
            raise Unsupported("it needs a constant where it is given a computed tensor")
        if isinstance(value, torch.Tensor):
            numpy_type(value.dtype)
            return np.asarray(value.detach().resolve_neg().contiguous().numpy())
        if not isinstance(value, (bool, int, float)):
            raise Unsupported(f"it needs a number where it is given {type(value).__name__}")
        return np.array(value)

    def operand(self, value: Any) -> Operand:
        """A computed tensor, or a constant as an array."""
        return value if isinstance(value, Symbolic) else self.array(value)

    def optional(self, value: Any) -> Array | None:
        """A constant that may be left out."""
        return None if value is None else self.array(value)

    def truth(self, value: Any) -> Operand:
        """Whether each element is not 0, as a bit."""
        if isinstance(value, Symbolic):
            return self.cast(value, np.bool_)
        array = self.array(value)
        return self.one_image(array != 0, array.ndim)

    def number(self, value: Any) -> int | float:
        """A constant of one element."""
        array = self.array(value)
        if array.size != 1:
            raise Unsupported(f"it needs one number where it is given {array.shape}")
        result: int | float = array.reshape(-1)[0].item()
        return result

    def weight(self, value: Any) -> QuantisedWeight | RealWeight:
        """Constant weights, as integers and scales where they are such."""
        if isinstance(value, Symbolic):
            raise Unsupported("its weights are computed from the input; they must be constants")
        hint = self.hints.get(id(value))
        return weight_of(self.array(value), None if hint is None else (hint[1].numpy(), hint[2].numpy()))

    def hint(self, values: torch.Tensor, scale: torch.Tensor) -> None:
        """Remember that `values` are integers times `scale` (which broadcasts against them), when they are."""
        wide = scale.to(torch.float64).expand(values.shape)
        if not bool((torch.isfinite(wide) & (wide > 0)).all()) or not bool(torch.isfinite(values).all()):
            return
        q = torch.round(values.to(torch.float64) / wide)
        if bool((q.abs() <= 2**24).all()) and torch.equal((q * wide).to(values.dtype), values):
            self.keep(values, q.to(torch.int64), wide)

    def keep(self, values: torch.Tensor, q: torch.Tensor, scale: torch.Tensor) -> None:
        """Remember the integers and the scale, both of the shape of `values`, that a constant is made of."""
        self.hints[id(values)] = (values, q.contiguous(), scale.contiguous())

    def one_image(self, constant: Array, rank: int) -> Array:
        """A constant beside tensors of `rank`, where it is repeated for every image of the batch."""
        if constant.ndim == rank and self.batch > 1 and constant.shape[0] == self.batch:
            if (constant != constant[:1]).any():
                raise Unsupported("its constant differs between the images of a batch")
            return constant[:1]
        return constant

    def promoted(self, *operands: Any) -> list[Any]:
        """Operands of an arithmetic op in the one type that torch's rules give them: Symbolic and arrays."""
        types = [self._stand_in(value) for value in operands]
        result = types[0]
        for other in types[1:]:
            result = torch.empty((1,) if result.ndim or other.ndim else (), dtype=torch.result_type(result, other))
        target = numpy_type(result.dtype)
        rank = max(len(value.shape) for value in operands if isinstance(value, Symbolic))
        return [self._typed(value, result.dtype, target, rank) for value in operands]

    def cast(self, x: Symbolic, dtype: npt.DTypeLike) -> Symbolic:
        """A cast; the only float type is that of the network's ops."""
        target = np.dtype(dtype)
        if target.kind == "f" and target != self.net.dtype:
            raise Unsupported(f"it computes in {target}; the float ops of a network are all in {self.net.dtype}")
        return cast(self.net, x, target)

    def _stand_in(self, value: Any) -> torch.Tensor:
        """An empty tensor that counts like `value` in torch's type promotion."""
        if isinstance(value, Symbolic):
            return torch.empty(1, dtype=TORCH[value.dtype], device="cpu")
        if isinstance(value, torch.Tensor):
            return torch.empty((1,) if value.ndim else (), dtype=value.dtype)
        # A Python number counts like a tensor without axes of the default type of its kind.
        kinds = {bool: torch.bool, int: torch.int64, float: torch.float32}
        if type(value) not in kinds:
            raise Unsupported(f"it computes with {type(value).__name__}")
        return torch.empty((), dtype=kinds[type(value)])

    def _typed(self, value: Any, dtype: torch.dtype, target: np.dtype[Any], rank: int) -> Any:
        if isinstance(value, Symbolic):
            return self.cast(value, target)
        if isinstance(value, torch.Tensor):
            return self.one_image(self.array(value.to(dtype)), rank)
        if isinstance(value, float) and not math.isfinite(value) and target.kind != "f":
            raise Unsupported(f"its constant is {value}")
        return np.array(value).astype(target)

    def arranged(self, bound: Bound, x: Symbolic, change: Callable[[Any], Any]) -> Any:
        """The result of an op that only moves elements: the op itself is run on the places of the elements.

        It is run on the whole batch, to see that every image gets the same and nothing but its own.
        """
        size, count = x.size, self.batch
        if size * count > MAX_RESULT:
            raise Unsupported(f"a batch of {count} x {size} elements is too large; export it with a batch of 1")
        # torch scales the places of an upsampling in the tensor's type: in float32, whose integers are exact to 2^24.
        scaled = "upsample" in bound.packet
        if scaled and size * count > 2**24:
            raise Unsupported(f"it resizes a batch of {count} x {size} elements; at most {2**24} are resized exactly")
        places = torch.empty((count, *x.shape[1:]), dtype=torch.float32 if scaled else torch.float64)
        arguments = {key: places if value is x else mapped(value, change) for key, value in bound.arguments.items()}
        result = call(bound, arguments)
        if any(not _is_view(part, places) for part in _parts(result)):  # then the places themselves are needed
            torch.arange(size * count, dtype=places.dtype, out=places.view(-1))
            result = call(bound, arguments)
        moved = [self._moved(x, part, places) for part in _parts(result)]
        return moved[0] if isinstance(result, torch.Tensor) else moved

    def _moved(self, x: Symbolic, result: torch.Tensor, places: torch.Tensor) -> Symbolic:
        shape = tuple(result.shape)
        if not result.numel() or not shape or shape[0] != self.batch:
            raise Unsupported(f"it gives shape {shape}; the batch axis stays first, and no axis is empty")
        if _is_view(result, places):
            offset = int(result.storage_offset())
            reach = sum((extent - 1) * stride for extent, stride in zip(shape[1:], result.stride()[1:], strict=True))
            shifted = self.batch == 1 or result.stride(0) == x.size
            if not shifted or offset + reach >= x.size:
                raise Unsupported("it mixes the images of a batch")
            return strided(x, (1, *shape[1:]), result.stride(), offset)
        moved: IntArray = result.to(torch.int64).contiguous().numpy()
        images = np.arange(self.batch).reshape(-1, *[1] * (moved.ndim - 1)) * x.size
        if (moved != moved[:1] + images).any() or moved[0].max() >= x.size:
            raise Unsupported("it mixes the images of a batch")
        return gather(x, moved[:1])


def _parts(result: Any) -> list[torch.Tensor]:
    return [result] if isinstance(result, torch.Tensor) else list(result)


def _is_view(part: torch.Tensor, whole: torch.Tensor) -> bool:
    """Whether a tensor is a view of the memory of another one: then its strides say where its elements are."""
    return part.untyped_storage().data_ptr() == whole.untyped_storage().data_ptr()
