"""The names of an op in each source, beside its meaning."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, TypeVar

Form = Literal["tensor", "operands", "axes", "place"]
"""What a function takes behind the network; each reader has a function that finds it in a node of its source.

tensor: one tensor. operands: two, tensors or constants. axes: a tensor, the axes that it reduces over, and whether they
stay as axes of 1. place: a tensor, the axis along which a place is found, and whether it stays as an axis of 1.
"""
Meaning = Callable[..., Any]
_Named = TypeVar("_Named", bound=Meaning)
ONNX: dict[str, tuple[Form, Meaning]] = {}
"""Standard operator of ONNX -> what it means."""
ATEN: dict[str, tuple[Form, Meaning]] = {}
"""ATen op, without namespace and overload -> what it means."""


def word(form: Form, onnx: str = "", aten: str = "") -> Callable[[_Named], _Named]:
    """What the function below is called in each source; several names have blanks between them."""

    def named(meaning: _Named) -> _Named:
        ONNX.update(dict.fromkeys(onnx.split(), (form, meaning)))
        ATEN.update(dict.fromkeys(aten.split(), (form, meaning)))
        return meaning

    return named
