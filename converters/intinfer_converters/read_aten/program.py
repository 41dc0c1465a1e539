"""The graph of a `.pt2` archive: its nodes, inputs, outputs and tensors, parsed from JSON.

A torch module is read as the archive that torch exports of it.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import torch
from torch import nn

from intinfer.errors import DataError, ModelFileError
from intinfer.files.foreign import reason as first_line
from intinfer.files.strict_json import Json, integer, items

from .container import Container, member, parse, table, union, word
from .nodes import MAX_ITEMS, Flattened, Node
from .tensors import MAX_RANK, dtype_of, extent, read_old_tensors, read_tensors

SCHEMA = (5, 8)
"""Major versions of torch.export's schema whose graphs are understood: torch 2.3 to 2.13."""


@dataclass(frozen=True)
class Input:
    """A tensor that comes in; `shape` has None for an axis that is not fixed."""

    name: str
    dtype: torch.dtype
    shape: tuple[int | None, ...]


@dataclass(frozen=True, eq=False)
class Program:
    """A whole exported network.

    Attributes:
        constants: name in the graph -> (key in the state_dict, tensor).
        outputs: names of the values that the network gives.
    """

    nodes: tuple[Node, ...]
    inputs: tuple[Input, ...]
    outputs: tuple[str, ...]
    constants: dict[str, tuple[str, torch.Tensor]]


def read_program(path: str | Path) -> Program:
    """The network of a `.pt2` file; nothing in it is executed. Raises DataError."""
    path = Path(path)
    if not path.is_file():
        raise DataError(f"{path}: {'is not a regular file' if path.exists() else 'no such file'}")
    with path.open("rb") as file:
        return read_stream(file, str(path))


def read_stream(file: IO[bytes], name: str) -> Program:
    """The network of an open `.pt2` file; `name` stands in messages."""
    try:
        return _read(Container(file))
    except (DataError, ModelFileError) as error:
        raise DataError(f"{name}: {error}") from None


def _read(container: Container) -> Program:
    old = "serialized_exported_program.json"
    models = [name for name in container.entries if name.endswith(".json") and name.split("/")[-2:-1] == ["models"]]
    if old in container.entries:
        return _program(parse(container.read(old), old), lambda: read_old_tensors(container))
    if len(models) != 1:
        raise DataError(
            f"its archive holds {len(models)} exported programs ({', '.join(models[:3])}); one is read: write it with "
            "torch.export.save(torch.export.export(module.eval(), (example,)), path)"
        )
    root, _, stem = models[0].removesuffix(".json").rpartition("models/")
    order = f"{root}byteorder"
    if order in container.entries and container.read(order) != b"little":
        raise DataError("its tensors are not little-endian; export it on a little-endian machine")
    return _program(parse(container.read(models[0]), models[0]), lambda: read_tensors(container, root, stem))


def _program(document: Json, tensors: Callable[[], dict[str, torch.Tensor]]) -> Program:
    where = "exported program"
    major = integer(member(member(document, "schema_version", where), "major", where), where)
    if not SCHEMA[0] <= major <= SCHEMA[1]:
        raise DataError(
            f"its schema version is {major}, {SCHEMA[0]}..{SCHEMA[1]} are read; export it again with torch 2.3 to 2.13"
        )
    module = member(document, "graph_module", where)
    graph, signature = member(module, "graph", where), member(module, "signature", where)
    by_key = tensors()
    constants: dict[str, tuple[str, torch.Tensor]] = {}
    inputs: list[Input] = []
    metas = table(member(graph, "tensor_values", where), where)
    for item in items(member(signature, "input_specs", where), "inputs", MAX_ITEMS):
        kind, content = union(item, "an input")
        if kind == "user_input":
            inputs.append(_input(member(content, "arg", kind), metas))
        elif kind in ("parameter", "buffer", "tensor_constant"):
            name = word(member(member(content, "arg", kind), "name", kind), kind)
            key = word(member(content, f"{kind}_name", kind), kind)
            if key not in by_key:
                raise DataError(f"{kind} {key[:80]!r} is missing from its archive; save it again")
            constants[name] = (key, by_key[key])
        else:
            raise DataError(f"it takes a {kind.replace('_', ' ')[:40]}; only tensors are read: export it without")
    nodes = Flattened()
    nodes.add(graph)
    outputs = _outputs(member(signature, "output_specs", where))
    known = {*constants, *(x.name for x in inputs)} | nodes.names
    if len(known) != len(constants) + len(inputs) + len(nodes.names):
        raise DataError("two values of its graph have one name")
    for name in outputs:
        if name not in known:
            raise DataError(f"output {name[:80]!r} is no value of its graph")
    return Program(tuple(nodes.nodes), tuple(inputs), outputs, constants)


