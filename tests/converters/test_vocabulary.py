"""One vocabulary, two readers: what one of them takes, the other takes too, or there is a reason."""

import importlib
import inspect
import pkgutil
import re
import types
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest
import torch

from intinfer_converters.read_aten import ours
from intinfer_converters.read_aten.arrangement import COPY, MOVING, SAME, move
from intinfer_converters.read_aten.scope import Scope
from intinfer_converters.read_aten.tables import CONSTANT_ONLY, HANDLERS, REFUSED_OPS
from intinfer_converters.read_onnx.table import CUSTOM, ONNX, REFUSED, channels_last
from intinfer_converters.symbolic import vocabulary

ONE_READER_WORDS = {
    "arrangement.gather": "an order that torch's own op has said",
    "arrangement.strided": "views of torch are read off their strides",
    "arrangement.reshape": "torch's own op is run on the places of the elements",
    "arrangement.transpose": "torch's own op is run on the places of the elements",
    "arrangement.take": "torch's own op is run on the places of the elements",
    "arrangement.broadcast": "torch's own op is run on the places of the elements",
    "arrangement.tile": "torch's own op is run on the places of the elements",
    "arrangement.move_axis": "channels on the last axis are a domain of QONNX",
    "arrangement.pad_with_elements": "torch's own op is run on the places of the elements",
    "arrangement.depth_to_space": "torch's own op is run on the places of the elements",
    "arrangement.space_to_depth": "torch's own op is run on the places of the elements",
    "arrangement.axis_of": "an argument, not an op",
    "elementwise.hard_sigmoid": "ONNX multiplies by alpha, torch divides by 6: each as its source rounds",
    "elementwise.hard_sigmoid_by_sixths": "ONNX multiplies by alpha, torch divides by 6: each as its source rounds",
    "arithmetic.lerp": "ONNX has no such operator: exporters write Sub, Mul and Add",
    "arithmetic.addcmul": "ONNX has no such operator: exporters write Mul and Add",
    "elementwise.trunc": "ONNX has no Trunc of floats",
    "arrangement.stack": "ONNX has no stack: exporters write Unsqueeze and Concat",
    "quantisers.centred": "products of integers are no ops of an exported program",
    "quantisers.bipolar": "an operator of QONNX",
    "quantisers.reached": "an operator of QONNX",
    "quantisers.fake_quantise": "ONNX has no fake quantiser: exporters write QuantizeLinear and DequantizeLinear",
    "reductions.spatial": "an argument, not an op",
    "reductions.tiles": "ONNX has no adaptive pools: exporters write a global pool, or one with a stride",
}
"""Functions of the vocabulary that one reader does not use, and why."""

WITHOUT_A_WORD = {
    **dict.fromkeys(("Identity", "Dropout"), "its result is its argument"),
    "Trunc": "of QONNX: pointwise ops with constants of its own",
    **dict.fromkeys(("Shape", "Size"), "sizes are numbers, read by the reader itself"),
}
"""ONNX operators whose functions call no word, and why; the like of torch are `arrangement.SAME` and `COPY`."""


def test_what_is_refused_by_name_is_refused_from_both():
    assert REFUSED["ConvTranspose"] in REFUSED_OPS.values()
    assert {text.partition("{")[0] for text in (REFUSED["Softmax"], REFUSED["LogSoftmax"])} == {
        REFUSED_OPS["aten.softmax"].partition("export")[0]
    }
    assert {"aten.softmax", "aten.log_softmax", "aten.conv_transpose2d"} <= set(REFUSED_OPS)


@pytest.mark.parametrize("name", ["ConvInteger", "MatMulInteger", "QLinearConv", "QLinearMatMul", "Shape"])
def test_torch_really_has_no_such_op(name):
    """What is said to be no op of an exported program has no op of its name."""
    snake = re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()
    assert not hasattr(torch.ops.aten, snake)


# ---- the functions

