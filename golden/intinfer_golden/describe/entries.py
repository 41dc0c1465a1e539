"""The manifest's entries of values, nodes, tensors and ports, and what an entry speaks of."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from enum import Enum
from typing import Any

from intinfer.accumulator import Accumulator
from intinfer.graph import Graph, Node, Value
from intinfer.ops import Bitshift, Requant, Tgap, Threshold
from intinfer.tensor import CellularWeights, IntTensor

from .codes import Code
from .formats import FORMATS
from .layout import Slot
from .tensors import Tensor

LETTERS = {"in": "s", "demand": "d", "out": "m"}
"""That the names of ports begin with, by direction."""


def value_entry(value: Value) -> dict[str, Any]:
    """An input of the graph."""
    return {"name": value.name, "shape": list(value.shape), "lo": value.type.lo, "hi": value.type.hi}


def output_entries(graph: Graph) -> list[dict[str, Any]]:
    """The graph's outputs: real = scale * z + offset, the fractions as text."""
    return [
        {
            "name": out.name,
            "value": out.value,
            "scale": [str(number) for number in out.scale],
            "offset": [str(number) for number in out.offset],
        }
        for out in graph.outputs
    ]


def node_entry(node: Node) -> dict[str, Any]:
    """A node with every attribute that is not a tensor."""
    attributes = {field.name: getattr(node.op, field.name) for field in fields(node.op)}
    plain = {name: value for name, value in attributes.items() if not isinstance(value, IntTensor | CellularWeights)}
    return {
        "name": node.name,
        "source": list(node.source),
        "op": node.op.kind,
        "inputs": list(node.inputs),
        "shape": list(node.output.shape),
        "lo": node.output.type.lo,
        "hi": node.output.type.hi,
        "compare": _compare(node),
        "rounding": _rounding(node),
        "attributes": {name: _plain(value) for name, value in plain.items()},
    }


def _compare(node: Node) -> list[str] | None:
    """The comparison that a channel's 1 means: one for all channels, or one a channel."""
    if isinstance(node.op, Threshold):
        return ["<=" if down else ">=" for down in node.op.descending.values]
    return [">"] if isinstance(node.op, Tgap) else None


def _rounding(node: Node) -> str | None:
    if isinstance(node.op, Requant):
        return str(node.op.rounding)
    return "floor" if isinstance(node.op, Bitshift) and node.op.bits > 1 else None


def _plain(value: Any) -> Any:
    if isinstance(value, Accumulator):
        return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    return str(value) if isinstance(value, Enum) else value


@dataclass(frozen=True)
class Written:
    """A file of a set: path inside the set, length, SHA-256, and whose memory's words it holds where each has one."""

    format: str
    path: str
    bytes: int
    sha256: str
    memory: int | None = None


def file_path(tensor: Tensor, format_: str, memory: int | None = None) -> str:
    """The path of a tensor's file inside the set."""
    return f"{tensor.path}{'' if memory is None else f'.pe{memory}'}.{format_}"


def tensor_entry(
    tensor: Tensor,
    files: Sequence[Written],
    seen: tuple[int, int],
    overflows: int | None,
    generated: CellularWeights | None,
) -> dict[str, Any]:
    """A tensor with the lowest and highest value `seen` in it."""
    automaton = generated and {"rule": generated.rule, "seed": list(generated.seed), "rows": generated.rows}
    return {
        "node": tensor.node,
        "attribute": tensor.attribute or None,
        "role": tensor.role,
        "source": list(tensor.source),
        "axes": list(tensor.axes),
        "shape": list(tensor.shape),
        "order": list(tensor.order),
        "bits": tensor.code.bits,
        "signed": tensor.code.signed,
        "code": tensor.code.name,
        "code_map": tensor.code.map,
        "elements": tensor.elements,
        "elements_per_word": tensor.lanes,
        "pe": tensor.pe,
        "simd": tensor.fold,
        "memories": tensor.memories if tensor.per_pe else None,
        "groups": tensor.groups,
        "fold_axis": tensor.fold_axis,
        "run_axes": list(tensor.order[len(tensor.order) - tensor.run_axes :]),
        "run": tensor.run,
        "words_per_run": tensor.words_per_run,
        "frame_words": tensor.frame_words,
        "words": tensor.words,
        "slot_bits": tensor.slot_bits,
        "extend": "sign" if tensor.slot.repeats_sign(tensor.code) else "zero",
        "word_bits": tensor.word_bits,
        "beat_bits": tensor.beat_bits,
        "lsb_first": tensor.slot.lsb_first,
        "lo": tensor.lo,
        "hi": tensor.hi,
        "min": seen[0],
        "max": seen[1],
        "overflows": overflows,
        "generated": automaton,
        "files": [asdict(file) for file in files],
    }


