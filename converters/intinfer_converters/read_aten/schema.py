"""ATen ops by name: which there are to call, their arguments by the names of their schema, and what they alias.

Only ops of `tables` are ever looked up: a name in a file does not choose what is called.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import torch

from ..symbolic import Unsupported

OBSERVING = frozenset(("aten.fused_moving_avg_obs_fake_quant", "aten._fused_moving_avg_obs_fq_helper"))
"""Ops that change their arguments unless their observer is off, which `quantisers` looks at."""
MAX_RESULT = 2**26
"""Elements of a tensor that is made while reading."""


@dataclass(frozen=True)
class Bound:
    """An op with its arguments.

    Attributes:
        packet: the op without its overload and without the trailing _ of ops in place, like "aten.add".
        arguments: by the names of the schema, defaults filled in, in its order.
        in_place: whether it writes its first argument.
        views: whether its result may share memory with its first argument.
    """

    op: Any
    packet: str
    arguments: Mapping[str, Any]
    in_place: bool
    views: bool


def packet_of(target: str) -> str:
    """ "aten.add" of "aten.add_.Tensor"."""
    namespace, _, rest = target.partition(".")
    name = rest.partition(".")[0]
    return f"{namespace}.{name if name.endswith('__') else name.removesuffix('_')}"


def overload_of(target: str) -> Any:
    """torch's op of the name "aten.conv2d.default"."""
    if target.startswith("quantized_decomposed."):
        with suppress(ImportError):  # registers them
            import_module("torch.ao.quantization.fx")
    try:
        namespace, name, overload = target.split(".")
        return getattr(getattr(getattr(torch.ops, namespace), name), overload)
    except (AttributeError, ValueError):
        raise Unsupported(
            f"this torch {torch.__version__} has no such op; convert with the one that wrote it"
        ) from None


def bind(target: str, given: tuple[tuple[str, Any], ...]) -> Bound:
    """The op `target` with its arguments bound to its schema. Its packet is in a table: the caller has looked."""
    op, name = overload_of(target), target.split(".")[1]
    schema = op._schema
    values: dict[str, Any] = {}
    for place, (key, value) in enumerate(given):
        name_of = key or (schema.arguments[place].name if place < len(schema.arguments) else "")
        if name_of in values or not name_of:
            raise Unsupported(f"argument {place} ({name_of!r}) is given twice or unknown")
        values[name_of] = value
    if any(argument.is_out for argument in schema.arguments):
        raise Unsupported("it writes into a given tensor; use the form that returns its result")
    for argument in schema.arguments:
        if argument.name not in values and not argument.has_default_value():
            raise Unsupported(f"its argument {argument.name!r} is missing")
    arguments = {argument.name: values.pop(argument.name, argument.default_value) for argument in schema.arguments}
    if values:
        raise Unsupported(f"it has no argument {next(iter(values))!r}")
    aliases = any(result.alias_info is not None for result in schema.returns)
    in_place = name.endswith("_") and not name.endswith("__") and bool(schema.is_mutable)
    if schema.is_mutable and not in_place and packet_of(target) not in OBSERVING:
        raise Unsupported("it changes one of its arguments; use the form that returns its result")
    return Bound(op, packet_of(target), arguments, in_place, aliases and not in_place)


def call(bound: Bound, arguments: Mapping[str, Any]) -> Any:
    """What the op gives for tensors, after its result's size has been looked at."""
    schema = bound.op._schema.arguments
    positional = [arguments[a.name] for a in schema if not a.kwarg_only]
    named = {a.name: arguments[a.name] for a in schema if a.kwarg_only}
    meta = {**mapped(named, _on_meta), **({"device": torch.device("meta")} if "device" in named else {})}
    with torch.no_grad():
        try:
            shapes = bound.op(*mapped(positional, _on_meta), **meta)
        except (NotImplementedError, RuntimeError):  # its size depends on values, of which there are no more
            shapes = None
        for shape in shapes if isinstance(shapes, (list, tuple)) else [shapes]:
            if isinstance(shape, torch.Tensor) and shape.numel() > MAX_RESULT:
                raise Unsupported(f"it makes {tuple(shape.shape)}; at most {MAX_RESULT} elements are made")
        return bound.op(*positional, **named)


def mapped(value: Any, change: Callable[[Any], Any]) -> Any:
    """`value`, with `change` applied within lists and dictionaries."""
    if isinstance(value, (list, tuple)):
        return [mapped(item, change) for item in value]
    if isinstance(value, dict):
        return {key: mapped(item, change) for key, item in value.items()}
    return change(value)


def _on_meta(value: Any) -> Any:
    return value.to("meta") if isinstance(value, torch.Tensor) else value
