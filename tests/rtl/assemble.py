"""A design from the manifest of a vector set: every node an instance of the reference RTL with literal parameters.

The streams of values lie NHWC. A value that has several readers goes through `stream_fork`, which has a FIFO of one
frame for each of them. That is enough for any graph to run without a deadlock:

Let f(v) be the number of frames that node v has completely sent. Every node sends frame f once it has frame f of all
its inputs. So a node v waits either for a word of frame f(v) from a producer u, and then f(u) <= f(v), or for room in
a stream to a reader w that has not taken all of frame f(v) yet, and then f(w) <= f(v); where that stream has a FIFO of
a frame, which is full, even f(w) < f(v). In a deadlock some nodes wait for each other in a circle. Along it f never
grows, so it is the same everywhere, and nobody waits for room in a FIFO. As the graph itself has no circle, some node u
on it is waited for by one reader, for words, while it waits for another reader to take some. Then u has two readers and
a FIFO before each of them: a contradiction.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import PurePosixPath
from typing import Any

from rtl.netlist import Design, Json, Stream, file_of, layout, longint, quoted, vector


def assemble(manifest: Json) -> str:
    """The text of `module dut` for the graph that a manifest describes.

    Raises ValueError for values that do not lie NHWC, generated weights that are not of rule 30, constants in bipolar
    code that are no weights, and sets without memh.
    """
    design = Design(manifest)
    design.open()
    for node in manifest["nodes"]:
        design.begin(node)
        NODES[node["op"]](design, node)
    return design.close()


def _conv2d(design: Design, node: Json) -> None:
    weight = design.constants[node["name"], "weight"]
    extents = dict(zip(weight["axes"], weight["shape"], strict=True))
    attributes = node["attributes"]
    window = {"KH": extents.get("KH", 1), "KW": extents.get("KW", 1)} | _window(attributes)
    if node["op"] == "conv2d":
        window |= {"DILATION_Y": attributes["dilation"][0], "DILATION_X": attributes["dilation"][1]}
    source, result = design.take(node["inputs"][0]), design.result(node)
    pad = attributes.get("pad_value", [0])
    accumulator = attributes["accumulator"]
    parameters = {
        **_map(source),
        "O": extents["O"],
        **window,
        "GROUPS": attributes.get("groups", 1),
        "A_BITS": source.bits,
        "A_SIGNED": source.signed,
        "PAD": vector(source.bits, pad * (source.shape[0] // len(pad))),
        "IN_FOLD": source.fold,
        "OUT_FOLD": result.fold,
        **_weights(weight),
        "ACC_BITS": accumulator["bits"],
        "OVERFLOW": quoted(accumulator["overflow"]),
        "ORDER": quoted(accumulator["order"] or "KKC"),
        "LANES": accumulator["fold"] or extents["I"],
        "NAME": quoted(PurePosixPath(file_of(design.values[node["name"]])).stem),
    }
    mask = {"d_data": f"{{{extents['O']}{{1'b0}}}}", "d_valid": "1'b0", "d_ready": "", "d_last": "1'b0"}
    if design.demand is not None:
        parameters["DEMAND"] = True
        mask = design.demand.ports("d")
        design.demand = None
    design.add("conv2d", parameters, source.ports("s") | mask | result.ports("m"))
    design.give(node["name"], result)


def _weights(weight: Json) -> dict[str, Any]:
    parameters = {
        "W_BITS": weight["bits"],
        "W_CODE": quoted(weight["code"]),
        "W_FOLD": weight["elements_per_word"],
        "WEIGHTS": quoted(file_of(weight)),
    }
    if weight["generated"] is None:
        return parameters
    if weight["generated"]["rule"] != 30:
        raise ValueError(f"{weight['node']}: weights of rule {weight['generated']['rule']}; the reference RTL has 30")
    return parameters | {"GENERATED": True, "SEED": vector(1, weight["generated"]["seed"])}


def _threshold(design: Design, node: Json) -> None:
    rows, count = design.constants[node["name"], "thresholds"]["shape"]
    fold = design.values[node["name"]]["elements_per_word"]
    source = design.take(node["inputs"][0], fold=fold)
    parameters = {
        **_elements(design, node, source),
        "COUNT": count,
        "ROWS": rows,
        **_constant(design, node, "thresholds", "THRESHOLDS", "T"),
        "DESCENDING": quoted(file_of(design.constants[node["name"], "descending"])),
        "BASE": longint(node["attributes"]["base"]),
        "STEP": longint(node["attributes"]["step"]),
    }
    design.single(node, "threshold", parameters, source)


def _requant(design: Design, node: Json) -> None:
    fold = design.values[node["name"]]["elements_per_word"]
    source = design.take(node["inputs"][0], fold=fold)
    parameters = _elements(design, node, source)
    for attribute, letter in (("multiplier", "M"), ("offset", "B"), ("shift", "S")):
        parameters |= _constant(design, node, attribute, attribute.upper(), letter)
        parameters[f"{letter}_ROWS"] = design.constants[node["name"], attribute]["shape"][0]
    del parameters["S_SIGNED"]  # shifts are never negative
    parameters |= {
        "ROUNDING": quoted(node["attributes"]["rounding"]),
        "LO": longint(node["attributes"]["lo"]),
        "HI": longint(node["attributes"]["hi"]),
    }
    design.single(node, "requant", parameters, source)


def _clamp(design: Design, node: Json) -> None:
    fold = design.values[node["name"]]["elements_per_word"]
    source = design.take(node["inputs"][0], fold=fold)
    ends = {end.upper(): longint(node["attributes"][end]) for end in ("lo", "hi")}
    design.single(node, "clamp", _elements(design, node, source) | ends, source)


def _abs(design: Design, node: Json) -> None:
    fold = design.values[node["name"]]["elements_per_word"]
    source = design.take(node["inputs"][0], fold=fold)
    parameters = _elements(design, node, source)
    del parameters["C"]
    design.single(node, "absolute", parameters, source)


def _table(design: Design, node: Json) -> None:
    rows, size = design.constants[node["name"], "entries"]["shape"]
    fold = design.values[node["name"]]["elements_per_word"]
    source = design.take(node["inputs"][0], fold=fold)
    parameters = {
        **_elements(design, node, source),
        "ROWS": rows,
        "SIZE": size,
        "START": node["attributes"]["start"],
        **_constant(design, node, "entries", "ENTRIES", "E"),
    }
    design.single(node, "table_lookup", parameters, source)


def _affine(design: Design, node: Json) -> None:
    tensor = design.values[node["name"]]
    source = design.take(node["inputs"][0], fold=tensor["elements_per_word"], bits=tensor["bits"])
    parameters = {
        "C": source.shape[0],
        "FOLD": source.fold,
        "OUT_BITS": tensor["bits"],
        **_constant(design, node, "multiplier", "MULTIPLIER", "M"),
        **_constant(design, node, "offset", "OFFSET", "B"),
    }
    design.single(node, "affine", parameters, source)


def _bitshift(design: Design, node: Json) -> None:
    result = design.result(node)
    bits = node["attributes"]["bits"]
    a, b = (design.take(name, fold=result.fold, bits=bits) for name in node["inputs"])
    parameters = {"FOLD": result.fold, "K": bits, "OUT_BITS": result.bits}
    design.add("bitshift", parameters, a.ports("a") | b.ports("b") | result.ports("m"))
    design.give(node["name"], result)


def _mux(design: Design, node: Json) -> None:
    result = design.result(node)
    select = design.take(node["inputs"][0])
    one, zero = (design.take(name, fold=result.fold, bits=result.bits) for name in node["inputs"][1:])
    parameters = {"C": result.shape[0], "S_FOLD": select.fold, "FOLD": result.fold, "BITS": result.bits}
    connections = select.ports("s") | one.ports("one") | zero.ports("zero") | result.ports("m")
    design.add("mux", parameters, connections)
    design.give(node["name"], result)


def _concat(design: Design, node: Json) -> None:
    result = design.result(node)
    channels = [layout(design.values[name])[0][0] for name in node["inputs"]]
    sources = [
        design.take(name, fold=run, bits=result.bits) for name, run in zip(node["inputs"], channels, strict=True)
    ]
    parameters = {"INPUTS": len(sources), "C": sum(channels), "BITS": result.bits, "OUT_FOLD": result.fold}
    design.add("concat", parameters, _side_by_side(sources) | result.ports("m"))
    design.give(node["name"], result)


def _add(design: Design, node: Json) -> None:
    result = design.result(node)
    sources = [design.take(name, fold=result.fold, bits=result.bits) for name in node["inputs"]]
    parameters = {
        "INPUTS": len(sources),
        "FOLD": result.fold,
        "BITS": result.bits,
        "MULTIPLIERS": vector(result.bits, node["attributes"]["multipliers"]),
    }
    design.add("add", parameters, _side_by_side(sources) | result.ports("m"))
    design.give(node["name"], result)


def _channel_select(design: Design, node: Json) -> None:
    tensor = design.values[node["name"]]
    source = design.take(node["inputs"][0], bits=tensor["bits"])
    indices = design.constants[node["name"], "indices"]
    parameters = {
        "C_IN": source.shape[0],
        "C_OUT": tensor["run"],
        "BITS": source.bits,
        "IN_FOLD": source.fold,
        "OUT_FOLD": tensor["elements_per_word"],
        "I_BITS": indices["bits"],
        "INDICES": quoted(file_of(indices)),
    }
    design.single(node, "channel_select", parameters, source)


def _max_pool(design: Design, node: Json) -> None:
    tensor = design.values[node["name"]]
    source = design.take(node["inputs"][0], bits=tensor["bits"])
    dilation = node["attributes"]["dilation"]
    parameters = {
        "BITS": source.bits,
        "SIGNED": tensor["signed"],
        **_map(source),
        "KH": node["attributes"]["kernel"][0],
        "KW": node["attributes"]["kernel"][1],
        **_window(node["attributes"]),
        "DILATION_Y": dilation[0],
        "DILATION_X": dilation[1],
        "IN_FOLD": source.fold,
        "OUT_FOLD": tensor["elements_per_word"],
    }
    design.single(node, "max_pool", parameters, source)


def _sum_pool(design: Design, node: Json) -> None:
    source, tensor = design.take(node["inputs"][0]), design.values[node["name"]]
    parameters = {
        "IN_BITS": source.bits,
        "SIGNED": source.signed,
        "OUT_BITS": tensor["bits"],
        **_map(source),
        "KH": node["attributes"]["kernel"][0],
        "KW": node["attributes"]["kernel"][1],
        **_window(node["attributes"]),
        "IN_FOLD": source.fold,
        "OUT_FOLD": tensor["elements_per_word"],
    }
    design.single(node, "sum_pool", parameters, source)


def _tgap(design: Design, node: Json) -> None:
    tensor, top = design.values[node["name"]], node["attributes"]["top"]
    source = design.take(node["inputs"][0], bits=top.bit_length())
    parameters = {
        **_map(source),
        "BITS": source.bits,
        "TOP": longint(top),
        "IN_FOLD": source.fold,
        "OUT_FOLD": tensor["elements_per_word"],
    }
    design.single(node, "tgap", parameters, source)


def _flatten(design: Design, node: Json) -> None:
    tensor = design.values[node["name"]]
    source = design.take(node["inputs"][0], bits=tensor["bits"])
    folds = {"IN_FOLD": source.fold, "OUT_FOLD": tensor["elements_per_word"]}
    design.single(node, "flatten", {**_map(source), "BITS": source.bits, **folds}, source)


def _gather(design: Design, node: Json) -> None:
    tensor, index = design.values[node["name"]], design.constants[node["name"], "index"]
    source = design.take(node["inputs"][0], bits=tensor["bits"])
    (channels, height, width), fold, bits, _ = layout(tensor)
    parameters = {
        **_map(source),
        "BITS": bits,
        "IN_FOLD": source.fold,
        "OUT_C": channels,
        "OUT_PIXELS": height * width,
        "OUT_FOLD": fold,
        "I_BITS": index["bits"],
        "I_SIGNED": index["signed"],
        "INDEX": quoted(file_of(index)),
        "FILL": longint(node["attributes"]["fill"]),
    }
    design.single(node, "gather", parameters, source)


def _argmax(design: Design, node: Json) -> None:
    source, tensor = design.take(node["inputs"][0]), design.values[node["name"]]
    parameters = {
        "C": source.shape[0],
        "IN_FOLD": source.fold,
        "IN_BITS": source.bits,
        "SIGNED": source.signed,
        "OUT_FOLD": tensor["elements_per_word"],
        "OUT_BITS": tensor["bits"],
    }
    design.single(node, "argmax", parameters, source)


NODES: dict[str, Callable[[Design, Json], None]] = {
    "abs": _abs,
    "add": _add,
    "affine": _affine,
    "argmax": _argmax,
    "bitshift": _bitshift,
    "channel_select": _channel_select,
    "clamp": _clamp,
    "concat": _concat,
    "conv2d": _conv2d,
    "dense": _conv2d,
    "flatten": _flatten,
    "gather": _gather,
    "max_pool": _max_pool,
    "mux": _mux,
    "requant": _requant,
    "sum_pool": _sum_pool,
    "table": _table,
    "tgap": _tgap,
    "threshold": _threshold,
}


def _map(stream: Stream) -> dict[str, int]:
    return dict(zip(("C", "H", "W"), stream.shape, strict=True))


def _window(attributes: Json) -> dict[str, int]:
    """Stride and pads; of a dense layer, which has none, a step of one."""
    stride = dict(zip(("STRIDE_Y", "STRIDE_X"), attributes.get("stride", (1, 1)), strict=True))
    names = ("PAD_TOP", "PAD_LEFT", "PAD_BOTTOM", "PAD_RIGHT")
    return stride | dict(zip(names, attributes.get("pads", (0, 0, 0, 0)), strict=True))


def _elements(design: Design, node: Json, source: Stream) -> dict[str, Any]:
    """What the ops that work on one element have in common."""
    return {
        "C": source.shape[0],
        "FOLD": source.fold,
        "IN_BITS": source.bits,
        "IN_SIGNED": source.signed,
        "OUT_BITS": design.values[node["name"]]["bits"],
    }


def _constant(design: Design, node: Json, attribute: str, file: str, letter: str) -> dict[str, Any]:
    tensor = design.constants[node["name"], attribute]
    if tensor["code"] == "bipolar":
        raise ValueError(f"{node['name']}: {attribute} in bipolar code; the reference RTL takes two's complement")
    return {f"{letter}_BITS": tensor["bits"], f"{letter}_SIGNED": tensor["signed"], file: quoted(file_of(tensor))}


def _side_by_side(sources: list[Stream]) -> dict[str, str]:
    """Several streams at the vector ports s, the first in the least significant bits."""
    return {
        f"s_{signal}": "{" + ", ".join(getattr(source, signal) for source in reversed(sources)) + "}"
        for signal in ("data", "valid", "ready", "last")
    }