def tensor_of(item: dict[str, Any]) -> tuple[Tensor, tuple[Written, ...]]:
    """What `tensor_entry` was made of.

    Raises LookupError, TypeError or ValueError for an entry that it does not make.
    """
    tensor = Tensor(
        node=str(item["node"]),
        attribute=str(item["attribute"] or ""),
        role=str(item["role"]),
        source=tuple(str(name) for name in item["source"]),
        axes=tuple(item["axes"]),
        shape=tuple(int(extent) for extent in item["shape"]),
        order=tuple(item["order"]),
        code=Code(item["code"], int(item["bits"])),
        lo=int(item["lo"]),
        hi=int(item["hi"]),
        fold=int(item["simd"]),
        pe=int(item["pe"]),
        per_pe=item["memories"] is not None,
        run_axes=len(item["run_axes"]),
        groups=int(item["groups"]),
        slot=Slot(int(item["slot_bits"]), item["extend"] == "zero", bool(item["lsb_first"])),
    )
    _check(tensor, item)
    files = tuple(
        Written(
            file["format"],
            file_path(tensor, file["format"], memory),
            int(file["bytes"]),
            str(file["sha256"]),
            memory,
        )
        for file in item["files"]
        if file["format"] in FORMATS
        for memory in (file["memory"],)
    )
    for name in {file.format for file in files}:
        if [file.memory for file in files if file.format == name] != list(FORMATS[name].memories(tensor)):
            raise ValueError(f"{tensor.name} has not one {name} file a memory")
    if not files:
        raise ValueError("no files")
    return tensor, files


def _check(tensor: Tensor, item: dict[str, Any]) -> None:
    """Raise ValueError for an entry that contradicts itself."""
    if sorted(tensor.axes) != sorted(tensor.order) or len(tensor.axes) != len(tensor.shape):
        raise ValueError(f"axes {tensor.axes}, shape {tensor.shape} and order {tensor.order} do not fit")
    if not tensor.attribute and tensor.order[0] != "N":
        raise ValueError(f"order {tensor.order} of {tensor.name} does not begin with N")
    if min((*tensor.shape, tensor.fold, tensor.pe, tensor.groups, tensor.slot.unit)) < 1:
        raise ValueError(f"shape {tensor.shape} or tile of {tensor.name} is below 1")
    if tensor.elements != tensor.rows * tensor.run * tensor.groups:
        raise ValueError(f"{tensor.elements} elements of {tensor.name} are not runs of {tensor.run} in equal groups")
    made = tensor_entry(tensor, (), (0, 0), None, None)
    for key in made.keys() - {"min", "max", "overflows", "generated", "files"}:
        if json.dumps(item[key]) != json.dumps(made[key]):  # which tells 1 from true and from 1.0
            raise ValueError(f"{key} of {tensor.name} is {item[key]}, which should be {made[key]}")
    if any(file["path"] != file_path(tensor, file["format"], file["memory"]) for file in item["files"]):
        raise ValueError(f"a file of {tensor.name} has not the name that it should have")


def port_entries(
    graph: Graph, tensors: Sequence[Tensor], given_demand: bool, nodes: Sequence[str] | None
) -> list[dict[str, Any]]:
    """The streams of a design: the graph's inputs, the given demand masks, and its outputs or the `nodes` named."""
    results = [out.value for out in graph.outputs] if nodes is None else nodes
    places = {tensor.node: i for i, tensor in enumerate(tensors) if tensor.role != "demand_mask"}
    masks = [i for i, tensor in enumerate(tensors) if tensor.role == "demand_mask"] if given_demand else []
    streams = {
        "in": [places[value.name] for value in graph.inputs],
        "demand": masks,
        "out": [places[name] for name in results],
    }
    return [
        {"port": f"{LETTERS[direction]}{number}_axis", "direction": direction, "tensor": tensor}
        for direction, found in streams.items()
        for number, tensor in enumerate(found)
    ]


def carried(tensors: Sequence[Tensor], entries: Sequence[dict[str, Any]]) -> dict[str, tuple[str, int]]:
    """The direction of each stream and the number of its tensor, by name.

    Raises ValueError for what `port_entries` does not make.
    """
    found = {}
    counts = Counter[str]()
    for entry in entries:
        direction, number = entry["direction"], entry["tensor"]
        name = f"{LETTERS[direction]}{counts[direction]}_axis"
        counts[direction] += 1
        if entry["port"] != name or type(number) is not int or not 0 <= number < len(tensors):
            raise ValueError(f"there should be a port {name} of one of {len(tensors)} tensors")
        if tensors[number].attribute or (tensors[number].role == "demand_mask") != (direction == "demand"):
            raise ValueError(f"port {name} carries {tensors[number].role} of {tensors[number].name}")
        found[name] = direction, number
    if not counts["in"] or not counts["out"]:
        raise ValueError("ports are without inputs or outputs")
    return found