MODULES = {
    module.name: importlib.import_module(f"{vocabulary.__name__}.{module.name}")
    for module in pkgutil.iter_modules(vocabulary.__path__)
}
NAMES = {
    id(value): f"{module}.{name}"
    for module, content in MODULES.items()
    for name, value in vars(content).items()
    if getattr(inspect.unwrap(getattr(value, "func", value)), "__module__", "") == content.__name__
    and (inspect.isfunction(value) or isinstance(value, partial))
    and not name.startswith("_")
    and module != "words"
}
"""A function of the vocabulary by its id -> module.name."""
INNER = {
    *("arrangement.apart", "arrangement.one_number", "arrangement.aligned", "arrangement.as_tensor"),
    *("reductions.slid", "layers.summed", "layers.exact_bias", "layers.reshaped_weight"),
}
"""What the vocabulary uses itself."""


def spoken(reader: str, *roots: Any) -> set[str]:
    """The functions of the vocabulary that these functions of a reader call, in it or through others of it."""
    found: set[str] = set()
    seen: set[int] = set()
    todo = list(roots)
    while todo:
        value = todo.pop()
        if id(value) in seen:
            continue
        seen.add(id(value))
        if id(value) in NAMES:
            found.add(NAMES[id(value)])
        elif inspect.isfunction(value) and f".{reader}." in value.__module__:
            todo += [cell.cell_contents for cell in value.__closure__ or ()]
            todo += [item for default in value.__defaults__ or () for item in (default, *getattr(default, "args", ()))]
            todo += [item for code in codes(value.__code__) for item in named(code.co_names, value.__globals__)]
    return found


def codes(code: types.CodeType) -> Iterator[types.CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from codes(constant)


def named(names: tuple[str, ...], scope: dict[str, Any]) -> Iterator[Any]:
    """What names mean in a module: its own, and attributes of the modules that are among them."""
    for value in (scope[name] for name in names if name in scope):
        yield value
        if inspect.ismodule(value) and value.__name__.startswith("intinfer_converters"):
            yield from (getattr(value, name) for name in names if hasattr(value, name))
        if isinstance(value, dict):
            yield from value.values()


ONNX_WORDS = {
    name: spoken("read_onnx", rule)
    for table in (ONNX, *({key: rule for key, (rule, _) in custom.items()} for custom in CUSTOM.values()))
    for name, rule in table.items()
}
ATEN_WORDS = {name: spoken("read_aten", HANDLERS[name]) for name in set(HANDLERS) - set(ours.HANDLERS)}
MOVED = spoken("read_aten", move, Scope.arranged, Scope._moved, Scope.cast, Scope.truth)
"""Words of every op of `MOVING`, and of what handlers call as methods."""


def test_a_word_is_spoken_by_both_readers_or_there_is_a_reason():
    onnx = set().union(*ONNX_WORDS.values(), spoken("read_onnx", channels_last))
    aten = set().union(*ATEN_WORDS.values(), MOVED)
    assert len(onnx & aten) > 40
    assert onnx ^ aten == set(ONE_READER_WORDS)
    assert set(NAMES.values()) - (onnx | aten) == INNER


def test_an_op_calls_a_word_or_there_is_a_reason():
    assert {name for name, words in ONNX_WORDS.items() if not words} == set(WITHOUT_A_WORD)
    same = {name for name, words in ATEN_WORDS.items() if not words}
    casts = {"aten.to", "aten._to_copy", "aten.type_as"}  # through Scope.cast
    assert same == SAME | COPY | casts
    assert not (set(HANDLERS) | MOVING) & (CONSTANT_ONLY | set(REFUSED_OPS))


def test_names_beside_a_meaning_are_read_as_that():
    for name, (_, meaning) in vocabulary.ONNX.items():
        assert NAMES[id(meaning)] in ONNX_WORDS[name]
    for name, (_, meaning) in vocabulary.ATEN.items():
        assert NAMES[id(meaning)] in ATEN_WORDS[f"aten.{name}"]