def _input(argument: Json, metas: dict[str, Json]) -> Input:
    kind, content = union(argument, "an input")
    if kind != "as_tensor":
        raise DataError(f"an input is {kind.removeprefix('as_')[:40]}; export it with tensors as its only inputs")
    name = word(member(content, "name", "an input"), "an input")
    meta = member(metas, name, f"input {name[:80]!r}")
    sizes = items(member(meta, "sizes", name), name, MAX_RANK)
    return Input(name, dtype_of(member(meta, "dtype", name), name), tuple(extent(item, name) for item in sizes))


def _outputs(specs: Json) -> tuple[str, ...]:
    names = []
    for item in items(specs, "outputs", MAX_ITEMS):
        kind, content = union(item, "an output")
        if kind in ("buffer_mutation", "loss_output", "gradient_to_parameter", "gradient_to_user_input"):
            raise DataError(
                f"its graph has a {kind.replace('_', ' ')}, that of a network in training; call .eval() (and disable "
                "observers) before torch.export.export"
            )
        if kind == "user_input_mutation":
            continue
        form, value = kind.replace("_", " "), content
        if kind == "user_output":
            form, value = union(member(content, "arg", kind), "an output")
        if form == "as_tensor":
            names.append(word(member(value, "name", "an output"), "an output"))
        elif form != "as_none":
            raise DataError(f"an output is {form.removeprefix('as_')[:40]}; export it with tensors as its only outputs")
    if not names:
        raise DataError("its graph has no output")
    return tuple(dict.fromkeys(names))


OPEN_BATCH = 2
"""Images that a graph with an open batch axis is exported and read for, to see that it does not mix them."""


def export_program(module: nn.Module, example: Any) -> Program:
    """The exported graph of a module for a batch of one, in inference mode.

    Args:
        example: a tensor or array (N, ...) like the module's input; its first image gives shape and type; floating
            point numbers become those of the module's parameters.

    Raises:
        DataError: torch cannot export the module.
    """
    tensor = torch.as_tensor(example).detach().cpu()
    if tensor.is_floating_point():
        tensor = tensor.to(next((p.dtype for p in module.parameters() if p.is_floating_point()), torch.float32))
    if tensor.ndim < 2 or not len(tensor):
        raise DataError(f"the example has shape {tuple(tensor.shape)}; (N, C, H, W) or (N, C) with N >= 1 is needed")
    return exported(module, tensor[:1].contiguous())


def exported(module: nn.Module, example: torch.Tensor, batch: Any = None) -> Program:
    """The exported graph of a module in evaluation mode, for the batch of `example`, or any `batch` (an export Dim)."""
    name = type(module).__name__
    training = [part for part in module.modules() if part.training]
    axes = None if batch is None else ({0: batch},)
    buffer = io.BytesIO()
    try:
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")
            module.eval()
            torch.export.save(torch.export.export(module, (example,), dynamic_shapes=axes), buffer)
    except DataError:
        raise
    except Exception as error:  # the user's own forward runs under torch.export: anything may come out of it
        raise DataError(
            f"torch.export cannot export {name}: {first_line(error)}; write its forward without branches on values, or "
            "export it to ONNX and convert that"
        ) from None
    finally:
        for part in training:
            part.training = True
    return read_stream(buffer, name)
